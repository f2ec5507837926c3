//! Operators that only say where elements stand, or which of them are there.

use super::map::{Axis, Factor, product, size};
use super::pools::wrapped;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::{Constant, Kind, within};
use crate::program::{Node, Operand, Operator, Sizes, ValueId};
use neuron_model::ops::{DepthToSpace, SpaceToDepth};

/// Where a part of a constant lies in the one it is a part of.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) root: ValueId,
    /// Start and end along each of its axes.
    pub(super) ranges: Vec<(usize, usize)>,
    /// Which of these axes are those of the part, in their order: single places lose theirs.
    pub(super) axes: Vec<usize>,
}

impl Translator<'_> {
    /// Operators that ask for sizes alone, whatever the value.
    pub(super) fn sizes_of_values(&mut self, node: &Node) -> Result<Option<Vec<Value>>, Obstacle> {
        let sizes = |translator: &Self| translator.shape_of(&node.inputs, 0);
        let ints = |list: Vec<usize>| {
            let count = list.len();
            Constant::new(list.into_iter().map(|size| size as f64).collect(), &[count], Kind::Int)
        };
        let value = match &node.operator {
            Operator::Size { axis } => {
                let sizes = sizes(self)?;
                let size = sizes[wrapped(*axis, sizes.len())?];
                Constant::scalar(size as f64, Kind::Int)
            }
            Operator::Shape { start, end } => {
                let sizes = sizes(self)?;
                let rank = sizes.len() as i64;
                let bound = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
                let (start, end) = (bound(*start), bound(end.unwrap_or(rank)));
                ints(sizes[start..end.max(start)].to_vec())?
            }
            Operator::FullLike { value } => {
                let number = self
                    .constant(*value)?
                    .and_then(|value| value.single())
                    .ok_or("a value that is not known")?;
                Constant::full(&sizes(self)?, number, Kind::Float)?
            }
            Operator::Full { sizes, value } => {
                let number = self.constant(*value)?.and_then(|value| value.single()).unwrap_or(0.0);
                let kind = match value {
                    Operand::Float(_) => Kind::Float,
                    Operand::Value(id) => match &self.values[id.0] {
                        Value::Constant(constant) => constant.kind,
                        _ => Kind::Float,
                    },
                    _ => Kind::Int,
                };
                let sizes = self.ints(sizes)?;
                let shape = sizes.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
                Constant::full(&shape.map_err(|_| "a size below 0")?, number, kind)?
            }
            _ => return Ok(None),
        };
        Ok(Some(vec![Value::Constant(value)]))
    }

    /// The shape of any value.
    pub(super) fn shape_of(&self, inputs: &[Operand], index: usize) -> Result<Vec<usize>, Obstacle> {
        match self.value(inputs, index)? {
            Value::Map(map) | Value::Lengths(map) => Ok(map.sizes()),
            Value::Scores(scores) => Ok(scores.sizes()),
            Value::Constant(constant) => Ok(constant.shape().to_vec()),
            Value::Parameter(id) => Ok(self.program.parameters[&id].shape.clone()),
            other => Err(format!("the shape of {}", other.what())),
        }
    }

    /// Another arrangement of a value that depends on the image.
    pub(super) fn view(&mut self, node: &Node) -> Result<Vec<Value>, Obstacle> {
        use Operator as O;
        let inputs = &node.inputs;
        let first = self.value(inputs, 0)?;
        let from = self.shape_of(inputs, 0)?;
        let rank = from.len();
        let reshaped = |translator: &mut Self, sizes: Vec<usize>| -> Result<Vec<Value>, Obstacle> {
            Ok(vec![match &first {
                Value::Scores(scores) if scores.reshaped(&sizes).is_ok() => {
                    Value::Scores(Box::new(scores.reshaped(&sizes)?))
                }
                other => {
                    let map = translator.as_map(other.clone())?;
                    Value::Map(translator.reshaped(&map, &sizes)?)
                }
            }])
        };
        match &node.operator {
            O::Reshape { sizes, copies_zero } => {
                let sizes = self.ints(sizes)?;
                return reshaped(self, resolved(&from, &sizes, *copies_zero)?);
            }
            O::ReshapeAs => {
                let sizes = self.shape_of(inputs, 1)?;
                return reshaped(self, sizes);
            }
            O::Flatten { first, last } => {
                if rank == 0 {
                    return reshaped(self, vec![1]);
                }
                let (first, last) = (wrapped(*first, rank)?, wrapped(*last, rank)?);
                let joint = product(from[first..=last.max(first)].iter().copied());
                return reshaped(self, [&from[..first], &[joint], &from[last.max(first) + 1..]].concat());
            }
            O::Unflatten { axis, sizes } => {
                let axis = wrapped(*axis, rank)?;
                let parts = resolved(&from[axis..=axis], &self.ints(sizes)?, false)?;
                return reshaped(self, [&from[..axis], &parts, &from[axis + 1..]].concat());
            }
            O::Unsqueeze { axes } => {
                let axes = self.ints(axes)?;
                return reshaped(self, unsqueezed(&from, &axes)?);
            }
            O::Squeeze { axes } => {
                let axes = axes.as_ref().map(|axes| self.ints(axes)).transpose()?;
                return reshaped(self, squeezed(&from, axes.as_deref())?);
            }
            // A value of the rank that is asked for is as it was: sizes of 1 are repeated where they are read.
            O::ExpandAs if matches!(first, Value::Lengths(_)) => return Ok(vec![first]),
            O::Expand { .. } if matches!(first, Value::Lengths(_)) => return Ok(vec![first]),
            O::Expand { sizes } if matches!(first, Value::Scores(_)) => {
                let wanted = self.ints(sizes)?;
                let same = wanted.len() == rank
                    && wanted.iter().zip(&from).all(|(wanted, size)| [-1, *size as i64].contains(wanted));
                if same {
                    return Ok(vec![first]);
                }
            }
            _ => {}
        }
        if let O::Slice { axis, start, end, step } = &node.operator {
            let axis = wrapped(*axis, rank)?;
            let range = self.range(from[axis], [*start, *end, *step])?;
            self.remember(node, &from, (axis, range));
            if range == (0, from[axis], 1) {
                return Ok(vec![first]);
            }
        }
        let map = self.as_map(first)?;
        let one = |map: Map| Ok(vec![Value::Map(map)]);
        match &node.operator {
            O::Permute { axes } => {
                let axes = match &axes[..] {
                    [] => (0..rank).rev().collect(),
                    axes => axes.iter().map(|axis| wrapped(*axis, rank)).collect::<Result<Vec<_>, _>>()?,
                };
                if axes.len() != rank {
                    return Err("an order of another number of axes".to_owned());
                }
                one(self.exchanged_back(map.permuted(&axes))?)
            }
            O::Transpose { axes: [a, b] } => {
                let mut axes: Vec<usize> = (0..rank).collect();
                axes.swap(wrapped(*a, rank)?, wrapped(*b, rank)?);
                one(self.exchanged_back(map.permuted(&axes))?)
            }
            O::Expand { sizes } => {
                let sizes = self.ints(sizes)?;
                one(expanded(&map, &sizes)?)
            }
            O::ExpandAs => {
                let sizes: Vec<i64> = self.shape_of(inputs, 1)?.into_iter().map(|size| size as i64).collect();
                one(expanded(&map, &sizes)?)
            }
            O::Select { axis, index } => {
                let axis = wrapped(*axis, rank)?;
                let index = self.int(*index)?.ok_or("a place that is not known")?;
                let index = wrapped(index, from[axis])?;
                self.remember(node, &from, (axis, (index, index + 1, 1)));
                let mut part = self.sliced(&map, axis, (index, index + 1, 1))?;
                part.dims.remove(axis);
                one(part)
            }
            O::Slice { axis, start, end, step } => {
                let axis = wrapped(*axis, rank)?;
                let range = self.range(from[axis], [*start, *end, *step])?;
                one(self.sliced(&map, axis, range)?)
            }
            O::Slices => {
                let list = |translator: &Self, index: usize| -> Result<Vec<i64>, Obstacle> {
                    let operand = inputs.get(index).copied().unwrap_or(Operand::Nothing);
                    translator.ints(&Sizes::Tensor(operand))
                };
                let (starts, ends) = (list(self, 1)?, list(self, 2)?);
                let (axes, steps) = (list(self, 3)?, list(self, 4)?);
                let mut part = map;
                for (at, start) in starts.iter().enumerate() {
                    let axis = wrapped(axes.get(at).copied().unwrap_or(at as i64), rank)?;
                    let end = *ends.get(at).ok_or("a part without an end")?;
                    let operands = [*start, end, steps.get(at).copied().unwrap_or(1)].map(Operand::Int);
                    let range = self.range(from[axis], operands)?;
                    part = self.sliced(&part, axis, range)?;
                }
                one(part)
            }
            O::Chunk { .. } | O::Split { .. } | O::SplitSizes { .. } => {
                let (axis, counts) = self.parts(node, &from)?;
                let mut start = 0;
                let part = |count: &usize| {
                    start += count;
                    self.sliced(&map, axis, (start - count, start, 1)).map(Value::Map)
                };
                counts.iter().map(part).collect()
            }
            O::Unbind { axis } => {
                let axis = wrapped(*axis, rank)?;
                let part = |index: usize| {
                    let mut part = self.sliced(&map, axis, (index, index + 1, 1))?;
                    part.dims.remove(axis);
                    Ok(Value::Map(part))
                };
                (0..from[axis]).map(part).collect()
            }
            O::Roll { shifts, axes } => {
                let mut rolled = map;
                for (shift, axis) in shifts.iter().zip(axes) {
                    let axis = wrapped(*axis, rank)?;
                    let length = from[axis].max(1) as i64;
                    let by = (-shift).rem_euclid(length) as usize;
                    rolled = match rolled.rolled(axis, by) {
                        Ok(rolled) => rolled,
                        Err(_) => {
                            let end = self.sliced(&rolled, axis, (by, from[axis], 1))?;
                            let beginning = self.sliced(&rolled, axis, (0, by, 1))?;
                            self.joined_along(&[end, beginning], axis)?
                        }
                    };
                }
                one(rolled)
            }
            O::Unfold { axis, size, step } => {
                let axis = wrapped(*axis, rank)?;
                one(self.unfolded(&map, axis, (*size, *step))?)
            }
            O::Windows { kernel, dilation, padding, stride } => {
                one(self.windows(&map, [*kernel, *dilation, *padding, *stride])?)
            }
            O::PixelShuffle { factor } => {
                let at = self.at.clone();
                let input = self.as_image(&map)?;
                let (node, shape) = self.push_as(&at, DepthToSpace { side: *factor }, &[input])?;
                one(Map::image(node, shape, self.items))
            }
            O::PixelUnshuffle { factor } => {
                let at = self.at.clone();
                let input = self.as_image(&map)?;
                let merge = SpaceToDepth { side: *factor, channels_first: true };
                let (node, shape) = self.push_as(&at, merge, &[input])?;
                one(Map::image(node, shape, self.items))
            }
            O::Gather { axis } => {
                let axis = wrapped(*axis, rank)?;
                let table = self.constant(inputs[1])?.ok_or("a table that is not there")?;
                // Everything, in its order.
                let is_all = table.ints()?.into_iter().eq(0..from[axis] as i64);
                if is_all {
                    let shape = [&from[..axis], table.shape(), &from[axis + 1..]].concat();
                    return one(self.reshaped(&map, &shape)?);
                }
                let Some(place) = table.single() else {
                    let shape = [&from[..axis], table.shape(), &from[axis + 1..]].concat();
                    let picked = self.picked(&map, axis, &table.ints()?)?;
                    return one(self.reshaped(&picked, &shape)?);
                };
                let index = wrapped(place as i64, from[axis])?;
                let mut part = self.sliced(&map, axis, (index, index + 1, 1))?;
                if table.shape().is_empty() {
                    part.dims.remove(axis);
                }
                one(part)
            }
            O::SliceScatter { axis, start, end, step } => {
                let axis = wrapped(*axis, rank)?;
                let range = self.range(from[axis], [*start, *end, *step])?;
                Ok(vec![self.slice_replaced(node, axis, range)?])
            }
            O::Index => one(self.places(&map, &inputs[1..])?),
            O::ScatterNd => one(self.rows_replaced(inputs)?),
            O::ScatterElements { axis } => one(self.elements_replaced(inputs, *axis)?),
            O::SelectScatter { axis, index } => {
                let axis = wrapped(*axis, rank)?;
                let index = self.int(*index)?.ok_or("a place that is not known")?;
                let index = wrapped(index, from[axis])?;
                Ok(vec![self.place_replaced(node, axis, index)?])
            }
            O::Tile { times } => {
                let times = self.ints(times)?;
                let rank = rank.max(times.len());
                let mut tiled = super::computed::of_rank(&map, rank);
                for (axis, times) in (rank - times.len()..rank).zip(times) {
                    let (count, length) = (
                        usize::try_from(times).map_err(|_| "a number of copies below 0")?,
                        size(&tiled.dims[axis]),
                    );
                    if count != 1 {
                        within(&[count, length])?;
                        let places = (0..count.saturating_mul(length)).map(|at| (at % length) as i64);
                        tiled = self.picked(&tiled, axis, &places.collect::<Vec<_>>())?;
                    }
                }
                one(tiled)
            }
            O::Flip { axes } => {
                let mut flipped = map;
                for axis in axes {
                    let axis = wrapped(*axis, rank)?;
                    let places: Vec<i64> = (0..from[axis] as i64).rev().collect();
                    flipped = self.picked(&flipped, axis, &places)?;
                }
                one(flipped)
            }
            O::RepeatInterleave { times, axis } => {
                let axis = wrapped(*axis, rank)?;
                let times = self.int(*times)?.and_then(|times| usize::try_from(times).ok());
                let times = times.filter(|times| *times > 0).ok_or("an unknown number of copies")?;
                within(&[from[axis], times])?;
                let places: Vec<i64> =
                    (0..from[axis].saturating_mul(times)).map(|at| (at / times) as i64).collect();
                one(self.picked(&map, axis, &places)?)
            }
            _ => Err("of a value that depends on the image".to_owned()),
        }
    }

    /// Axis and lengths of the parts that an operator makes.
    pub(super) fn parts(&self, node: &Node, from: &[usize]) -> Result<(usize, Vec<usize>), Obstacle> {
        let equal = |length: usize, size: usize| -> Vec<usize> {
            let size = size.max(1);
            (0..length.div_ceil(size)).map(|index| size.min(length - index * size)).collect()
        };
        match &node.operator {
            Operator::Chunk { axis, parts } => {
                let axis = wrapped(*axis, from.len())?;
                Ok((axis, equal(from[axis], from[axis].div_ceil((*parts).max(1)))))
            }
            Operator::Split { axis, size } => {
                let axis = wrapped(*axis, from.len())?;
                let size = self.int(*size)?.ok_or("parts of an unknown size")?;
                Ok((axis, equal(from[axis], usize::try_from(size).map_err(|_| "parts of a size below 0")?)))
            }
            Operator::SplitSizes { axis, sizes } => {
                let axis = wrapped(*axis, from.len())?;
                let counts = match sizes {
                    None | Some(Sizes::Tensor(Operand::Nothing)) => {
                        equal(from[axis], from[axis].div_ceil(node.outputs.len().max(1)))
                    }
                    Some(sizes) => {
                        let sizes = self.ints(sizes)?;
                        resolved_parts(&sizes, from[axis])?
                    }
                };
                Ok((axis, counts))
            }
            _ => Err("no parts".to_owned()),
        }
    }

    /// Start, end and step as places of an axis.
    pub(super) fn range(
        &self,
        length: usize,
        [start, end, step]: [Operand; 3],
    ) -> Result<(usize, usize, usize), Obstacle> {
        let long = length as i64;
        let place = |at: i64| (if at < 0 { at.saturating_add(long) } else { at }).clamp(0, long) as usize;
        let start = place(self.int(start)?.unwrap_or(0));
        let end = place(self.int(end)?.unwrap_or(i64::MAX));
        let step = self.int(step)?.unwrap_or(1);
        let step = usize::try_from(step).ok().filter(|step| *step > 0).ok_or("steps backwards")?;
        Ok((start, end.max(start), step))
    }
}

/// Sizes of which one may be what is left.
pub(super) fn resolved(from: &[usize], sizes: &[i64], copies_zero: bool) -> Result<Vec<usize>, Obstacle> {
    let total = product(from.iter().copied());
    let mut left = None;
    let mut resolved = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        resolved.push(match *size {
            -1 if left.is_none() => {
                left = Some(at);
                1
            }
            0 if copies_zero => *from.get(at).ok_or("a size of an axis that is not there")?,
            size => usize::try_from(size).map_err(|_| format!("a size of {size}"))?,
        });
    }
    if let Some(left) = left {
        let known = resolved.iter().try_fold(1usize, |product, size| product.checked_mul(*size));
        let known = known.filter(|known| *known > 0 && total.is_multiple_of(*known));
        resolved[left] = total / known.ok_or_else(|| format!("{from:?} as {sizes:?}"))?;
    }
    Ok(resolved)
}

fn resolved_parts(sizes: &[i64], length: usize) -> Result<Vec<usize>, Obstacle> {
    let counts = sizes.iter().map(|size| usize::try_from(*size)).collect::<Result<Vec<_>, _>>();
    let counts = counts.map_err(|_| "parts of a size below 0")?;
    if counts.iter().try_fold(0usize, |sum, count| sum.checked_add(*count)) == Some(length) {
        Ok(counts)
    } else {
        Err(format!("parts of {counts:?} of {length}"))
    }
}

pub(super) fn unsqueezed(from: &[usize], axes: &[i64]) -> Result<Vec<usize>, Obstacle> {
    let rank = from.len() + axes.len();
    let places = axes.iter().map(|axis| wrapped(*axis, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut left = from.iter();
    Ok((0..rank).map(|at| if places.contains(&at) { 1 } else { left.next().copied().unwrap_or(1) }).collect())
}

pub(super) fn squeezed(from: &[usize], axes: Option<&[i64]>) -> Result<Vec<usize>, Obstacle> {
    let places = match axes {
        None => (0..from.len()).collect(),
        Some(axes) => axes.iter().map(|axis| wrapped(*axis, from.len())).collect::<Result<Vec<_>, _>>()?,
    };
    let kept = from.iter().enumerate().filter(|(at, size)| **size != 1 || !places.contains(at));
    Ok(kept.map(|(_, size)| *size).collect())
}

/// Axes of size 1 are repeated where they are read.
fn expanded(map: &Map, sizes: &[i64]) -> Result<Map, Obstacle> {
    let missing = sizes.len().checked_sub(map.dims.len()).ok_or("fewer axes than there are")?;
    let mut expanded = map.clone();
    expanded.dims.splice(0..0, std::iter::repeat_n(Vec::new(), missing));
    for (dim, wanted) in expanded.dims.iter_mut().zip(sizes) {
        let wanted = usize::try_from(*wanted).ok();
        match wanted {
            Some(wanted) if dim.is_empty() && wanted > 1 => {
                *dim = vec![Factor { axis: Axis::Repeat, size: wanted, stride: 1 }];
            }
            _ => {}
        }
    }
    Ok(expanded)
}
