//! Frozen weights in the order that the matrix instructions read them.
use super::number::{Terms, split};
use crate::microkernel::Bf16Buffer;

/// Columns of a panel: two tiles.
pub(super) const PANEL: usize = 32;
/// Depth of a step.
pub(super) const STEP: usize = 32;
/// Columns of a tile.
pub(super) const TILE_COLUMNS: usize = 16;
/// Numbers of a tile.
pub(super) const TILE_NUMBERS: usize = TILE_COLUMNS * STEP;
/// Numbers of one term of a panel's step.
pub(super) const STEP_NUMBERS: usize = PANEL * STEP;

/// A matrix `[depth, columns]` as `[panel][step][term][tile of 16 columns][pair of the depth][column][of the pair]`.
/// Missing columns and depths are zeros.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) steps: usize,
    pub(super) panels: usize,
    pub(super) terms: Terms,
    numbers: Bf16Buffer,
}

impl Packed {
    /// Packs the values of `at(depth, column)` with `depth` in `0..steps * STEP`.
    pub(super) fn new(steps: usize, columns: usize, terms: Terms, at: impl Fn(usize, usize) -> f32) -> Self {
        let panels = columns.div_ceil(PANEL);
        let mut numbers = Bf16Buffer::zeros(panels * steps * terms.count() * STEP_NUMBERS);
        for (index, step) in numbers.chunks_exact_mut(terms.count() * STEP_NUMBERS).enumerate() {
            let (panel, first) = (index / steps, index % steps * STEP);
            for place in 0..STEP_NUMBERS {
                let (tile, pair) = (place / TILE_NUMBERS, place % TILE_NUMBERS / (2 * TILE_COLUMNS));
                let column = tile * TILE_COLUMNS + place / 2 % TILE_COLUMNS;
                let depth = 2 * pair + place % 2;
                let column = panel * PANEL + column;
                if column < columns {
                    let parts = split(at(first + depth, column));
                    for (term, part) in parts.into_iter().take(terms.count()).enumerate() {
                        step[term * STEP_NUMBERS + place] = part;
                    }
                }
            }
        }
        Self { steps, panels, terms, numbers }
    }

    /// Numbers of a panel's step.
    pub(super) fn step_len(&self) -> usize {
        self.terms.count() * STEP_NUMBERS
    }

    /// All panels.
    pub(super) fn numbers(&self) -> &[u16] {
        &self.numbers
    }

    /// The steps of a panel.
    pub(super) fn panel(&self, panel: usize) -> &[u16] {
        let len = self.steps * self.step_len();
        &self.numbers[panel * len..][..len]
    }
}
