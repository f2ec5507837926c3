//! How the rows of a task are cut into tiles.
use super::super::task::{Cursor, TILE, Task};
use std::ops::Range;

/// Rows as tiles of nearly equal height. The last is one of the highest, so that reading all tiles at that height reads
/// no row behind the last.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    rows: usize,
    count: usize,
}

impl Tiles {
    pub(super) fn new(rows: usize) -> Self {
        Self { rows, count: rows.div_ceil(TILE) }
    }

    pub(super) fn height(&self) -> usize {
        self.rows.div_ceil(self.count.max(1))
    }

    fn tile(&self, index: usize) -> Range<usize> {
        self.rows * index / self.count..self.rows * (index + 1) / self.count
    }

    /// Two and two of an item's; of an odd number, the last alone.
    pub(super) fn pairs(&self, task: &Task<'_>) -> Vec<Pair> {
        let pair = |item: usize, index: usize| {
            let first = self.tile(index);
            let end = if index + 1 < self.count { self.tile(index + 1).end } else { first.end };
            let start = item * task.items.rows + first.start;
            let cursor = task.sink.cursor(first.start, item * task.items.positions);
            Pair { start, height: first.len(), rows: end - first.start, cursor }
        };
        let of_item = |item: usize| (0..self.count).step_by(2).map(move |index| pair(item, index));
        (0..task.items.count).flat_map(of_item).collect()
    }
}

/// Consecutive rows of an item in two tiles, and where they go.
pub(super) struct Pair {
    pub(super) start: usize,
    /// Rows of the first tile, and of both.
    pub(super) height: usize,
    pub(super) rows: usize,
    pub(super) cursor: Cursor,
}
