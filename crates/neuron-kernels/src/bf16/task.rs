//! What a microkernel is given: rows of maps, panels of weights, and where the sums go.
use super::number::{Terms, round, split, widen};
use super::packed::{PANEL, Packed, STEP};
use std::ops::Range;

/// Uninterrupted depth of every row, the first row's beginning at `start`, and the steps of the weights that it meets.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) start: *const u16,
    pub(super) steps: Range<usize>,
    /// How deep it is; the rest of the last step has weights that are 0.
    pub(super) depth: usize,
    /// How far the second terms lie behind the first.
    pub(super) low: usize,
    /// Numbers from a row to the next.
    pub(super) pitch: usize,
}

impl Run {
    /// Pairs of products of a step, counted from the first: without the padding of the last one.
    #[inline(always)]
    pub(super) fn pairs(&self, step: usize) -> usize {
        (self.depth - step * STEP).min(STEP).div_ceil(2)
    }
}

/// Groups of as many rows each, all of which meet the same weights.
#[derive(Clone, Copy)]
pub(super) struct Items {
    pub(super) count: usize,
    /// Rows from the first one of an item to that of the next, and positions.
    pub(super) rows: usize,
    pub(super) positions: usize,
}

impl Items {
    /// All rows in one group.
    pub(super) const ONE: Self = Self { count: 1, rows: 0, positions: 0 };
}

/// The product of some rows and some panels.
pub(super) struct Task<'a> {
    pub(super) runs: &'a [Run],
    pub(super) rows: usize,
    pub(super) items: Items,
    pub(super) weights: &'a Packed,
    pub(super) panels: Range<usize>,
    /// For the columns of all panels.
    pub(super) bias: &'a [f32],
    pub(super) sink: Sink,
}

/// Where finished rows go, and what happens to them on the way.
#[derive(Clone, Copy)]
pub(super) struct Sink {
    /// Rows of a line of the output, with those that are dropped at its end.
    pub(super) line: usize,
    /// Positions of a line.
    pub(super) kept: usize,
    /// Position of the first row, and from a line to the next.
    pub(super) position: usize,
    pub(super) line_step: usize,
    /// Channels of a position, of which the columns of the panels are `first..first + columns`.
    pub(super) channels: usize,
    pub(super) first: usize,
    pub(super) columns: usize,
    pub(super) terms: Terms,
    pub(super) relu: bool,
    /// Laid out like `rounded`, which it may be: a row's columns are read before they are written. The lengths were checked.
    pub(super) residual: Option<*const u16>,
    /// Is written here; the lengths were checked against the positions.
    pub(super) rounded: Option<*mut u16>,
    pub(super) full: Option<*mut f32>,
}

/// Walks through rows without dividing: a division takes longer than a row's epilogue.
#[derive(Clone, Copy, Default)]
pub(super) struct Cursor {
    x: usize,
    line_start: usize,
}

impl Cursor {
    /// Of up to `most` next rows those that go to consecutive positions, or those that are dropped: the first one's
    /// position, and how many they are.
    #[inline(always)]
    pub(super) fn some(&mut self, sink: &Sink, most: usize) -> (Option<usize>, usize) {
        let position = (self.x < sink.kept).then_some(self.line_start + self.x);
        let end = if position.is_some() { sink.kept } else { sink.line };
        let count = most.min(end - self.x);
        self.x += count;
        if self.x == sink.line {
            *self = Self { x: 0, line_start: self.line_start + sink.line_step };
        }
        (position, count)
    }
}

impl Task<'_> {
    /// Calls `with` for each item as a task of its own.
    pub(super) fn for_each_item(&self, with: impl Fn(&Task<'_>)) {
        let mut runs = self.runs.to_vec();
        for item in 0..self.items.count {
            let position = self.sink.position + item * self.items.positions;
            let sink = Sink { position, ..self.sink };
            with(&Task { runs: &runs, sink, items: Items::ONE, panels: self.panels.clone(), ..*self });
            for run in &mut runs {
                run.start = run.start.wrapping_add(self.items.rows * run.pitch);
            }
        }
    }
}

impl Sink {
    /// Where a row and those after it go, `behind` more positions.
    pub(super) fn cursor(&self, row: usize, behind: usize) -> Cursor {
        let line_start = self.position + behind + row / self.line * self.line_step;
        Cursor { x: row % self.line, line_start }
    }

    /// Finishes the sums of one row from a column on.
    ///
    /// # Safety
    /// No other task may have this row and these columns.
    pub(super) unsafe fn finish(&self, row: usize, column: usize, sums: &[f32; PANEL]) {
        let (Some(position), _) = self.cursor(row, 0).some(self, 1) else { return };
        let count = PANEL.min(self.columns - column);
        let numbers = position * self.terms.count() * self.channels + self.first + column;
        let values = position * self.channels + self.first + column;
        for (index, sum) in sums.iter().enumerate().take(count) {
            let mut value = *sum;
            if let Some(residual) = self.residual {
                // SAFETY: the position and its columns lie inside, and are this task's alone.
                let number = |at: usize| widen(unsafe { *residual.add(at) });
                let mut addend = number(numbers + index);
                if self.terms == Terms::Two {
                    addend += number(numbers + self.channels + index);
                }
                value += addend;
            }
            // NaN stays NaN, as in PyTorch.
            if self.relu && value < 0.0 {
                value = 0.0;
            }
            // SAFETY: the position and its columns lie inside of the outputs, and are this task's alone.
            unsafe {
                if let Some(full) = self.full {
                    *full.add(values + index) = value;
                }
                match (self.rounded, self.terms) {
                    (None, _) => {}
                    (Some(rounded), Terms::One) => *rounded.add(numbers + index) = round(value),
                    (Some(rounded), Terms::Two) => {
                        let [high, low] = split(value);
                        *rounded.add(numbers + index) = high;
                        *rounded.add(numbers + self.channels + index) = low;
                    }
                }
            }
        }
    }
}

/// Products of a step: which term of the rows, and which of the weights.
pub(super) fn products(terms: Terms) -> &'static [[bool; 2]] {
    const LOW: bool = true;
    const HIGH: bool = false;
    match terms {
        Terms::One => &[[HIGH, HIGH]],
        Terms::Two => &[[LOW, HIGH], [HIGH, HIGH], [HIGH, LOW]],
    }
}

/// Rows of a tile at most.
pub(super) const TILE: usize = 16;
