//! Whole models, written in the tests themselves.

use bytes::Bytes;
use prost::Message;

use super::proto::*;
use super::*;
use crate::program::{Operand, Operator, Unary};

pub(super) fn attribute(name: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ..Default::default() }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, kind: kind::INT, ..attribute(name) }
}

pub(super) fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), kind: kind::INTS, ..attribute(name) }
}

pub(super) fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, kind: kind::FLOAT, ..attribute(name) }
}

pub(super) fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto { s: Bytes::copy_from_slice(text.as_bytes()), kind: kind::STRING, ..attribute(name) }
}

pub(super) fn floats_tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let (name, dims, float_data) = (name.to_owned(), dims.to_vec(), values.to_vec());
    TensorProto { name, dims, float_data, data_type: data_type::FLOAT, ..Default::default() }
}

pub(super) fn ints_tensor(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let (name, dims, int64_data) = (name.to_owned(), dims.to_vec(), values.to_vec());
    TensorProto { name, dims, int64_data, data_type: data_type::INT64, ..Default::default() }
}

fn names(list: &str) -> Vec<String> {
    list.split(' ').filter(|name| !name.is_empty()).map(|name| name.replace('-', "")).collect()
}

/// A node; names are separated by blanks, `-` stands for an input that is left out.
pub(super) fn node(op_type: &str, input: &str, output: &str, attribute: &[AttributeProto]) -> NodeProto {
    NodeProto {
        op_type: op_type.to_owned(),
        input: names(input),
        output: names(output),
        attribute: attribute.to_vec(),
        ..Default::default()
    }
}

/// A model of the image `x` and the output `y`.
pub(super) fn model(version: i64, nodes: &[NodeProto], weights: &[TensorProto]) -> ModelProto {
    let graph = GraphProto {
        node: nodes.to_vec(),
        initializer: weights.to_vec(),
        input: vec![image::input("x", data_type::FLOAT, &[1, 3, 8, 6])],
        output: vec![ValueInfoProto { name: "y".to_owned(), r#type: None }],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { domain: String::new(), version };
    ModelProto { ir_version: 8, graph: Some(graph), opset_import: vec![opset], functions: Vec::new() }
}

pub(super) fn opened(model: &ModelProto) -> Result<Program, ImportError> {
    from_bytes(model.encode_to_vec().into(), Path::new("net.onnx"))
}

/// As a network.
fn imported(model: &ModelProto) -> Result<crate::Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    fs::write(&path, model.encode_to_vec()).unwrap();
    crate::open(&path)
}

/// What damaged files said that the fuzzer found.
#[test]
fn sizes_that_no_network_has_are_refused() {
    let relu = node("Relu", "x", "y", &[]);
    for shape in [[1, 3, 8, i64::MAX], [i64::MAX, 3, 8, 6]] {
        let mut model = model(17, std::slice::from_ref(&relu), &[]);
        model.graph.as_mut().unwrap().input = vec![image::input("x", data_type::FLOAT, &shape)];
        assert!(imported(&model).is_err(), "{shape:?}");
    }
    let weight = || floats_tensor("w", &[2, 3, 1, 1], &[0.5; 6]);
    let wide = [ints("pads", &[0, 1 << 40, 0, 0])];
    let bias = floats_tensor("b", &[1, 2], &[0.5; 2]);
    let ends = || ints_tensor("e", &[0], &[]);
    for (nodes, weights) in [
        (node("Conv", "x w", "y", &wide), vec![weight()]),
        (node("Conv", "x w b", "y", &[]), vec![weight(), bias]),
        (node("Slice", "x s e", "y", &[]), vec![ints_tensor("s", &[1], &[1]), ends()]),
        (node("Reshape", "x s", "y", &[]), vec![ints_tensor("s", &[3], &[1 << 62, 4, 2])]),
    ] {
        assert!(imported(&model(17, std::slice::from_ref(&nodes), &weights)).is_err(), "{}", nodes.op_type);
    }
}

fn refused(model: &ModelProto) -> String {
    opened(model).expect_err("is refused").to_string()
}

#[test]
fn nodes_read_what_nodes_before_them_make() {
    let nodes = [node("Relu", "x", "h", &[]), node("Add", "h w", "y", &[])];
    let program = opened(&model(17, &nodes, &[floats_tensor("w", &[1], &[2.0])])).unwrap();
    let [relu, add] = &program.nodes[..] else { panic!("two nodes") };
    assert_eq!(relu.inputs, [Operand::Value(program.image.0)]);
    assert_eq!(add.inputs[0], Operand::Value(relu.outputs[0]));
    assert_eq!(program.outputs, add.outputs);
    assert_eq!(program.image.1, [1, 3, 8, 6]);
    let weight = &program.parameters[&add.inputs[1].value().unwrap()];
    assert_eq!((weight.name.as_str(), weight.read(|value| value).unwrap()), ("w", vec![2.0]));
    assert_eq!(program.names[add.outputs[0].0], "y");
}

#[test]
fn what_is_no_network_is_refused_with_the_reason() {
    let relu = node("Relu", "x", "y", &[]);
    let valid = || model(17, std::slice::from_ref(&relu), &[]);
    let graph = |change: &dyn Fn(&mut GraphProto)| {
        let mut model = valid();
        change(model.graph.as_mut().unwrap());
        model
    };
    let circle = [node("Add", "x b", "a", &[]), node("Relu", "a", "b", &[]), node("Relu", "b", "y", &[])];
    for (model, told) in [
        (model(17, &circle, &[]), "node a reads \"b\", which no node before it makes"),
        (model(17, &[relu.clone(), relu.clone()], &[]), "two of its values have the name \"y\""),
        (model(17, &[node("Relu", "x", "z", &[])], &[]), "its output \"y\" is made by no node"),
        (model(6, std::slice::from_ref(&relu), &[]), "opset 6"),
        (ModelProto { graph: None, ..valid() }, "no graph"),
        (ModelProto { opset_import: Vec::new(), ..valid() }, "no set of operators"),
        (ModelProto { ir_version: 0, ..valid() }, "which version of ONNX"),
        (graph(&|graph| graph.output.clear()), "no outputs"),
        (graph(&|graph| graph.input.clear()), "nothing in it reads an input"),
        (graph(&|graph| graph.sparse_initializer.push(SparseTensorProto::default())), "sparse"),
        (model(17, &[node("Conv", "x", "y", &[])], &[]), "node y (Conv): it has no input 1"),
    ] {
        let error = refused(&model);
        assert!(error.contains(told), "{error}");
    }
    let two = graph(&|graph| {
        graph.input.push(image::input("mask", data_type::FLOAT, &[1]));
        graph.node[0] = node("Add", "x mask", "y", &[]);
    });
    assert!(refused(&two).contains("2 inputs (x, mask)"));
}

#[test]
fn inputs_that_are_weights_or_that_nobody_reads_are_no_images() {
    let mut model = model(17, &[node("Add", "x w", "y", &[])], &[floats_tensor("w", &[1], &[2.0])]);
    let graph = model.graph.as_mut().unwrap();
    graph.input.insert(0, image::input("w", data_type::FLOAT, &[1]));
    graph.input.insert(0, image::input("unused", data_type::FLOAT, &[1]));
    let program = opened(&model).unwrap();
    assert_eq!(program.names[program.image.0.0], "x");
}

#[test]
fn unknown_operators_are_kept_so_that_all_can_be_told() {
    let nodes = [
        NodeProto { domain: "com.microsoft".to_owned(), ..node("FusedMatMul", "x x", "a", &[]) },
        node("Resize", "a - s", "b", &[text("coordinate_transformation_mode", "tf_crop_and_resize")]),
        node("NonZero", "b", "c", &[]),
        node("MaxPool", "c", "d places", &[ints("kernel_shape", &[2, 2])]),
        node("Add", "d places", "y", &[]),
    ];
    let program = opened(&model(17, &nodes, &[floats_tensor("s", &[4], &[1.0, 1.0, 2.0, 2.0])])).unwrap();
    let unknown = |node: &crate::program::Node| match &node.operator {
        Operator::Unknown { operator } => Some(operator.clone()),
        _ => None,
    };
    assert_eq!(
        program.nodes.iter().filter_map(unknown).collect::<Vec<_>>(),
        [
            "com.microsoft FusedMatMul",
            "ai.onnx Resize with coordinate_transformation_mode \"tf_crop_and_resize\" and nearest_mode \
             \"round_prefer_floor\"",
            "ai.onnx NonZero",
            "ai.onnx MaxPool with more than one result",
        ]
    );
}

#[test]
fn functions_are_put_in_place_of_their_calls() {
    let function = FunctionProto {
        name: "Twice".to_owned(),
        domain: "local".to_owned(),
        input: names("a b"),
        output: names("r"),
        node: vec![
            node(
                "LeakyRelu",
                "a",
                "t",
                &[AttributeProto { ref_attr_name: "slope".into(), ..float("alpha", 0.0) }],
            ),
            node("Clip", "t b", "r", &[]),
        ],
        attribute_proto: vec![float("slope", 0.25)],
        ..Default::default()
    };
    let call = |input: &str, output: &str, attributes: &[AttributeProto]| NodeProto {
        domain: "local".to_owned(),
        ..node("Twice", input, output, attributes)
    };
    let calls = [call("x", "h", &[]), call("h", "y", &[float("slope", 0.5)])];
    let model = ModelProto { functions: vec![function.clone()], ..model(17, &calls, &[]) };
    let program = opened(&model).unwrap();
    let operators: Vec<_> = program.nodes.iter().map(|node| node.operator.clone()).collect();
    let leaky = |slope| Operator::Unary(Unary::LeakyRelu { slope });
    assert_eq!(operators, [leaky(0.25), Operator::Clamp, leaky(0.5), Operator::Clamp]);
    assert_eq!(program.nodes[1].inputs[1..], [Operand::Nothing; 2]);
    assert_eq!(program.nodes[2].inputs, [Operand::Value(program.nodes[1].outputs[0])]);
    assert_eq!(program.outputs, program.nodes[3].outputs);

    let endless = FunctionProto { node: vec![call("a b", "r", &[])], ..function };
    let error = refused(&ModelProto { functions: vec![endless], ..model });
    assert!(error.contains("call themselves"), "{error}");
}

#[test]
fn functions_that_double_with_each_call_are_refused() {
    let local = |name: &str, input: &str, output: &str| NodeProto {
        domain: "local".to_owned(),
        ..node(name, input, output, &[])
    };
    let doubling = |level: usize| FunctionProto {
        name: format!("f{level}"),
        domain: "local".to_owned(),
        input: names("a"),
        output: names("r"),
        node: match level {
            0 => vec![node("Relu", "a", "r", &[])],
            _ => {
                let below = format!("f{}", level - 1);
                vec![local(&below, "a", "t"), local(&below, "t", "r")]
            }
        },
        ..Default::default()
    };
    let functions = (0..30).map(doubling).collect();
    let error = refused(&ModelProto { functions, ..model(17, &[local("f29", "x", "y")], &[]) });
    assert!(error.contains("too often"), "{error}");
}

#[test]
fn the_branch_of_a_constant_condition_is_taken() {
    let branch = |name: &str, op_type: &str| AttributeProto {
        kind: kind::GRAPH,
        g: Some(Box::new(GraphProto {
            node: vec![node(op_type, "x", "inner", &[])],
            output: vec![ValueInfoProto { name: "inner".to_owned(), r#type: None }],
            ..Default::default()
        })),
        ..attribute(name)
    };
    let branches = [branch("then_branch", "Relu"), branch("else_branch", "Tanh")];
    for (condition, taken) in [(1, Unary::Relu), (0, Unary::Tanh)] {
        let constant = TensorProto {
            name: "c".to_owned(),
            data_type: data_type::BOOL,
            int32_data: vec![condition],
            ..Default::default()
        };
        let program = opened(&model(17, &[node("If", "c", "y", &branches)], &[constant])).unwrap();
        assert_eq!(program.nodes.len(), 1);
        assert_eq!(program.nodes[0].operator, Operator::Unary(taken));
        assert_eq!(program.outputs, program.nodes[0].outputs);
    }
    let open = [node("ReduceMax", "x", "c", &[]), node("If", "c", "y", &branches)];
    let program = opened(&model(17, &open, &[])).unwrap();
    assert_eq!(program.nodes[1].operator, Operator::Unknown { operator: "ai.onnx If".to_owned() });
}

#[test]
fn copies_of_weights_are_weights() {
    let nodes = [
        node("Identity", "w", "layer.weight", &[]),
        node("Constant", "", "c", &[float("value_float", 0.5)]),
        node("Mul", "x layer.weight", "h", &[]),
        node("Add", "h c", "y", &[]),
    ];
    let program = opened(&model(17, &nodes, &[floats_tensor("w", &[1], &[2.0])])).unwrap();
    assert_eq!(program.nodes.len(), 2);
    let parameter = |node: usize| &program.parameters[&program.nodes[node].inputs[1].value().unwrap()];
    assert_eq!(parameter(0).name, "layer.weight");
    assert_eq!(parameter(0).read(|value| value).unwrap(), [2.0]);
    assert_eq!(parameter(1).read(|value| value).unwrap(), [0.5]);
    assert_eq!(parameter(1).shape, [0; 0]);
}

#[test]
fn weights_that_nobody_reads_are_left_out() {
    let texts = TensorProto { name: "labels".to_owned(), data_type: data_type::STRING, ..Default::default() };
    let relu = [node("Relu", "x", "y", &[])];
    assert!(opened(&model(17, &relu, std::slice::from_ref(&texts))).unwrap().parameters.is_empty());
    let read = [node("Relu", "labels", "h", &[]), relu[0].clone()];
    assert!(refused(&model(17, &read, &[texts])).contains("string"));
}

#[test]
fn weights_in_another_file_are_read_when_they_are_needed() {
    let folder = tempfile::tempdir().unwrap();
    let entry =
        |key: &str, value: &str| StringStringEntryProto { key: key.to_owned(), value: value.to_owned() };
    let weight = TensorProto {
        name: "w".to_owned(),
        dims: vec![2],
        data_type: data_type::FLOAT,
        data_location: 1,
        external_data: vec![entry("location", "net.onnx.data"), entry("offset", "4"), entry("length", "8")],
        ..Default::default()
    };
    let model = model(17, &[node("Add", "x w", "y", &[])], &[weight]);
    let path = folder.path().join("net.onnx");
    fs::write(&path, model.encode_to_vec()).unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("copy that file beside the model"));

    let values: Vec<u8> = [9.0f32, 1.0, 2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(folder.path().join("net.onnx.data"), values).unwrap();
    let program = read(&path).unwrap();
    let weight = program.parameters.values().next().unwrap();
    assert_eq!(weight.read(|value| value).unwrap(), [1.0, 2.0]);
}

#[test]
fn damaged_bytes_are_errors() {
    let nodes =
        [node("Conv", "x w", "h", &[ints("kernel_shape", &[1, 1])]), node("Reshape", "h s", "y", &[])];
    let weights = [floats_tensor("w", &[3, 3, 1, 1], &[0.5; 9]), ints_tensor("s", &[2], &[0, -1])];
    let whole = model(17, &nodes, &weights).encode_to_vec();
    let open = |bytes: &[u8]| from_bytes(Bytes::copy_from_slice(bytes), Path::new("net.onnx"));
    assert!(open(&whole).is_ok());
    for end in 0..whole.len() {
        // What is cut off at the end of a field is another model, but this one ends with its set of operators.
        assert!(open(&whole[..end]).is_err(), "{end}");
    }
    for at in 0..whole.len() {
        for flipped in [1u8, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] ^= flipped;
            // An error or another model, but no panic.
            let _ = open(&bytes);
        }
    }
}

#[test]
fn models_are_recognised_by_their_beginning() {
    let whole = model(17, &[node("Relu", "x", "y", &[])], &[]).encode_to_vec();
    assert!((2..whole.len()).all(|end| recognise(&whole[..end])), "{whole:?}");
    let by_pytorch = b"\x08\x0a\x12\x07pytorch\x1a\x0c2.15.0+cu132:";
    assert!(recognise(by_pytorch));
    let safetensors = [&[0x08u8, 0x02, 0, 0, 0, 0, 0, 0][..], b"{\"w\":{"].concat();
    for other in [
        &b""[..],
        b"PK\x03\x04\x14\x00",
        b"\x89PNG\r\n\x1a\n",
        b"\x80\x02}q\x00",
        b"{\"a\": 1}",
        &safetensors,
    ] {
        assert!(!recognise(other), "{other:?}");
    }
}
