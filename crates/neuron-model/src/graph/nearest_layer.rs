//! The layer that the units of another are computed from.

use std::collections::BTreeSet;

use super::{Graph, Tap};
use crate::value::NodeId;

impl Graph {
    /// The nearest layer below a tap that all its units are computed from: every path from the image to the tap leads through
    /// it, and on from it through weights that mix channels or positions. In residual networks, it is the block below.
    /// `None` if there is none for images of `height x width` that has a map of more than one position.
    pub fn nearest_layer(&self, tap: &Tap, (height, width): (usize, usize)) -> Option<Tap> {
        let mut names: Vec<Tap> = self.taps().collect();
        // Of the names of one value, the outermost.
        names.sort_by_key(|tap| (tap.name.matches('.').count(), tap.name.len()));
        let has_map =
            |tap: &Tap| self.shape(tap, (height, width)).is_ok_and(|shape| shape.height * shape.width > 1);
        let named = |node: NodeId| names.iter().find(|tap| tap.node == node).cloned();
        self.all_paths_meet(tap.node).filter_map(named).find(has_map)
    }

    /// The nodes where all paths from the image to one meet, and from which they lead on through weights that mix values; the
    /// nearest first.
    fn all_paths_meet(&self, of: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        // Inputs come before their readers: what is left to be looked at after the latest node can only be reached by other
        // paths, and if nothing is left, there are none.
        let mut pending = BTreeSet::from([of.0]);
        let mut is_mixed = false;
        std::iter::from_fn(move || {
            while let Some(latest) = pending.pop_last() {
                let is_met = is_mixed && pending.is_empty();
                let node = &self.nodes[latest];
                pending.extend(node.inputs.iter().map(|input| input.0));
                is_mixed |= node.operation.op().tensors().iter().any(|tensor| tensor.shape.len() > 1);
                if is_met && !node.inputs.is_empty() {
                    return Some(NodeId(latest));
                }
            }
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, Weights};

    #[test]
    fn all_paths_lead_through_the_block_below() {
        for (arch, tap, nearest) in [
            ("resnet50", "layer4.2", Some("layer4.1")),
            ("resnet50", "layer4", Some("layer4.1")),
            ("resnet50", "layer4.0", Some("layer3")),
            // Inside a block, what is read there; a norm mixes nothing.
            ("resnet50", "layer4.2.conv1", Some("layer4.1")),
            ("resnet50", "layer4.2.bn1", Some("layer4.1")),
            ("resnet50", "layer4.2.conv3", Some("layer4.2.bn2")),
            // The last with a map.
            ("resnet50", "fc", Some("layer4")),
            // Nothing but the image.
            ("resnet50", "relu", None),
            ("vgg16", "features.29", Some("features.27")),
            ("googlenet", "inception5b", Some("inception5a")),
            ("densenet121", "features.denseblock4", Some("features.transition3")),
            ("vit_b_16", "encoder.layers.encoder_layer_11", Some("encoder.layers.encoder_layer_10")),
            ("convnext_tiny", "features.7", Some("features.7.1")),
        ] {
            let graph = Architecture::from_name(arch).unwrap().graph(&Weights::default());
            let found = graph.nearest_layer(&graph.tap(tap).unwrap(), (224, 224));
            assert_eq!(found.as_ref().map(|tap| tap.name.as_str()), nearest, "{tap} of {arch}");
        }
    }
}
