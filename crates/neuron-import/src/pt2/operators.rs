//! ATen's operators, each with the defaults that the file leaves out.

use super::arguments::Arguments;
use super::element;
use crate::program::{
    Binary, Operand, Operator as Op, PadMode, Padding, PoolKind, Reduction, Resize, ResizeKind, Sizes, Unary,
};

/// What torch adds to a variance unless it is told otherwise.
const EPS: f64 = 1e-5;

/// Whether an operator writes its result over its first input, and is not one that only writes.
pub(super) fn is_in_place(target: &str) -> bool {
    let name = target.strip_prefix("torch.ops.aten.").unwrap_or_default();
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    base.ends_with('_') && !WRITES.contains(&base)
}

/// Operators that write into views of other values.
const WRITES: [&str; 3] = ["fill_", "zero_", "copy_"];

/// The operator of that name with what it reads; `None` if it is not known.
pub(super) fn translate(target: &str, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let name = target.strip_prefix("torch.ops.aten.").unwrap_or(target);
    let (base, overload) = name.split_once('.').unwrap_or((name, ""));
    // What is written in place is read under its new name alone; what writes into views is a case of its own.
    let base = if WRITES.contains(&base) { base } else { base.trim_end_matches('_') };
    let x = || vec![args.at(0)];
    let of = |names: &[&str]| names.iter().map(|name| args.operand(name)).collect::<Vec<_>>();
    let one = |operator: Op| Some((operator, x()));
    let unary = |function: Unary| Some((Op::Unary(function), x()));
    let binary = |function: Binary| Some((Op::Binary(function), args.both()));
    let axis = |name: &str, default: i64| args.int(name, default);
    match base {
        "dropout" | "feature_dropout" | "alpha_dropout" if args.flag("train", false) => None,
        "dropout" | "feature_dropout" | "alpha_dropout" | "alias" | "clone" | "contiguous" | "detach"
        | "lift_fresh_copy" | "lift_fresh" | "positive" | "type_as" => one(Op::Identity),
        "to" | "_to_copy" => match args.element("dtype").map(element::of) {
            None => one(Op::Identity),
            Some(None) => None,
            Some(Some(crate::program::Element::Bool)) => one(Op::ToBool),
            Some(Some(element)) if element.is_float() => one(Op::ToFloat),
            Some(Some(_)) => one(Op::ToInt),
        },
        "conv_transpose2d" => transposed(args),
        "convolution" if args.flag("transposed", false) => transposed(args),
        "conv1d" | "conv2d" | "conv3d" | "convolution" => convolution(base, overload, args),
        "linear" => Some((Op::Linear, of(&["input", "weight", "bias"]))),
        "matmul" | "mm" | "bmm" => Some((Op::MatMul, args.both())),
        "addmm" => {
            let (alpha, beta) = (args.float("alpha").unwrap_or(1.0), args.float("beta").unwrap_or(1.0));
            Some((Op::Gemm { alpha, beta, transpose: [false; 2] }, of(&["mat1", "mat2", "self"])))
        }
        "einsum" => {
            Some((Op::Einsum { equation: args.text("equation")?.to_owned() }, args.tensors("tensors")))
        }
        "batch_norm"
        | "_native_batch_norm_legit_no_training"
        | "_native_batch_norm_legit"
        | "native_batch_norm" => {
            if args.flag("training", false) {
                let eps = args.float("eps").unwrap_or(EPS);
                return Some((Op::Standardise { eps }, of(&["input", "weight", "bias", "running_mean"])));
            }
            let eps = args.float("eps").unwrap_or(EPS);
            Some((Op::BatchNorm { eps }, of(&["input", "weight", "bias", "running_mean", "running_var"])))
        }
        "instance_norm" if args.flag("use_input_stats", true) => {
            let eps = args.float("eps").unwrap_or(EPS);
            Some((Op::InstanceNorm { eps }, of(&["input", "weight", "bias"])))
        }
        "instance_norm" => {
            let eps = args.float("eps").unwrap_or(EPS);
            Some((Op::BatchNorm { eps }, of(&["input", "weight", "bias", "running_mean", "running_var"])))
        }
        "layer_norm" | "native_layer_norm" => {
            let axes = args.sizes("normalized_shape").map(|sizes| count(&sizes))?;
            let eps = args.float("eps").unwrap_or(EPS);
            Some((Op::LayerNorm { axes, eps }, of(&["input", "weight", "bias"])))
        }
        "rms_norm" | "_fused_rms_norm" => {
            let axes = args.sizes("normalized_shape").map(|sizes| count(&sizes))?;
            let eps = args.float("eps").unwrap_or(f64::from(f32::EPSILON));
            Some((Op::RmsNorm { axes, eps }, of(&["input", "weight"])))
        }
        "group_norm" => {
            let (groups, eps) =
                (usize::try_from(args.int("num_groups", 0)).ok()?, args.float("eps").unwrap_or(EPS));
            Some((Op::GroupNorm { groups, eps }, of(&["input", "weight", "bias"])))
        }
        "native_group_norm" => {
            let (groups, eps) =
                (usize::try_from(args.int("group", 0)).ok()?, args.float("eps").unwrap_or(EPS));
            Some((Op::GroupNorm { groups, eps }, of(&["input", "weight", "bias"])))
        }
        "relu" => unary(Unary::Relu),
        "relu6" => unary(Unary::Relu6),
        "leaky_relu" => unary(Unary::LeakyRelu { slope: args.float("negative_slope").unwrap_or(0.01) }),
        "elu" => {
            let plain =
                args.float("scale").unwrap_or(1.0) == 1.0 && args.float("input_scale").unwrap_or(1.0) == 1.0;
            let is = |name: &str, value: f64| (args.float(name).unwrap_or(1.0) - value).abs() < 1e-6;
            let (alpha, scale) = crate::constant::SELU;
            if is("alpha", alpha) && is("scale", scale) && is("input_scale", 1.0) {
                return unary(Unary::Selu);
            }
            if plain { unary(Unary::Elu { alpha: args.float("alpha").unwrap_or(1.0) }) } else { None }
        }
        "selu" => unary(Unary::Selu),
        "prelu" | "_prelu_kernel" => Some((Op::ParametricRelu, args.both())),
        "log_softmax" | "_log_softmax" => one(Op::LogSoftmax { axis: axis("dim", -1) }),
        "gelu" => match args.text("approximate").unwrap_or("none") {
            "tanh" => unary(Unary::GeluTanh),
            _ => unary(Unary::Gelu),
        },
        "silu" => unary(Unary::Silu),
        "mish" => unary(Unary::Mish),
        "softplus" => {
            let plain = args.float("beta").unwrap_or(1.0) == 1.0;
            if plain { unary(Unary::Softplus) } else { None }
        }
        "sigmoid" => unary(Unary::Sigmoid),
        "hardsigmoid" => unary(Unary::HardSigmoid),
        "hardswish" => unary(Unary::HardSwish),
        "tanh" => unary(Unary::Tanh),
        "exp" => unary(Unary::Exp),
        "log" => unary(Unary::Log),
        "sqrt" => unary(Unary::Sqrt),
        "rsqrt" => unary(Unary::ReciprocalSqrt),
        "reciprocal" => unary(Unary::Reciprocal),
        "square" => unary(Unary::Square),
        "abs" => unary(Unary::Abs),
        "neg" => unary(Unary::Neg),
        "erf" => unary(Unary::Erf),
        "sin" => unary(Unary::Sin),
        "cos" => unary(Unary::Cos),
        "floor" => unary(Unary::Floor),
        "ceil" => unary(Unary::Ceil),
        "round" if args.int("decimals", 0) == 0 => unary(Unary::Round),
        "sign" => unary(Unary::Sign),
        "logical_not" => unary(Unary::Not),
        "bitwise_not" => unary(Unary::BitNot),
        "hardtanh" => {
            let low = args.float("min_val").unwrap_or(-1.0);
            let high = args.float("max_val").unwrap_or(1.0);
            Some((Op::Clamp, vec![args.at(0), Operand::Float(low), Operand::Float(high)]))
        }
        "clamp" | "clip" => Some((Op::Clamp, of(&["self", "min", "max"]))),
        "clamp_min" => Some((Op::Clamp, vec![args.at(0), args.operand("min"), Operand::Nothing])),
        "clamp_max" => Some((Op::Clamp, vec![args.at(0), Operand::Nothing, args.operand("max")])),
        // With a factor before the second it is no plain sum.
        "add" | "sub" | "rsub" if args.float("alpha").unwrap_or(1.0) != 1.0 => None,
        "add" => binary(Binary::Add),
        "sub" => binary(Binary::Sub),
        "rsub" => Some((Op::Binary(Binary::Sub), args.both().into_iter().rev().collect())),
        "mul" => binary(Binary::Mul),
        "div" | "true_divide" => match args.text("rounding_mode") {
            None => binary(Binary::Div),
            Some("floor") => binary(Binary::FloorDiv),
            Some(_) => None,
        },
        "floor_divide" => binary(Binary::FloorDiv),
        "remainder" => binary(Binary::Remainder),
        "pow" => binary(Binary::Pow),
        "maximum" => binary(Binary::Max),
        "minimum" => binary(Binary::Min),
        "eq" => binary(Binary::Equal),
        "ne" => binary(Binary::NotEqual),
        "lt" => binary(Binary::Less),
        "le" => binary(Binary::LessEqual),
        "gt" => binary(Binary::Greater),
        "ge" => binary(Binary::GreaterEqual),
        "logical_and" => binary(Binary::And),
        "logical_or" => binary(Binary::Or),
        "bitwise_and" | "__and" => binary(Binary::BitAnd),
        "bitwise_or" | "__or" => binary(Binary::BitOr),
        "max_pool1d" | "max_pool2d" | "max_pool2d_with_indices" => pool(PoolKind::Max, args),
        "avg_pool1d" | "avg_pool2d" => {
            if args.has("divisor_override") {
                return None;
            }
            pool(PoolKind::Average { counts_padding: args.flag("count_include_pad", true) }, args)
        }
        "adaptive_avg_pool1d" | "adaptive_avg_pool2d" | "_adaptive_avg_pool2d" => {
            adaptive(PoolKind::Average { counts_padding: false }, args)
        }
        "adaptive_max_pool1d" | "adaptive_max_pool2d" => adaptive(PoolKind::Max, args),
        "mean" => reduce(Reduction::Mean, "dim", args),
        "sum" => reduce(Reduction::Sum, "dim", args),
        "amax" => reduce(Reduction::Max, "dim", args),
        "max" if overload == "default" || overload == "dim" => reduce(Reduction::Max, "dim", args),
        "max" => binary(Binary::Max),
        "min" if overload == "default" || overload == "dim" => reduce(Reduction::Min, "dim", args),
        "min" => binary(Binary::Min),
        "amin" => reduce(Reduction::Min, "dim", args),
        "any" => reduce(Reduction::Any, "dim", args),
        "all" => reduce(Reduction::All, "dim", args),
        "linalg_vector_norm" | "norm" => {
            let order = args.float("ord").or_else(|| args.float("p")).unwrap_or(2.0);
            if order == 2.0 { reduce(Reduction::Norm, "dim", args) } else { None }
        }
        "softmax" | "_softmax" | "_safe_softmax" => one(Op::Softmax { axis: axis("dim", -1) }),
        "view" | "reshape" | "_unsafe_view" | "_reshape_copy" | "view_copy" => {
            let sizes = args.sizes("size").or_else(|| args.sizes("shape"))?;
            one(Op::Reshape { sizes, copies_zero: false })
        }
        "flatten" => one(Op::Flatten { first: axis("start_dim", 0), last: axis("end_dim", -1) }),
        "unflatten" => one(Op::Unflatten { axis: axis("dim", 0), sizes: args.sizes("sizes")? }),
        "permute" | "permute_copy" => one(Op::Permute { axes: args.ints("dims")? }),
        // All axes in reverse.
        "numpy_T" => one(Op::Permute { axes: Vec::new() }),
        "t" => one(Op::Transpose { axes: [0, 1] }),
        "mT" | "adjoint" => one(Op::Transpose { axes: [-2, -1] }),
        "transpose" => one(Op::Transpose { axes: [axis("dim0", 0), axis("dim1", 0)] }),
        "swapaxes" => one(Op::Transpose { axes: [axis("axis0", 0), axis("axis1", 0)] }),
        "swapdims" => one(Op::Transpose { axes: [axis("dim0", 0), axis("dim1", 0)] }),
        "unsqueeze" => one(Op::Unsqueeze { axes: Sizes::known([axis("dim", 0)]) }),
        "squeeze" => one(Op::Squeeze { axes: args.sizes("dim") }),
        "expand" | "expand_copy" => one(Op::Expand { sizes: args.sizes("size")? }),
        "broadcast_to" => one(Op::Expand { sizes: args.sizes("size")? }),
        "expand_as" => Some((Op::ExpandAs, args.both())),
        "reshape_as" | "view_as" => Some((Op::ReshapeAs, args.both())),
        "repeat" => one(Op::Tile { times: args.sizes("repeats")? }),
        "tile" => one(Op::Tile { times: args.sizes("dims")? }),
        "select" | "select_copy" => {
            one(Op::Select { axis: axis("dim", 0), index: args.operand_or("index", 0) })
        }
        "slice" | "slice_copy" => one(Op::Slice {
            axis: axis("dim", 0),
            start: args.operand_or("start", 0),
            end: args.operand_or("end", i64::MAX),
            step: args.operand_or("step", 1),
        }),
        "select_scatter" => {
            let index = args.operand_or("index", 0);
            Some((Op::SelectScatter { axis: axis("dim", 0), index }, of(&["self", "src"])))
        }
        "slice_scatter" => {
            let (start, end) = (args.operand_or("start", 0), args.operand_or("end", i64::MAX));
            let step = args.operand_or("step", 1);
            Some((Op::SliceScatter { axis: axis("dim", 0), start, end, step }, of(&["self", "src"])))
        }
        "chunk" => {
            one(Op::Chunk { axis: axis("dim", 0), parts: usize::try_from(args.int("chunks", 0)).ok()? })
        }
        "split" if overload == "sizes" => {
            one(Op::SplitSizes { axis: axis("dim", 0), sizes: args.sizes("split_size") })
        }
        "split" => one(Op::Split { axis: axis("dim", 0), size: args.operand("split_size") }),
        "split_with_sizes" => one(Op::SplitSizes { axis: axis("dim", 0), sizes: args.sizes("split_sizes") }),
        "unbind" => one(Op::Unbind { axis: axis("dim", 0) }),
        "cat" | "concat" => Some((Op::Concat { axis: axis("dim", 0) }, args.tensors("tensors"))),
        "stack" => Some((Op::Stack { axis: axis("dim", 0) }, args.tensors("tensors"))),
        "pad" | "constant_pad_nd" | "reflection_pad2d" | "replication_pad2d" => {
            let mode = match (base, args.text("mode").unwrap_or("constant")) {
                ("reflection_pad2d", _) | (_, "reflect") => PadMode::Reflect,
                ("replication_pad2d", _) | (_, "replicate") => PadMode::Edge,
                (_, "constant") => PadMode::Constant,
                _ => return None,
            };
            let amounts = args.sizes("pad").or_else(|| args.sizes("padding"))?;
            Some((Op::Pad { amounts, mode }, vec![args.at(0), args.operand("value")]))
        }
        "roll" => one(Op::Roll { shifts: args.ints("shifts")?, axes: args.ints("dims").unwrap_or_default() }),
        "flip" => one(Op::Flip { axes: args.ints("dims")? }),
        "unfold" => {
            let count = |name: &str| usize::try_from(args.int(name, 1)).ok();
            one(Op::Unfold { axis: axis("dimension", 0), size: count("size")?, step: count("step")? })
        }
        "im2col" => {
            let pair = |name: &str| -> Option<[usize; 2]> { args.counts(name)?.try_into().ok() };
            one(Op::Windows {
                kernel: pair("kernel_size")?,
                dilation: pair("dilation")?,
                padding: pair("padding")?,
                stride: pair("stride")?,
            })
        }
        "index" => {
            let tables = args.tensors("indices");
            Some((Op::Index, x().into_iter().chain(tables).collect()))
        }
        "index_select" => Some((Op::Gather { axis: axis("dim", 0) }, of(&["self", "index"]))),
        "scaled_dot_product_attention" => {
            if args.flag("enable_gqa", false) || args.float("dropout_p").unwrap_or(0.0) != 0.0 {
                return None;
            }
            let (factor, causal) = (args.float("scale"), args.flag("is_causal", false));
            Some((Op::Attention { factor, causal }, of(&["query", "key", "value", "attn_mask"])))
        }
        "upsample_nearest2d"
        | "upsample_bilinear2d"
        | "_upsample_bilinear2d_aa"
        | "upsample_bicubic2d"
        | "_upsample_bicubic2d_aa" => {
            let kind = match base {
                "upsample_nearest2d" => ResizeKind::Nearest,
                "upsample_bilinear2d" | "_upsample_bilinear2d_aa" => ResizeKind::Linear,
                _ => ResizeKind::Cubic,
            };
            one(Op::Resize(Resize {
                kind,
                sizes: args.sizes("output_size"),
                scales: args.sizes("scale_factors"),
                align_corners: args.flag("align_corners", false),
                antialias: base.ends_with("_aa"),
            }))
        }
        "pixel_shuffle" => {
            one(Op::PixelShuffle { factor: usize::try_from(args.int("upscale_factor", 1)).ok()? })
        }
        "pixel_unshuffle" => {
            one(Op::PixelUnshuffle { factor: usize::try_from(args.int("downscale_factor", 1)).ok()? })
        }
        "sym_size" => one(Op::Size { axis: axis("dim", 0) }),
        "zeros" | "ones" => {
            let value = Operand::Int(i64::from(base == "ones"));
            Some((Op::Full { sizes: args.sizes("size")?, value }, Vec::new()))
        }
        "new_zeros" | "new_ones" => {
            let value = Operand::Int(i64::from(base == "new_ones"));
            Some((Op::Full { sizes: args.sizes("size")?, value }, Vec::new()))
        }
        "full" => {
            Some((Op::Full { sizes: args.sizes("size")?, value: args.operand("fill_value") }, Vec::new()))
        }
        "new_full" => {
            Some((Op::Full { sizes: args.sizes("size")?, value: args.operand("fill_value") }, Vec::new()))
        }
        "scalar_tensor" => Some((Op::Full { sizes: Sizes::known([]), value: args.operand("s") }, Vec::new())),
        "zeros_like" | "ones_like" => {
            one(Op::FullLike { value: Operand::Int(i64::from(base == "ones_like")) })
        }
        "full_like" => one(Op::FullLike { value: args.operand("fill_value") }),
        "fill" => one(Op::FullLike { value: args.operand("value") }),
        "fill_" => one(Op::Fill { value: args.operand("value") }),
        "copy_" => Some((Op::Copy, args.both())),
        "copy" => Some((Op::Identity, vec![args.at(1)])),
        "var" => {
            let correction = match args.float("correction") {
                Some(correction) => correction,
                None => f64::from(u8::from(args.flag("unbiased", true))),
            };
            let axes = args.sizes("dim").unwrap_or_else(|| Sizes::known([]));
            one(Op::Variance { axes, keep: args.flag("keepdim", false), correction })
        }
        "zero_" => one(Op::Fill { value: Operand::Int(0) }),
        "arange" => Some((
            Op::Range {
                start: args.operand_or("start", 0),
                end: args.operand("end"),
                step: args.operand_or("step", 1),
            },
            Vec::new(),
        )),
        "meshgrid" => {
            let first_is_column = args.text("indexing") == Some("xy");
            Some((Op::MeshGrid { first_is_column }, args.tensors("tensors")))
        }
        "where" => Some((Op::Where, of(&["condition", "self", "other"]))),
        "masked_fill" => Some((Op::MaskedFill { value: args.operand("value") }, of(&["self", "mask"]))),
        "cumsum" => one(Op::Cumsum { axis: axis("dim", 0) }),
        "eye" => {
            let columns = if args.has("m") { args.operand("m") } else { args.operand("n") };
            Some((Op::Eye { rows: args.operand("n"), columns }, Vec::new()))
        }
        // Without an axis, of all elements in a row.
        "repeat_interleave" if args.has("repeats") && args.has("dim") => {
            one(Op::RepeatInterleave { times: args.operand("repeats"), axis: args.int("dim", 0) })
        }
        "tril" | "triu" => one(Op::Triangle { upper: base == "triu", diagonal: args.int("diagonal", 0) }),
        "addcmul" if args.float("value").unwrap_or(1.0) == 1.0 => {
            Some((Op::MultiplyAdd, of(&["self", "tensor1", "tensor2"])))
        }
        _ => python(target, args),
    }
}

/// Arithmetic of sizes, which Python does itself.
fn python(target: &str, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let function = match target.rsplit('.').next()? {
        "add" => Binary::Add,
        "sub" => Binary::Sub,
        "mul" => Binary::Mul,
        "floordiv" => Binary::FloorDiv,
        "truediv" => Binary::Div,
        "mod" => Binary::Remainder,
        "eq" => Binary::Equal,
        "ne" => Binary::NotEqual,
        "lt" => Binary::Less,
        "le" => Binary::LessEqual,
        "gt" => Binary::Greater,
        "ge" => Binary::GreaterEqual,
        "pow" => Binary::Pow,
        "neg" => return Some((Op::Unary(Unary::Neg), vec![args.at(0)])),
        _ => return None,
    };
    target.contains("_operator").then(|| (Op::Binary(function), args.both()))
}

fn convolution(base: &str, overload: &str, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let rank = match base {
        "conv1d" => 1,
        "conv3d" => 3,
        _ => 2,
    };
    let list = |name: &str, default: usize| args.counts(name).unwrap_or_else(|| vec![default; rank]);
    let padding = match (overload, args.text("padding")) {
        ("padding", Some("same")) => Padding::Same { odd_comes_first: false },
        ("padding", Some("valid")) => Padding::both(vec![0; rank]),
        ("padding", _) => return None,
        _ => Padding::both(list("padding", 0)),
    };
    let operator = Op::Convolution {
        stride: list("stride", 1),
        padding,
        dilation: list("dilation", 1),
        groups: usize::try_from(args.int("groups", 1)).ok()?,
    };
    Some((operator, ["input", "weight", "bias"].map(|name| args.operand(name)).to_vec()))
}

fn transposed(args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let list = |name: &str, default: usize| args.counts(name).unwrap_or_else(|| vec![default; 2]);
    let operator = Op::TransposedConvolution {
        stride: list("stride", 1),
        padding: list("padding", 0),
        output_padding: list("output_padding", 0),
        dilation: list("dilation", 1),
        groups: usize::try_from(args.int("groups", 1)).ok()?,
    };
    Some((operator, ["input", "weight", "bias"].map(|name| args.operand(name)).to_vec()))
}

fn pool(kind: PoolKind, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let kernel = args.counts("kernel_size")?;
    let rank = kernel.len();
    // Without a stride, windows lie side by side.
    let stride = args.counts("stride").filter(|stride| !stride.is_empty()).unwrap_or_else(|| kernel.clone());
    let operator = Op::Pool {
        kind,
        stride,
        padding: Padding::both(args.counts("padding").unwrap_or_else(|| vec![0; rank])),
        dilation: args.counts("dilation").unwrap_or_else(|| vec![1; rank]),
        ceil: args.flag("ceil_mode", false),
        kernel,
    };
    Some((operator, vec![args.at(0)]))
}

fn adaptive(kind: PoolKind, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let sizes = args.ints("output_size")?.into_iter().map(|size| usize::try_from(size).ok()).collect();
    Some((Op::AdaptivePool { kind, sizes }, vec![args.at(0)]))
}

fn reduce(kind: Reduction, axes: &str, args: &Arguments<'_>) -> Option<(Op, Vec<Operand>)> {
    let axes = args.sizes(axes).unwrap_or_else(|| Sizes::known([]));
    Some((Op::Reduce { kind, axes, keep: args.flag("keepdim", false) }, vec![args.at(0)]))
}

fn count(sizes: &Sizes) -> usize {
    match sizes {
        Sizes::List(list) => list.len(),
        Sizes::Tensor(_) => 1,
    }
}
