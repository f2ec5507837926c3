//! Values as their readers need them: what is only remembered of an arrangement is computed where a reader wants another.

use neuron_model::ops::{
    BatchNorm, ChannelShuffle, ChannelSlice, Flatten, GridSelection, MaxPool, TokenSelection,
};
use neuron_model::{NodeId, Shape, Window};

use super::map::{Axis, Factor, joined, product, size, whole};
use super::weights::tensor;
use super::{Map, Obstacle, Translator};

impl Translator<'_> {
    /// A value as a whole map of positions and channels, wherever its dimensions are.
    pub(super) fn arranged(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if map.is_whole() {
            return Ok(map.clone());
        }
        self.arranged_by_parts(map).or_else(|why| self.put_in_order(map).map_err(|_| why))
    }

    /// As [`Translator::arranged`], by operations that networks have.
    pub(super) fn arranged_by_parts(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if map.is_unit {
            return Err("vectors that are divided by their lengths".to_owned());
        }
        if let Some(map) = self.blocks(map)? {
            return self.scaled(&map);
        }
        let map = self.with_positions(map)?;
        let map = self.with_channels(&map)?;
        self.scaled(&map)
    }

    /// A value as an image: `[items, channels, height, width]`, all of a grid.
    pub(super) fn as_image(&mut self, map: &Map) -> Result<NodeId, Obstacle> {
        let map = &self.arranged_by_parts(map).unwrap_or_else(|_| map.clone());
        let Shape { channels, height, width, extra } = map.shape;
        let dims =
            [(Axis::Item, self.items), (Axis::Channel, channels), (Axis::Row, height), (Axis::Column, width)];
        let expected: Vec<Vec<Factor>> = dims.iter().map(|(axis, size)| whole(*axis, *size)).collect();
        // Without a dimension for items it is one image.
        let without = map.dims.len() == 3 && map.dims == expected[1..];
        if map.is_whole() && extra == 0 && map.rolled == [0; 2] && (map.dims == expected || without) {
            return Ok(map.node);
        }
        self.image_of(map)
    }

    /// With what its elements are yet to be multiplied by.
    pub(super) fn scaled(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if map.scale == 1.0 {
            return Ok(map.clone());
        }
        let channels = map.shape.channels;
        let by = vec![map.scale as f32; channels];
        self.affine(map, by, vec![0.0; channels])
    }

    /// Every channel of a node times a factor, plus a number: a batch norm, which steps below take along.
    pub(super) fn affine(&mut self, map: &Map, scale: Vec<f32>, shift: Vec<f32>) -> Result<Map, Obstacle> {
        if let Some(pixels) = self.affine_of_pixels(map, &scale, &shift)? {
            return Ok(pixels);
        }
        let channels = map.shape.channels;
        let (node, shape) = self.push(BatchNorm { channels, eps: 0.0 }, &[map.node])?;
        let one = |value: f32| tensor(&[channels], vec![value; channels]);
        self.give([
            ("weight", tensor(&[channels], scale)),
            ("bias", tensor(&[channels], shift)),
            ("running_mean", one(0.0)),
            ("running_var", one(1.0)),
        ]);
        Ok(Map { node, shape, scale: 1.0, ..map.clone() })
    }

    /// With all positions of its node: a part of them becomes a node of its own.
    fn with_positions(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if map.has_all_positions() {
            return Ok(map.clone());
        }
        let Shape { channels, height, width, extra } = map.shape;
        let tokens: Vec<Factor> = map.factors(Axis::Token).collect();
        if extra > 0 {
            let count = product(tokens.iter().map(|factor| factor.size));
            let first = map.first(Axis::Token);
            if count == 1 {
                let (node, shape) = self.push(TokenSelection { position: first }, &[map.node])?;
                let mut one = Map { node, shape, ..map.clone() };
                one.first[1..].fill(0);
                return Ok(one);
            }
            if first == extra && count == height * width {
                let (node, shape) = self.push(GridSelection { extra }, &[map.node])?;
                let mut grid = Map { node, shape, ..map.clone() };
                grid.first[1..].fill(0);
                for dim in &mut grid.dims {
                    let factors = dim.iter().flat_map(|factor| as_grid(*factor, width)).collect();
                    *dim = joined(factors);
                }
                return Ok(grid);
            }
            return Err(format!("{count} of {} tokens from the {first}th on", extra + height * width));
        }
        if map.rolled != [0; 2] {
            return Err("a part of a rolled map".to_owned());
        }
        let rows: Vec<Factor> = map.factors(Axis::Row).collect();
        let columns: Vec<Factor> = map.factors(Axis::Column).collect();
        let every = |factors: &[Factor], length: usize| match factors {
            [] if length == 1 => Some(1),
            [factor] if length.div_ceil(factor.stride) == factor.size => Some(factor.stride),
            _ => None,
        };
        let strides = every(&rows, height).zip(every(&columns, width));
        if let (Some((down, right)), [0, 0]) = (strides, [map.first(Axis::Row), map.first(Axis::Column)]) {
            let window = Window { stride: [down, right], ..Window::square(1, 1, 0) };
            let (node, shape) = self.push(MaxPool { window }, &[map.node])?;
            let mut part = Map { node, shape, ..map.clone() };
            for factor in part.dims.iter_mut().flatten() {
                if matches!(factor.axis, Axis::Row | Axis::Column) {
                    factor.stride = 1;
                }
            }
            return Ok(part);
        }
        Err(format!("a part of a map of {channels} channels and {height} x {width} positions"))
    }

    /// With all channels of its node in their order: another order, or a part of them, becomes a node of its own.
    fn with_channels(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if map.has_all_channels() {
            return Ok(map.clone());
        }
        let channels = map.shape.channels;
        let Some(dim) = map.channel_dim() else { return self.flattened(map) };
        let first = map.first(Axis::Channel);
        match map.dims[dim][..] {
            [Factor { size: count, stride: 1, .. }] => {
                let (node, shape) = self.push(ChannelSlice { first, count }, &[map.node])?;
                Ok(Map { scale: map.scale, ..map.moved_to(node, shape) })
            }
            // Some of the channels that were dealt out among groups.
            [Factor { size: inner, stride: 1, .. }, Factor { size: groups, stride, .. }]
                if stride * groups == channels && first < stride =>
            {
                let (mut node, mut shape) = self.push(ChannelShuffle { groups }, &[map.node])?;
                if inner < stride {
                    let slice = ChannelSlice { first: first * groups, count: inner * groups };
                    (node, shape) = self.push(slice, &[node])?;
                }
                Ok(Map { scale: map.scale, ..map.moved_to(node, shape) })
            }
            _ => Err("channels in another order".to_owned()),
        }
    }

    /// All of a map as the channels of one position.
    fn flattened(&mut self, map: &Map) -> Result<Map, Obstacle> {
        let is_position = |factor: &Factor| matches!(factor.axis, Axis::Row | Axis::Column | Axis::Token);
        let place = map.dims.iter().position(|dim| dim.iter().any(|factor| factor.axis == Axis::Channel));
        // One channel is none that one can see.
        let place = place.or_else(|| map.dims.iter().position(|dim| dim.iter().any(is_position)));
        let Some(place) = place else { return Err("a map without channels".to_owned()) };
        let Shape { channels, height, width, extra } = map.shape;
        let order =
            [whole(Axis::Channel, channels), whole(Axis::Row, height), whole(Axis::Column, width)].concat();
        let elsewhere =
            map.dims.iter().enumerate().any(|(dim, factors)| dim != place && factors.iter().any(is_position));
        if elsewhere || extra > 0 || map.dims[place] != order || map.rolled != [0; 2] {
            return Err(format!("channels and positions mixed as {:?}", map.sizes()));
        }
        let (node, shape) = self.push(Flatten { positions: [height, width] }, &[map.node])?;
        let mut flat = Map { scale: map.scale, ..Map::of(node, shape, map.dims.clone()) };
        debug_assert_eq!(size(&flat.dims[place]), shape.channels);
        flat.dims[place] = whole(Axis::Channel, shape.channels);
        Ok(flat)
    }
}

/// Steps along tokens as steps along the rows and columns of their grid.
fn as_grid(factor: Factor, width: usize) -> Vec<Factor> {
    let along = |axis, size, stride| Factor { axis, size, stride };
    let Factor { axis: Axis::Token, size, stride } = factor else { return vec![factor] };
    if stride >= width {
        return vec![along(Axis::Row, size, stride / width)];
    }
    if size * stride <= width {
        return vec![along(Axis::Column, size, stride)];
    }
    vec![along(Axis::Row, size * stride / width, 1), along(Axis::Column, width / stride, stride)]
}
