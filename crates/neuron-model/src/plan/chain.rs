//! Convolutions that are computed one behind the other, a band of lines at a time: the maps between them, in light networks
//! the largest, never leave the cache.

use super::Step;
use crate::graph::Graph;
use crate::ops::Operation;
use crate::value::NodeId;
use neuron_kernels::ConvGeometry;

/// The steps, each chain of them as one: a depthwise convolution, with the pointwise one before it and the one behind it, if
/// nobody else reads what they write.
pub(super) fn chained(graph: &Graph, mut steps: Vec<Step>, visible: &[bool]) -> Vec<Step> {
    let depthwise = steps.iter().filter(|step| is_depthwise(graph, step));
    let depthwise: Vec<(NodeId, NodeId)> = depthwise.map(|step| (step.inputs[0], step.output)).collect();
    for (input, output) in depthwise {
        join(&mut steps, input, visible, |before, _| is_pointwise(graph, before));
        join(&mut steps, output, visible, |_, behind| is_pointwise(graph, behind));
    }
    steps
}

/// Takes the step that writes `between` into the one that reads it, if they make a chain.
fn join(
    steps: &mut Vec<Step>,
    between: NodeId,
    visible: &[bool],
    fits: impl Fn(&Step, &Step) -> bool,
) -> Option<()> {
    let writer = steps.iter().position(|step| step.output == between)?;
    let mut readers = (0..steps.len()).filter(|at| steps[*at].reads().any(|read| read == between));
    let (reader, None) = (readers.next()?, readers.next()) else { return None };
    let (before, behind) = (&steps[writer], &steps[reader]);
    let adds_or_scales = before.addend.is_some() || before.gate.is_some();
    let as_input = behind.before.is_empty() && behind.inputs[..] == [between];
    let other_reads = behind.gate.is_some() || behind.addend == Some(between);
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
