use neuron_model::ops::{
    Attention, ChannelReduction, ChannelSlice, Choice, CrossAttention, DepthToSpace, Enlarge, Exchange,
    Filling, Function, GlobalAveragePool, GlobalMaxPool, GlobalSum, GridSelection, GroupNorm, Interpolation,
    MOST_STEPS, MatrixProduct, MaxPool, Pad, Places, Pointwise, Product, Reach, Rearrangement, RmsNorm,
    Scatter, Similarity, Softmax, SpaceToDepth, Spread, Step, StepAxis, TableProduct, TokenInsertion,
    TokenJoin,
};
use neuron_model::{GraphBuilder, NodeId, OpKind, Window};

use super::subject::Case;

/// What other files test, within networks that have them.
const ELSEWHERE: [OpKind; 24] = [
    OpKind::Input,
    OpKind::Convolution,
    OpKind::BatchNorm,
    OpKind::Relu,
    OpKind::MaxPool,
    OpKind::Add,
    OpKind::GlobalAveragePool,
    OpKind::Linear,
    OpKind::Activation,
    OpKind::AveragePool,
    OpKind::AdaptiveAveragePool,
    OpKind::Concatenation,
    OpKind::ChannelSlice,
    OpKind::ChannelShuffle,
    OpKind::Flatten,
    OpKind::Gate,
    OpKind::LayerScale,
    OpKind::LayerNorm,
    OpKind::Rescale,
    OpKind::Attention,
    OpKind::TokenInsertion,
    OpKind::TokenSelection,
    OpKind::PositionTable,
    OpKind::PatchMerging,
];

/// A function by a name, and the values that it is tried on.
type Tried = (&'static str, Function, fn(f32) -> f32);

/// Every function that has a slope.
pub(crate) const FUNCTIONS: [Tried; 16] = [
    ("leaky relu", Function::LeakyRelu { slope: 0.1 }, wide),
    ("elu", Function::Elu { alpha: 1.5 }, wide),
    ("mish", Function::Mish, wide),
    ("softplus", Function::Softplus, wide),
    ("clamp", Function::Clamp { low: -0.75, high: 1.3 }, wide),
    ("clamp below 0", Function::Clamp { low: -2.0, high: -0.5 }, wide),
    ("exp", Function::Exp, wide),
    ("log", Function::Log, positive),
    ("sqrt", Function::Sqrt, positive),
    ("rsqrt", Function::ReciprocalSqrt, positive),
    ("reciprocal", Function::Reciprocal, positive),
    ("square", Function::Square, wide),
    ("abs", Function::Abs, wide),
    ("erf", Function::Erf, wide),
    ("sin", Function::Sin, wide),
    ("cos", Function::Cos, wide),
];

fn wide(value: f32) -> f32 {
    3.0 * value
}

fn positive(value: f32) -> f32 {
    1.75 + value
}

/// The two halves of the image's channels.
fn halves(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let count = graph.channels(image) / 2;
    [0, count].map(|first| graph.push("half", ChannelSlice { first, count }, &[image])).to_vec()
}

/// All channels but the last, and the last.
fn map_and_channel(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let count = graph.channels(image) - 1;
    let map = graph.push("map", ChannelSlice { first: 0, count }, &[image]);
    vec![map, graph.push("channel", ChannelSlice { first: count, count: 1 }, &[image])]
}

/// A half of the channels, and the means of the other half.
fn map_and_position(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let inputs = halves(graph, image);
    vec![inputs[0], graph.push("means", GlobalAveragePool, &[inputs[1]])]
}

/// All channels but the last, and its mean.
fn map_and_number(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let inputs = map_and_channel(graph, image);
    vec![inputs[0], graph.push("mean", GlobalAveragePool, &[inputs[1]])]
}

/// The image, and every pixel as what it is multiplied by.
fn twice(_: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    vec![image, image]
}

/// A half of the channels, and two parts of the other half at fewer positions: queries, keys and values.
fn other_map(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let window = Window::square(1, 2, 0);
    let coarse = graph.push("coarse", MaxPool { window }, &[image]);
    let part =
        |graph: &mut GraphBuilder, of, first, count| graph.push("part", ChannelSlice { first, count }, &[of]);
    vec![part(graph, image, 0, 4), part(graph, coarse, 4, 4), part(graph, coarse, 2, 6)]
}

/// As [`other_map`], with one head of keys and values for all queries.
fn shared_keys(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let inputs = other_map(graph, image);
    let part =
        |graph: &mut GraphBuilder, of, count| graph.push("head", ChannelSlice { first: 0, count }, &[of]);
    vec![inputs[0], part(graph, inputs[1], 2), part(graph, inputs[2], 3)]
}

/// Two thirds of the channels, chosen by a third of which only some are not 0.
fn thirds(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let count = graph.channels(image) / 3;
    let part = |first| ChannelSlice { first, count };
    let which = graph.push("which", part(0), &[image]);
    let step = Pointwise { function: Function::Above { bound: 0.1 } };
    let which = graph.push("step", step, &[which]);
    let [a, b] = [1, 2].map(|index| graph.push("part", part(index * count), &[image]));
    vec![which, a, b]
}

fn tokens(graph: &mut GraphBuilder, image: NodeId, count: usize) -> Vec<NodeId> {
    let channels = graph.channels(image);
    let tokens = TokenInsertion { channels, count, at: 0, tensor: "tokens", has_batch: true };
    vec![graph.push("tokens", tokens, &[image])]
}

fn one_token(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    tokens(graph, image, 1)
}

fn two_tokens(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    tokens(graph, image, 2)
}

/// Of 4 channels and 2 heads, with a number for each pair of positions.
fn attention(reach: Reach, extra: usize, grid: [usize; 2]) -> Attention {
    let (similarity, places) = (Similarity::Dot { factor: 0.7 }, Places::Matrix { extra, grid });
    Attention { channels: 4, heads: 2, reach, similarity, places }
}

/// Of two heads of queries of width 2.
fn cross(key_heads: usize, value_width: usize, places: Option<[usize; 2]>) -> CrossAttention {
    CrossAttention { heads: 2, key_heads, width: 2, value_width, factor: 0.7, places }
}

/// Queries and keys of other positions, as products of which there are two.
fn matrices(graph: &mut GraphBuilder, image: NodeId) -> Vec<NodeId> {
    let window = Window::square(1, 2, 0);
    let coarse = graph.push("coarse", MaxPool { window }, &[image]);
    let part =
        |graph: &mut GraphBuilder, of, first| graph.push("part", ChannelSlice { first, count: 9 }, &[of]);
    vec![part(graph, image, 0), part(graph, coarse, 1)]
}

/// Values of a map of 3 x 5 positions and 4 channels in another order.
fn rearranged(
    (to, first, rolled): ([usize; 3], [usize; 3], [usize; 2]),
    taken: &[(StepAxis, u32, u32)],
) -> Rearrangement {
    let mut steps = [Step::NONE; MOST_STEPS];
    for (step, (axis, count, apart)) in steps[MOST_STEPS - taken.len()..].iter_mut().zip(taken) {
        *step = Step { axis: *axis, count: *count, apart: *apart };
    }
    Rearrangement { channels: 4, grid: [3, 5], extra: 0, to, first, rolled, steps }
}

/// Every operation that is tested here, each with all that it can be told.
pub(crate) fn cases() -> Vec<Case> {
    let pad = |before, after, filling| Pad { before, after, filling };
    let [three, two] = [[3, 5, 4], [6, 4, 3]];
    let mut cases = vec![
        Case::new("grid selection", three, GridSelection { extra: 2 }).with(two_tokens),
        Case::new("grid selection of a grid", three, GridSelection { extra: 0 }),
        Case::new("pad", three, pad([2, 0], [1, 3], Filling::Value(-0.5))),
        Case::new("pad by a mirror", three, pad([2, 1], [0, 4], Filling::Mirror)),
        Case::new("pad by the edge", three, pad([0, 3], [4, 1], Filling::Edge)),
        Case::new("space to depth", two, SpaceToDepth { side: 2, channels_first: false }),
        Case::new("space to depth, channels first", two, SpaceToDepth { side: 2, channels_first: true }),
        Case::new("depth to space", [2, 3, 18], DepthToSpace { side: 3 }),
        Case::new("enlarge", three, Enlarge { times: [3, 2], interpolation: Interpolation::Nearest }),
        Case::new("enlarge smoothly", three, Enlarge { times: [2, 5], interpolation: Interpolation::Linear }),
        Case::new("spread a channel", three, Spread).with(map_and_channel),
        Case::new("spread a position", three, Spread).with(map_and_position),
        Case::new("spread a number", three, Spread).with(map_and_number),
        Case::new("product", three, Product { is_gate: false }).with(halves),
        Case::new("product with a gate", three, Product { is_gate: true }).with(halves),
        Case::new("product with itself", three, Product { is_gate: false }).with(twice),
        Case::new("softmax", three, Softmax { apart: 1 }).over(wide),
        Case::new("softmax of tokens", three, Softmax { apart: 1 }).with(two_tokens),
        Case::new("global max pool", three, GlobalMaxPool),
        Case::new("global max pool of tokens", three, GlobalMaxPool).with(two_tokens),
        Case::new("mean of channels", three, ChannelReduction::Mean),
        Case::new("sum of channels", three, ChannelReduction::Sum),
        Case::new("maximum of channels", three, ChannelReduction::Max),
        Case::new("softmax of groups", [3, 5, 6], Softmax { apart: 3 }),
        Case::new("global sum", three, GlobalSum),
        Case::new("global sum of tokens", three, GlobalSum).with(two_tokens),
        Case::new("exchange", three, Exchange { from: [3, 5], to: [2, 2] }),
        // Pairs of channels as rows, rows and columns as channels.
        Case::new(
            "rearrangement",
            three,
            rearranged(
                ([15, 2, 2], [0; 3], [1, 3]),
                &[
                    (StepAxis::Channel, 2, 2),
                    (StepAxis::Channel, 2, 1),
                    (StepAxis::Row, 3, 1),
                    (StepAxis::Column, 5, 1),
                ],
            ),
        ),
        // Overlapping windows of columns, each of them twice, backwards never.
        Case::new(
            "rearrangement with repetitions",
            three,
            rearranged(
                ([12, 3, 6], [0; 3], [0; 2]),
                &[
                    (StepAxis::Row, 3, 1),
                    (StepAxis::Column, 3, 1),
                    (StepAxis::Channel, 2, 0),
                    (StepAxis::Column, 3, 1),
                    (StepAxis::Channel, 4, 1),
                ],
            ),
        ),
        Case::new(
            "rearrangement of tokens",
            three,
            Rearrangement {
                extra: 2,
                ..rearranged(
                    ([17, 4, 1], [0; 3], [0; 2]),
                    &[(StepAxis::Channel, 4, 1), (StepAxis::Column, 17, 1)],
                )
            },
        )
        .with(two_tokens),
        Case::new("matrix product", [4, 4, 10], {
            MatrixProduct { batches: 2, rows: 8, columns: 2, inner: 9, weighs: false }
        })
        .with(matrices),
        Case::new("matrix product by weights", [4, 4, 10], {
            MatrixProduct { batches: 2, rows: 8, columns: 2, inner: 9, weighs: true }
        })
        .with(matrices),
        Case::new("table product", three, TableProduct { channels: 4, extra: 0, grid: [3, 5] }),
        Case::new("table product of tokens", three, TableProduct { channels: 4, extra: 2, grid: [3, 5] })
            .with(two_tokens),
        Case::new("token join", three, TokenJoin).with(map_and_position),
        Case::new("scatter", three, Scatter { stride: [2, 3], after: [1, 0] }),
        Case::new("choice", [3, 5, 6], Choice).with(thirds),
        Case::new("cross attention", [4, 3, 8], cross(2, 3, None)).with(other_map),
        Case::new("cross attention by a matrix", [4, 3, 8], cross(2, 3, Some([12, 4]))).with(other_map),
        Case::new("cross attention to shared keys", [4, 3, 8], cross(1, 3, None)).with(shared_keys),
        Case::new("rms norm", three, RmsNorm { channels: 4, eps: 1e-3 }),
        Case::new("rms norm of tokens", three, RmsNorm { channels: 4, eps: 1e-3 }).with(two_tokens),
        Case::new("group norm of one", three, GroupNorm { channels: 4, groups: 1, eps: 1e-3 }),
        Case::new("group norm", [3, 5, 6], GroupNorm { channels: 6, groups: 3, eps: 1e-3 }),
        Case::new("instance norm", three, GroupNorm { channels: 4, groups: 4, eps: 1e-3 }),
        Case::new("group norm of tokens", three, GroupNorm { channels: 4, groups: 2, eps: 1e-3 })
            .with(two_tokens),
        Case::new("attention by a matrix", [2, 3, 12], attention(Reach::All, 1, [2, 3])).with(one_token),
        Case::new(
            "attention by a matrix in windows",
            [4, 6, 12],
            attention(Reach::Windows { side: 2, shift: 1, padded: false }, 0, [2, 2]),
        ),
        Case::new(
            "attention by a matrix, spread",
            [4, 6, 12],
            attention(Reach::Spread { side: 2 }, 0, [2, 2]),
        ),
    ];
    cases.extend(
        FUNCTIONS.map(|(name, function, domain)| Case::new(name, three, Pointwise { function }).over(domain)),
    );
    cases
}

#[test]
fn no_operation_is_left_out() {
    let cases = cases();
    for kind in OpKind::ALL {
        let is_here = cases.iter().any(|case| case.operation.kind() == *kind);
        assert!(is_here || ELSEWHERE.contains(kind), "{kind:?} is tested nowhere");
    }
}
