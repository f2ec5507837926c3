//! Pixels that a network changes by constants before it reads them: it normalises them itself.
//!
//! They stay pixels, whose range is known, and relevance reaches them by the rule for the first convolution.

use neuron_model::NodeId;
use neuron_model::ops::Rescale;
use neuron_model::{Operation, Shape};

use super::map::{Axis, whole};
use super::{Map, Obstacle, Translator};

/// Pixels as they are.
const SAME: Rescale = Rescale { scale: [1.0; 3], shift: [0.0; 3] };

impl Translator<'_> {
    /// What was done to the pixels that a node is; `None` of any other node.
    fn of_pixels(&self, node: NodeId) -> Option<Rescale> {
        if node == self.image {
            return Some(SAME);
        }
        match self.made.get(&node)? {
            (Operation::Rescale(rescale), inputs) if inputs[..] == [self.image] => Some(*rescale),
            _ => None,
        }
    }

    fn rescaled(&mut self, rescale: Rescale) -> Result<(NodeId, Shape), Obstacle> {
        self.push(rescale, &[self.image])
    }

    /// Every channel of pixels times a factor, plus a number; `None` of any other map, or where one of them is no number.
    pub(super) fn affine_of_pixels(
        &mut self,
        map: &Map,
        scale: &[f32],
        shift: &[f32],
    ) -> Result<Option<Map>, Obstacle> {
        let (Some(before), [_, _, _], [_, _, _]) = (self.of_pixels(map.node), scale, shift) else {
            return Ok(None);
        };
        let after = Rescale {
            scale: std::array::from_fn(|colour| before.scale[colour] * scale[colour]),
            shift: std::array::from_fn(|colour| before.shift[colour].mul_add(scale[colour], shift[colour])),
        };
        if after.scale.iter().chain(&after.shift).any(|number| !number.is_finite()) {
            return Ok(None);
        }
        let (node, shape) = self.rescaled(after)?;
        Ok(Some(Map { node, shape, scale: 1.0, ..map.clone() }))
    }

    /// The three channels of the pixels, each changed by itself, one after the other again; `None` of any other maps.
    pub(super) fn pixels_joined(&mut self, maps: &[Map], axis: usize) -> Result<Option<Map>, Obstacle> {
        let Ok([red, green, blue]) = <&[Map; 3]>::try_from(maps) else { return Ok(None) };
        let mut joined = SAME;
        for (colour, map) in [red, green, blue].into_iter().enumerate() {
            let Shape { height, width, .. } = map.shape;
            let dims =
                [(Axis::Item, self.items), (Axis::Channel, 1), (Axis::Row, height), (Axis::Column, width)];
            let is_whole = map.dims == dims.map(|(axis, size)| whole(axis, size)) && map.rolled == [0; 2];
            let Some(own) = self.of_pixels(map.node).filter(|_| is_whole && !map.is_unit) else {
                return Ok(None);
            };
            if axis != 1 || map.first != [colour, 0, 0, 0] {
                return Ok(None);
            }
            let scale = map.scale as f32;
            joined.scale[colour] = own.scale[colour] * scale;
            joined.shift[colour] = own.shift[colour] * scale;
        }
        let (node, shape) = self.rescaled(joined)?;
        Ok(Some(Map::image(node, shape, self.items)))
    }
}
