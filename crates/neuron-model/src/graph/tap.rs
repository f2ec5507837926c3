use neuron_geometry::per_axis;
use serde::Serialize;

use super::{Graph, MapShape, NodeId};
use crate::error::ModelError;

/// A named place in a network whose value can be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tap {
    /// The module's name as torchvision's `named_modules` spells it (`layer4.2.conv2`).
    pub name: String,
    /// The node whose output the module returns.
    pub node: NodeId,
}

/// What is known of a tap without running the network. Pairs are `[vertical, horizontal]`; as JSON they are one number
/// where both are equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TapInfo {
    /// The module's name.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// Height of its map for the asked image size.
    pub height: usize,
    /// Width of its map for the asked image size.
    pub width: usize,
    /// Distance of neighbouring positions in input pixels; `None` where every position sees the whole image.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub stride_px: Option<[usize; 2]>,
    /// First input pixel that position 0 sees; negative inside the padding.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub start_px: Option<[i64; 2]>,
    /// Height and width of the theoretical receptive field in input pixels.
    #[serde(serialize_with = "per_axis::serialize_option")]
    pub receptive_field_px: Option<[usize; 2]>,
}

impl Graph {
    /// Every tap in the order in which torchvision lists its modules.
    pub fn taps(&self) -> impl Iterator<Item = Tap> + '_ {
        self.modules.iter().map(|(name, node)| Tap { name: name.clone(), node: *node })
    }

    /// The tap of that name, dotted (`layer4.2`) or underscored (`layer4_2`).
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`] with the nearest names; [`ModelError::AbsentTap`] if the weights do not hold it.
    pub fn tap(&self, name: &str) -> Result<Tap, ModelError> {
        let dotted = name.trim().replace('_', ".");
        if let Some(absent) = self.absent.iter().find(|absent| absent.name == dotted) {
            return Err(ModelError::AbsentTap { tap: dotted, missing: absent.missing.clone() });
        }
        self.taps().find(|tap| tap.name == dotted).ok_or_else(|| ModelError::UnknownTap {
            tap: name.to_owned(),
            nearest: self.nearest_names(&dotted),
        })
    }

    /// The image itself as a tap: where a walk back down to the pixels ends.
    pub fn image_tap(&self) -> Tap {
        Tap { name: self.node(self.input()).name.clone(), node: self.input() }
    }

    /// Whether `below` is needed to compute `tap` and is another value than it.
    pub fn is_strictly_below(&self, below: &Tap, tap: &Tap) -> bool {
        below.node != tap.node && self.ancestors([tap.node])[below.node.0]
    }

    /// Channels, map size, stride and receptive field of every tap for images of `height x width`.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] if the network cannot take images of that size.
    pub fn tap_infos(&self, height: usize, width: usize) -> Result<Vec<TapInfo>, ModelError> {
        let shapes = self.shapes(&vec![true; self.nodes.len()], height, width)?;
        let info = |tap: Tap| {
            let MapShape { channels, height, width } = shapes[tap.node.0]?;
            let field = self.receptive_field(tap.node);
            Some(TapInfo {
                name: tap.name,
                channels,
                height,
                width,
                stride_px: field.map(|field| field.stride_px),
                start_px: field.map(|field| field.start_px),
                receptive_field_px: field.map(|field| field.size_px),
            })
        };
        Ok(self.taps().filter_map(info).collect())
    }

    fn nearest_names(&self, wanted: &str) -> Vec<String> {
        let mut names: Vec<_> =
            self.modules.iter().map(|(name, _)| (edit_distance(wanted, name), name)).collect();
        names.sort();
        names.into_iter().take(4).map(|(_, name)| name.clone()).collect()
    }
}

/// Levenshtein's distance: insertions, deletions and replacements that lead from `from` to `to`.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances_by_hand() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("layer5", "layer4"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}
