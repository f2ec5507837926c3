//! Tasks that write to disjoint parts of one output.
use std::{marker::PhantomData, ops::Range};

/// One axis of an output and how it is cut: into `parts` nearly equal shares, counted in whole `unit`s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    len: usize,
    pitch: usize,
    unit: usize,
    parts: usize,
}

impl Axis {
    /// An axis that is not cut: `len` steps of `pitch` values.
    pub(crate) fn whole(len: usize, pitch: usize) -> Self {
        Self { len, pitch, unit: 1, parts: 1 }
    }

    /// Cut into `parts` shares of whole units.
    pub(crate) fn shares(self, unit: usize, parts: usize) -> Self {
        Self { unit, parts, ..self }
    }

    /// Cut after every `unit`; the last part may be shorter.
    pub(crate) fn every(self, unit: usize) -> Self {
        Self { unit, parts: self.len.div_ceil(unit), ..self }
    }

    fn part(&self, index: usize) -> Range<usize> {
        let units = share(self.len.div_ceil(self.unit), index, self.parts);
        (units.start * self.unit).min(self.len)..(units.end * self.unit).min(self.len)
    }
}

/// Part `index` of `parts` nearly equal shares of `0..len`.
pub(crate) fn share(len: usize, index: usize, parts: usize) -> Range<usize> {
    len * index / parts..len * (index + 1) / parts
}

/// An output seen along four axes, cut into cells. Cells are counted with the last axis fastest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    axes: [Axis; 4],
    /// The axis of neighbouring values.
    columns: usize,
}

impl Split {
    /// # Panics
    /// If two places of the axes could be one place in memory, or the columns are not neighbours.
    pub(crate) fn new(axes: [Axis; 4], columns: usize) -> Self {
        assert_eq!(axes[columns].pitch, 1, "pitch of the columns");
        let mut by_pitch = axes;
        by_pitch.sort_by_key(|axis| (axis.pitch, axis.len));
        let mut covered = 1;
        for axis in by_pitch.iter().filter(|axis| axis.len > 1) {
            assert!(axis.pitch >= covered, "axes overlap: {axes:?}");
            covered += (axis.len - 1) * axis.pitch;
        }
        Self { axes, columns }
    }

    /// Number of cells.
    pub(crate) fn cells(&self) -> usize {
        self.axes.iter().map(|axis| axis.parts).product()
    }

    /// Values from the first to the last, both included.
    fn span(&self) -> usize {
        if self.axes.iter().any(|axis| axis.len == 0) {
            return 0;
        }
        1 + self.axes.iter().map(|axis| (axis.len - 1) * axis.pitch).sum::<usize>()
    }

    fn index(&self, mut cell: usize) -> [usize; 4] {
        let mut index = [0; 4];
        for (index, axis) in index.iter_mut().zip(&self.axes).rev() {
            (*index, cell) = (cell % axis.parts, cell / axis.parts);
        }
        index
    }

    /// Shares `cells` out over `tasks` tasks, each an uninterrupted run, and calls `body` with each run.
    pub(crate) fn for_each_run(
        &self,
        output: &mut [f32],
        cells: Range<usize>,
        tasks: usize,
        body: impl Fn(Cells<'_>) + Sync,
    ) {
        assert!(self.span() <= output.len(), "an output of {} values for {self:?}", output.len());
        assert!(cells.end <= self.cells(), "cells {cells:?} of {}", self.cells());
        let start = Start(output.as_mut_ptr());
        let tasks = tasks.min(cells.len());
        neuron_threads::run(tasks, |task| {
            let run = share(cells.len(), task, tasks);
            let range = cells.start + run.start..cells.start + run.end;
            body(Cells { start, split: self, range, _output: PhantomData });
        });
    }

    /// Calls `body` with every cell and its place along each axis, one task a cell.
    pub(crate) fn for_each(&self, output: &mut [f32], body: impl Fn([usize; 4], BlockMut<'_>) + Sync) {
        self.for_each_run(output, 0..self.cells(), self.cells(), |mut cells| {
            let cell = cells.range.start;
            body(self.index(cell), cells.block(cell));
        });
    }
}

/// The start of an output that tasks share.
#[derive(Clone, Copy)]
struct Start(*mut f32);

// SAFETY: tasks reach memory through `Cells` alone, which are disjoint.
unsafe impl Send for Start {}
// SAFETY: as for `Send`.
unsafe impl Sync for Start {}

/// A task's cells.
pub(crate) struct Cells<'a> {
    start: Start,
    split: &'a Split,
    /// Which of the split's cells these are.
    pub(crate) range: Range<usize>,
    _output: PhantomData<&'a mut [f32]>,
}

impl Cells<'_> {
    /// The values of a cell.
    ///
    /// # Panics
    /// If the cell is another task's.
    pub(crate) fn block(&mut self, cell: usize) -> BlockMut<'_> {
        assert!(self.range.contains(&cell), "cell {cell} is not one of {:?}", self.range);
        let (axes, index) = (&self.split.axes, self.split.index(cell));
        let parts: [Range<usize>; 4] = std::array::from_fn(|axis| axes[axis].part(index[axis]));
        let offset = axes.iter().zip(&parts).map(|(axis, part)| part.start * axis.pitch).sum();
        BlockMut {
            // In bounds or, for an empty part, not read: the parts lie inside of axes that `for_each_run` has checked.
            start: self.start.0.wrapping_add(offset),
            offset,
            first: std::array::from_fn(|axis| parts[axis].start),
            extent: std::array::from_fn(|axis| parts[axis].len()),
            pitch: std::array::from_fn(|axis| axes[axis].pitch),
            columns: self.split.columns,
            _output: PhantomData,
        }
    }
}

/// A cell's values: exclusively borrowed, not contiguous.
pub(crate) struct BlockMut<'a> {
    pub(super) start: *mut f32,
    /// Index of the first value in the whole output.
    pub(crate) offset: usize,
    /// Place of the first value along each axis.
    pub(crate) first: [usize; 4],
    /// Places along each axis.
    pub(crate) extent: [usize; 4],
    pub(super) pitch: [usize; 4],
    columns: usize,
    _output: PhantomData<&'a mut [f32]>,
}

impl BlockMut<'_> {
    /// The neighbouring values at `at`, whose place along the columns is 0, and their index in the whole output.
    pub(crate) fn line(&mut self, at: [usize; 4]) -> (&mut [f32], usize) {
        let inside = at.iter().zip(&self.extent).all(|(at, extent)| at < extent);
        assert!(inside && at[self.columns] == 0, "no line {at:?} in {:?}", self.extent);
        let step: usize = at.iter().zip(&self.pitch).map(|(at, pitch)| at * pitch).sum();
        // SAFETY: the columns' pitch is 1, `at` lies inside of the block, and no other block holds its values.
        let line = unsafe { std::slice::from_raw_parts_mut(self.start.add(step), self.extent[self.columns]) };
        (line, self.offset + step)
    }

    /// The part of the block at place `index` of an axis.
    pub(crate) fn at(&mut self, axis: usize, index: usize) -> BlockMut<'_> {
        assert!(index < self.extent[axis], "no place {index} on axis {axis} of {:?}", self.extent);
        let step = index * self.pitch[axis];
        let mut part = BlockMut { start: self.start.wrapping_add(step), offset: self.offset + step, ..*self };
        part.first[axis] += index;
        part.extent[axis] = 1;
        part
    }

    /// The places `first`, `first + step`, and so on of an axis.
    pub(crate) fn every(&mut self, axis: usize, first: usize, step: usize) -> BlockMut<'_> {
        assert!(axis != self.columns && step > 0, "every {step}th place of axis {axis}");
        let skipped = first * self.pitch[axis];
        // In bounds or, for no places, not read.
        let mut part =
            BlockMut { start: self.start.wrapping_add(skipped), offset: self.offset + skipped, ..*self };
        part.first[axis] += first;
        part.extent[axis] = self.extent[axis].saturating_sub(first).div_ceil(step);
        part.pitch[axis] *= step;
        part
    }

    /// The block with its axes in another order.
    pub(crate) fn reordered(self, order: [usize; 4]) -> Self {
        assert!((0..4).all(|axis| order.contains(&axis)), "an order of four axes: {order:?}");
        let of = |values: [usize; 4]| order.map(|axis| values[axis]);
        Self {
            first: of(self.first),
            extent: of(self.extent),
            pitch: of(self.pitch),
            columns: order.iter().position(|axis| *axis == self.columns).unwrap_or(0),
            ..self
        }
    }

    /// The block as a matrix of its columns; the other two axes have one place.
    pub(crate) fn matrix(&mut self, rows: usize) -> MatrixMut<'_> {
        let others = (0..4).filter(|axis| *axis != rows && *axis != self.columns);
        assert!(
            rows != self.columns && others.clone().all(|axis| self.extent[axis] == 1),
            "{:?}",
            self.extent
        );
        MatrixMut {
            start: self.start,
            offset: self.offset,
            rows: self.extent[rows],
            columns: self.extent[self.columns],
            pitch: self.pitch[rows],
            _output: PhantomData,
        }
    }
}

/// A row-major matrix in an output, exclusively borrowed.
pub(crate) struct MatrixMut<'a> {
    pub(super) start: *mut f32,
    /// Index of the first value in the whole output.
    pub(super) offset: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Distance of rows in values.
    pub(super) pitch: usize,
    _output: PhantomData<&'a mut [f32]>,
}

impl<'a> MatrixMut<'a> {
    /// A matrix that begins with `values`.
    ///
    /// # Panics
    /// If `values` is too short or rows overlap.
    pub(crate) fn new(values: &'a mut [f32], rows: usize, columns: usize, pitch: usize) -> Self {
        assert!(columns <= pitch || rows <= 1, "rows of {columns} values, {pitch} apart");
        assert!(rows == 0 || (rows - 1) * pitch + columns <= values.len(), "{rows} rows of {pitch} values");
        Self { start: values.as_mut_ptr(), offset: 0, rows, columns, pitch, _output: PhantomData }
    }
}

impl MatrixMut<'_> {
    /// Some neighbouring columns.
    ///
    /// # Panics
    /// If there are no such columns.
    pub(crate) fn part(&mut self, columns: Range<usize>) -> MatrixMut<'_> {
        assert!(columns.end <= self.columns, "columns {columns:?} of {}", self.columns);
        MatrixMut {
            start: self.start.wrapping_add(columns.start),
            offset: self.offset + columns.start,
            columns: columns.len(),
            ..*self
        }
    }

    /// Some neighbouring values of a row, and the index of the first in the whole output.
    pub(super) fn values(&mut self, row: usize, columns: Range<usize>) -> (&mut [f32], usize) {
        assert!(row < self.rows && columns.end <= self.columns, "{} rows of {}", self.rows, self.columns);
        let at = row * self.pitch + columns.start;
        // SAFETY: the values lie inside of the matrix, which is exclusively borrowed.
        let values = unsafe { std::slice::from_raw_parts_mut(self.start.add(at), columns.len()) };
        (values, self.offset + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cells_cover_the_output_once(
            lens in [1usize..5, 1..6, 1..7, 1..40],
            units in [1usize..3, 1..3, 1..4, 1..17],
            parts in [1usize..4, 1..4, 1..4, 1..4],
            tasks in 1usize..9,
        ) {
            let mut pitch = 1;
            let mut axes = [Axis::whole(1, 1); 4];
            for axis in (0..4).rev() {
                axes[axis] = Axis::whole(lens[axis], pitch).shares(units[axis], parts[axis]);
                pitch *= lens[axis];
            }
            let mut output = vec![0f32; pitch];
            let split = Split::new(axes, 3);
            split.for_each_run(&mut output, 0..split.cells(), tasks, |mut cells| {
                for cell in cells.range.clone() {
                    let mut block = cells.block(cell);
                    let [a, b, c, _] = block.extent;
                    for (i, j, k) in (0..a).flat_map(|i| (0..b).flat_map(move |j| (0..c).map(move |k| (i, j, k)))) {
                        if block.extent[3] > 0 {
                            block.line([i, j, k, 0]).0.iter_mut().for_each(|value| *value += 1.0);
                        }
                    }
                }
            });
            prop_assert!(output.iter().all(|value| *value == 1.0));
        }
    }

    #[test]
    #[should_panic(expected = "axes overlap")]
    fn overlapping_axes_are_refused() {
        let one = Axis::whole(1, 1);
        Split::new([one, one, Axis::whole(3, 4), Axis::whole(5, 1)], 3);
    }

    #[test]
    #[should_panic(expected = "an output of 14 values")]
    fn an_output_too_short_is_refused() {
        let one = Axis::whole(1, 1);
        let split = Split::new([one, one, Axis::whole(3, 5), Axis::whole(5, 1)], 3);
        split.for_each(&mut [0.0; 14], |_, _| {});
    }
}
