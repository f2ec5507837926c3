//! How a task is walked through in blocks of rows, by engines whose registers hold many.
use super::task::{Sink, Task};

/// Where the weights that a task walks through for every block of rows still fit the second-level cache beside the rows;
/// beyond, the rows are walked through for every panel.
const MOST_WEIGHT_BYTES: usize = 256 << 10;

impl Task<'_> {
    /// Steps of all runs.
    pub(super) fn steps(&self) -> usize {
        self.runs.iter().map(|run| run.steps.len()).sum()
    }

    /// Whether all panels are walked through for each block of rows; else all rows for each panel.
    pub(super) fn is_by_rows(&self) -> bool {
        let step_bytes = self.weights.step_len() * size_of::<u16>();
        self.panels.len() * self.steps() * step_bytes <= MOST_WEIGHT_BYTES
    }

    /// Each of so many blocks of rows with each panel.
    pub(super) fn order(&self, blocks: usize) -> impl Iterator<Item = [usize; 2]> {
        let (panels, first, by_rows) = (self.panels.len(), self.panels.start, self.is_by_rows());
        let [outer, inner] = if by_rows { [blocks, panels] } else { [panels, blocks] };
        (0..outer).flat_map(move |outer| {
            (0..inner).map(move |inner| if by_rows { [outer, first + inner] } else { [inner, first + outer] })
        })
    }
}

/// A row that is kept, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) position: usize,
}

impl Sink {
    /// How many of so many rows are kept.
    pub(super) fn kept_rows(&self, rows: usize) -> usize {
        rows / self.line * self.kept + (rows % self.line).min(self.kept)
    }

    /// The places of rows that are kept, from one of them on.
    #[inline(always)]
    pub(super) fn places<const R: usize>(&self, first: usize) -> [Place; R] {
        let (line, mut x) = (first / self.kept, first % self.kept);
        let (mut row, mut position) = (line * self.line, self.position + line * self.line_step);
        std::array::from_fn(|_| {
            let place = Place { row: row + x, position: position + x };
            x += 1;
            if x == self.kept {
                (x, row, position) = (0, row + self.line, position + self.line_step);
            }
            place
        })
    }
}
