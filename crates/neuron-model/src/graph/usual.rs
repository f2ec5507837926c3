//! The layers of a network that are used if nobody names others, found from its graph alone.

use super::{Graph, TapInfo};

/// The layers that are used if nobody names others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UsualLayers {
    /// Those whose features are matched and at which relevance is shown, from the image upwards, each with the weight of its
    /// features.
    pub features: Vec<(String, f64)>,
    /// The layer whose units are looked at: the last one with a map.
    pub target: String,
    /// The last block of that layer by its own name: the same values.
    pub target_block: String,
}

/// More stages than networks have resolutions.
const MOST_STAGES: usize = 5;
/// Blocks of one resolution that make a network without stages.
const MANY_BLOCKS: usize = 4;

/// Images of a network that says nothing of theirs.
const USUAL_SIZE: usize = 224;

impl Graph {
    /// The layers that are used if nobody names others, found from the graph alone; none if no layer has a map.
    pub fn usual_layers(&self) -> UsualLayers {
        let size = self.image_size().or(self.told_size()).unwrap_or([USUAL_SIZE; 2]);
        UsualLayers::of(self, size).unwrap_or_default()
    }
}

impl UsualLayers {
    /// The usual layers of a network that is known by its graph alone, for images of a size; `None` if no layer has a map.
    ///
    /// The last layer at each resolution, or every quarter of the blocks where all have one.
    fn of(graph: &Graph, [height, width]: [usize; 2]) -> Option<Self> {
        let infos = graph.tap_infos(height, width).ok()?;
        let outputs = |name: &str| name == "output" || name.starts_with("output.");
        let mut maps: Vec<(usize, &TapInfo)> = graph
            .taps()
            .zip(&infos)
            .filter(|(tap, info)| info.height * info.width > 1 && !outputs(&tap.name))
            .map(|(tap, info)| (tap.node.0, info))
            .collect();
        maps.sort_by_key(|(node, _)| *node);
        let (last, _) = *maps.last()?;
        let same = |node: usize| {
            maps.iter().filter(move |(other, _)| *other == node).map(|(_, info)| info.name.as_str())
        };
        let outermost = |node: usize| same(node).min_by_key(|name| (name.matches('.').count(), name.len()));
        let blocks = blocks(&maps);
        let (mut features, target) = match &blocks[..] {
            [.., block] if blocks.len() >= MANY_BLOCKS => {
                let quarters =
                    (1..=4).map(|quarter| blocks[(quarter * blocks.len()).div_ceil(4) - 1].clone());
                (quarters.map(|name| (name, 1.0)).collect::<Vec<_>>(), block.clone())
            }
            _ => {
                // The outermost name at each resolution: the first layers of a stage still have that of the stage before.
                let mut stages: Vec<(usize, usize)> = Vec::new();
                let mut size = None;
                for (node, info) in &maps {
                    let depth = info.name.matches('.').count();
                    let is_next = size.replace((info.height, info.width)) != Some((info.height, info.width));
                    match stages.last_mut() {
                        Some(stage) if !is_next => {
                            if depth <= stage.0 {
                                *stage = (depth, *node);
                            }
                        }
                        _ => stages.push((depth, *node)),
                    }
                }
                let first = stages.len().saturating_sub(MOST_STAGES);
                let names = stages[first..].iter().filter_map(|(_, node)| outermost(*node));
                (names.map(|name| (name.to_owned(), 1.0)).collect(), outermost(last)?.to_owned())
            }
        };
        // What lies nearest to the image counts less, and the units' own layer is not compared with itself.
        if let [(_, first), .., (_, last)] = &mut features[..] {
            (*first, *last) = (0.1, 0.0);
        }
        let node = graph.tap(&target).ok()?.node;
        let inner = same(node.0).filter(|name| name.starts_with(&format!("{target}.")));
        let target_block = inner.min_by_key(|name| name.len()).unwrap_or(&target).to_owned();
        Some(Self { features, target, target_block })
    }
}

/// Numbered modules beside one another that all have one shape, if those are all the maps there are but for few.
fn blocks(maps: &[(usize, &TapInfo)]) -> Vec<String> {
    let parent = |name: &str| name.trim_end_matches(|letter: char| letter.is_ascii_digit()).to_owned();
    let shape = |info: &TapInfo| (info.channels, info.height, info.width, info.extra);
    let Some((_, last)) = maps.last() else { return Vec::new() };
    let is_parent = |name: &str| maps.iter().any(|(_, other)| other.name.starts_with(&format!("{name}.")));
    let alike = |info: &TapInfo, other: &TapInfo| {
        shape(info) == shape(other) && parent(&info.name) == parent(&other.name)
    };
    let numbered: Vec<&TapInfo> = maps
        .iter()
        .map(|(_, info)| *info)
        .filter(|info| shape(info) == shape(last) && parent(&info.name) != info.name && is_parent(&info.name))
        .collect();
    let group = |info: &&TapInfo| numbered.iter().filter(|other| alike(info, other)).count();
    let Some(largest) = numbered.iter().copied().max_by_key(group) else { return Vec::new() };
    numbered.iter().filter(|info| alike(largest, info)).map(|info| info.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Weights};

    fn usual(arch: &str) -> UsualLayers {
        let graph = Architecture::from_name(arch).unwrap().graph(&Weights::default());
        UsualLayers::of(&graph, [224, 224]).unwrap()
    }

    #[test]
    fn stages_of_convolutional_networks_are_found() {
        let found = usual("resnet50");
        let names: Vec<&str> = found.features.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["relu", "layer1", "layer2", "layer3", "layer4"]);
        assert_eq!((found.target.as_str(), found.target_block.as_str()), ("layer4", "layer4.2"));
        assert_eq!(
            found.features.iter().map(|(_, weight)| *weight).collect::<Vec<_>>(),
            [0.1, 1.0, 1.0, 1.0, 0.0]
        );
        assert_eq!(usual("mobilenet_v2").target, "features");
    }

    #[test]
    fn of_blocks_without_stages_every_quarter_counts() {
        let found = usual("vit_b_16");
        let names: Vec<&str> = found.features.iter().map(|(name, _)| name.as_str()).collect();
        let block = |index: usize| format!("encoder.layers.encoder_layer_{index}");
        assert_eq!(names, [block(2), block(5), block(8), block(11)]);
        assert_eq!(found.target, block(11));
    }
}
