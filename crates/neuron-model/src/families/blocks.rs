//! What several families are made of, with torchvision's names.

use neuron_geometry::Window;
use neuron_kernels::{Activation as Function, ConvGeometry};

use super::choice::Choice;
use crate::graph::GraphBuilder;
use crate::ops::{Activation, Gate, GlobalAveragePool, LayerNorm, Linear, Operation, Relu, Rescale};
use crate::value::NodeId;
use crate::weights::Weights;

/// A convolution with its batch norm and activation (torchvision's `Conv2dNormActivation`).
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvNorm {
    pub(super) out_channels: usize,
    pub(super) window: Window,
    pub(super) groups: usize,
    /// Added to the variance.
    pub(super) eps: f64,
    pub(super) activation: Option<Function>,
}

impl ConvNorm {
    /// Modules `<name>.0`, `.1` and, if there is an activation, `.2`; the result is also `<name>`.
    pub(super) fn add(self, graph: &mut GraphBuilder, name: &str, input: NodeId) -> NodeId {
        let Self { out_channels, window, groups, eps, activation } = self;
        let convolved = convolution(graph, &format!("{name}.0"), (out_channels, groups), window, input);
        let mut value = graph.batch_norm_by(&format!("{name}.1"), eps, convolved);
        if let Some(function) = activation {
            value = graph.module(&format!("{name}.2"), activate(function), &[value]);
        }
        graph.name(name, value);
        value
    }
}

/// A convolution without bias; `groups` is 1 for a dense one.
pub(super) fn convolution(
    graph: &mut GraphBuilder,
    name: &str,
    (out_channels, groups): (usize, usize),
    window: Window,
    input: NodeId,
) -> NodeId {
    let geometry = ConvGeometry { in_channels: graph.channels(input), out_channels, groups, window };
    graph.convolution(name, geometry, input)
}

/// A dense convolution with a bias.
pub(super) fn biased(
    graph: &mut GraphBuilder,
    name: &str,
    out_channels: usize,
    window: Window,
    input: NodeId,
) -> NodeId {
    let geometry = ConvGeometry { in_channels: graph.channels(input), out_channels, groups: 1, window };
    graph.biased_convolution(name, geometry, input)
}

/// A convolution, its batch norm and a ReLU that is no module (`BasicConv2d` of the inception networks): `<name>.conv`, `<name>.bn`, and the result as `<name>`.
pub(super) fn conv_norm_relu(
    graph: &mut GraphBuilder,
    name: &str,
    channels: usize,
    window: Window,
    input: NodeId,
) -> NodeId {
    let value = convolution(graph, &format!("{name}.conv"), (channels, 1), window, input);
    let value = graph.batch_norm_by(&format!("{name}.bn"), BASIC_CONV_EPS, value);
    graph.module(name, Relu, &[value])
}

/// What their batch norms add to the variance.
const BASIC_CONV_EPS: f64 = 1e-3;

/// Each position's channels by their own mean and variance.
pub(super) fn layer_norm(graph: &mut GraphBuilder, name: &str, eps: f64, input: NodeId) -> NodeId {
    graph.module(name, LayerNorm { channels: graph.channels(input), eps }, &[input])
}

/// A fully connected layer at every position.
pub(super) fn linear(graph: &mut GraphBuilder, name: &str, out_features: usize, input: NodeId) -> NodeId {
    graph.module(name, Linear::new(graph.channels(input), out_features), &[input])
}

/// Two fully connected layers at every position with a function in between, by their three modules' names: what the function
/// returns, and the end, which has as many channels as the input.
pub(super) fn perceptron(
    graph: &mut GraphBuilder,
    [first, between, second]: [&str; 3],
    (hidden, function): (usize, Function),
    input: NodeId,
) -> [NodeId; 2] {
    let inner = linear(graph, first, hidden, input);
    let active = graph.module(between, activate(function), &[inner]);
    [active, linear(graph, second, graph.channels(input), active)]
}

/// A function of every value as an operation.
pub(super) fn activate(function: Function) -> Operation {
    match function {
        Function::Relu => Relu.into(),
        function => Activation { function }.into(),
    }
}

/// Factors of whole channels that the channels' means decide (Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018):
/// modules `<name>.avgpool`, `.fc1`, `.activation`, `.fc2` and `.scale_activation`; the result is also `<name>`.
pub(super) fn squeeze_excitation(
    graph: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    squeezed: usize,
    [inner, scale]: [Function; 2],
) -> NodeId {
    let point = Window::square(1, 1, 0);
    let channels = graph.channels(input);
    let mean = graph.module(&format!("{name}.avgpool"), GlobalAveragePool, &[input]);
    let value = biased(graph, &format!("{name}.fc1"), squeezed, point, mean);
    let value = graph.module(&format!("{name}.activation"), activate(inner), &[value]);
    let value = biased(graph, &format!("{name}.fc2"), channels, point, value);
    let gate = graph.module(&format!("{name}.scale_activation"), activate(scale), &[value]);
    graph.module(name, Gate, &[input, gate])
}

/// Whether pixels that are normalised as usual are transformed.
pub(super) const TRANSFORM_INPUT: Choice = Choice::new("transform_input", ["true", "false"]);

/// The pixels as networks read them that were trained with a mean and deviation of 0.5, from pixels normalised as usual,
/// unless the weights' metadata `transform_input` is `false` (torchvision's weights want it).
pub(super) fn transformed_input(graph: &mut GraphBuilder, image: NodeId, weights: &Weights) -> NodeId {
    if TRANSFORM_INPUT.is_second(weights) {
        return image;
    }
    const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
    const STD: [f32; 3] = [0.229, 0.224, 0.225];
    let (scale, shift) = (STD.map(|std| std / 0.5), MEAN.map(|mean| (mean - 0.5) / 0.5));
    graph.push("transform_input", Rescale { scale, shift }, &[image])
}

/// `value` rounded to a multiple of `divisor`, by no more than a tenth downwards (torchvision's `_make_divisible`).
pub(super) fn make_divisible(value: f64, divisor: usize) -> usize {
    let rounded = ((value + divisor as f64 / 2.0) as usize / divisor * divisor).max(divisor);
    if (rounded as f64) < 0.9 * value { rounded + divisor } else { rounded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_as_torchvision_rounds_them() {
        let rounded =
            [(32.0, 32), (16.0 * 0.75, 16), (24.0 * 1.3, 32), (40.0 * 0.5, 24), (3.0, 8), (88.0 * 1.1, 96)];
        for (value, expected) in rounded {
            assert_eq!(make_divisible(value, 8), expected, "{value}");
        }
    }
}
