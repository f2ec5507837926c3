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
    /// Packs the values of `at(place, column)`, where `places` has one for every depth that is not padding.
    pub(super) fn new<P: Copy + Sync>(
        places: &[Option<P>],
        columns: usize,
        terms: Terms,
        at: impl Fn(P, usize) -> f32 + Sync,
    ) -> Self {
        let (steps, panels) = (places.len() / STEP, columns.div_ceil(PANEL));
        let mut numbers = Bf16Buffer::lasting_zeros(panels * steps * terms.count() * STEP_NUMBERS);
        let steps_of_panels = numbers.chunks_exact_mut(terms.count() * STEP_NUMBERS);
        neuron_threads::for_each(steps_of_panels, |index, numbers| {
            let (panel, step) = (index / steps, index % steps);
            for (depth, place) in places[step * STEP..][..STEP].iter().enumerate() {
                let Some(place) = place else { continue };
                for column in 0..PANEL.min(columns - panel * PANEL) {
                    let (tile, within) = (column / TILE_COLUMNS, column % TILE_COLUMNS);
                    let number = tile * TILE_NUMBERS + depth / 2 * 2 * TILE_COLUMNS + 2 * within + depth % 2;
                    let parts = split(at(*place, panel * PANEL + column));
                    for (term, part) in parts.into_iter().take(terms.count()).enumerate() {
                        numbers[term * STEP_NUMBERS + number] = part;
                    }
                }
            }
        });
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
