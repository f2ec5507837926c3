//! The last layer of a network, which its weights decide.

use crate::graph::GraphBuilder;
use crate::ops::Linear;
use crate::value::NodeId;
use crate::weights::Weights;

/// The classes of ImageNet, for which torchvision's networks are trained.
const CLASSES: usize = 1000;

/// Adds the classifier `name` with as many outputs as its weights say, 1000 where there are no weights yet. Where the
/// weights hold none of that name and form it is left out, and the network ends below it.
pub(super) fn classifier(graph: &mut GraphBuilder, name: &str, input: NodeId, weights: &Weights) {
    let in_features = graph.channels(input);
    match classes(weights, name, in_features) {
        Ok(out_features) => {
            graph.module(name, Linear { in_features, out_features }, &[input]);
        }
        Err(missing) => {
            graph.leave_out(name, Linear { in_features, out_features: CLASSES }, missing);
        }
    }
}

/// Outputs of the classifier, or what of it the weights lack ([`Absent::missing`](crate::graph::Absent::missing)).
fn classes(weights: &Weights, name: &str, in_features: usize) -> Result<usize, Vec<String>> {
    if weights.names().next().is_none() {
        return Ok(CLASSES);
    }
    let (weight_name, bias_name) = (format!("{name}.weight"), format!("{name}.bias"));
    let shape = |name: &str| weights.tensor(name).map(|tensor| tensor.shape.as_slice());
    let (weight, bias) = (shape(&weight_name), shape(&bias_name));
    let classes = match weight {
        Some(&[classes, inputs]) if classes > 0 && inputs == in_features => Some(classes),
        _ => None,
    };
    let bias_fits = match bias {
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
