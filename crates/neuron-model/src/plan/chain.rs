//! Convolutions that are computed one behind the other, a band of lines at a time: the maps between them, in light networks
//! the largest, never leave the cache.

use super::Step;
use crate::graph::Graph;
use crate::ops::Operation;
use crate::value::NodeId;
use neuron_kernels::ConvGeometry;

/// The steps, each chain of them as one: a depthwise convolution, with the pointwise one before it and the one behind it, if
/// nobody else reads what they write. A pointwise one between two depthwise ones belongs to the first: chains stay short, so
/// that their weights stay in the cache.
pub(super) fn chained(graph: &Graph, mut steps: Vec<Step>, visible: &[bool]) -> Vec<Step> {
    let depthwise = steps.iter().filter(|step| is_depthwise(graph, step));
    let depthwise: Vec<(NodeId, NodeId)> = depthwise.map(|step| (step.inputs[0], step.output)).collect();
    for (input, output) in depthwise {
        join(&mut steps, input, visible, |before, _| before.before.is_empty() && is_pointwise(graph, before));
        join(&mut steps, output, visible, |_, behind| is_pointwise(graph, behind));
    }
    steps
}

/// Takes the step that writes `between` into the one that reads it, if they make a chain.
pub(super) fn join(
    steps: &mut Vec<Step>,
    between: NodeId,
    visible: &[bool],
    fits: impl Fn(&Step, &Step) -> bool,
) -> Option<()> {
    let writer = steps.iter().position(|step| step.output == between)?;
    let mut readers = (0..steps.len()).filter(|at| steps[*at].reads().any(|read| read == between));
    let (reader, None) = (readers.next()?, readers.next()) else { return None };
    let (before, behind) = (&steps[writer], &steps[reader]);
    let adds_or_scales = before.addend.is_some() || before.shortcut.is_some() || before.gate.is_some();
    let as_input = behind.before.is_empty() && behind.inputs[..] == [between];
    let other_reads = behind.gate.is_some() || behind.shortcut.is_some() || behind.addend == Some(between);
    if visible[between.0] || adds_or_scales || !as_input || other_reads || !fits(before, behind) {
        return None;
    }
    let mut inner = steps.remove(writer);
    let reader = &mut steps[reader - 1];
    reader.before = std::mem::take(&mut inner.before);
    reader.before.push(inner);
    Some(())
}

fn geometry(graph: &Graph, step: &Step) -> Option<ConvGeometry> {
    match graph.node(step.node).operation {
        Operation::Convolution(convolution) => Some(convolution.geometry),
        _ => None,
    }
}

fn is_depthwise(graph: &Graph, step: &Step) -> bool {
    geometry(graph, step).is_some_and(|geometry| geometry.is_depthwise())
}

fn is_pointwise(graph: &Graph, step: &Step) -> bool {
    geometry(graph, step).is_some_and(|geometry| geometry.is_pointwise())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::graph::GraphBuilder;
    use crate::plan::{Engine, Plan};
    use crate::value::Keep;
    use crate::{Architecture, Weights};
    use neuron_geometry::Window;
    use neuron_kernels::{Algorithm, ConvGeometry};

    /// The modules of each chain in the pass to `taps`.
    fn chains(network: &str, taps: &[&str], keep: Keep, algorithm: Algorithm) -> Vec<Vec<String>> {
        let graph = Arc::new(Architecture::from_name(network).unwrap().graph(&Weights::default()));
        let taps = taps.iter().map(|name| graph.tap(name).unwrap()).collect();
        let plan = Plan::new(graph.clone(), taps, keep, algorithm, Engine::F32);
        let chains = plan.steps().iter().filter(|step| !step.before.is_empty());
        chains.map(|step| step.chain().map(|step| graph.node(step.node).name.clone()).collect()).collect()
    }

    fn in_a_pass(network: &str, taps: &[&str]) -> Vec<Vec<String>> {
        chains(network, taps, Keep::Taps, Algorithm::Auto)
    }

    #[test]
    fn inverted_residuals_are_chains() {
        let blocks = in_a_pass("mobilenet_v2", &["features.3"]);
        let first = ["features.1.conv.0.0", "features.1.conv.1"];
        let third = ["features.3.conv.0.0", "features.3.conv.1.0", "features.3.conv.2"];
        assert_eq!(
            (blocks.len(), &blocks[0][..], &blocks[2][..]),
            (3, &first.map(String::from)[..], &third.map(String::from)[..])
        );
        assert_eq!(in_a_pass("mobilenet_v2", &["features"]).len(), 17);
        // A gate reads the whole map in between.
        let gated = in_a_pass("efficientnet_b0", &["features.2"]);
        assert!(gated.iter().all(|chain| chain.len() == 2), "{gated:?}");
        assert_eq!(in_a_pass("resnext50_32x4d", &["layer4"]), Vec::<Vec<String>>::new());
    }

    #[test]
    fn chains_do_not_grow_together() {
        let (mut graph, image) = GraphBuilder::new(8);
        let mut last = image;
        // As in MobileNet V1: depthwise and pointwise ones by turns.
        for (name, groups, side) in [("a", 8, 3), ("b", 1, 1), ("c", 8, 3), ("d", 1, 1)] {
            let window = Window::square(side, 1, side / 2);
            let geometry = ConvGeometry { in_channels: 8, out_channels: 8, groups, window };
            let product = graph.convolution(&format!("{name}.conv"), geometry, last);
            last = graph.batch_norm(name, product);
        }
        let graph = Arc::new(graph.finish().expect("layers that fit together"));
        let taps = vec![graph.tap("d").expect("a module")];
        let plan = Plan::new(graph, taps, Keep::Taps, Algorithm::Auto, Engine::F32);
        assert_eq!(plan.steps().iter().map(|step| step.chain().count()).collect::<Vec<_>>(), [2, 2]);
    }

    #[test]
    fn what_somebody_looks_at_ends_a_chain() {
        let seen = in_a_pass("mobilenet_v2", &["features.3.conv.1", "features.3"]);
        let (before, behind) = (&seen[2], seen.len());
        assert_eq!(
            (&before[..], behind),
            (&["features.3.conv.0.0", "features.3.conv.1.0"].map(String::from)[..], 3)
        );
        // Each value between is looked at.
        assert_eq!(chains("mobilenet_v2", &["features"], Keep::Gradient, Algorithm::Auto).len(), 0);
        assert_eq!(chains("mobilenet_v2", &["features"], Keep::Taps, Algorithm::Bf16x3).len(), 0);
    }
}
