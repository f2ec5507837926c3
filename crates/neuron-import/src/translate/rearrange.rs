//! Values in the order that a reader needs, where no operation of networks puts them there.

use neuron_model::ops::{Filling, MOST_STEPS, Pad, Rearrangement, Step, StepAxis};
use neuron_model::{NodeId, Shape};

use super::map::{Axis, Factor, joined, product, size, whole};
use super::{Map, Obstacle, Translator};

/// The grid that the positions of a rearranged map have.
#[derive(Clone, Copy)]
pub(super) enum Grid {
    /// As before, if they are those of a grid in their order; else as [`Grid::Lines`].
    Kept,
    /// The last dimension as columns, and those before it as rows.
    Lines,
    /// Of this height and width.
    Of([usize; 2]),
}

impl Translator<'_> {
    /// A value whose channels are these dimensions, one after the other, and whose positions are all others.
    pub(super) fn rearranged(&mut self, map: &Map, channels: &[usize], grid: Grid) -> Result<Map, Obstacle> {
        let map = self.with_lengths(map)?;
        let rank = map.dims.len();
        let is_item = |dim: usize| map.dims[dim].iter().any(|factor| factor.axis == Axis::Item);
        for dim in (0..rank).filter(|dim| is_item(*dim)) {
            if map.dims[dim] != whole(Axis::Item, self.items) || channels.contains(&dim) {
                return Err("images of a batch among positions".to_owned());
            }
        }
        let others: Vec<usize> = (0..rank).filter(|dim| !channels.contains(dim) && !is_item(*dim)).collect();
        let factors = |dims: &[usize]| joined(dims.iter().flat_map(|dim| map.dims[*dim].clone()).collect());
        let (outer, inner) = (factors(&others), factors(channels));
        let sizes: Vec<usize> = others.iter().map(|dim| size(&map.dims[*dim])).collect();
        let positions = product(sizes.iter().copied());
        let Shape { height, width, extra, .. } = map.shape;
        let is_grid = extra == 0 && outer == [whole(Axis::Row, height), whole(Axis::Column, width)].concat();
        let last = sizes.iter().rposition(|size| *size > 1).unwrap_or(0);
        let lines = match sizes.get(last) {
            Some(columns) if sizes[..last].iter().any(|size| *size > 1) => [positions / columns, *columns],
            _ => [positions, 1],
        };
        let keeps = is_grid && matches!(grid, Grid::Kept);
        let [rows, columns] = match grid {
            Grid::Of(grid) => grid,
            Grid::Kept if is_grid => [height, width],
            _ => lines,
        };
        if rows.checked_mul(columns) != Some(positions) {
            return Err(format!("{positions} positions as {rows} x {columns}"));
        }
        let count = product(channels.iter().map(|dim| size(&map.dims[*dim])));
        let operation = Rearrangement {
            channels: map.shape.channels,
            grid: [height, width],
            extra,
            to: [count, rows, columns],
            first: [
                map.first(Axis::Channel),
                map.first(Axis::Row),
                map.first(Axis::Column) + map.first(Axis::Token),
            ],
            rolled: map.rolled,
            steps: steps(&outer, &inner)?,
        };
        let (node, shape) = self.push(operation, &[map.node])?;
        let mut dims = map.dims.clone();
        if !keeps {
            number(&mut dims, &others, [rows, columns]);
        }
        let mut apart = count;
        for dim in channels {
            let size = size(&map.dims[*dim]);
            apart /= size;
            dims[*dim] = stepping(Axis::Channel, size, apart);
        }
        Ok(Map { scale: map.scale, ..Map::of(node, shape, dims) })
    }

    /// A value as a whole map, whichever of its dimensions become channels.
    pub(super) fn put_in_order(&mut self, map: &Map) -> Result<Map, Obstacle> {
        let rank = map.dims.len();
        let is_item = |dim: usize| map.dims[dim].iter().any(|factor| factor.axis == Axis::Item);
        let has_channels = |dim: &usize| map.dims[*dim].iter().any(|factor| factor.axis == Axis::Channel);
        let last = rank.checked_sub(1).ok_or("a single number")?;
        let channels = map
            .channel_dim()
            .or_else(|| Some(last).filter(has_channels))
            .or_else(|| (0..rank).find(has_channels))
            .unwrap_or(last);
        if is_item(channels) {
            return Err("images of a batch among channels".to_owned());
        }
        let ordered = self.rearranged(map, &[channels], Grid::Kept)?;
        self.scaled(&ordered)
    }

    /// A node whose memory holds a value in its order, these dimensions innermost, whatever grid its positions are.
    pub(super) fn in_memory(&mut self, map: &Map, channels: &[usize]) -> Result<NodeId, Obstacle> {
        let Shape { channels: count, height, width, extra } = map.shape;
        let others = (0..map.dims.len()).filter(|dim| !channels.contains(dim));
        let outer: Vec<Factor> = others.flat_map(|dim| map.dims[dim].clone()).collect();
        let inner: Vec<Factor> = channels.iter().flat_map(|dim| map.dims[*dim].clone()).collect();
        let positions = if extra > 0 {
            whole(Axis::Token, extra + height * width)
        } else {
            [whole(Axis::Row, height), whole(Axis::Column, width)].concat()
        };
        let items = whole(Axis::Item, self.items);
        let is_there = joined(outer) == [items, positions].concat()
            && joined(inner) == whole(Axis::Channel, count)
            && map.first == [0; 4]
            && map.rolled == [0; 2]
            && !map.is_unit;
        if is_there { Ok(map.node) } else { Ok(self.rearranged(map, channels, Grid::Lines)?.node) }
    }

    /// A value as `[items, channels, height, width]` of a node of its own.
    pub(super) fn image_of(&mut self, map: &Map) -> Result<NodeId, Obstacle> {
        let sizes = map.sizes();
        let (channels, grid) = match sizes[..] {
            [_, _, height, width] => (1, [height, width]),
            [_, height, width] => (0, [height, width]),
            _ => return Err(format!("a map of {sizes:?}")),
        };
        let items = map.dims.len() == 4 && map.dims[0] != whole(Axis::Item, self.items);
        if items {
            return Err(format!("a map of {sizes:?} that is no image of channels, rows and columns"));
        }
        let image = self.rearranged(map, &[channels], Grid::Of(grid))?;
        Ok(self.scaled(&image)?.node)
    }

    /// With other dimensions over the same elements in the same order.
    pub(super) fn reshaped(&mut self, map: &Map, sizes: &[usize]) -> Result<Map, Obstacle> {
        let why = match map.reshaped(sizes) {
            Ok(reshaped) => return Ok(reshaped),
            Err(why) => why,
        };
        let is_item = |dim: &usize| map.dims[*dim].iter().any(|factor| factor.axis == Axis::Item);
        let all: Vec<usize> = (0..map.dims.len()).filter(|dim| !is_item(dim)).collect();
        let line = self.rearranged(map, &all, Grid::Kept).map_err(|_| why.clone())?;
        line.reshaped(sizes).map_err(|_| why)
    }

    /// A part of a dimension.
    pub(super) fn sliced(
        &mut self,
        map: &Map,
        dim: usize,
        range: (usize, usize, usize),
    ) -> Result<Map, Obstacle> {
        match map.sliced(dim, range) {
            Err(why) if range.0 < range.1 => {
                let line = self.rearranged(map, &[dim], Grid::Kept).map_err(|_| why.clone())?;
                line.sliced(dim, range).map_err(|_| why)
            }
            sliced => sliced,
        }
    }

    /// Windows of a dimension, which become a last dimension: `size` places each, `step` places apart.
    pub(super) fn unfolded(
        &mut self,
        map: &Map,
        dim: usize,
        (length, step): (usize, usize),
    ) -> Result<Map, Obstacle> {
        let count = windows(size(&map.dims[dim]), (length, step))?;
        let map = match map.dims[dim][..] {
            [_] => map.clone(),
            _ => self.rearranged(map, &[dim], Grid::Kept)?,
        };
        let [factor] = map.dims[dim][..] else { return Err("windows of one place".to_owned()) };
        let mut unfolded = map.clone();
        unfolded.dims[dim] = stepping(factor.axis, count, factor.stride * step);
        unfolded.dims.push(stepping(factor.axis, length, factor.stride));
        Ok(unfolded)
    }

    /// Windows over rows and columns: `[items, channels x places of a window, windows]`.
    pub(super) fn windows(
        &mut self,
        map: &Map,
        [kernel, dilation, padding, stride]: [[usize; 2]; 4],
    ) -> Result<Map, Obstacle> {
        let mut node = self.as_image(map)?;
        if padding != [0; 2] {
            node =
                self.push(Pad { before: padding, after: padding, filling: Filling::Value(0.0) }, &[node])?.0;
        }
        let shape = self.shapes[&node];
        let sizes = [shape.height, shape.width];
        let mut counts = [0; 2];
        for axis in [0, 1] {
            let extent = dilation[axis].saturating_mul(kernel[axis].saturating_sub(1)).saturating_add(1);
            let step = if kernel[axis] == 0 { 0 } else { stride[axis] };
            counts[axis] = windows(sizes[axis], (extent, step))?;
        }
        let axes = [Axis::Row, Axis::Column];
        let along = |lengths: [usize; 2], steps: [usize; 2]| {
            [0, 1].map(|at| stepping(axes[at], lengths[at], steps[at])).concat()
        };
        let channels = [whole(Axis::Channel, shape.channels), along(kernel, dilation)].concat();
        Ok(Map::of(node, shape, vec![whole(Axis::Item, self.items), channels, along(counts, stride)]))
    }
}

/// How many windows there are along a dimension.
fn windows(size: usize, (length, step): (usize, usize)) -> Result<usize, Obstacle> {
    let left = size.checked_sub(length).filter(|_| length > 0 && step > 0);
    Ok(left.ok_or_else(|| format!("windows of {length} places of {size}, {step} apart"))? / step + 1)
}

/// Steps along an axis as a dimension.
pub(super) fn stepping(axis: Axis, size: usize, stride: usize) -> Vec<Factor> {
    if size == 1 { Vec::new() } else { vec![Factor { axis, size, stride }] }
}

/// Some dimensions as the rows and columns of a grid, in their order.
fn number(dims: &mut [Vec<Factor>], others: &[usize], [rows, columns]: [usize; 2]) {
    let mut grid = [whole(Axis::Row, rows), whole(Axis::Column, columns)].concat();
    grid.reverse();
    for dim in others {
        let (mut left, mut steps) = (size(&dims[*dim]), Vec::new());
        while left > 1 {
            // A grid that was asked for has as many positions as the dimensions, and begins where one of them does.
            let Some(axis) = grid.pop() else { break };
            if left >= axis.size {
                steps.push(axis);
                left /= axis.size;
            } else {
                let inner = axis.size / left;
                steps.push(Factor { size: left, stride: axis.stride * inner, ..axis });
                grid.push(Factor { size: inner, ..axis });
                left = 1;
            }
        }
        dims[*dim] = steps;
    }
}

/// Steps of positions, then those of channels.
fn steps(outer: &[Factor], inner: &[Factor]) -> Result<[Step; MOST_STEPS], Obstacle> {
    let mut steps = [Step::NONE; MOST_STEPS];
    let count = outer.len() + inner.len();
    let first = MOST_STEPS.checked_sub(count).ok_or("an order of too many parts")?;
    for (step, factor) in steps[first..].iter_mut().zip(outer.iter().chain(inner)) {
        let number = |value: usize| u32::try_from(value).map_err(|_| "sizes without end".to_owned());
        let axis = match factor.axis {
            Axis::Row => StepAxis::Row,
            Axis::Column | Axis::Token => StepAxis::Column,
            Axis::Channel | Axis::Repeat | Axis::Item => StepAxis::Channel,
        };
        let stride = if factor.axis == Axis::Repeat { 0 } else { factor.stride };
        *step = Step { axis, count: number(factor.size)?, apart: number(stride)? };
    }
    Ok(steps)
}
