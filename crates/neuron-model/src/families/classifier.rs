//! The last layers of a network, which its weights decide.

use neuron_geometry::Window;
use neuron_kernels::{Activation, ConvGeometry};

use super::blocks::activate;
use crate::graph::GraphBuilder;
use crate::ops::{Convolution, Linear, Operation, Stored};
use crate::value::NodeId;
use crate::weights::Weights;

/// The classes of ImageNet, for which torchvision's networks are trained.
const CLASSES: usize = 1000;

/// Adds the classifier `name` with as many outputs as its weights say, 1000 where there are no weights yet. Where the
/// weights hold none of that name and form it is left out, and the network ends below it.
pub(super) fn classifier(
    graph: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    weights: &Weights,
) -> Option<NodeId> {
    let in_features = graph.channels(input);
    last(graph, (name, &[]), |classes| Linear::new(in_features, classes).into(), input, weights)
}

/// As [`classifier`], without a bias.
pub(super) fn unbiased_classifier(
    graph: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    weights: &Weights,
) -> Option<NodeId> {
    let in_features = graph.channels(input);
    let layer = |out_features| Linear { in_features, out_features, stored: Stored::WithoutBias }.into();
    last(graph, (name, &[]), layer, input, weights)
}

/// As [`classifier`], a convolution over single positions.
pub(super) fn convolutional_classifier(
    graph: &mut GraphBuilder,
    name: &str,
    input: NodeId,
    weights: &Weights,
) -> Option<NodeId> {
    let in_channels = graph.channels(input);
    let layer = |out_channels| {
        let window = Window::square(1, 1, 0);
        let geometry = ConvGeometry { in_channels, out_channels, groups: 1, window };
        Convolution { geometry, bias: true }.into()
    };
    last(graph, (name, &[1, 1]), layer, input, weights)
}

/// Adds a fully connected layer of so many features and the function behind it as the modules `name` and `active`, unless
/// the weights hold none such.
pub(super) fn hidden_layer(
    graph: &mut GraphBuilder,
    [name, active]: [&str; 2],
    (features, function): (usize, Activation),
    input: NodeId,
    weights: &Weights,
) -> Option<NodeId> {
    let in_features = graph.channels(input);
    let layer = Linear::new(in_features, features);
    match classes(weights, name, &layer.into(), &[in_features]) {
        Ok(found) if found == features || weights.names().next().is_none() => {
            let value = graph.module(name, layer, &[input]);
            Some(graph.module(active, activate(function), &[value]))
        }
        Ok(_) => {
            graph.leave_out(name, layer, vec![format!("fitting {name}.weight")]);
            None
        }
        Err(missing) => {
            graph.leave_out(name, layer, missing);
            None
        }
    }
}

/// Adds the last layer, whose weights are `[classes, channels of the input, ..ends]`.
fn last(
    graph: &mut GraphBuilder,
    (name, ends): (&str, &[usize]),
    layer: impl Fn(usize) -> Operation,
    input: NodeId,
    weights: &Weights,
) -> Option<NodeId> {
    let inputs: Vec<usize> = [graph.channels(input)].iter().chain(ends).copied().collect();
    match classes(weights, name, &layer(CLASSES), &inputs) {
        Ok(classes) => Some(graph.module(name, layer(classes), &[input])),
        Err(missing) => {
            graph.leave_out(name, layer(CLASSES), missing);
            None
        }
    }
}

/// Outputs of a layer, or what of it the weights lack ([`Absent::missing`](crate::graph::Absent::missing)).
fn classes(weights: &Weights, name: &str, layer: &Operation, inputs: &[usize]) -> Result<usize, Vec<String>> {
    if weights.names().next().is_none() {
        return Ok(CLASSES);
    }
    let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
    let shape = |name: &str| weights.tensor(name).map(|tensor| tensor.shape.as_slice());
    let (weight, bias) = (shape(&weight_name), shape(&bias_name));
    let classes = match weight {
        Some([classes, found @ ..]) if *classes > 0 && found == inputs => Some(*classes),
        _ => None,
    };
    let has_bias = layer.op().tensors().iter().any(|tensor| tensor.suffix == "bias");
    let bias_fits = match bias {
        _ if !has_bias => true,
        Some(&[biases]) => classes.is_none_or(|classes| classes == biases),
        _ => false,
    };
    match classes {
        Some(classes) if bias_fits => Ok(classes),
        _ => {
            let tensors = [(weight_name, weight, classes.is_some()), (bias_name, bias, bias_fits)];
            let not_fitting = tensors.into_iter().filter(|(.., fits)| !fits);
            let what = |found: Option<_>| if found.is_some() { "fitting " } else { "" };
            Err(not_fitting.map(|(name, found, _)| format!("{}{name}", what(found))).collect())
        }
    }
}
