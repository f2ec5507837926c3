use std::path::Path;

use neuron_atlas::Maker;
use neuron_model::{Architecture, Weights};
use serde_json::Value;

use crate::rerun;
use crate::same_layer::shortest_name;

/// What this program knows of the results that its commands left.
pub(super) struct Neuron;

impl Maker for Neuron {
    /// Of all layers with the same value the one that commands look at if nobody names another, else that of the shortest
    /// name. A layer that this build does not know keeps its name.
    fn layer_name(&self, arch: &str, layer: &str) -> String {
        let Ok(architecture) = Architecture::from_name(arch) else { return layer.to_owned() };
        let graph = architecture.graph(&Weights::default());
        let Ok(tap) = graph.tap(layer) else { return layer.to_owned() };
        let usual = architecture.feature_layers().iter().map(|(name, _)| *name);
        let mut usual = usual.chain([architecture.target_layer()]).filter_map(|name| graph.tap(name).ok());
        let same = usual.find(|usual| usual.node == tap.node);
        same.map_or_else(|| shortest_name(&graph, &tap), |same| same.name)
    }

    fn command_line(&self, scan: &Value, folder: &Path) -> Option<String> {
        // A manifest may hold anything; no shell can be told of a zero byte.
        shlex::try_join(rerun::command_line(scan, folder)?.words()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_and_its_last_block_are_one() {
        let layer_name = |arch, layer| Neuron.layer_name(arch, layer);
        assert_eq!(layer_name("resnet50", "layer4.2"), "layer4");
        assert_eq!(layer_name("resnet50", "layer4_2"), "layer4");
        assert_eq!(layer_name("resnet50", "layer4.1"), "layer4.1");
        assert_eq!(layer_name("resnet50", "layer9"), "layer9");
        assert_eq!(layer_name("vit_small_patch16_224", "blocks"), "blocks.11");
        assert_eq!(layer_name("swin_t", "features.7"), "features.7");
        assert_eq!(layer_name("resnet50", "layer4.2.relu"), "layer4");
        assert_eq!(layer_name("a network of tomorrow", "layer4.2"), "layer4.2");
    }
}
