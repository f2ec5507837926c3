//! Elements by their places.

use candle_core::Tensor;

use super::{Constant, Kind, Result, text, within};

impl Constant {
    /// Every `step`-th place of an axis from `start` to before `end`.
    pub(crate) fn sliced(&self, axis: usize, (start, end, step): (usize, usize, usize)) -> Result<Self> {
        let length = self.shape()[axis];
        let (start, end) = (start.min(length), end.min(length).max(start.min(length)));
        if step == 1 {
            return self
                .with(self.tensor.narrow(axis, start, end - start).and_then(|part| part.contiguous()));
        }
        let places: Vec<f64> = (start..end).step_by(step).map(|at| at as f64).collect();
        let count = places.len();
        self.gathered(axis, &Self::new(places, &[count], Kind::Int)?)
    }

    /// With another tensor in a part of it.
    pub(crate) fn assigned(&self, ranges: &[(usize, usize)], source: &Self) -> Result<Self> {
        let shape: Vec<usize> = ranges.iter().map(|(start, end)| end - start).collect();
        let source = source.expanded(&shape)?.values()?;
        let mut values = self.values()?;
        let strides = strides(self.shape());
        for (at, value) in source.into_iter().enumerate() {
            let mut rest = at;
            let mut place = 0;
            for axis in (0..shape.len()).rev() {
                place += (ranges[axis].0 + rest % shape[axis]) * strides[axis];
                rest /= shape[axis];
            }
            *values.get_mut(place).ok_or("a part outside of a tensor")? = value;
        }
        Self::new(values, self.shape(), self.kind)
    }

    /// Places of one axis by a table, whose axes take the place of that axis.
    pub(crate) fn gathered(&self, axis: usize, table: &Self) -> Result<Self> {
        let length = self.shape()[axis];
        let places = wrapped(table, length)?;
        let count = places.len();
        let shape = [&self.shape()[..axis], table.shape(), &self.shape()[axis + 1..]].concat();
        within(&shape)?;
        let places = Tensor::from_vec(places, count, self.tensor.device()).map_err(text)?;
        self.with(
            self.tensor.contiguous().and_then(|tensor| tensor.index_select(&places, axis)?.reshape(shape)),
        )
    }

    /// Places of the first axes by tables that are broadcast together.
    pub(crate) fn indexed(&self, tables: &[Self]) -> Result<Self> {
        let axes = tables.len();
        if axes == 0 || axes > self.shape().len() {
            return Err("an index of more axes than there are".to_owned());
        }
        let mut shape = candle_core::Shape::from(());
        for table in tables {
            shape = shape.broadcast_shape_binary_op(table.tensor.shape(), "index").map_err(text)?;
        }
        within(shape.dims())?;
        let mut flat = vec![0.0; shape.elem_count()];
        for (axis, table) in tables.iter().enumerate() {
            let length = self.shape()[axis];
            let places = wrapped(&table.expanded(shape.dims())?, length)?;
            flat.iter_mut().zip(places).for_each(|(flat, at)| *flat = *flat * length as f64 + f64::from(at));
        }
        let first: usize = self.shape()[..axes].iter().product();
        let joined = self.reshaped(&[&[first], &self.shape()[axes..]].concat())?;
        joined.gathered(0, &Self::new(flat, shape.dims(), Kind::Int)?)
    }

    /// Repeated so many times along each axis.
    pub(crate) fn tiled(&self, times: &[usize]) -> Result<Self> {
        let more = times.len().saturating_sub(self.shape().len());
        let shape = [vec![1; more], self.shape().to_vec()].concat();
        let mut tiled = self.reshaped(&shape)?;
        // Fewer numbers than axes are those of the last ones.
        let times = [vec![1; shape.len() - times.len()], times.to_vec()].concat();
        // As if no size were 0: there are as many copies of nothing.
        let sizes = shape.iter().zip(&times).map(|(size, times)| (*size).max(1).saturating_mul(*times));
        within(&sizes.collect::<Vec<_>>())?;
        for (axis, times) in times.iter().enumerate() {
            let copies = vec![tiled.clone(); *times];
            tiled = Self::joined(&copies, axis)?;
        }
        Ok(tiled)
    }

    /// What was at `shift` comes first.
    pub(crate) fn rolled(&self, axis: usize, shift: usize) -> Result<Self> {
        let length = self.shape()[axis];
        if length == 0 {
            return Ok(self.clone());
        }
        let shift = shift % length;
        Self::joined(&[self.sliced(axis, (shift, length, 1))?, self.sliced(axis, (0, shift, 1))?], axis)
    }

    /// With a value before and after an axis.
    pub(crate) fn padded(&self, axis: usize, [before, after]: [usize; 2], value: f64) -> Result<Self> {
        let block = |count: usize| {
            let mut shape = self.shape().to_vec();
            shape[axis] = count;
            Self::full(&shape, value, self.kind)
        };
        Self::joined(&[block(before)?, self.clone(), block(after)?], axis)
    }
}

fn wrapped(table: &Constant, length: usize) -> Result<Vec<u32>> {
    let place = |at: i64| {
        let at = if at < 0 { at + length as i64 } else { at };
        u32::try_from(at)
            .ok()
            .filter(|at| (*at as usize) < length)
            .ok_or("an index outside of a tensor".to_owned())
    };
    table.ints()?.into_iter().map(place).collect()
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(shape: &[usize]) -> Constant {
        let count = shape.iter().product::<usize>();
        Constant::new((0..count).map(|value| value as f64).collect(), shape, Kind::Int).unwrap()
    }

    #[test]
    fn parts_by_hand() {
        let table = counted(&[3, 4]);
        assert_eq!(table.sliced(1, (1, 4, 2)).unwrap().ints().unwrap(), [1, 3, 5, 7, 9, 11]);
        assert_eq!(table.rolled(0, 1).unwrap().ints().unwrap(), [4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3]);
        let rows = Constant::new(vec![2.0, -3.0], &[2], Kind::Int).unwrap();
        let columns = Constant::new(vec![1.0, 3.0], &[2], Kind::Int).unwrap();
        assert_eq!(table.indexed(&[rows, columns]).unwrap().ints().unwrap(), [9, 3]);
        let filled = table.assigned(&[(1, 3), (0, 2)], &Constant::scalar(0.0, Kind::Int)).unwrap();
        assert_eq!(filled.ints().unwrap(), [0, 1, 2, 3, 0, 0, 6, 7, 0, 0, 10, 11]);
        assert_eq!(counted(&[2]).tiled(&[2, 2]).unwrap().ints().unwrap(), [0, 1, 0, 1, 0, 1, 0, 1]);
    }

    #[test]
    fn what_is_too_large_is_refused_before_memory_is_asked_for() {
        let [long, column] =
            [&[1 << 26, 1][..], &[1 << 14, 1]].map(|shape| Constant::full(shape, 0.0, Kind::Int));
        let (long, column) = (long.unwrap(), column.unwrap());
        let row = column.turned().unwrap();
        let tables = [column.reshaped(&[1 << 14, 1]).unwrap(), row.clone()];
        for made in [
            column.tiled(&[1 << 40, 1 << 40]),
            counted(&[0]).tiled(&[1 << 62]),
            column.padded(0, [1 << 40, 0], 0.0),
            column.expanded(&[1 << 14, 1 << 14]),
            column.matmul(&row),
            Constant::joined(&[long.clone(), long], 0),
            counted(&[2, 2]).indexed(&tables),
            Constant::new(Vec::new(), &[0, 1 << 40, 1 << 40], Kind::Int),
        ] {
            assert!(made.unwrap_err().contains("too large"));
        }
    }

    #[test]
    fn an_index_outside_is_an_error() {
        let table = counted(&[3]);
        for at in [3.0, -4.0, 1e12] {
            let index = Constant::new(vec![at], &[1], Kind::Int).unwrap();
            assert!(table.gathered(0, &index).is_err(), "{at}");
        }
    }
}
