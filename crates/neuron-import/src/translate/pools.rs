//! Pools, and what windows add around a map.

use neuron_kernels::Divisor;
use neuron_model::ops::{
    AdaptiveAveragePool, AveragePool, Filling, GlobalAveragePool, GlobalMaxPool, MaxPool, Pad,
};
use neuron_model::{NodeId, Shape, Window};

use super::products::pair;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::program::{Operand, Padding, PoolKind, Reduction};

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
        let (node, shape) = if kind == (PoolKind::Average { counts_padding: false }) {
            let window = windows_of_what_is_inside((padding, window, size))?;
            self.push_as(&at, AveragePool { window, divisor: Divisor::Inside }, &[node])?
        } else {
            let (node, padding) = self.padded_for(node, (padding, window, size), value)?;
            let window = Window { padding, ..window };
            match kind {
                PoolKind::Max => self.max_pool(&at, node, window)?,
                PoolKind::Average { .. } => {
                    self.push_as(&at, AveragePool { window, divisor: Divisor::Padded }, &[node])?
                }
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
        let [before, after] = sides(padding, window, size)?;
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
                // So many bins are windows of this side at this size of the map alone, which the order of a copy fixes.
                let node = self.image_of(&input)?;
                let window = Window { kernel: side, stride: side, ..Window::square(1, 1, 0) };
                self.max_pool(&at, node, window)?
            }
            (_, [1, 1]) => self.push_as(&at, GlobalAveragePool, &[node])?,
            _ => self.push_as(&at, AdaptiveAveragePool { positions }, &[node])?,
        };
        Ok(Value::Map(Map::image(node, shape, self.items)))
    }
}

/// What is added before and after the rows and columns of a map.
fn sides(padding: &Padding, window: Window, size: [usize; 2]) -> Result<[[usize; 2]; 2], Obstacle> {
    Ok(match padding {
        Padding::Explicit { before, after } => [pair(before)?, pair(after)?],
        Padding::Same { odd_comes_first } => {
            let extent = window.extent();
            let missing = [0, 1].map(|axis| {
                let count = size[axis].div_ceil(window.stride[axis]);
                ((count.max(1) - 1) * window.stride[axis] + extent[axis]).saturating_sub(size[axis])
            });
            let (less, more) = (missing.map(|all| all / 2), missing.map(|all| all.div_ceil(2)));
            if *odd_comes_first { [more, less] } else { [less, more] }
        }
    })
}

/// Windows of means of what lies inside of the map. What is added around it does not count, so that it only matters where
/// windows begin, and how many there are: padding that is the same on both sides may give the same ones.
fn windows_of_what_is_inside(
    (padding, window, size): (&Padding, Window, [usize; 2]),
) -> Result<Window, Obstacle> {
    let [before, after] = sides(padding, window, size)?;
    if before == after {
        return Ok(Window { padding: before, ..window });
    }
    let extent = window.extent();
    let count = |axis: usize, padded: usize| {
        let room = padded.checked_sub(extent[axis])?;
        let stride = window.stride[axis];
        let all = if window.ceil_mode { room.div_ceil(stride) } else { room / stride } + 1;
        // A window that begins behind the map and the padding before it is none.
        let last_begins = (all - 1) * stride;
        Some(if window.ceil_mode && last_begins >= size[axis] + before[axis] { all - 1 } else { all })
    };
    let wanted = [0, 1].map(|axis| count(axis, before[axis] + size[axis] + after[axis]));
    let same = [false, true].into_iter().map(|ceil_mode| Window { padding: before, ceil_mode, ..window });
    let fitting = same.into_iter().find(|window| window.positions(size).map(Some) == wanted);
    fitting.ok_or_else(|| "a mean over uneven padding that does not count".to_owned())
}

/// An axis that may be counted from the end.
pub(super) fn wrapped(axis: i64, rank: usize) -> Result<usize, Obstacle> {
    let from_start = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(from_start)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| format!("axis {axis} of a tensor of {rank} axes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_of_what_is_inside_begin_where_they_would_with_uneven_padding() {
        let windows = |size: usize, (kernel, stride): (usize, usize), (before, after): (usize, usize)| {
            let padding = Padding::Explicit { before: vec![before; 2], after: vec![after; 2] };
            windows_of_what_is_inside((&padding, Window::square(kernel, stride, 0), [size; 2]))
        };
        // As `SAME` pads even sizes: the last window hangs over.
        let hanging = windows(16, (3, 2), (0, 1)).unwrap();
        assert_eq!((hanging.padding, hanging.ceil_mode, hanging.positions([16; 2])), ([0; 2], true, [8; 2]));
        let even = windows(15, (3, 2), (1, 1)).unwrap();
        assert_eq!((even.padding, even.positions([15; 2])), ([1; 2], [8; 2]));
        // One more window than any even padding before it gives.
        assert!(windows(16, (2, 1), (0, 1)).is_err());
    }
}
