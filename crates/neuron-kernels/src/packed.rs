//! Frozen matrices in the order that the kernels read them.
use crate::microkernel::{Buffer, Isa, Panels};
use std::ops::Range;

/// Longest block of the depth: a panel of it stays in the first-level cache beside a tile's rows.
const BLOCK: usize = 256;

/// A depth that consists of runs: the channels of each kernel position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    pub(super) runs: usize,
    pub(super) run: usize,
}

/// A matrix `[depth, columns]` as `[block of the depth][panel of columns][depth][column]`, read strictly in sequence.
/// The last panel is narrow where that holds its columns, and filled up with zeros.
#[derive(Debug)]
pub(super) struct Packed {
    isa: &'static Isa,
    depth: usize,
    columns: usize,
    block: usize,
    values: Buffer,
}

impl Packed {
    /// Packs the values of `at(step, column)`, in blocks of nearly equal length.
    ///
    /// Blocks hold whole runs or whole runs hold blocks, so that a block reads from neighbouring positions only.
    pub(super) fn new(
        isa: &'static Isa,
        depth: Depth,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let Depth { runs, run } = depth;
        let block = if run >= BLOCK {
            run.div_ceil(run.div_ceil(BLOCK))
        } else {
            let most = (BLOCK / run).max(1);
            runs.div_ceil(runs.div_ceil(most)) * run
        };
        Self::with_block(isa, runs * run, block, columns, by_value(at))
    }

    /// As [`Packed::new`], in blocks of whole runs however long these are.
    pub(super) fn by_whole_runs(
        isa: &'static Isa,
        Depth { runs, run }: Depth,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        let most = (BLOCK / run).max(1);
        let block = runs.div_ceil(runs.div_ceil(most)) * run;
        Self::with_block(isa, runs * run, block, columns, by_value(at))
    }

    /// As [`Packed::new`], the whole depth in one block.
    pub(super) fn unblocked(
        isa: &'static Isa,
        depth: usize,
        columns: usize,
        at: impl Fn(usize, usize) -> f32,
    ) -> Self {
        Self::with_block(isa, depth, depth, columns, by_value(at))
    }

    /// As [`Packed::new`] for a depth of one run, with the values of neighbouring columns at a time:
    /// `fill(step, columns, values)`.
    pub(super) fn by_rows(
        isa: &'static Isa,
        depth: usize,
        columns: usize,
        fill: impl Fn(usize, Range<usize>, &mut [f32]),
    ) -> Self {
        Self::with_block(isa, depth, depth.div_ceil(depth.div_ceil(BLOCK).max(1)), columns, fill)
    }

    fn with_block(
        isa: &'static Isa,
        depth: usize,
        block: usize,
        columns: usize,
        fill: impl Fn(usize, Range<usize>, &mut [f32]),
    ) -> Self {
        let block = block.max(1);
        let mut values = Buffer::lasting_zeros(depth * isa.padded(columns));
        let mut rest = &mut values[..];
        for start in (0..depth).step_by(block) {
            for first in (0..columns).step_by(isa.panel) {
                let width = isa.panel_for(columns - first);
                let held = first..(first + width).min(columns);
                for step in start..(start + block).min(depth) {
                    let (row, behind) = rest.split_at_mut(width);
                    fill(step, held.clone(), &mut row[..held.len()]);
                    rest = behind;
                }
            }
        }
        Self { isa, depth, columns, block, values }
    }

    /// The value that was packed from `at(step, column)`.
    pub(super) fn value(&self, step: usize, column: usize) -> f32 {
        let start = step - step % self.block;
        let length = self.block.min(self.depth - start);
        let first = column - column % self.isa.panel;
        let width = self.isa.panel_for(self.columns - first);
        self.values
            [start * self.isa.padded(self.columns) + first * length + (step - start) * width + column - first]
    }

    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Blocks of the depth, in order.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.depth).step_by(self.block).map(|start| start..(start + self.block).min(self.depth))
    }

    /// Length of every block but the last.
    pub(super) fn block_len(&self) -> usize {
        self.block
    }

    /// The panels of a block from `first_column` (a multiple of the panel) on.
    pub(super) fn panels(&self, block: &Range<usize>, first_column: usize) -> Panels<'_> {
        debug_assert!(first_column.is_multiple_of(self.isa.panel));
        let start = block.start * self.isa.padded(self.columns) + first_column * block.len();
        Panels { data: &self.values[start..], depth: block.len() }
    }
}

fn by_value(at: impl Fn(usize, usize) -> f32) -> impl Fn(usize, Range<usize>, &mut [f32]) {
    move |step, columns, values| {
        columns.zip(values).for_each(|(column, value)| *value = at(step, column));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_found_again() {
        // Runs, the length of a run, columns. Miri, which is slow, has the small ones.
        const SHAPES: &[(usize, usize, usize)] =
            &[(1, 3, 1), (9, 64, 40), (4, 300, 33), (9, 4, 4), (1, 1000, 16)];
        const SMALL_SHAPES: &[(usize, usize, usize)] = &[(1, 3, 1), (9, 4, 9), (5, 60, 2), (2, 300, 1)];
        let shapes = if cfg!(miri) { SMALL_SHAPES } else { SHAPES };
        for isa in Isa::available() {
            for &(runs, run, columns) in shapes {
                let packed = Packed::new(isa, Depth { runs, run }, columns, |step, column| {
                    (step * columns + column) as f32
                });
                assert_eq!(packed.blocks().map(|block| block.len()).sum::<usize>(), runs * run);
                let block = packed.block_len();
                assert!(block.is_multiple_of(run) || run.is_multiple_of(block) || runs == 1);
                for (step, column) in
                    (0..runs * run).flat_map(|step| (0..columns).map(move |column| (step, column)))
                {
                    assert_eq!(packed.value(step, column), (step * columns + column) as f32);
                }
            }
        }
    }
}
