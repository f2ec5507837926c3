//! A network as `peers/graphs.py` reads it: a line for each operation.

use std::fmt::Write;

use neuron_kernels::Divisor;
use neuron_model::ops::{Attention, Reach};
use neuron_model::{Graph, NodeId, Operation, Shape, Window};

/// The operations up to `last`, for square images.
pub(crate) fn described(graph: &Graph, last: NodeId, size_px: usize) -> String {
    let (mut text, mut shapes) = (String::new(), Vec::<Shape>::new());
    for id in graph.ids().take_while(|id| *id <= last) {
        let node = graph.node(id);
        let read: Vec<Shape> = node.inputs.iter().map(|input| shapes[position(graph, *input)]).collect();
        let shape = match node.operation {
            Operation::Input(input) => Shape::grid(input.channels, size_px, size_px),
            operation => operation.shape(&read).expect("the images are large enough"),
        };
        shapes.push(shape);
        let inputs: Vec<String> =
            node.inputs.iter().map(|input| position(graph, *input).to_string()).collect();
        let Shape { channels, height, width, extra } = shape;
        let options = options(&node.operation);
        let inputs = inputs.join(",");
        writeln!(
            text,
            "{:?} {inputs} shape={channels}x{height}x{width} extra={extra}{options}",
            node.operation.kind()
        )
        .expect("text takes text");
    }
    text
}

fn position(graph: &Graph, id: NodeId) -> usize {
    graph.ids().position(|other| other == id).expect("inputs belong to the graph")
}

fn options(operation: &Operation) -> String {
    let pair = |[vertical, horizontal]: [usize; 2]| format!("{vertical}x{horizontal}");
    let window = |window: Window| {
        let Window { kernel, stride, padding, dilation, ceil_mode } = window;
        let sizes = [kernel, stride, padding, dilation].map(pair);
        let [kernel, stride, padding, dilation] = sizes;
        format!(" kernel={kernel} stride={stride} padding={padding} dilation={dilation} ceil={ceil_mode}")
    };
    match operation {
        Operation::Convolution(convolution) => {
            let geometry = convolution.geometry;
            format!("{} groups={} bias={}", window(geometry.window), geometry.groups, convolution.bias)
        }
        Operation::MaxPool(pool) => window(pool.window),
        Operation::AveragePool(pool) => {
            format!("{} padded={}", window(pool.window), pool.divisor == Divisor::Padded)
        }
        Operation::BatchNorm(norm) => format!(" eps={}", norm.eps),
        Operation::LayerNorm(norm) => format!(" eps={}", norm.eps),
        Operation::Activation(activation) => format!(" function={:?}", activation.function),
        Operation::Attention(Attention { heads, reach, .. }) => {
            let (windows, side, shift) = match reach {
                Reach::All => ("all", 0, 0),
                Reach::Windows { side, shift, .. } => ("windows", *side, *shift),
                Reach::Spread { side } => ("spread", *side, 0),
            };
            format!(" heads={heads} reach={windows} side={side} shift={shift}")
        }
        Operation::TokenSelection(selection) => format!(" position={}", selection.position),
        Operation::ChannelSlice(slice) => format!(" first={} count={}", slice.first, slice.count),
        Operation::ChannelShuffle(shuffle) => format!(" groups={}", shuffle.groups),
        _ => String::new(),
    }
}
