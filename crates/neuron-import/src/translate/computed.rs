//! What is remembered of a value in other words than as a map, as a map.

use neuron_model::Operation;
use neuron_model::ops::{ChannelReduction, Function, MatrixProduct, Pointwise, Product, Softmax, Spread};

use super::map::{Axis, product, size, whole};
use super::rearrange::{Grid, stepping};
use super::scores::Scores;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::{Constant, Kind, within};
use crate::program::Binary;

/// Below this the square of a length is taken for 0, where vectors are divided by their lengths.
const SHORTEST: f32 = 1e-24;

impl Translator<'_> {
    /// A value that depends on the image as a map.
    pub(super) fn as_map(&mut self, value: Value) -> Result<Map, Obstacle> {
        match value {
            Value::Map(map) => Ok(map),
            Value::Scores(scores) => self.scores_as_map(&scores),
            Value::Lengths(map) => {
                let squares = self.squares(&map)?;
                self.applied(&squares, Pointwise { function: Function::Sqrt }.into())
            }
            other => Err(format!("{} in the place of a map", other.what())),
        }
    }

    /// The squares of the lengths of vectors along the last dimension.
    fn squares(&mut self, map: &Map) -> Result<Map, Obstacle> {
        let last = map.dims.len().checked_sub(1).ok_or("the length of a number")?;
        let map = self.scaled(map)?;
        let vectors = self.rearranged(&map, &[last], Grid::Kept)?;
        let (squares, _) = self.push(Pointwise { function: Function::Square }, &[vectors.node])?;
        let (node, shape) = self.push(ChannelReduction::Sum, &[squares])?;
        let mut sums = Map { node, shape, ..vectors };
        sums.dims[last] = Vec::new();
        Ok(sums)
    }

    /// With the lengths that its vectors are yet to be divided by.
    pub(super) fn with_lengths(&mut self, map: &Map) -> Result<Map, Obstacle> {
        if !map.is_unit {
            return Ok(map.clone());
        }
        let plain = Map { is_unit: false, scale: 1.0, ..map.clone() };
        let last = map.dims.len() - 1;
        let vectors = self.rearranged(&plain, &[last], Grid::Kept)?;
        let squares = self.squares(&vectors)?;
        let bounded = self.clamped(&squares, f64::from(SHORTEST), f64::INFINITY)?;
        let factors = self.applied(&bounded, Pointwise { function: Function::ReciprocalSqrt }.into())?;
        let (spread, _) = self.push(Spread, &[vectors.node, factors.node])?;
        let (node, shape) = self.push(Product { is_gate: true }, &[vectors.node, spread])?;
        Ok(Map { node, shape, scale: map.scale, ..vectors })
    }

    /// `[.., rows, inner]` times `[.., columns, inner]` with rows and columns exchanged.
    pub(super) fn matrix_product(&mut self, a: &Map, b: &Map) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let rank = a.dims.len().max(b.dims.len());
        let (a, b) = (self.with_lengths(a)?, self.with_lengths(b)?);
        let (a, b) = (of_rank(&a, rank), of_rank(&b, rank));
        if rank < 2 || size(&a.dims[rank - 1]) != size(&b.dims[rank - 1]) {
            return Err(format!("a product of maps of {:?} and {:?}", a.sizes(), b.sizes()));
        }
        let sizes = broadcast(&a.sizes()[..rank - 2], &b.sizes()[..rank - 2])?;
        let is_item = |dim: usize| {
            [&a, &b].iter().any(|map| map.dims[dim].iter().any(|factor| factor.axis == Axis::Item))
        };
        let items: Vec<bool> = (0..rank - 2).map(is_item).collect();
        let own: Vec<usize> = (0..rank - 2).filter(|dim| !items[*dim]).map(|dim| sizes[dim]).collect();
        let (rows, columns) = (size(&a.dims[rank - 2]), size(&b.dims[rank - 2]));
        let operation = MatrixProduct {
            batches: product(own.iter().copied()),
            rows,
            columns,
            inner: size(&a.dims[rank - 1]),
            weighs: matches!(self.made.get(&a.node), Some((Operation::Softmax(_), _))),
        };
        let scale = a.scale * b.scale;
        let mut nodes = Vec::new();
        for map in [a, b] {
            let wanted: Vec<usize> = (0..rank - 2).map(|dim| sizes[dim]).collect();
            let map = repeated(&map, &wanted, self.items);
            nodes.push(self.in_memory(&map, &[rank - 1])?);
        }
        let (node, shape) = self.push_as(&at, operation, &nodes)?;
        let mut dims = Vec::new();
        let mut apart = operation.batches;
        for dim in 0..rank - 2 {
            if items[dim] {
                dims.push(whole(Axis::Item, self.items));
            } else {
                apart /= sizes[dim].max(1);
                dims.push(stepping(Axis::Row, sizes[dim], apart));
            }
        }
        dims.push(whole(Axis::Column, rows));
        dims.push(whole(Axis::Channel, columns));
        Ok(Map { scale, ..Map::of(node, shape, dims) })
    }

    /// Similarities, or the weights that a softmax makes of them.
    pub(super) fn scores_as_map(&mut self, scores: &Scores) -> Result<Map, Obstacle> {
        let mut map = self.matrix_product(&scores.query, &scores.key)?;
        map.scale *= scores.factor;
        if !scores.by_head.is_empty() {
            let by = scores.spread(|head, _, _, _| scores.by_head[head], [true, false, false])?;
            map = self.map_and_tensor(&map, &by, Binary::Mul)?;
        }
        let [queries, keys] = scores.pairs();
        if !scores.bias.is_empty() {
            let value = |head: usize, _: usize, query: usize, key: usize| {
                scores.bias[(head * queries + query) * keys + key]
            };
            map = self.map_and_tensor(&map, &scores.spread(value, [true, false, true])?, Binary::Add)?;
        }
        if !scores.mask.is_empty() {
            let value = |_: usize, window: usize, query: usize, key: usize| {
                scores.mask[(window * queries + query) * keys + key]
            };
            map = self.map_and_tensor(&map, &scores.spread(value, [false, true, true])?, Binary::Add)?;
        }
        if scores.is_weights {
            let map = self.scaled(&map)?;
            let (node, shape) = self.push(Softmax { apart: 1 }, &[map.node])?;
            return Ok(Map { node, shape, ..map });
        }
        Ok(map)
    }
}

impl Scores {
    /// A constant for them, from what it is for each head, window, query and key; of size 1 where it does not differ among
    /// heads, windows, or pairs.
    fn spread(
        &self,
        value: impl Fn(usize, usize, usize, usize) -> f64,
        [by_head, by_window, by_pair]: [bool; 3],
    ) -> Result<Constant, Obstacle> {
        let rank = self.query.dims.len();
        let is_head = |axis: Axis| axis == Axis::Channel;
        let is_window = |axis: Axis| matches!(axis, Axis::Row | Axis::Column | Axis::Token);
        let differs = |axis: Axis| by_head && is_head(axis) || by_window && is_window(axis);
        let batch = &self.query.dims[..rank - 2];
        let mut shape: Vec<usize> = batch
            .iter()
            .map(|dim| if dim.iter().any(|factor| differs(factor.axis)) { size(dim) } else { 1 })
            .collect();
        let [queries, keys] = if by_pair { self.pairs() } else { [1, 1] };
        shape.extend([queries, keys]);
        within(&shape)?;
        let mut values = Vec::new();
        for place in 0..product(shape[..rank - 2].iter().copied()) {
            // Digits of every dimension, and of those the ones of heads and windows.
            let (mut left, mut digits) = (place, vec![0; rank - 2]);
            for dim in (0..rank - 2).rev() {
                digits[dim] = left % shape[dim];
                left /= shape[dim];
            }
            let (mut head, mut window) = (0, 0);
            for (dim, digit) in batch.iter().zip(digits) {
                let mut apart = size(dim);
                for factor in dim {
                    apart /= factor.size;
                    let own = digit / apart % factor.size;
                    if is_head(factor.axis) {
                        head = head * factor.size + own;
                    } else if is_window(factor.axis) {
                        window = window * factor.size + own;
                    }
                }
            }
            for query in 0..queries {
                values.extend((0..keys).map(|key| value(head, window, query, key)));
            }
        }
        Constant::new(values, &shape, Kind::Float)
    }
}

/// With so many dimensions: those that are missing come first.
pub(super) fn of_rank(map: &Map, rank: usize) -> Map {
    let mut map = map.clone();
    let missing = rank.saturating_sub(map.dims.len());
    map.dims.splice(0..0, std::iter::repeat_n(Vec::new(), missing));
    map
}

/// The sizes that two lists of sizes become when those of 1 are repeated.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Obstacle> {
    let rank = a.len().max(b.len());
    let of = |sizes: &[usize], at: usize| (at + sizes.len()).checked_sub(rank).map_or(1, |at| sizes[at]);
    let both = (0..rank).map(|at| match (of(a, at), of(b, at)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => Err(format!("maps of {a:?} and {b:?}")),
    });
    both.collect()
}

/// With dimensions of size 1 repeated, the first ones first; but not along the batch, which every value has.
pub(super) fn repeated(map: &Map, sizes: &[usize], items: usize) -> Map {
    let mut repeated = map.clone();
    for (at, (dim, wanted)) in repeated.dims.iter_mut().zip(sizes).enumerate() {
        let is_batch = at == 0 && items > 1 && *wanted == items;
        if dim.is_empty() && *wanted > 1 && !is_batch {
            *dim = stepping(Axis::Repeat, *wanted, 1);
        }
    }
    repeated
}
