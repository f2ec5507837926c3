//! Neighbouring positions as channels, and channels as neighbouring positions, where exporters spell them out.

use neuron_model::Shape;
use neuron_model::ops::{DepthToSpace, PatchMerging, SpaceToDepth};

use super::map::{Axis, Factor, joined, whole};
use super::{Map, Obstacle, Translator};

impl Translator<'_> {
    /// A value whose channels are blocks of positions, or whose positions are parts of channels, as a node; `None` if it is
    /// neither.
    pub(super) fn blocks(&mut self, map: &Map) -> Result<Option<Map>, Obstacle> {
        if map.shape.extra > 0 || map.rolled != [0; 2] || map.first != [0; 4] || map.is_unit {
            return Ok(None);
        }
        match self.merged_blocks(map)? {
            None => self.spread_channels(map),
            merged => Ok(merged),
        }
    }

    /// Channels that are those of `side x side` positions.
    fn merged_blocks(&mut self, map: &Map) -> Result<Option<Map>, Obstacle> {
        let Shape { channels, height, width, .. } = map.shape;
        let inner = |factor: &Factor| factor.stride == 1 && matches!(factor.axis, Axis::Row | Axis::Column);
        let has_channels = |dim: &Vec<Factor>| dim.iter().any(|factor| factor.axis == Axis::Channel);
        let Some(place) = map
            .dims
            .iter()
            .position(|dim| has_channels(dim) || !dim.is_empty() && dim.iter().all(inner) && dim.len() == 2)
        else {
            return Ok(None);
        };
        let Some(side) =
            map.dims[place].iter().find(|factor| factor.axis == Axis::Row).map(|factor| factor.size)
        else {
            return Ok(None);
        };
        if side < 2 || height % side != 0 || width % side != 0 {
            return Ok(None);
        }
        let row = Factor { axis: Axis::Row, size: side, stride: 1 };
        let column = Factor { axis: Axis::Column, ..row };
        let all = whole(Axis::Channel, channels);
        let order = |parts: [&[Factor]; 3]| parts.concat();
        let found = &map.dims[place];
        let at = self.at.clone();
        let operation: neuron_model::Operation = if *found == order([&all, &[row], &[column]]) {
            SpaceToDepth { side, channels_first: true }.into()
        } else if *found == order([&[row], &[column], &all]) {
            SpaceToDepth { side, channels_first: false }.into()
        } else if side == 2 && *found == order([&[column], &[row], &all]) {
            PatchMerging.into()
        } else {
            return Ok(None);
        };
        // What is left of the positions: one of each block.
        let outer = |factor: &Factor| match factor.axis {
            Axis::Row => factor.stride == side && factor.size * side == height,
            Axis::Column => factor.stride == side && factor.size * side == width,
            Axis::Item | Axis::Repeat => true,
            _ => false,
        };
        let others =
            || map.dims.iter().enumerate().filter(|(dim, _)| *dim != place).map(|(_, factors)| factors);
        if !others().flatten().all(outer) {
            return Ok(None);
        }
        let (node, shape) = self.push_as(&at, operation, &[map.node])?;
        let mut dims = map.dims.clone();
        for factor in dims.iter_mut().flatten() {
            factor.stride = 1;
        }
        dims[place] = whole(Axis::Channel, shape.channels);
        Ok(Some(Map { scale: map.scale, ..Map::of(node, shape, dims) }))
    }

    /// Positions that are parts of channels: each becomes `side x side`.
    fn spread_channels(&mut self, map: &Map) -> Result<Option<Map>, Obstacle> {
        let Shape { channels, height, width, .. } = map.shape;
        let part = |dim: &Vec<Factor>, axis: Axis, length: usize| match &dim[..] {
            [outer, Factor { axis: Axis::Channel, size, stride }] if whole(axis, length) == [*outer] => {
                Some((*size, *stride))
            }
            _ => None,
        };
        let rows = map.dims.iter().position(|dim| part(dim, Axis::Row, height).is_some());
        let columns = map.dims.iter().position(|dim| part(dim, Axis::Column, width).is_some());
        let (Some(rows), Some(columns)) = (rows, columns) else { return Ok(None) };
        let ((side, down), (other, right)) =
            match (part(&map.dims[rows], Axis::Row, height), part(&map.dims[columns], Axis::Column, width)) {
                (Some(down), Some(right)) => (down, right),
                _ => return Ok(None),
            };
        let places = side * side;
        let of_channels =
            joined(vec![Factor { axis: Axis::Channel, size: channels / places.max(1), stride: places }]);
        let others = map.dims.iter().enumerate().filter(|(dim, _)| ![rows, columns].contains(dim));
        let rest: Vec<Factor> = others
            .flat_map(|(_, factors)| factors.clone())
            .filter(|factor| factor.axis != Axis::Item)
            .collect();
        if side != other || right != 1 || down != side || rest != of_channels {
            return Ok(None);
        }
        let at = self.at.clone();
        let (node, shape) = self.push_as(&at, DepthToSpace { side }, &[map.node])?;
        let mut dims = map.dims.clone();
        dims[rows] = whole(Axis::Row, shape.height);
        dims[columns] = whole(Axis::Column, shape.width);
        for factor in dims.iter_mut().flatten().filter(|factor| factor.axis == Axis::Channel) {
            factor.stride = 1;
        }
        Ok(Some(Map { scale: map.scale, ..Map::of(node, shape, dims) }))
    }
}
