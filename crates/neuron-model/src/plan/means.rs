//! Convolutions of the means of maps: what decides about the gates of whole maps.
//!
//! A gate scales every value of its channel, so that the error of one sum is an error of a whole map. These sums are few, and are
//! made in f64: with chains of some thousand f32 steps, EfficientNet-B6's gates were most of what its logits lost.

use crate::graph::Graph;
use crate::ops::Operation;

/// For each node, whether it is a pointwise convolution of the mean of a map.
pub(super) fn convolutions(graph: &Graph) -> Vec<bool> {
    let mut of_means = vec![false; graph.nodes().len()];
    let mut convolutions = of_means.clone();
    for id in graph.ids() {
        let node = graph.node(id);
        let below = || node.inputs.iter().all(|input| of_means[input.0]);
        of_means[id.0] = match node.operation {
            Operation::GlobalAveragePool(_) => true,
            Operation::Convolution(convolution) => {
                convolutions[id.0] = convolution.geometry.is_pointwise() && below();
                convolutions[id.0]
            }
            Operation::BatchNorm(_) | Operation::Relu(_) | Operation::Activation(_) => below(),
            _ => false,
        };
    }
    convolutions
}

#[cfg(test)]
mod tests {
    use super::convolutions;
    use crate::{Architecture, Weights};

    fn found(network: &str) -> Vec<String> {
        let weights = Weights::from_tensors([], Default::default());
        let graph = Architecture::from_name(network).unwrap().graph(&weights);
        let found = graph.ids().zip(convolutions(&graph)).filter(|(_, found)| *found);
        found.map(|(id, _)| graph.node(id).name.clone()).collect()
    }

    #[test]
    fn gates_are_computed_from_means() {
        let gates = found("mobilenet_v3_small");
        assert_eq!(gates[..2], ["features.1.block.1.fc1", "features.1.block.1.fc2"]);
        assert_eq!(gates.len(), 2 * 9);
    }

    #[test]
    fn classifiers_are_no_gates() {
        assert!(found("resnet50").is_empty());
        assert!(found("squeezenet1_1").is_empty());
    }
}
