//! What nodes become.

use super::super::proto::{NodeProto, TensorProto};
use super::super::tests::{float, floats_tensor, int, ints, ints_tensor, model, node, opened, text};
use crate::program::{
    Binary, Operand, Operator, PadMode, Padding, PoolKind, Reduction, Resize, ResizeKind, Sizes, Unary,
};

/// The operators of a model of these nodes, whose last one makes `y`.
fn operators(version: i64, nodes: &[NodeProto], weights: &[TensorProto]) -> Vec<Operator> {
    let program = opened(&model(version, nodes, weights)).unwrap();
    program.nodes.into_iter().map(|node| node.operator).collect()
}

/// The one operator of a node.
fn only(version: i64, node: NodeProto, weights: &[TensorProto]) -> Operator {
    let [only] = &operators(version, &[node], weights)[..] else { panic!("one operator") };
    only.clone()
}

fn reason(operator: &Operator) -> &str {
    match operator {
        Operator::Unknown { operator } => operator,
        other => panic!("{other:?} is known"),
    }
}

#[test]
fn axes_are_attributes_or_inputs_as_the_version_has_them() {
    let mean = Operator::Reduce { kind: Reduction::Mean, axes: Sizes::known([2, 3]), keep: false };
    let attributes = [ints("axes", &[2, 3]), int("keepdims", 0)];
    assert_eq!(only(17, node("ReduceMean", "x", "y", &attributes), &[]), mean);
    let axes = [ints_tensor("a", &[2], &[2, 3])];
    assert_eq!(only(18, node("ReduceMean", "x a", "y", &[int("keepdims", 0)]), &axes), mean);

    let unsqueeze = Operator::Unsqueeze { axes: Sizes::known([2, 3]) };
    assert_eq!(only(11, node("Unsqueeze", "x", "y", &[ints("axes", &[2, 3])]), &[]), unsqueeze);
    assert_eq!(only(13, node("Unsqueeze", "x a", "y", &[]), &axes), unsqueeze);

    let all = Operator::Reduce { kind: Reduction::Sum, axes: Sizes::List(Vec::new()), keep: true };
    assert_eq!(only(13, node("ReduceSum", "x", "y", &[]), &[]), all);
    assert_eq!(
        only(13, node("ReduceSum", "x", "y", &[int("noop_with_empty_axes", 1)]), &[]),
        Operator::Identity
    );
}

#[test]
fn windows_lie_as_their_padding_says() {
    let weight = [floats_tensor("w", &[4, 3, 3, 1], &[0.0; 36])];
    let conv = |attributes: &[_]| match only(17, node("Conv", "x w", "y", attributes), &weight) {
        Operator::Convolution { stride, padding, .. } => (stride, padding),
        other => panic!("{other:?}"),
    };
    assert_eq!(conv(&[]), (vec![1, 1], Padding::both(vec![0, 0])));
    let uneven = Padding::Explicit { before: vec![1, 2], after: vec![3, 4] };
    assert_eq!(conv(&[ints("pads", &[1, 2, 3, 4])]).1, uneven);
    assert_eq!(conv(&[text("auto_pad", "SAME_UPPER")]).1, Padding::Same { odd_comes_first: false });
    assert_eq!(conv(&[text("auto_pad", "SAME_LOWER")]).1, Padding::Same { odd_comes_first: true });

    let pool =
        only(17, node("AveragePool", "x", "y", &[ints("kernel_shape", &[3]), ints("pads", &[1, 0])]), &[]);
    let expected = Operator::Pool {
        kind: PoolKind::Average { counts_padding: false },
        kernel: vec![1, 3],
        stride: vec![1, 1],
        padding: Padding::Explicit { before: vec![0, 1], after: vec![0, 0] },
        dilation: vec![1, 1],
        ceil: false,
    };
    assert_eq!(pool, expected);
}

#[test]
fn windows_that_cannot_be_are_damage() {
    let weight = [floats_tensor("w", &[4, 3, 3, 1], &[0.0; 36])];
    for attribute in [
        ints("strides", &[0, 1]),
        ints("pads", &[-1, 0, 0, 0]),
        ints("pads", &[1, 1]),
        ints("dilations", &[i64::MIN, 1]),
        int("group", 0),
        int("group", -1),
        float("strides", 1.0),
    ] {
        let told = format!("{attribute:?}");
        let error = opened(&model(17, &[node("Conv", "x w", "y", &[attribute])], &weight)).unwrap_err();
        assert!(error.to_string().contains("node y (Conv)"), "{told}: {error}");
    }
}

#[test]
fn a_plain_layer_is_linear_and_others_are_general() {
    let weights = [floats_tensor("w", &[2, 3], &[0.0; 6]), floats_tensor("b", &[2], &[0.0; 2])];
    let gemm = |inputs: &str, attributes: &[_]| only(17, node("Gemm", inputs, "y", attributes), &weights);
    assert_eq!(gemm("x w b", &[int("transB", 1)]), Operator::Linear);
    assert_eq!(gemm("x w", &[int("transB", 1)]), Operator::Linear);
    let general = |alpha, transpose| Operator::Gemm { alpha, beta: 1.0, transpose };
    assert_eq!(gemm("x w b", &[]), general(1.0, [false, false]));
    assert_eq!(gemm("x w w", &[int("transB", 1)]), general(1.0, [false, true]));
    assert_eq!(gemm("x w b", &[int("transB", 1), float("alpha", 0.1)]), general(0.1, [false, true]));
}

#[test]
fn bounds_are_attributes_or_inputs() {
    let weights = [floats_tensor("low", &[], &[0.0]), floats_tensor("high", &[], &[0.1])];
    let clip = |version, inputs: &str, attributes: &[_]| {
        opened(&model(version, &[node("Clip", inputs, "y", attributes)], &weights)).unwrap().nodes[0].inputs
            [1..]
            .to_vec()
    };
    let (low, high) = (Operand::Float(0.0), Operand::Float(0.1));
    assert_eq!(clip(10, "x", &[float("min", 0.0), float("max", 0.1)]), [low, high]);
    assert_eq!(clip(11, "x low high", &[]), [low, high]);
    assert_eq!(clip(11, "x - high", &[]), [Operand::Nothing, high]);
    assert_eq!(clip(11, "x", &[]), [Operand::Nothing, Operand::Nothing]);
}

#[test]
fn many_inputs_are_folded_from_the_left() {
    let add = Operator::Binary(Binary::Add);
    let program = opened(&model(17, &[node("Sum", "x x x", "y", &[])], &[])).unwrap();
    let image = Operand::Value(program.image.0);
    assert_eq!(program.nodes[0].inputs, [image, image]);
    assert_eq!(program.nodes[1].inputs, [Operand::Value(program.nodes[0].outputs[0]), image]);
    assert_eq!(operators(17, &[node("Sum", "x x x", "y", &[])], &[]), [add.clone(), add]);
    assert_eq!(only(17, node("Max", "x", "y", &[]), &[]), Operator::Identity);
    let mean = opened(&model(17, &[node("Mean", "x x", "y", &[])], &[])).unwrap();
    assert_eq!(mean.nodes[1].operator, Operator::Binary(Binary::Div));
    assert_eq!(mean.nodes[1].inputs[1], Operand::Float(2.0));
}

#[test]
fn a_hard_sigmoid_is_pytorchs_or_is_spelled_out() {
    let sigmoid = |alpha: f32| operators(17, &[node("HardSigmoid", "x", "y", &[float("alpha", alpha)])], &[]);
    assert_eq!(sigmoid(1.0 / 6.0), [Operator::Unary(Unary::HardSigmoid)]);
    assert_eq!(
        sigmoid(0.25),
        [Operator::Binary(Binary::Mul), Operator::Binary(Binary::Add), Operator::Clamp]
    );
}

#[test]
fn before_version_13_a_softmax_is_over_all_that_follows() {
    let softmax = |version, axis| operators(version, &[node("Softmax", "x", "y", &[int("axis", axis)])], &[]);
    let last = Operator::Softmax { axis: -1 };
    assert_eq!(softmax(11, 3), std::slice::from_ref(&last));
    assert_eq!(softmax(13, 3), std::slice::from_ref(&last));
    assert_eq!(softmax(13, 1), [Operator::Softmax { axis: 1 }]);
    assert_eq!(softmax(11, 1), [Operator::Flatten { first: 1, last: -1 }, last, Operator::ReshapeAs]);
}

#[test]
fn flattening_makes_a_matrix() {
    let flatten = |axis| operators(17, &[node("Flatten", "x", "y", &[int("axis", axis)])], &[]);
    let rest = Operator::Flatten { first: 1, last: -1 };
    assert_eq!(flatten(1), std::slice::from_ref(&rest));
    assert_eq!(flatten(-3), std::slice::from_ref(&rest));
    assert_eq!(flatten(2), [Operator::Flatten { first: 0, last: 1 }, rest.clone()]);
    assert_eq!(flatten(-1), [Operator::Flatten { first: 0, last: 2 }, rest]);
    let row = Operator::Unsqueeze { axes: Sizes::known([0]) };
    assert_eq!(flatten(0), [Operator::Flatten { first: 0, last: -1 }, row]);
    assert_eq!(reason(&flatten(9)[0]), "ai.onnx Flatten with axis 9");
}

#[test]
fn norms_count_their_axes_from_the_end() {
    let weights = [floats_tensor("w", &[8, 6], &[0.0; 48]), floats_tensor("c", &[3], &[0.0; 3])];
    let norm = |axis| only(17, node("LayerNormalization", "x w", "y", &[int("axis", axis)]), &weights);
    assert_eq!(norm(-2), Operator::LayerNorm { axes: 2, eps: 1e-5 });
    assert_eq!(norm(3), Operator::LayerNorm { axes: 1, eps: 1e-5 });
    assert_eq!(reason(&norm(4)), "ai.onnx LayerNormalization with axis 4");

    let instance = only(17, node("InstanceNormalization", "x c c", "y", &[float("epsilon", 1e-3)]), &weights);
    assert_eq!(instance, Operator::GroupNorm { groups: 3, eps: 1e-3 });
    let trained =
        only(17, node("BatchNormalization", "x c c c c", "y", &[int("training_mode", 1)]), &weights);
    assert!(reason(&trained).contains("in training mode"));
}

#[test]
fn an_index_without_axes_selects() {
    let weights = [ints_tensor("i", &[], &[-1]), ints_tensor("t", &[2], &[0, 1])];
    let gather =
        |index: &str| only(17, node("Gather", &format!("x {index}"), "y", &[int("axis", 2)]), &weights);
    assert_eq!(gather("i"), Operator::Select { axis: 2, index: Operand::Int(-1) });
    assert_eq!(gather("t"), Operator::Gather { axis: 2 });
}

#[test]
fn tables_of_places_are_taken_apart() {
    let tables = |axes: i64| ints_tensor("i", &[5, axes], &vec![0; 5 * axes as usize]);
    let gather = |axes| operators(17, &[node("GatherND", "x i", "y", &[])], &[tables(axes)]);
    let place = |index| Operator::Select { axis: -1, index: Operand::Int(index) };
    assert_eq!(gather(1), [place(0), Operator::Gather { axis: 0 }]);
    assert_eq!(gather(2), [place(0), place(1), Operator::Index]);
}

#[test]
fn ranges_that_are_spelled_out_are_one_operator_for_each_axis() {
    let list = |name: &str, values: &[i64]| ints_tensor(name, &[values.len() as i64], values);
    let weights = [
        list("s", &[1, 0]),
        list("e", &[i64::MAX, 4]),
        list("a", &[2, 3]),
        list("steps", &[1, 2]),
        list("one", &[-1]),
        list("least", &[i64::MIN]),
        list("zero", &[0]),
    ];
    let slice = |inputs: &str| operators(17, &[node("Slice", inputs, "y", &[])], &weights);
    let part = |axis, [start, end, step]: [i64; 3]| Operator::Slice {
        axis,
        start: Operand::Int(start),
        end: Operand::Int(end),
        step: Operand::Int(step),
    };
    assert_eq!(slice("x s e a steps"), [part(2, [1, i64::MAX, 1]), part(3, [0, 4, 2])]);
    assert_eq!(slice("x s e"), [part(0, [1, i64::MAX, 1]), part(1, [0, 4, 1])]);
    assert_eq!(slice("x one least one one"), [Operator::Flip { axes: vec![-1] }]);
    assert_eq!(reason(&slice("x one zero one one")[0]), "ai.onnx Slice with a step backwards");
    let attributes = [ints("starts", &[1]), ints("ends", &[3])];
    assert_eq!(only(9, node("Slice", "x", "y", &attributes), &[]), part(0, [1, 3, 1]));

    let computed = [node("Shape", "x", "n", &[]), node("Slice", "x s n", "y", &[])];
    assert_eq!(operators(17, &computed, &weights)[1], Operator::Slices);
}

#[test]
fn sizes_of_one_keep_axes_when_they_are_not_new() {
    let expand = |sizes: &[i64]| {
        let sizes = ints_tensor("s", &[sizes.len() as i64], sizes);
        only(17, node("Expand", "x s", "y", &[]), &[sizes])
    };
    assert_eq!(expand(&[5, 1, 3, 1, 6]), Operator::Expand { sizes: Sizes::known([5, -1, 3, -1, 6]) });
    assert_eq!(expand(&[6]), Operator::Expand { sizes: Sizes::known([-1, -1, -1, 6]) });
}

#[test]
fn parts_are_of_given_sizes_or_equal() {
    let weights = [ints_tensor("s", &[2], &[1, 2])];
    let split = |version, inputs: &str, attributes: &[_]| {
        let nodes = [node("Split", inputs, "a b", attributes), node("Add", "a b", "y", &[])];
        operators(version, &nodes, &weights)[0].clone()
    };
    let sizes = Operator::SplitSizes { axis: 1, sizes: Some(Sizes::known([1, 2])) };
    assert_eq!(split(11, "x", &[int("axis", 1), ints("split", &[1, 2])]), sizes);
    assert_eq!(split(13, "x s", &[int("axis", 1)]), sizes);
    assert_eq!(split(13, "x", &[]), Operator::SplitSizes { axis: 0, sizes: None });
    assert_eq!(split(18, "x", &[int("num_outputs", 2)]), Operator::Chunk { axis: 0, parts: 2 });
}

#[test]
fn padding_is_for_all_axes() {
    let weights = [ints_tensor("p", &[8], &[0, 0, 1, 1, 0, 0, 2, 2]), floats_tensor("v", &[], &[0.5])];
    let amounts = Sizes::known([0, 0, 1, 1, 0, 0, 2, 2]);
    let program =
        opened(&model(17, &[node("Pad", "x p v", "y", &[text("mode", "reflect")])], &weights)).unwrap();
    let expected = Operator::PadAll { amounts, axes: None, mode: PadMode::Reflect };
    assert_eq!(program.nodes[0].operator, expected);
    assert_eq!(program.nodes[0].inputs[1], Operand::Float(0.5));
    let wrapped = only(19, node("Pad", "x p", "y", &[text("mode", "wrap")]), &weights);
    assert_eq!(reason(&wrapped), "ai.onnx Pad with mode \"wrap\"");
}

#[test]
fn resizing_is_pytorchs_or_is_refused() {
    let weights = [
        floats_tensor("twice", &[4], &[1.0, 1.0, 2.0, 2.0]),
        floats_tensor("odd", &[4], &[1.0, 1.0, 1.5, 1.5]),
        floats_tensor("channels", &[4], &[1.0, 2.0, 2.0, 2.0]),
        floats_tensor("none", &[0], &[]),
        ints_tensor("sizes", &[4], &[1, 3, 9, 7]),
    ];
    let resize = |inputs: &str, mode: &str, placed: &str, rounded: &str| {
        let attributes = [
            text("mode", mode),
            text("coordinate_transformation_mode", placed),
            text("nearest_mode", rounded),
        ];
        only(17, node("Resize", inputs, "y", &attributes), &weights)
    };
    let expected = |kind, align_corners, sizes: Option<Sizes>, scale: Option<f64>| {
        let scales = scale.map(|scale| Sizes::List(vec![Operand::Float(scale); 2]));
        Operator::Resize(Resize { kind, sizes, scales, align_corners, antialias: false })
    };
    let nearest = expected(ResizeKind::Nearest, false, None, Some(2.0));
    assert_eq!(resize("x - twice", "nearest", "asymmetric", "floor"), nearest);
    assert_eq!(resize("x - twice", "nearest", "half_pixel", "round_prefer_floor"), nearest);
    let sizes = Some(Sizes::known([9, 7]));
    let linear = expected(ResizeKind::Linear, false, sizes.clone(), None);
    assert_eq!(resize("x - none sizes", "linear", "pytorch_half_pixel", "floor"), linear);
    let cubic = expected(ResizeKind::Cubic, true, sizes, None);
    assert_eq!(resize("x - - sizes", "cubic", "align_corners", "floor"), cubic);
    for (inputs, mode, placed, rounded) in [
        ("x - odd", "nearest", "half_pixel", "round_prefer_floor"),
        ("x - twice", "nearest", "asymmetric", "ceil"),
        ("x - twice", "linear", "asymmetric", "floor"),
        ("x - channels", "nearest", "asymmetric", "floor"),
    ] {
        assert!(reason(&resize(inputs, mode, placed, rounded)).starts_with("ai.onnx Resize "), "{inputs}");
    }
}

#[test]
fn blocks_are_taken_in_the_order_of_their_mode() {
    let depth = |mode| {
        operators(17, &[node("DepthToSpace", "x", "y", &[int("blocksize", 2), text("mode", mode)])], &[])
    };
    let shuffle = Operator::PixelShuffle { factor: 2 };
    let parts = |sizes| Operator::Unflatten { axis: 1, sizes: Sizes::known(sizes) };
    let (swap, join) = (Operator::Transpose { axes: [1, 2] }, Operator::Flatten { first: 1, last: 2 });
    assert_eq!(depth("CRD"), std::slice::from_ref(&shuffle));
    assert_eq!(depth("DCR"), [parts([4, -1]), swap.clone(), join.clone(), shuffle]);
    let space = operators(17, &[node("SpaceToDepth", "x", "y", &[int("blocksize", 2)])], &[]);
    assert_eq!(space, [Operator::PixelUnshuffle { factor: 2 }, parts([-1, 4]), swap, join]);
}

#[test]
fn types_follow_from_what_is_cast_to_or_like() {
    let cast = |to| only(17, node("Cast", "x", "y", &[int("to", to)]), &[]);
    assert_eq!([1, 7, 9].map(cast), [Operator::ToFloat, Operator::ToInt, Operator::ToBool]);
    assert_eq!(reason(&cast(8)), "ai.onnx Cast to string");
    let like = [node("Relu", "x", "h", &[]), node("Shape", "h", "n", &[]), node("CastLike", "n h", "y", &[])];
    assert_eq!(operators(17, &like, &[])[2], Operator::ToFloat);
    let like = [node("Shape", "x", "n", &[]), node("CastLike", "x n", "y", &[])];
    assert_eq!(operators(17, &like, &[])[1], Operator::ToInt);
}
