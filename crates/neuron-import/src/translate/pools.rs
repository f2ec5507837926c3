//! Pools, means and paddings.

use neuron_kernels::Divisor;
use neuron_model::ops::{
    AdaptiveAveragePool, Add, AveragePool, ChannelReduction, ChannelSlice, Filling, Function,
    GlobalAveragePool, GlobalMaxPool, GlobalSum, MaxPool, Pad, Pointwise,
};
use neuron_model::{NodeId, Shape, Window};

use super::along::Matrix;
use super::map::{Factor, Map, size, whole};
use super::products::{operand, pair};
use super::rearrange::Grid;
use super::value::Value;
use super::{Axis, Obstacle, Translator};
use crate::constant::{Constant, Kind, within};
use crate::program::{Binary, Operand, Operator, PadMode, Padding, PoolKind, Reduction, Sizes};

/// Places of a window among which one operation finds the maximum.
const MOST_PLACES: usize = 256;

/// Kernel, stride, padding, dilation, and whether a last window may hang over the edge.
type Windows<'a> = (&'a [usize], &'a [usize], &'a Padding, &'a [usize], bool);

impl Translator<'_> {
    pub(super) fn pool(
        &mut self,
        inputs: &[Operand],
        kind: PoolKind,
        (kernel, stride, padding, dilation, ceil_mode): Windows<'_>,
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        self.pool_of(input, kind, (kernel, stride, padding, dilation, ceil_mode)).map(Value::Map)
    }

    /// Windows over a map.
    fn pool_of(
        &mut self,
        mut input: Map,
        kind: PoolKind,
        (kernel, stride, padding, dilation, ceil_mode): Windows<'_>,
    ) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        // Along a line, as along the columns of one row.
        let is_line = kernel.len() == 1 && input.dims.len() >= 2;
        let along = |list: &[usize], other: usize| {
            if is_line && list.len() == 1 { vec![other, list[0]] } else { list.to_vec() }
        };
        let padding = &match padding {
            Padding::Explicit { before, after } => {
                Padding::Explicit { before: along(before, 0), after: along(after, 0) }
            }
            same => same.clone(),
        };
        let (kernel, stride, dilation) =
            (&along(kernel, 1)[..], &along(stride, 1)[..], &along(dilation, 1)[..]);
        if is_line {
            input.dims.insert(input.dims.len() - 1, Vec::new());
        }
        let node = match self.as_image(&input) {
            Ok(node) => node,
            Err(why) => {
                let [count, channels, height, width] = input.sizes()[..] else { return Err(why) };
                if self.items > 1 || count == 1 {
                    return Err(why);
                }
                // Images of a dimension that is no batch, as the channels of one.
                let joint = self.reshaped(&input, &[1, count.saturating_mul(channels), height, width])?;
                let windows = (kernel, stride, padding, dilation, ceil_mode);
                let pooled = self.pool_of(joint, kind, windows)?;
                let [_, _, height, width] = pooled.sizes()[..] else { return Err(why) };
                let mut pooled = self.reshaped(&pooled, &[count, channels, height, width])?;
                if is_line {
                    pooled.dims.remove(pooled.dims.len() - 2);
                }
                return Ok(pooled);
            }
        };
        let size = [self.shapes[&node].height, self.shapes[&node].width];
        let window = Window {
            kernel: pair(kernel)?,
            stride: pair(stride)?,
            padding: [0; 2],
            dilation: pair(dilation)?,
            ceil_mode,
        };
        if window.kernel.contains(&0) || window.stride.contains(&0) || window.dilation.contains(&0) {
            return Err("windows of size 0".to_owned());
        }
        let value = if kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
        let (node, padding) = self.padded_for(node, (padding, window, size), value)?;
        let window = Window { padding, ..window };
        let (node, shape) = match kind {
            PoolKind::Max => self.max_pool(&at, node, window)?,
            PoolKind::Average { counts_padding } => {
                let divisor = if counts_padding { Divisor::Padded } else { Divisor::Inside };
                self.push_as(&at, AveragePool { window, divisor }, &[node])?
            }
        };
        let mut pooled = Map::image(node, shape, self.items);
        if is_line {
            pooled.dims.remove(pooled.dims.len() - 2);
        }
        Ok(pooled)
    }

    /// Maxima over windows; those of large ones are maxima of rows, and of these over columns.
    fn max_pool(&mut self, at: &str, node: NodeId, window: Window) -> Result<(NodeId, Shape), Obstacle> {
        if window.kernel[0] * window.kernel[1] <= MOST_PLACES {
            return self.push_as(at, MaxPool { window }, &[node]);
        }
        let along = |axis: usize| {
            let only = |values: [usize; 2], other: usize| {
                let mut values = values;
                values[1 - axis] = other;
                values
            };
            Window {
                kernel: only(window.kernel, 1),
                stride: only(window.stride, 1),
                padding: only(window.padding, 0),
                dilation: only(window.dilation, 1),
                ..window
            }
        };
        let (rows, _) = self.push(MaxPool { window: along(0) }, &[node])?;
        self.push_as(at, MaxPool { window: along(1) }, &[rows])
    }

    /// A node with what is to be added around it, as far as windows cannot add it themselves; and what they add.
    pub(super) fn padded_for(
        &mut self,
        node: NodeId,
        (padding, window, size): (&Padding, Window, [usize; 2]),
        value: f32,
    ) -> Result<(NodeId, [usize; 2]), Obstacle> {
        let (before, after) = match padding {
            Padding::Explicit { before, after } => (pair(before)?, pair(after)?),
            Padding::Same { odd_comes_first } => {
                let extent = window.extent();
                let missing = [0, 1].map(|axis| {
                    let count = size[axis].div_ceil(window.stride[axis]);
                    ((count.max(1) - 1) * window.stride[axis] + extent[axis]).saturating_sub(size[axis])
                });
                let (less, more) = (missing.map(|all| all / 2), missing.map(|all| all.div_ceil(2)));
                if *odd_comes_first { (more, less) } else { (less, more) }
            }
        };
        if before == after {
            return Ok((node, before));
        }
        let pad = Pad { before, after, filling: Filling::Value(value) };
        Ok((self.push(pad, &[node])?.0, [0; 2]))
    }

    pub(super) fn adaptive_pool(
        &mut self,
        inputs: &[Operand],
        kind: PoolKind,
        sizes: &[Option<usize>],
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        if let ([Some(1)], 3) = (sizes, input.dims.len()) {
            let kind = if kind == PoolKind::Max { Reduction::Max } else { Reduction::Mean };
            return self.reduce(inputs, (kind, true), &[-1]);
        }
        let at = self.at.clone();
        let node = self.as_image(&input)?;
        let size = [self.shapes[&node].height, self.shapes[&node].width];
        let &[down, right] = sizes else { return Err("a pool over another number of axes".to_owned()) };
        let positions = [down.unwrap_or(size[0]), right.unwrap_or(size[1])];
        let (node, shape) = match (kind, positions) {
            (PoolKind::Max, [1, 1]) => self.push_as(&at, GlobalMaxPool, &[node])?,
            (PoolKind::Max, positions) => {
                let fits =
                    [0, 1].map(|axis| positions[axis] > 0 && size[axis].is_multiple_of(positions[axis]));
                if fits != [true; 2] {
                    return Err("maxima of bins that overlap".to_owned());
                }
                let side = [0, 1].map(|axis| size[axis] / positions[axis]);
                let window = Window { kernel: side, stride: side, ..Window::square(1, 1, 0) };
                self.max_pool(&at, node, window)?
            }
            (_, [1, 1]) => self.push_as(&at, GlobalAveragePool, &[node])?,
            _ => self.push_as(&at, AdaptiveAveragePool { positions }, &[node])?,
        };
        Ok(Value::Map(Map::image(node, shape, self.items)))
    }

    /// Means, sums or maxima along some dimensions: of all positions, or of all channels.
    pub(super) fn reduce(
        &mut self,
        inputs: &[Operand],
        (kind, keep): (Reduction, bool),
        axes: &[i64],
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let rank = input.dims.len();
        let mut dims = axes.iter().map(|axis| wrapped(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
        if dims.is_empty() {
            dims = (0..rank).collect();
        }
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
        let mut dims = axes.iter().map(|axis| wrapped(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
        if dims.is_empty() {
            dims = (0..rank).collect();
        }
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

    pub(super) fn pad(&mut self, inputs: &[Operand], operator: &Operator) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let (amounts, mode) = self.amounts(operator, input.dims.len())?;
        if amounts.iter().all(|amount| *amount == [0; 2]) {
            return Ok(Value::Map(input));
        }
        if amounts.iter().flatten().any(|amount| *amount < 0) {
            return self.padded_and_cut(&input, &amounts, inputs, mode).map(Value::Map);
        }
        let filling = match mode {
            PadMode::Constant => {
                let value =
                    self.constant(operand(inputs, 1))?.and_then(|value| value.single()).unwrap_or(0.0);
                Filling::Value(value as f32)
            }
            PadMode::Reflect => Filling::Mirror,
            PadMode::Edge => Filling::Edge,
        };
        let at = self.at.clone();
        if let Ok(padded) = self.grid_padded(&input, &amounts, filling, &at) {
            return Ok(Value::Map(padded));
        }
        let mut padded = input;
        for (dim, [before, after]) in amounts.into_iter().enumerate().filter(|(_, amount)| *amount != [0; 2])
        {
            let length = size(&padded.dims[dim]) as i64;
            let count = before.saturating_add(after).saturating_add(length);
            within(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
            let place = |at: i64| match filling {
                _ if (0..length).contains(&at) => Some(at),
                Filling::Mirror => Some(if at < 0 { -at } else { 2 * length - 2 - at }),
                Filling::Edge => Some(at.clamp(0, length - 1)),
                Filling::Value(_) => None,
            };
            let places: Vec<Option<usize>> = (-before..length.saturating_add(after))
                .map(|at| place(at).and_then(|at| usize::try_from(at).ok()))
                .collect();
            let matrix = Matrix::picking(length as usize, places.into_iter())?;
            padded = self.along(&padded, dim, matrix)?;
            if let Filling::Value(value) = filling
                && value != 0.0
            {
                // Zeros plus the value, and what is not around plus nothing.
                let around = |at: i64| if (0..length).contains(&at) { 0.0 } else { f64::from(value) };
                let mut shape = vec![1; padded.dims.len()];
                shape[dim] = size(&padded.dims[dim]);
                let values = (-before..length.saturating_add(after)).map(around).collect();
                let constant = Constant::new(values, &shape, Kind::Float)?;
                padded = self.map_and_tensor(&padded, &constant, Binary::Add)?;
            }
        }
        Ok(Value::Map(padded))
    }

    /// As torch's `pad` with amounts below 0, which cut.
    fn padded_and_cut(
        &mut self,
        input: &Map,
        amounts: &[[i64; 2]],
        inputs: &[Operand],
        mode: PadMode,
    ) -> Result<Map, Obstacle> {
        if mode != PadMode::Constant {
            return Err("amounts below 0".to_owned());
        }
        let value = self.constant(operand(inputs, 1))?.and_then(|value| value.single()).unwrap_or(0.0);
        let more: Vec<[i64; 2]> = amounts.iter().map(|pair| pair.map(|amount| amount.max(0))).collect();
        let at = self.at.clone();
        let mut cut = if more.iter().all(|amount| *amount == [0; 2]) {
            input.clone()
        } else {
            self.grid_padded(input, &more, Filling::Value(value as f32), &at)?
        };
        for (dim, pair) in amounts.iter().enumerate() {
            let [before, after] = pair.map(|amount| usize::try_from(-amount.min(0)).unwrap_or(usize::MAX));
            let length = size(&cut.dims[dim]);
            let end = length.checked_sub(after).ok_or("a map of which nothing is left")?;
            if before > 0 || after > 0 {
                cut = self.sliced(&cut, dim, (before, end, 1))?;
            }
        }
        Ok(cut)
    }

    /// With rows and columns around it.
    fn grid_padded(
        &mut self,
        input: &Map,
        amounts: &[[i64; 2]],
        filling: Filling,
        at: &str,
    ) -> Result<Map, Obstacle> {
        let input = self.arranged_by_parts(input)?;
        let mut added = [[0usize; 2]; 2];
        for (dim, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount != [0; 2]) {
            let axes = [Axis::Row, Axis::Column];
            let along =
                axes.iter().position(|axis| input.dims[dim] == super::map::whole(*axis, input.length(*axis)));
            let along = along.filter(|_| !input.dims[dim].is_empty() && input.rolled == [0; 2]);
            let along = along.ok_or("anything but rows and columns")?;
            added[along] = amount.map(|amount| amount as usize);
        }
        let pad =
            Pad { before: added.map(|[before, _]| before), after: added.map(|[_, after]| after), filling };
        let (node, shape) = self.push_as(at, pad, &[input.node])?;
        let mut padded = Map { node, shape, ..input.clone() };
        for factor in padded.dims.iter_mut().flatten() {
            match factor.axis {
                Axis::Row => factor.size = shape.height,
                Axis::Column => factor.size = shape.width,
                _ => {}
            }
        }
        Ok(padded)
    }

    /// Amounts before and after each of so many dimensions.
    pub(super) fn amounts(
        &self,
        operator: &Operator,
        rank: usize,
    ) -> Result<(Vec<[i64; 2]>, PadMode), Obstacle> {
        let mut all = vec![[0; 2]; rank];
        match operator {
            Operator::Pad { amounts, mode } => {
                let amounts = self.ints(amounts)?;
                for (from_end, pair) in amounts.chunks_exact(2).enumerate() {
                    let dim = rank.checked_sub(1 + from_end).ok_or("amounts for more axes than there are")?;
                    all[dim] = [pair[0], pair[1]];
                }
                Ok((all, *mode))
            }
            Operator::PadAll { amounts, axes, mode } => {
                let amounts = self.ints(amounts)?;
                let axes = match axes {
                    None | Some(Sizes::Tensor(Operand::Nothing)) => (0..rank as i64).collect(),
                    Some(axes) => self.ints(axes)?,
                };
                if amounts.len() != 2 * axes.len() {
                    return Err("another number of amounts than of axes".to_owned());
                }
                for (index, axis) in axes.iter().enumerate() {
                    all[wrapped(*axis, rank)?] = [amounts[index], amounts[axes.len() + index]];
                }
                Ok((all, *mode))
            }
            _ => Err("no padding".to_owned()),
        }
    }
}

/// An axis that may be counted from the end.
pub(super) fn wrapped(axis: i64, rank: usize) -> Result<usize, Obstacle> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_start)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor of {rank} axes"))
}
