use neuron_model::ops::{
    AdaptiveAveragePool, Add, Attention, ChannelShuffle, ChannelSlice, Concatenation, CrossAttention,
    DepthToSpace, Enlarge, Exchange, Filling, Flatten, Function, Gate, GlobalAveragePool, GridSelection,
    GroupNorm, Interpolation, LayerNorm, Linear, Pad, Places, Pointwise, PositionTable, Product, Reach, Relu,
    Similarity, Softmax, SpaceToDepth, Spread, TokenInsertion, TokenSelection,
};
use neuron_model::{ConvGeometry, GraphBuilder, GraphRecord, NodeId, Window};

use super::Made;

/// Adds to a graph, behind its image.
type Build = fn(&mut GraphBuilder, NodeId);

pub(super) fn seeds() -> Vec<Made> {
    let graphs: [(&str, Build); 3] = [("ok-residual", residual), ("ok-tower", tower), ("ok-places", places)];
    let records = graphs.map(|(name, build)| ("imported_graph", name, record(build)));
    let descriptions: [Made; 4] = [
        ("onnx_graph", "ok-convolutions", CONVOLUTIONS.into()),
        ("onnx_graph", "ok-attention", ATTENTION.into()),
        ("onnx_graph", "ok-shapes", SHAPES.into()),
        ("onnx_graph", "ok-branch", BRANCH.into()),
    ];
    [&records[..], &descriptions].concat()
}

/// The record of a graph of images.
fn record(build: Build) -> Vec<u8> {
    let (mut graph, image) = GraphBuilder::new(3);
    build(&mut graph, image);
    let graph = graph.finish().expect("a seed fits together");
    serde_json::to_vec(&GraphRecord::of(&graph)).expect("a record is plain data")
}

fn residual(graph: &mut GraphBuilder, image: NodeId) {
    let window = Window::square(3, 2, 1);
    let geometry = ConvGeometry { in_channels: 3, out_channels: 4, groups: 1, window };
    let conv = graph.convolution("conv", geometry, image);
    let norm = graph.batch_norm("norm", conv);
    let relu = graph.push("relu", Relu, &[norm]);
    let shuffled = graph.push("shuffled", ChannelShuffle { groups: 2 }, &[relu]);
    let sum = graph.module("sum", Add, &[shuffled, norm]);
    let pool = graph.max_pool("pool", Window::square(2, 2, 0), sum);
    let mean = graph.push("mean", GlobalAveragePool, &[pool]);
    let gate = graph.push("gate", Gate, &[pool, mean]);
    let bins = graph.push("bins", AdaptiveAveragePool { positions: [2, 2] }, &[gate]);
    let flat = graph.push("flat", Flatten { positions: [2, 2] }, &[bins]);
    graph.module("fc", Linear::new(16, 2), &[flat]);
}

fn tower(graph: &mut GraphBuilder, image: NodeId) {
    let window = Window::square(8, 8, 0);
    let geometry = ConvGeometry { in_channels: 3, out_channels: 4, groups: 1, window };
    let patches = graph.biased_convolution("patches", geometry, image);
    let class = TokenInsertion { channels: 4, count: 1, at: 0, tensor: "tokens", has_batch: true };
    let tokens = graph.push("class", class, &[patches]);
    let table = PositionTable {
        channels: 4,
        extra: 1,
        grid: [2, 2],
        tensor: "table",
        has_batch: true,
        enlargement: neuron_model::ops::Enlargement::Never,
    };
    let placed = graph.module("placed", table, &[tokens]);
    let norm = graph.push("norm", LayerNorm { channels: 4, eps: 1e-6 }, &[placed]);
    let qkv = graph.push("qkv", Linear::new(4, 12), &[norm]);
    let (similarity, places) = (Similarity::Dot { factor: 0.5 }, Places::Matrix { extra: 1, grid: [2, 2] });
    let attention = Attention { channels: 4, heads: 2, reach: Reach::All, similarity, places };
    let mixed = graph.module("mixed", attention, &[qkv]);
    let parts = [0, 2].map(|first| graph.push("part", ChannelSlice { first, count: 2 }, &[mixed]));
    let [keys, values] = parts;
    let across = CrossAttention {
        heads: 1,
        key_heads: 1,
        width: 2,
        value_width: 2,
        factor: 0.5,
        places: Some([5, 5]),
    };
    graph.module("across", across, &[keys, keys, values]);
    graph.module("token", TokenSelection { position: 0 }, &[mixed]);
    let grid = graph.push("grid", GridSelection { extra: 1 }, &[mixed]);
    graph.module("exchanged", Exchange { from: [2, 2], to: [2, 2] }, &[grid]);
}

fn places(graph: &mut GraphBuilder, image: NodeId) {
    let deep = graph.push("deep", SpaceToDepth { side: 2, channels_first: true }, &[image]);
    let norm = graph.push("norm", GroupNorm { channels: 12, groups: 3, eps: 1e-5 }, &[deep]);
    let padded = Pad { before: [1, 0], after: [0, 2], filling: Filling::Mirror };
    let padded = graph.push("padded", padded, &[norm]);
    let clamp = Pointwise { function: Function::Clamp { low: -1.0, high: 2.0 } };
    let clamped = graph.push("clamped", clamp, &[padded]);
    let softmax = graph.push("softmax", Softmax { apart: 2 }, &[clamped]);
    let one = graph.push("one", ChannelSlice { first: 0, count: 1 }, &[softmax]);
    let spread = graph.push("spread", Spread, &[clamped, one]);
    let product = graph.push("product", Product { is_gate: true }, &[clamped, spread]);
    let both = graph.push("both", Concatenation { inputs: 2 }, &[product, softmax]);
    let wide = graph.push("wide", DepthToSpace { side: 2 }, &[both]);
    let enlarge = Enlarge { times: [2, 1], interpolation: Interpolation::Linear };
    graph.module("enlarged", enlarge, &[wide]);
}

const CONVOLUTIONS: &str = r#"{"opset":17,"inputs":{"x":[1,3,8,8]},"outputs":{"z":[1,2]},"weights":{"w":{"shape":[4,3,3,3]},
"b":{"shape":[4]},"v":{"shape":[4]},"f":{"shape":[2,4]},"g":{"shape":[2]},"d":{"shape":[8],"wholes":[0,0,0,1,0,0,1,0]}},"nodes":[
{"op":"Conv","in":["x","w","b"],"out":["a"],"strides":[2,2],"pads":[1,1,1,1],"dilations":[1,1],"group":1,"kernel_shape":[3,3],"name":"/body/conv/Conv"},
{"op":"BatchNormalization","in":["a","b","b","b","v"],"out":["n"],"epsilon":0.001},
{"op":"Relu","in":["n"],"out":["r"]},
{"op":"MaxPool","in":["r"],"out":["m"],"kernel_shape":[2,2],"strides":[2,2],"ceil_mode":0,"pads":[0,0,0,0]},
{"op":"Pad","in":["m","d"],"out":["p"],"mode":"reflect"},
{"op":"AveragePool","in":["m"],"out":["q"],"kernel_shape":[2,2],"auto_pad":"SAME_UPPER","count_include_pad":1},
{"op":"GlobalAveragePool","in":["q"],"out":["h"]},{"op":"Flatten","in":["h"],"out":["i"],"axis":1},
{"op":"Gemm","in":["i","f","g"],"out":["z"],"transB":1,"alpha":1.5}]}
"#;

const ATTENTION: &str = r#"{"opset":18,"inputs":{"x":[1,3,2,2]},"outputs":{"z":[1,4,4]},"weights":{"w":{"shape":[4,3,1,1]},
"q":{"shape":[4,12]},"t":{"shape":[9,2]},"i":{"shape":[4,4],"wholes":[0,1,2,3,4,5,6,7,8,0,1,2,3,4,5,6]},"l":{"shape":[4]},
"s":{"shape":[3],"wholes":[0,-1,4]},"k":{"shape":[5],"wholes":[1,4,3,2,2]},"o":{"shape":[3],"wholes":[1,4,4]},"c":{"shape":[]}},"nodes":[
{"op":"Conv","in":["x","w"],"out":["a"]},{"op":"Reshape","in":["a","s"],"out":["b"]},{"op":"Transpose","in":["b"],"out":["d"],"perm":[0,2,1]},
{"op":"LayerNormalization","in":["d","l","l"],"out":["n"],"axis":-1,"epsilon":0.001},
{"op":"MatMul","in":["n","q"],"out":["e"]},{"op":"Reshape","in":["e","k"],"out":["f"]},{"op":"Transpose","in":["f"],"out":["g"],"perm":[2,0,3,1,4]},
{"op":"Split","in":["g"],"out":["u","v","y"],"axis":0,"num_outputs":3},{"op":"Constant","in":[],"out":["n0"],"value_ints":[0]},
{"op":"Squeeze","in":["u","n0"],"out":["u1"]},
{"op":"Gather","in":["t","i"],"out":["h"],"axis":0},{"op":"Transpose","in":["h"],"out":["j"],"perm":[2,0,1]},
{"op":"Mul","in":["u","c"],"out":["u2"]},{"op":"Transpose","in":["v"],"out":["v2"],"perm":[0,1,2,4,3]},
{"op":"MatMul","in":["u2","v2"],"out":["m"]},{"op":"Add","in":["m","j"],"out":["m2"]},{"op":"Softmax","in":["m2"],"out":["p"],"axis":-1},
{"op":"MatMul","in":["p","y"],"out":["r"]},{"op":"Transpose","in":["r"],"out":["r2"],"perm":[0,1,3,2,4]},{"op":"Reshape","in":["r2","o"],"out":["z"]}]}
"#;

const SHAPES: &str = r#"{"opset":13,"inputs":{"x":["N",3,4,4]},"outputs":{"z":["N",12,4,4]},"weights":{"s":{"shape":[1],"wholes":[0]},
"e":{"shape":[1],"wholes":[2]},"a":{"shape":[1],"wholes":[1]},"r":{"shape":[4]},"o":{"shape":[2],"wholes":[2,2]}},"nodes":[
{"op":"Shape","in":["x"],"out":["d"]},{"op":"Slice","in":["d","s","e","s"],"out":["f"]},{"op":"Concat","in":["f","o"],"out":["g"],"axis":0},
{"op":"Expand","in":["a","o"],"out":["h"]},{"op":"Range","in":["s","e","a"],"out":["i"]},
{"op":"SpaceToDepth","in":["x"],"out":["j"],"blocksize":2},{"op":"DepthToSpace","in":["j"],"out":["k"],"blocksize":2,"mode":"CRD"},
{"op":"Slice","in":["k","s","e","e","a"],"out":["l"]},{"op":"Concat","in":["k","k"],"out":["m"],"axis":1},
{"op":"Constant","in":[],"out":["r0"],"value_floats":[1.0,1.0,2.0,2.0]},
{"op":"Resize","in":["m","","r0"],"out":["n"],"mode":"nearest","coordinate_transformation_mode":"asymmetric","nearest_mode":"floor"},
{"op":"Sigmoid","in":["m"],"out":["p"]},{"op":"Mul","in":["m","p"],"out":["q"]},{"op":"ReduceMean","in":["q"],"out":["t"],"axes":[2,3],"keepdims":1},
{"op":"Clip","in":["q"],"out":["u"]},{"op":"Where","in":["a","u","q"],"out":["v"]},{"op":"ReduceL2","in":["u"],"out":["y"],"axes":[1]},
{"op":"Concat","in":["q","u"],"out":["z"],"axis":1}]}
"#;

const BRANCH: &str = r#"{"opset":17,"inputs":{"x":[1,3,4,4]},"outputs":{"z":[1,3,4,4]},"weights":{"c":{"shape":[],"wholes":[1]}},"nodes":[
{"op":"Cast","in":["c"],"out":["b"],"to":9},{"op":"Neg","in":["x"],"out":["u"]},
{"op":"If","in":["c"],"out":["y"],"then_branch":{"nodes":[{"op":"Relu","in":["x"],"out":["t"]}],"outputs":{"t":[1,3,4,4]}},
"else_branch":{"nodes":[{"op":"Identity","in":["x"],"out":["t"]}],"outputs":{"t":[1,3,4,4]}}},
{"op":"HardSwish","in":["y"],"out":["h"]},{"op":"Dropout","in":["h"],"out":["d"]},{"op":"Einsum","in":["d","d"],"out":["e"],"equation":"bchw,bchw->bchw"},
{"op":"Constant","in":[],"out":["i"],"value":{"shape":[3]}},{"op":"InstanceNormalization","in":["d","i","i"],"out":["n"]},
{"op":"Add","in":["d","n"],"out":["z"]}]}
"#;
