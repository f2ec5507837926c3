//! Blocks of finished sums, and how they go through the epilogue beside the products of the next ones.
use super::super::epilogue::{Finish, Positions, Sums};
use super::super::packed::{PANEL, TILE_COLUMNS};
use super::super::task::{Cursor, Sink, TILE};
use super::rows::Pair;

/// The sums of two row tiles and two column tiles.
#[repr(C, align(64))]
pub(super) struct Block([f32; 4 * TILE_SUMS]);

/// Sums of a tile.
const TILE_SUMS: usize = TILE * TILE_COLUMNS;

impl Block {
    pub(super) const ZERO: Self = Self([0.0; 4 * TILE_SUMS]);

    pub(super) fn start(&mut self) -> *mut f32 {
        self.0.as_mut_ptr()
    }
}

/// A block whose sums are done, and whose rows go through the epilogue while the tile unit computes the next ones.
///
/// It is written field by field and never moved: a copy would wait for the stores before it, and so for the tiles.
#[derive(Default)]
pub(super) struct Pending {
    cursor: Cursor,
    /// The panel's first.
    column: usize,
    height: usize,
    pub(super) rows: usize,
    next: usize,
}

impl Pending {
    #[inline(always)]
    pub(super) fn begin(&mut self, pair: &Pair, panel: usize) {
        self.cursor = pair.cursor;
        self.column = panel * PANEL;
        self.height = pair.height;
        self.rows = pair.rows;
        self.next = 0;
    }

    /// Finishes up to `count` more rows of the sums.
    ///
    /// # Safety
    /// As for [`product`](super::product).
    #[inline(always)]
    pub(super) unsafe fn advance(
        &mut self,
        (sink, finish): (&Sink, &Finish),
        sums: *const f32,
        count: usize,
    ) {
        let end = (self.next + count).min(self.rows);
        while self.next < end {
            let is_first = self.next < self.height;
            let here = if is_first { end.min(self.height) } else { end } - self.next;
            let (tile, row) = if is_first { (0, self.next) } else { (1, self.next - self.height) };
            let (first, count) = self.cursor.some(sink, here);
            if let Some(first) = first {
                // SAFETY: the sums of a block are as many as four tiles; the rest is the caller's promise.
                unsafe {
                    let left = sums.add(2 * tile * TILE_SUMS + row * TILE_COLUMNS);
                    let sums = Sums { left, right: TILE_SUMS, pitch: TILE_COLUMNS };
                    finish.rows(sums, self.column, Positions { first, count });
                }
            }
            self.next += count;
        }
    }
}
