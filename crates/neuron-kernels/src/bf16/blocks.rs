//! How a task is walked through in blocks of rows, by engines whose registers hold many.
use super::task::Task;

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
        (0..blocks * panels).map(move |index| {
            if by_rows {
                [index / panels, first + index % panels]
            } else {
                [index % blocks, first + index / blocks]
            }
        })
    }
}
