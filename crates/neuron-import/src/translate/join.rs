//! Several values as one, and maps of another size.

use neuron_model::ops::{
    Concatenation, Enlarge, Interpolation, PatchMerging, SpaceToDepth, TokenInsertion, TokenJoin,
};
use neuron_model::{NodeId, Shape};

use super::map::{Axis, Factor, whole};
use super::pools::wrapped;
use super::rearrange::Grid;
use super::resizing::{self, Growth};
use super::value::Value;
use super::weights::tensor;
use super::{Map, Obstacle, Translator};
use crate::constant::Constant;
use crate::program::{Operand, Resize, ResizeKind};

impl Translator<'_> {
    pub(super) fn concat(&mut self, inputs: &[Operand], axis: i64) -> Result<Value, Obstacle> {
        let values =
            (0..inputs.len()).map(|index| self.value(inputs, index)).collect::<Result<Vec<_>, _>>()?;
        if values.iter().all(|value| matches!(value, Value::Map(_))) {
            let maps: Vec<Map> = values
                .into_iter()
                .filter_map(|value| match value {
                    Value::Map(map) => Some(map),
                    _ => None,
                })
                .collect();
            let axis = wrapped(axis, maps[0].dims.len())?;
            if let [only] = &maps[..] {
                return Ok(Value::Map(only.clone()));
            }
            if let Some(pixels) = self.pixels_joined(&maps, axis)? {
                return Ok(Value::Map(pixels));
            }
            if let Some(rolled) = rolled(&maps, axis) {
                return Ok(Value::Map(rolled));
            }
            if let Some(merged) = self.merged_patches(&maps, axis)? {
                return Ok(Value::Map(merged));
            }
            if let Some(tokens) = self.token_maps_joined(&maps, axis)? {
                return Ok(Value::Map(tokens));
            }
            return self.joined_along(&maps, axis).map(Value::Map);
        }
        if let Ok(joined) = self.tokens_joined(inputs, &values, axis) {
            return Ok(joined);
        }
        let maps = self.maps_of(inputs, values)?;
        let axis = wrapped(axis, maps[0].dims.len())?;
        self.joined_along(&maps, axis).map(Value::Map)
    }

    /// Values as maps, of which some may be constants.
    pub(super) fn maps_of(&mut self, inputs: &[Operand], values: Vec<Value>) -> Result<Vec<Map>, Obstacle> {
        let mut maps = Vec::new();
        for value in values {
            maps.push(match value {
                Value::Constant(_) | Value::Parameter(_) => None,
                value => Some(self.as_map(value)?),
            });
        }
        let beside = maps.iter().flatten().next().ok_or("joining constants")?.clone();
        let mut all = Vec::new();
        for (map, input) in maps.into_iter().zip(inputs) {
            all.push(match map {
                Some(map) => map,
                None => {
                    let constant = self.constant(*input)?.ok_or("nothing to join")?;
                    self.table(&beside, &constant)?
                }
            });
        }
        Ok(all)
    }

    /// Several maps along any dimension.
    pub(super) fn joined_along(&mut self, maps: &[Map], axis: usize) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        if let Ok(joined) = self.channels_joined(maps, axis) {
            return Ok(joined);
        }
        let others = |map: &Map| {
            let mut sizes = map.sizes();
            sizes[axis] = 0;
            sizes
        };
        if maps.iter().any(|map| map.dims.len() != maps[0].dims.len() || others(map) != others(&maps[0])) {
            let sizes: Vec<Vec<usize>> = maps.iter().map(Map::sizes).collect();
            return Err(format!("joining {sizes:?} along axis {axis}"));
        }
        let mut nodes = Vec::new();
        let mut like = None;
        for map in maps {
            let ordered = self.rearranged(map, &[axis], Grid::Lines)?;
            let ordered = self.scaled(&ordered)?;
            nodes.push(ordered.node);
            like = Some(ordered);
        }
        let (node, shape) = self.push_as(&at, Concatenation { inputs: nodes.len() }, &nodes)?;
        let mut joined = Map { node, shape, ..like.ok_or("joining nothing")? };
        joined.dims[axis] = whole(Axis::Channel, shape.channels);
        Ok(joined)
    }

    /// The channels of several maps.
    fn channels_joined(&mut self, maps: &[Map], axis: usize) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let maps = maps.iter().map(|map| self.arranged_by_parts(map)).collect::<Result<Vec<_>, _>>()?;
        let first = &maps[0];
        let others = |map: &Map| {
            let dims = map.dims.iter().enumerate().filter(|(dim, _)| *dim != axis);
            dims.map(|(_, factors)| factors.clone()).collect::<Vec<_>>()
        };
        // One channel is none that one can see.
        let is_channels = |map: &Map| match map.channel_dim() {
            Some(dim) => dim == axis && map.rolled == first.rolled,
            None => map.dims[axis].is_empty() && map.rolled == first.rolled,
        };
        if !maps.iter().all(|map| is_channels(map) && others(map) == others(first)) {
            let sizes: Vec<Vec<usize>> = maps.iter().map(Map::sizes).collect();
            return Err(format!("joining {sizes:?} along axis {axis}, which is not their channels"));
        }
        let nodes: Vec<NodeId> = maps.iter().map(|map| map.node).collect();
        let (node, shape) = self.push_as(&at, Concatenation { inputs: nodes.len() }, &nodes)?;
        let mut joined = Map { node, shape, ..first.clone() };
        joined.dims[axis] = whole(Axis::Channel, shape.channels);
        Ok(joined)
    }

    /// Single positions before those of a grid.
    fn token_maps_joined(&mut self, maps: &[Map], axis: usize) -> Result<Option<Map>, Obstacle> {
        let [tokens, grid] = maps else { return Ok(None) };
        let is_tokens = |map: &Map| {
            map.dims.len() == 3 && axis == 1 && map.dims[2] == whole(Axis::Channel, map.shape.channels)
        };
        if !is_tokens(tokens) || !is_tokens(grid) || !tokens.dims[1].is_empty() || grid.dims[1].is_empty() {
            return Ok(None);
        }
        let at = self.at.clone();
        let (tokens, grid) = (self.arranged(tokens)?, self.arranged(grid)?);
        let (node, shape) = self.push_as(&at, TokenJoin, &[grid.node, tokens.node])?;
        let mut joined = Map::of(node, shape, grid.dims.clone());
        joined.dims[1] = whole(Axis::Token, shape.extra + shape.height * shape.width);
        Ok(Some(joined))
    }

    /// The channels of each 2 x 2 positions as those of one (Swin): parts of one map, every second row and column.
    fn merged_patches(&mut self, maps: &[Map], axis: usize) -> Result<Option<Map>, Obstacle> {
        let [a, ..] = maps else { return Ok(None) };
        let is_half = |factor: &Factor| factor.stride == 2 && matches!(factor.axis, Axis::Row | Axis::Column);
        let halves = |map: &Map| map.dims.iter().flatten().filter(|factor| is_half(factor)).count();
        let places: Vec<[usize; 2]> =
            maps.iter().map(|map| [map.first(Axis::Row), map.first(Axis::Column)]).collect();
        let of_one = maps
            .iter()
            .all(|map| map.node == a.node && map.dims == a.dims && map.channel_dim() == Some(axis));
        let is_merging = of_one
            && maps.len() == 4
            && halves(a) == 2
            && a.length(Axis::Row) % 2 == 0
            && a.length(Axis::Column) % 2 == 0;
        if !is_merging {
            return Ok(None);
        }
        let at = self.at.clone();
        let (node, shape) = match places[..] {
            [[0, 0], [1, 0], [0, 1], [1, 1]] => self.push_as(&at, PatchMerging, &[a.node])?,
            [[0, 0], [0, 1], [1, 0], [1, 1]] => {
                self.push_as(&at, SpaceToDepth { side: 2, channels_first: false }, &[a.node])?
            }
            _ => return Err("patches in another order".to_owned()),
        };
        let mut merged = Map { node, shape, ..a.clone() };
        merged.first = [0; 4];
        for factor in merged.dims.iter_mut().flatten().filter(|factor| is_half(factor)) {
            factor.stride = 1;
        }
        merged.dims[axis] = whole(Axis::Channel, shape.channels);
        Ok(Some(merged))
    }

    /// Learned vectors before the positions of a map.
    fn tokens_joined(&mut self, inputs: &[Operand], values: &[Value], axis: i64) -> Result<Value, Obstacle> {
        let Some((Value::Map(map), index)) =
            values.iter().zip(0..).find(|(value, _)| matches!(value, Value::Map(_)))
        else {
            let what: Vec<&str> = values.iter().map(Value::what).collect();
            return Err(format!("joining {}", what.join(" and ")));
        };
        if index != values.len() - 1 {
            return Err("constants behind the positions of a map".to_owned());
        }
        let axis = wrapped(axis, map.dims.len())?;
        let at = self.at.clone();
        let map = self.arranged(map)?;
        let Shape { channels, height, width, extra } = map.shape;
        let positions = if extra > 0 {
            whole(Axis::Token, extra + height * width)
        } else {
            [whole(Axis::Row, height), whole(Axis::Column, width)].concat()
        };
        if map.dims[axis] != positions
            || map.rolled != [0; 2]
            || map.dims.last() != Some(&whole(Axis::Channel, channels))
        {
            return Err("constants among channels".to_owned());
        }
        let mut before = Vec::new();
        for input in &inputs[..index] {
            let constant = self.constant(*input)?.ok_or("nothing to join")?;
            before.push(constant);
        }
        let tokens = Constant::joined(&before, axis)?;
        // Repeated for every image of the batch.
        let tokens = match tokens.shape() {
            [items, rest @ ..] if *items == self.items && *items > 1 && rest.len() == 2 => {
                tokens.sliced(0, (0, 1, 1))?
            }
            _ => tokens,
        };
        let count = tokens.shape().get(axis).copied().unwrap_or(0);
        let data = tokens.floats()?;
        if data.len() != count * channels || count == 0 {
            return Err(format!("tokens of {:?} before {channels} channels", tokens.shape()));
        }
        let insertion = TokenInsertion { channels, count, at: 0, tensor: "tokens", has_batch: true };
        let (node, shape) = self.push_as(&at, insertion, &[map.node])?;
        self.give([("tokens", tensor(&[1, count, channels], data))]);
        let mut joined = Map { node, shape, ..map };
        joined.dims[axis] = whole(Axis::Token, shape.extra + shape.height * shape.width);
        Ok(Value::Map(joined))
    }

    pub(super) fn stack(&mut self, inputs: &[Operand], axis: i64) -> Result<Value, Obstacle> {
        let values =
            (0..inputs.len()).map(|index| self.value(inputs, index)).collect::<Result<Vec<_>, _>>()?;
        let maps = self.maps_of(inputs, values)?;
        let rank = maps.first().map_or(0, |map| map.dims.len());
        let axis = wrapped(axis, rank + 1)?;
        if let Ok(stacked) = self.stacked(&maps, (rank, axis)) {
            return Ok(Value::Map(stacked));
        }
        let along_new = |mut map: Map| {
            map.dims.insert(axis, Vec::new());
            map
        };
        let maps: Vec<Map> = maps.into_iter().map(along_new).collect();
        self.joined_along(&maps, axis).map(Value::Map)
    }

    /// Maps along a new dimension, as channels of one node.
    fn stacked(&mut self, maps: &[Map], (rank, axis): (usize, usize)) -> Result<Map, Obstacle> {
        // Channels of a joint map, which a dimension of their own tells apart.
        let dim = maps.first().and_then(Map::channel_dim).ok_or("stacking values without channels")?;
        let joined = self.channels_joined(maps, dim)?;
        let mut sizes = joined.sizes();
        sizes[dim] /= maps.len();
        sizes.insert(dim, maps.len());
        let split = joined.reshaped(&sizes)?;
        let mut order: Vec<usize> = (0..=rank).filter(|place| *place != dim).collect();
        order.insert(axis, dim);
        Ok(split.permuted(&order))
    }

    pub(super) fn resize(&mut self, inputs: &[Operand], resize: &Resize) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let at = self.at.clone();
        let sizes = input.sizes();
        let [.., height, width] = sizes[..] else { return Err("maps without rows and columns".to_owned()) };
        let growth = self.growth(resize, [height, width])?;
        let times = growth.times;
        if times == [1.0; 2] {
            return Ok(Value::Map(input));
        }
        let is_whole = |times: f64| times >= 1.0 && times.fract() == 0.0 && times < 1e4;
        let interpolation = match resize.kind {
            ResizeKind::Nearest => Some(Interpolation::Nearest),
            ResizeKind::Linear if !resize.align_corners => Some(Interpolation::Linear),
            _ => None,
        };
        let interpolation = interpolation.filter(|_| times.into_iter().all(is_whole));
        let Some(interpolation) = interpolation else {
            let mut resized = input;
            let dims = resized.dims.len();
            for (dim, from, at) in [(dims - 2, height, 0), (dims - 1, width, 1)] {
                let matrix = resizing::matrix(resize, from, growth.along(at))?;
                resized = self.along(&resized, dim, matrix)?;
            }
            return Ok(Value::Map(resized));
        };
        let node = self.as_image(&input)?;
        let enlarge = Enlarge { times: times.map(|times| times as usize), interpolation };
        let (node, shape) = self.push_as(&at, enlarge, &[node])?;
        Ok(Value::Map(Map::image(node, shape, self.items)))
    }

    /// How many times rows and columns of these numbers grow.
    pub(super) fn growth(&self, resize: &Resize, [height, width]: [usize; 2]) -> Result<Growth, Obstacle> {
        let last_two = |all: Vec<f64>| match all[..] {
            [] => None,
            [both] => Some([both; 2]),
            [.., down, right] => Some([down, right]),
        };
        let numbers = |sizes: &Option<crate::program::Sizes>| -> Result<Option<[f64; 2]>, Obstacle> {
            let Some(sizes) = sizes else { return Ok(None) };
            let list = match sizes {
                crate::program::Sizes::List(list) => list.clone(),
                crate::program::Sizes::Tensor(tensor) => vec![*tensor],
            };
            let mut all = Vec::new();
            for operand in list {
                all.extend(
                    self.constant(operand)?
                        .map(|constant| constant.values())
                        .transpose()?
                        .unwrap_or_default(),
                );
            }
            Ok(last_two(all))
        };
        match (numbers(&resize.scales)?, numbers(&resize.sizes)?) {
            (Some(times), _) => Ok(Growth { times, is_told: true }),
            (None, Some([down, right])) => {
                Ok(Growth { times: [down / height as f64, right / width as f64], is_told: false })
            }
            (None, None) => Err("a size that is not there".to_owned()),
        }
    }
}

/// A map whose rows or columns were rolled, as exporters spell it out: its end, and then its beginning.
fn rolled(maps: &[Map], dim: usize) -> Option<Map> {
    let [end, beginning] = maps else { return None };
    let ([Factor { axis, size, stride: 1 }], axes) = (&end.dims[dim][..], [Axis::Row, Axis::Column]) else {
        // One row, which is none that one can see.
        return rolled_by_one(maps, dim);
    };
    let place = axes.iter().position(|known| known == axis)?;
    let (first, length) = (end.first(*axis), end.length(*axis));
    let mut whole_map = end.clone();
    whole_map.dims[dim] = whole(*axis, length);
    whole_map.first[1 + place] = 0;
    let expected = whole_map.sliced(dim, (0, first, 1)).ok()?;
    if first == 0 || first + size != length || expected != *beginning {
        return None;
    }
    whole_map.rolled(dim, first).ok()
}

fn rolled_by_one(maps: &[Map], dim: usize) -> Option<Map> {
    let [end, beginning] = maps else { return None };
    let [Factor { axis, size, stride: 1 }] = beginning.dims[dim][..] else { return None };
    let place = [Axis::Row, Axis::Column].iter().position(|known| *known == axis)?;
    let length = beginning.length(axis);
    let mut whole_map = beginning.clone();
    whole_map.dims[dim] = whole(axis, length);
    let expected = whole_map.sliced(dim, (length - 1, length, 1)).ok()?;
    let is_rolled = beginning.first[1 + place] == 0 && size + 1 == length && expected == *end;
    if is_rolled { whole_map.rolled(dim, length - 1).ok() } else { None }
}
