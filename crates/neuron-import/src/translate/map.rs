//! Values that depend on the image: a node of the graph, and which of its elements stand where.
//!
//! Exporters write views, transpositions and reshapes between operators. Most only rename positions and channels, so they are
//! not computed but remembered: each dimension of a tensor is a list of factors, and each factor steps along one axis of the
//! node's map. Who reads the value asks for the arrangement that it needs.

use neuron_model::{NodeId, Shape};

/// An axis of a map of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Axis {
    /// Images of the batch with which the network was exported.
    Item,
    Channel,
    /// Of a grid without extra positions.
    Row,
    Column,
    /// All positions of a map with extra ones.
    Token,
    /// The same again.
    Repeat,
}

impl Axis {
    /// Where [`Map::first`] has it.
    fn place(self) -> Option<usize> {
        [Self::Channel, Self::Row, Self::Column, Self::Token].iter().position(|axis| *axis == self)
    }
}

/// Steps along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Factor {
    pub(super) axis: Axis,
    pub(super) size: usize,
    pub(super) stride: usize,
}

/// A tensor whose elements are those of a node's map. Dimensions without factors are of size 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) node: NodeId,
    /// The shape of the node's map, for the image with which the network was exported.
    pub(super) shape: Shape,
    pub(super) dims: Vec<Vec<Factor>>,
    /// Where channels, rows, columns and tokens begin; rows and columns as they were rolled.
    pub(super) first: [usize; 4],
    /// How far rows and columns were rolled up and left, round the edges.
    pub(super) rolled: [usize; 2],
    /// What elements are yet to be multiplied by.
    pub(super) scale: f64,
    /// The grid that its channels were before they changed places with its positions.
    pub(super) exchanged: Option<[usize; 2]>,
    /// Whether the last dimension is yet to be divided by its length as a vector.
    pub(super) is_unit: bool,
}

/// Why a value cannot be arranged so: the rest of "is not supported: ".
pub(super) type Obstacle = String;

impl Map {
    /// `[items, channels, height, width]`
    pub(super) fn image(node: NodeId, shape: Shape, items: usize) -> Self {
        let Shape { channels, height, width, .. } = shape;
        let dims =
            [(Axis::Item, items), (Axis::Channel, channels), (Axis::Row, height), (Axis::Column, width)];
        Self::of(node, shape, dims.map(|(axis, size)| whole(axis, size)).to_vec())
    }

    /// A value of a node with these dimensions, from its first element on.
    pub(super) fn of(node: NodeId, shape: Shape, dims: Vec<Vec<Factor>>) -> Self {
        Self { node, shape, dims, first: [0; 4], rolled: [0; 2], scale: 1.0, exchanged: None, is_unit: false }
    }

    /// The length of every dimension.
    pub(super) fn sizes(&self) -> Vec<usize> {
        self.dims.iter().map(|dim| size(dim)).collect()
    }

    /// Where an axis begins.
    pub(super) fn first(&self, axis: Axis) -> usize {
        axis.place().map_or(0, |place| self.first[place])
    }

    /// The length of an axis of the node's map.
    pub(super) fn length(&self, axis: Axis) -> usize {
        let Shape { channels, height, width, extra } = self.shape;
        match axis {
            Axis::Channel => channels,
            Axis::Row if extra == 0 => height,
            Axis::Column if extra == 0 => width,
            Axis::Token if extra > 0 => extra + height * width,
            _ => 1,
        }
    }

    /// All factors of an axis, from the first dimension to the last.
    pub(super) fn factors(&self, axis: Axis) -> impl Iterator<Item = Factor> + '_ {
        self.dims.iter().flatten().copied().filter(move |factor| factor.axis == axis)
    }

    /// Whether all of an axis is there.
    pub(super) fn covers(&self, axis: Axis) -> bool {
        product(self.factors(axis).map(|factor| factor.size)) == self.length(axis)
    }

    /// Whether every position is there.
    pub(super) fn has_all_positions(&self) -> bool {
        [Axis::Row, Axis::Column, Axis::Token].iter().all(|axis| self.covers(*axis))
    }

    /// The dimension that is the channels, all of them or a part, one after the other; `None` if they are elsewhere, too.
    pub(super) fn channel_dim(&self) -> Option<usize> {
        let has = |dim: &Vec<Factor>| dim.iter().any(|factor| factor.axis == Axis::Channel);
        let mut with = (0..self.dims.len()).filter(|dim| has(&self.dims[*dim]));
        let dim = with.next()?;
        let is_alone = self.dims[dim].iter().all(|factor| factor.axis == Axis::Channel);
        (is_alone && with.next().is_none()).then_some(dim)
    }

    /// Whether all channels are there, in their order, as one dimension.
    pub(super) fn has_all_channels(&self) -> bool {
        let channels = self.shape.channels;
        match self.channel_dim() {
            Some(dim) => self.dims[dim] == whole(Axis::Channel, channels),
            None => channels == 1 && self.factors(Axis::Channel).next().is_none(),
        }
    }

    /// Whether it is an image whose rows and columns have changed places.
    pub(super) fn is_turned(&self) -> bool {
        let Shape { height, width, .. } = self.shape;
        let grid = [whole(Axis::Column, width), whole(Axis::Row, height)];
        self.dims.len() == 4 && self.channel_dim() == Some(1) && self.dims[2..] == grid && height * width > 1
    }

    /// Whether it is all of the node's map, however its positions are arranged.
    pub(super) fn is_whole(&self) -> bool {
        self.has_all_channels() && self.has_all_positions() && self.scale == 1.0 && !self.is_unit
    }

    /// Whether it says where its elements stand in the same way, so that two nodes can be combined as they are.
    pub(super) fn is_arranged_as(&self, other: &Self) -> bool {
        self.dims == other.dims
            && self.first == other.first
            && self.rolled == other.rolled
            && self.shape == other.shape
    }

    /// With dimensions in another order.
    pub(super) fn permuted(&self, axes: &[usize]) -> Self {
        Self { dims: axes.iter().map(|axis| self.dims[*axis].clone()).collect(), ..self.clone() }
    }

    /// With the last two dimensions exchanged: matrices with rows for columns.
    pub(super) fn turned(&self) -> Result<Self, Obstacle> {
        let rank = self.dims.len();
        let last = rank.checked_sub(2).ok_or("a vector in the place of a matrix")?;
        let mut turned = self.clone();
        turned.dims.swap(last, last + 1);
        Ok(turned)
    }

    /// With other dimensions over the same elements in the same order.
    pub(super) fn reshaped(&self, sizes: &[usize]) -> Result<Self, Obstacle> {
        // Joined, so that what one reshape split another can split elsewhere.
        let mut left = joined(self.dims.iter().flatten().copied().collect());
        left.reverse();
        let total = product(left.iter().map(|factor| factor.size));
        if total != product(sizes.iter().copied()) || total == usize::MAX {
            return Err(format!("{:?} cannot become {sizes:?}", self.sizes()));
        }
        let mut dims = Vec::new();
        for size in sizes {
            let (mut dim, mut have) = (Vec::new(), 1);
            while have < *size {
                let factor = left.pop().expect("as many elements as before");
                let wanted = size / have;
                if size % (have * factor.size) == 0 {
                    have *= factor.size;
                    dim.push(factor);
                } else if factor.size.is_multiple_of(wanted) && size.is_multiple_of(have) {
                    let inner = factor.size / wanted;
                    dim.push(Factor { size: wanted, stride: factor.stride * inner, ..factor });
                    left.push(Factor { size: inner, ..factor });
                    have *= wanted;
                } else {
                    return Err(format!(
                        "{:?} cannot become {sizes:?} without mixing positions",
                        self.sizes()
                    ));
                }
            }
            dims.push(joined(dim));
        }
        Ok(Self { dims, ..self.clone() })
    }

    /// A part of a dimension.
    pub(super) fn sliced(
        &self,
        dim: usize,
        (start, end, step): (usize, usize, usize),
    ) -> Result<Self, Obstacle> {
        let length = size(&self.dims[dim]);
        if (start, step) == (0, 1) && end >= length {
            return Ok(self.clone());
        }
        let count = end.min(length).saturating_sub(start).div_ceil(step);
        let mut part = self.clone();
        if count == 0 {
            return Err("an empty part".to_owned());
        }
        let factors = &self.dims[dim];
        let inner = product(factors.iter().skip(1).map(|factor| factor.size));
        let Some(outer) = factors.first().copied() else { return Ok(part) };
        let is_aligned = start % inner == 0 && (step == 1 && count.is_multiple_of(inner) || inner == 1);
        // One element of an axis that several make up.
        if !is_aligned && count == 1 {
            let mut at = start;
            for factor in factors.iter().rev() {
                let digit = at % factor.size;
                at /= factor.size;
                part.advance(*factor, digit)?;
            }
            part.dims[dim] = Vec::new();
            return Ok(part);
        }
        if !is_aligned {
            return Err("a part that cuts through rows of positions".to_owned());
        }
        part.advance(outer, start / inner)?;
        let taken = if inner == 1 { count } else { count / inner };
        let stride = outer.stride * if inner == 1 { step } else { 1 };
        let first = Factor { size: taken, stride, ..outer };
        part.dims[dim] = [first]
            .into_iter()
            .filter(|factor| factor.size > 1)
            .chain(factors[1..].iter().copied())
            .collect();
        Ok(part)
    }

    fn advance(&mut self, factor: Factor, by: usize) -> Result<(), Obstacle> {
        if by == 0 {
            return Ok(());
        }
        match factor.axis.place() {
            Some(place) => self.first[place] += by * factor.stride,
            None if factor.axis == Axis::Item => return Err("one image of a batch".to_owned()),
            None => {}
        }
        Ok(())
    }

    /// Rolled along a dimension: what was at `shift` comes first.
    pub(super) fn rolled(&self, dim: usize, shift: usize) -> Result<Self, Obstacle> {
        let axes = [Axis::Row, Axis::Column];
        let along = axes.iter().position(|axis| self.dims[dim] == whole(*axis, self.length(*axis)));
        let Some(along) = along.filter(|_| self.first == [0; 4]) else {
            return if shift == 0 {
                Ok(self.clone())
            } else {
                Err("rolling anything but rows or columns".to_owned())
            };
        };
        let mut rolled = self.clone();
        let length = self.length(axes[along]);
        rolled.rolled[along] = (rolled.rolled[along] + shift) % length.max(1);
        Ok(rolled)
    }

    /// The same arrangement of another node that has the same positions: all its channels stand where those of this one do.
    pub(super) fn moved_to(&self, node: NodeId, shape: Shape) -> Self {
        let mut moved = Self { node, shape, scale: 1.0, is_unit: false, ..self.clone() };
        moved.first[0] = 0;
        let place = self.channel_dim().unwrap_or_else(|| self.dims.len().saturating_sub(1));
        if let Some(dim) = moved.dims.get_mut(place) {
            *dim = whole(Axis::Channel, shape.channels);
        }
        moved
    }

    /// For each channel and position, the place of its element along a dimension.
    pub(super) fn place(&self, dim: usize, channel: usize, position: [usize; 3]) -> usize {
        self.dims[dim].iter().fold(0, |place, factor| {
            let at = match factor.axis {
                Axis::Channel => channel,
                Axis::Row => self.unrolled(0, position[0]),
                Axis::Column => self.unrolled(1, position[1]),
                Axis::Token => position[2],
                Axis::Item | Axis::Repeat => 0,
            };
            place * factor.size + at / factor.stride % factor.size
        })
    }

    /// Row, column and token of every position of the node's map.
    pub(super) fn positions(&self) -> impl Iterator<Item = [usize; 3]> + use<> {
        let Shape { height, width, extra, .. } = self.shape;
        (0..extra + height * width).map(move |token| match token.checked_sub(extra) {
            Some(at) => [at / width, at % width, token],
            None => [0, 0, token],
        })
    }

    fn unrolled(&self, along: usize, at: usize) -> usize {
        let length = self.length([Axis::Row, Axis::Column][along]).max(1);
        (at + length - self.rolled[along]) % length
    }
}

/// A dimension that is a whole axis.
pub(super) fn whole(axis: Axis, size: usize) -> Vec<Factor> {
    if size == 1 { Vec::new() } else { vec![Factor { axis, size, stride: 1 }] }
}

/// The length of a dimension.
pub(super) fn size(dim: &[Factor]) -> usize {
    product(dim.iter().map(|factor| factor.size))
}

/// How many elements so many along each axis are; of sizes that a damaged file makes up, as many as there can be.
pub(super) fn product(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(1, usize::saturating_mul)
}

/// Steps that follow one another along an axis as one.
pub(super) fn joined(factors: Vec<Factor>) -> Vec<Factor> {
    let mut joined: Vec<Factor> = Vec::new();
    for factor in factors.into_iter().filter(|factor| factor.size > 1) {
        match joined.last_mut() {
            Some(last) if last.axis == factor.axis && last.stride == factor.stride * factor.size => {
                *last = Factor { size: last.size * factor.size, ..factor };
            }
            _ => joined.push(factor),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use neuron_model::GraphBuilder;

    use super::*;

    fn image(channels: usize, height: usize, width: usize) -> Map {
        let (_, node) = GraphBuilder::new(channels);
        Map::image(node, Shape::grid(channels, height, width), 1)
    }

    #[test]
    fn windows_and_back() {
        let map = image(8, 4, 6).permuted(&[0, 2, 3, 1]);
        let windows = map.reshaped(&[1, 2, 2, 3, 2, 8]).unwrap().permuted(&[0, 1, 3, 2, 4, 5]);
        let windows = windows.reshaped(&[6, 4, 8]).unwrap();
        assert_eq!(windows.sizes(), [6, 4, 8]);
        assert!(windows.is_whole() && !windows.is_arranged_as(&map));
        let back = windows.reshaped(&[1, 2, 3, 2, 2, 8]).unwrap().permuted(&[0, 1, 3, 2, 4, 5]);
        assert_eq!(back.reshaped(&[1, 4, 6, 8]).unwrap(), map);
    }

    #[test]
    fn heads_are_parts_of_channels() {
        let map = image(12, 2, 2).permuted(&[0, 2, 3, 1]).reshaped(&[1, 4, 3, 2, 2]).unwrap();
        let second = map.sliced(2, (1, 2, 1)).unwrap();
        assert_eq!((second.first(Axis::Channel), second.sizes()), (4, vec![1, 4, 1, 2, 2]));
        let heads = second.reshaped(&[1, 4, 2, 2]).unwrap();
        assert_eq!(heads.dims[2], [Factor { axis: Axis::Channel, size: 2, stride: 2 }]);
        assert!(!heads.has_all_channels());
    }

    #[test]
    fn what_would_mix_positions_is_refused() {
        let map = image(4, 3, 5);
        assert!(map.reshaped(&[1, 4, 5, 3]).is_err());
        assert!(map.reshaped(&[1, 4, 14]).is_err());
        assert_eq!(map.reshaped(&[1, 60]).unwrap().sizes(), [1, 60]);
        // More elements than a number can count.
        assert!(map.reshaped(&[4, usize::MAX / 2, 60]).is_err());
    }

    #[test]
    fn places_follow_rolls() {
        let rolled = image(1, 4, 4).rolled(2, 1).unwrap();
        // What was in row 1 is the first now.
        assert_eq!(rolled.place(2, 0, [1, 0, 0]), 0);
        assert_eq!(rolled.place(2, 0, [0, 0, 0]), 3);
        assert_eq!(rolled.rolled(2, 3).unwrap(), image(1, 4, 4));
    }
}
