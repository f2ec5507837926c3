//! Layers by several names: what `layer4` of a ResNet returns is what its last block, `layer4.2`, returns.

use neuron_model::{Graph, Tap};

/// The shortest name of all layers with the same value; of several the first.
pub(crate) fn shortest_name(graph: &Graph, tap: &Tap) -> String {
    let same = graph.taps().filter(|other| other.node == tap.node);
    same.min_by_key(|other| other.name.len()).map_or_else(|| tap.name.clone(), |shortest| shortest.name)
}
