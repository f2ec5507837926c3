//! Means, sums, maxima, lengths and variances along some dimensions.

use neuron_model::ops::{
    Add, ChannelReduction, ChannelSlice, Function, GlobalAveragePool, GlobalMaxPool, GlobalSum, Pointwise,
};

use super::map::{Factor, size, whole};
use super::pools::wrapped;
use super::rearrange::Grid;
use super::value::Value;
use super::{Axis, Map, Obstacle, Translator};
use crate::program::{Binary, Operand, Reduction};

/// The dimensions that are gone through; none that are named stands for all.
fn reduced_dims(axes: &[i64], rank: usize) -> Result<Vec<usize>, Obstacle> {
    match axes.is_empty() {
        true => Ok((0..rank).collect()),
        false => axes.iter().map(|axis| wrapped(*axis, rank)).collect(),
    }
}

impl Translator<'_> {
    /// Means, sums or maxima along some dimensions: of all positions, or of all channels.
    pub(super) fn reduce(
        &mut self,
        inputs: &[Operand],
        (kind, keep): (Reduction, bool),
        axes: &[i64],
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let rank = input.dims.len();
        let dims = reduced_dims(axes, rank)?;
        let without = |map: &Map| {
            let kept = map.dims.iter().enumerate();
            let kept = kept.filter(|(dim, _)| keep || !dims.contains(dim));
            let kept =
                kept.map(|(dim, factors)| if dims.contains(&dim) { Vec::new() } else { factors.clone() });
            Map { dims: kept.collect(), ..map.clone() }
        };
        if kind == Reduction::Norm && keep && matches!(dims[..], [dim] if dim + 1 == rank) {
            return Ok(Value::Lengths(input));
        }
        let at = self.at.clone();
        if let (Reduction::Sum | Reduction::Mean, &[dim]) = (kind, &dims[..])
            && let Some(sum) = self.sum_of_parts(&input, dim, kind)?
        {
            return Ok(Value::Map(without(&sum)));
        }
        let whole_map = self.arranged(&input)?;
        if let Ok(reduced) = self.reduced(&whole_map, &dims, kind, &at) {
            return Ok(Value::Map(without(&reduced)));
        }
        self.at = at;
        let reduced = self.reduced_along(&input, &dims, kind)?;
        Ok(Value::Map(without(&reduced)))
    }

    /// With dimensions of which one number is left, as channels of a map.
    fn reduced_along(&mut self, input: &Map, dims: &[usize], kind: Reduction) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let ordered = self.rearranged(input, dims, Grid::Kept)?;
        let ordered = self.scaled(&ordered)?;
        let of = match kind {
            Reduction::Mean => ChannelReduction::Mean,
            Reduction::Sum | Reduction::Norm => ChannelReduction::Sum,
            Reduction::Max => ChannelReduction::Max,
            _ => return Err(format!("{kind:?} of a map")),
        };
        let mut from = ordered.node;
        if kind == Reduction::Norm {
            from = self.push(Pointwise { function: Function::Square }, &[from])?.0;
        }
        let (mut node, mut shape) = self.push_as(&at, of, &[from])?;
        if kind == Reduction::Norm {
            (node, shape) = self.push(Pointwise { function: Function::Sqrt }, &[node])?;
        }
        let mut reduced = Map { node, shape, ..ordered };
        dims.iter().for_each(|dim| reduced.dims[*dim].clear());
        Ok(reduced)
    }

    /// The mean square of how far elements are from their mean.
    pub(super) fn variance(
        &mut self,
        inputs: &[Operand],
        axes: &[i64],
        (keep, correction): (bool, f64),
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let rank = input.dims.len();
        let dims = reduced_dims(axes, rank)?;
        let count: usize = dims.iter().map(|dim| size(&input.dims[*dim])).product();
        let mean = self.reduced_along(&input, &dims, Reduction::Mean)?;
        let apart = self.maps(&input, &Map { scale: -mean.scale, ..mean }, Binary::Add)?;
        let squares = self.applied(&apart, Pointwise { function: Function::Square }.into())?;
        let mut variance = self.reduced_along(&squares, &dims, Reduction::Mean)?;
        variance.scale *= count as f64 / (count as f64 - correction).max(f64::MIN_POSITIVE);
        if !keep {
            let kept = (0..rank).filter(|dim| !dims.contains(dim));
            variance.dims = kept.map(|dim| variance.dims[dim].clone()).collect();
        }
        Ok(Value::Map(variance))
    }

    /// Means, sums or maxima of all positions, or of all channels of each.
    fn reduced(&mut self, input: &Map, dims: &[usize], kind: Reduction, at: &str) -> Result<Map, Obstacle> {
        let rank = input.dims.len();
        let is = |axis: Axis| dims.iter().flat_map(|dim| &input.dims[*dim]).any(|factor| factor.axis == axis);
        let stays = |axis: Axis| {
            let left = (0..rank).filter(|dim| !dims.contains(dim));
            left.flat_map(|dim| &input.dims[dim]).any(|factor| factor.axis == axis)
        };
        let positions = [Axis::Row, Axis::Column, Axis::Token];
        let of_positions = positions.iter().any(|axis| is(*axis));
        if is(Axis::Item) || positions.iter().any(|axis| is(*axis) && stays(*axis)) {
            return Err("along a part of the positions".to_owned());
        }
        if is(Axis::Channel) && stays(Axis::Channel) {
            return Err("along a part of the channels".to_owned());
        }
        let of_channels = is(Axis::Channel) || !of_positions && input.shape.channels == 1;
        if of_positions && !of_channels {
            if positions.iter().any(|axis| stays(*axis)) {
                return Err("along rows or columns alone".to_owned());
            }
            let (node, shape) = match kind {
                Reduction::Mean => self.push_as(at, GlobalAveragePool, &[input.node])?,
                Reduction::Sum => self.push_as(at, GlobalSum, &[input.node])?,
                Reduction::Max => self.push_as(at, GlobalMaxPool, &[input.node])?,
                Reduction::Norm => {
                    let (squares, _) = self.push(Pointwise { function: Function::Square }, &[input.node])?;
                    let (sum, _) = self.push(GlobalSum, &[squares])?;
                    self.push_as(at, Pointwise { function: Function::Sqrt }, &[sum])?
                }
                _ => return Err(format!("{kind:?} of positions")),
            };
            return Ok(Map { node, shape, rolled: [0; 2], ..input.clone() });
        }
        if of_channels && !of_positions {
            let of = match kind {
                Reduction::Mean => ChannelReduction::Mean,
                Reduction::Sum => ChannelReduction::Sum,
                Reduction::Max => ChannelReduction::Max,
                _ => return Err(format!("{kind:?} of channels")),
            };
            let (node, shape) = self.push_as(at, of, &[input.node])?;
            return Ok(Map { node, shape, ..input.clone() });
        }
        if of_channels {
            return Err(format!("{kind:?} of channels and positions"));
        }
        match kind {
            Reduction::Norm => Err("a length along one place".to_owned()),
            // Dimensions of size 1.
            _ => Ok(input.clone()),
        }
    }

    /// The sum of equal parts of the channels, which a dimension of their own tells apart.
    fn sum_of_parts(&mut self, input: &Map, dim: usize, kind: Reduction) -> Result<Option<Map>, Obstacle> {
        let [Factor { axis: Axis::Channel, size: parts, stride: wide }] = input.dims[dim][..] else {
            return Ok(None);
        };
        let channels = input.shape.channels;
        let is_rest = |factors: &Vec<Factor>| *factors == whole(Axis::Channel, wide);
        if parts * wide != channels
            || !input.has_all_positions()
            || !input.dims.iter().any(is_rest)
            || input.is_unit
        {
            return Ok(None);
        }
        let mut sum = None;
        for part in 0..parts {
            let (slice, _) = self.push(ChannelSlice { first: part * wide, count: wide }, &[input.node])?;
            sum = Some(match sum {
                None => slice,
                Some(sum) => self.push(Add, &[sum, slice])?.0,
            });
        }
        let node = sum.ok_or("no parts")?;
        let scale = if kind == Reduction::Mean { input.scale / parts as f64 } else { input.scale };
        Ok(Some(Map { node, shape: self.shapes[&node], scale, ..input.clone() }))
    }
}
