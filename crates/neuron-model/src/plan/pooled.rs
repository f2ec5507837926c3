//! Convolutions that only a max-pool reads: both are computed a band of lines at a time, and the map between them, the largest
//! of many networks, never leaves the cache.

use super::Step;
use super::chain::join;
use crate::graph::Graph;
use crate::ops::Operation;
use crate::value::NodeId;
use neuron_kernels::Activation;

/// Weights of a convolution that stay in the cache beside a band of its map: every band reads all of them.
const MOST_WEIGHTS: usize = 1 << 17;

/// The steps, each max-pool with the convolution below it as one.
pub(super) fn pooled(graph: &Graph, mut steps: Vec<Step>, visible: &[bool]) -> Vec<Step> {
    let is_pool = |step: &&Step| match graph.node(step.node).operation {
        // Every window of others sees something.
        Operation::MaxPool(pool) => pool.window.dilation == [1; 2] && !visible[step.output.0],
        _ => false,
    };
    let pools = steps.iter().filter(is_pool).map(|step| step.inputs[0]);
    for between in pools.collect::<Vec<NodeId>>() {
        join(&mut steps, between, visible, |before, _| is_light(graph, before));
    }
    steps
}

/// Whether a step is a convolution of windows with few weights, and nothing else but a comparison with 0.
fn is_light(graph: &Graph, step: &Step) -> bool {
    let Operation::Convolution(convolution) = graph.node(step.node).operation else { return false };
    let activation = step.activation.is_none_or(|activation| activation == Activation::Relu);
    let alone = step.before.is_empty() && step.shortcut.is_none();
    let geometry = convolution.geometry;
    activation && alone && !geometry.is_pointwise() && geometry.weight_len() <= MOST_WEIGHTS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::plan::{Engine, Plan};
    use crate::value::Keep;
    use crate::{Architecture, Weights};
    use neuron_kernels::Algorithm;

    /// The convolutions that are computed with the max-pool above.
    fn pooled(network: &str, taps: &[&str], engine: Engine) -> Vec<String> {
        let graph = Arc::new(Architecture::from_name(network).unwrap().graph(&Weights::default()));
        let taps = taps.iter().map(|name| graph.tap(name).unwrap()).collect();
        let plan = Plan::new(graph.clone(), taps, Keep::Taps, Algorithm::Auto, engine);
        let before = plan.steps().iter().flat_map(|step| &step.before);
        before.map(|step| graph.node(step.node).name.clone()).collect()
    }

    #[test]
    fn stems_are_pooled_in_bf16() {
        assert_eq!(pooled("resnet50", &["layer1"], Engine::Bf16), ["conv1"]);
        // Of the later ones, the weights are large.
        assert_eq!(pooled("vgg11", &["features"], Engine::Bf16), ["features.0", "features.3"]);
        assert!(pooled("resnet50", &["layer1"], Engine::F32).is_empty());
        assert!(pooled("resnet50", &["layer1"], Engine::Gpu).is_empty());
    }

    #[test]
    fn what_somebody_looks_at_is_written() {
        for tap in ["relu", "maxpool"] {
            assert!(pooled("resnet50", &[tap, "layer1"], Engine::Bf16).is_empty(), "{tap}");
        }
    }
}
