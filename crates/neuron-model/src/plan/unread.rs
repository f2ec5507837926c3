//! Positions that nobody reads: a pointwise convolution with a stride of n reads only every n-th line and column, and
//! what writes its input need not compute the others. In a residual network with its strides in the pointwise convolutions, these
//! are a tenth of all arithmetic.

use super::{Engine, Step};
use crate::graph::Graph;
use crate::ops::Operation;
use crate::value::NodeId;
use neuron_kernels::ConvGeometry;

/// For each node the n of which every n-th line and column of its map is computed: 1 for all of them.
pub(super) fn every(graph: &Graph, steps: &[Step], visible: &[bool], engine: Engine) -> Vec<usize> {
    let mut every = vec![1; visible.len()];
    // What reads a map comes behind what writes it: what is wanted of its own output is known.
    for (at, step) in steps.iter().enumerate().rev() {
        let convolution = convolution(graph, step.node).filter(|_| !visible[step.output.0]);
        if convolution.is_none_or(|geometry| !keeps_its_bits(&geometry, engine)) {
            continue;
        }
        let reads = steps[at + 1..].iter().filter_map(|reader| read_by(graph, reader, step.output, &every));
        every[step.output.0] = reads.reduce(greatest_common_divisor).unwrap_or(1);
    }
    every
}

fn convolution(graph: &Graph, id: NodeId) -> Option<ConvGeometry> {
    match graph.node(id).operation {
        Operation::Convolution(convolution) => Some(convolution.geometry),
        _ => None,
    }
}

/// Whether the sums of a convolution are the same ones with a larger stride.
fn keeps_its_bits(geometry: &ConvGeometry, engine: Engine) -> bool {
    match engine {
        Engine::F32 => !geometry.is_minimally_filtered(),
        Engine::Bf16 => true,
        // There, an algorithm is chosen by what a convolution looks like.
        Engine::Gpu => false,
    }
}

/// The n of which a step reads every n-th line and column of `map`, if it reads it.
fn read_by(graph: &Graph, step: &Step, map: NodeId, every: &[usize]) -> Option<usize> {
    let wanted = every[step.output.0];
    let by = |node: NodeId| match convolution(graph, node) {
        Some(ConvGeometry { window, .. }) if window.kernel == [1; 2] && window.padding == [0; 2] => {
            let [lines, columns] = window.stride;
            if lines == columns { lines * wanted } else { 1 }
        }
        _ => 1,
    };
    let as_input = step.inputs.contains(&map).then(|| by(step.node));
    let as_shortcut =
        step.shortcut.filter(|shortcut| shortcut.input == map).map(|shortcut| by(shortcut.node));
    let as_gate = (step.gate == Some(map)).then_some(1);
    let as_addend = (step.addend == Some(map)).then_some(wanted);
    [as_input, as_shortcut, as_gate, as_addend].into_iter().flatten().reduce(greatest_common_divisor)
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use crate::plan::{Engine, Plan};
    use crate::value::Keep;
    use crate::{Architecture, Weights};
    use neuron_kernels::Algorithm;

    /// The modules of a ResNet-50 whose maps are not computed as a whole, if `tap` is looked at beside layer4.
    fn thinned(v1: bool, tap: &str, engine: Engine, keep: Keep) -> Vec<String> {
        let metadata = BTreeMap::from([("stride_in_1x1".to_owned(), v1.to_string())]);
        let weights = Weights::from_tensors([], metadata);
        let graph = Arc::new(Architecture::from_name("resnet50").unwrap().graph(&weights));
        let taps = [tap, "layer4"].map(|name| graph.tap(name).unwrap());
        let plan = Plan::new(graph.clone(), taps.to_vec(), keep, Algorithm::Auto, engine);
        let thinned = plan.steps().iter().filter(|step| plan.every(step.output) == 2);
        thinned.map(|step| graph.node(step.node).name.clone()).collect()
    }

    #[test]
    fn what_strides_leave_out_is_not_computed() {
        let in_f32 = ["layer1.2.conv3", "layer2.3.conv3", "layer3.5.conv3"];
        assert_eq!(thinned(true, "layer4", Engine::F32, Keep::Taps), in_f32);
        let of_bf16 = ["layer1.2.conv2", "layer1.2.conv3", "layer2.3.conv2", "layer2.3.conv3"];
        assert_eq!(thinned(true, "layer3", Engine::Bf16, Keep::Taps), of_bf16);
        assert_eq!(thinned(true, "layer2", Engine::F32, Keep::Taps), [in_f32[0], in_f32[2]]);
    }

    #[test]
    fn what_somebody_reads_is_computed() {
        let none: [&str; 0] = [];
        assert_eq!(thinned(false, "layer4", Engine::F32, Keep::Taps), none);
        assert_eq!(thinned(true, "layer4", Engine::Gpu, Keep::Taps), none);
        assert_eq!(thinned(true, "layer4", Engine::F32, Keep::Relevance), none);
    }
}
