//! Steps of a product: 32 products for each sum of a block of one or two tiles of rows and two tiles of columns.
//!
//! Each sum gets the products of its terms in the order of the definition: low by high, high by high, high by low. So each tile
//! is loaded once: rows and weights of a term stay in registers until all products with them are done.
use super::super::packed::{STEP_NUMBERS, TILE_NUMBERS};
use super::unit::{BYTES, LINE, TileUnit};

/// Sums of the first tile of rows and the left tile of columns, and so on.
const FIRST_LEFT: usize = 0;
const FIRST_RIGHT: usize = 1;
const SECOND_LEFT: usize = 2;
const SECOND_RIGHT: usize = 3;
/// Rows, and weights of the two tiles of columns.
const FIRST: usize = 4;
const SECOND: usize = 5;
const LEFT: usize = 6;
const RIGHT: usize = 7;

/// Bytes of a tile of weights, and of all of one term.
const TILE_BYTES: usize = TILE_NUMBERS * size_of::<u16>();
const TERM_BYTES: usize = STEP_NUMBERS * size_of::<u16>();

/// Rows of a step: where the first tile's begin, and the second one's, and how far they lie apart.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) first: *const u16,
    pub(super) second: *const u16,
    /// How far second terms lie behind the first, in numbers.
    pub(super) low: usize,
    /// From a row to the next, in bytes.
    pub(super) pitch: usize,
}

impl Rows {
    /// The second terms of the same rows.
    fn low_terms(self) -> Self {
        let [first, second] = [self.first, self.second].map(|rows| rows.wrapping_add(self.low));
        Self { first, second, ..self }
    }
}

/// Sums begin as the biases of their columns: every row of a tile is read from the same place.
///
/// # Safety
/// The unit must be configured, and the biases be those of 32 columns.
#[inline(always)]
pub(super) unsafe fn begin<const TWO_TILES: bool>(unit: &mut impl TileUnit, bias: *const f32) {
    let bias = bias.cast();
    // SAFETY: the caller's promise.
    unsafe {
        unit.load::<FIRST_LEFT, 0>(bias, 0);
        unit.load::<FIRST_RIGHT, LINE>(bias, 0);
        if TWO_TILES {
            unit.load::<SECOND_LEFT, 0>(bias, 0);
            unit.load::<SECOND_RIGHT, LINE>(bias, 0);
        }
    }
}

/// Writes the sums, a tile behind the other.
///
/// # Safety
/// The unit must be configured, and the sums have room for as many tiles.
#[inline(always)]
pub(super) unsafe fn end<const TWO_TILES: bool>(unit: &mut impl TileUnit, sums: *mut f32) {
    let sums = sums.cast();
    // SAFETY: the caller's promise.
    unsafe {
        unit.store::<FIRST_LEFT, 0>(sums);
        unit.store::<FIRST_RIGHT, BYTES>(sums);
        if TWO_TILES {
            unit.store::<SECOND_LEFT, { 2 * BYTES }>(sums);
            unit.store::<SECOND_RIGHT, { 3 * BYTES }>(sums);
        }
    }
}

/// Two tiles of rows.
///
/// # Safety
/// The unit must be configured, and rows and weights readable: so it is for the others.
#[inline(always)]
pub(super) unsafe fn two_tiles(unit: &mut impl TileUnit, rows: Rows, weights: *const u16) {
    let (Rows { first, second, pitch, .. }, weights) = (rows, weights.cast());
    // SAFETY: the caller's promise.
    unsafe {
        unit.load::<FIRST, 0>(first.cast(), pitch);
        unit.load::<LEFT, 0>(weights, LINE);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.load::<RIGHT, TILE_BYTES>(weights, LINE);
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();
        unit.load::<SECOND, 0>(second.cast(), pitch);
        unit.multiply::<SECOND_LEFT, SECOND, LEFT>();
        unit.multiply::<SECOND_RIGHT, SECOND, RIGHT>();
    }
}

/// One tile of rows.
///
/// # Safety
/// As for [`two_tiles`].
#[inline(always)]
pub(super) unsafe fn one_tile(unit: &mut impl TileUnit, rows: Rows, weights: *const u16) {
    let (Rows { first, pitch, .. }, weights) = (rows, weights.cast());
    // SAFETY: the caller's promise.
    unsafe {
        unit.load::<FIRST, 0>(first.cast(), pitch);
        unit.load::<LEFT, 0>(weights, LINE);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.load::<RIGHT, TILE_BYTES>(weights, LINE);
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();
    }
}

/// Two tiles of rows, in two terms.
///
/// # Safety
/// As for [`two_tiles`].
#[inline(always)]
pub(super) unsafe fn two_tiles_of_two_terms(unit: &mut impl TileUnit, rows: Rows, weights: *const u16) {
    let Rows { first, second, pitch, .. } = rows;
    // SAFETY: the caller's promise.
    unsafe {
        two_tiles(unit, rows.low_terms(), weights);

        unit.load::<FIRST, 0>(first.cast(), pitch);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();
        unit.load::<SECOND, 0>(second.cast(), pitch);
        unit.multiply::<SECOND_LEFT, SECOND, LEFT>();
        unit.multiply::<SECOND_RIGHT, SECOND, RIGHT>();

        unit.load::<LEFT, TERM_BYTES>(weights.cast(), LINE);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.load::<RIGHT, { TERM_BYTES + TILE_BYTES }>(weights.cast(), LINE);
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();
        unit.multiply::<SECOND_LEFT, SECOND, LEFT>();
        unit.multiply::<SECOND_RIGHT, SECOND, RIGHT>();
    }
}

/// One tile of rows, in two terms.
///
/// # Safety
/// As for [`two_tiles`].
#[inline(always)]
pub(super) unsafe fn one_tile_of_two_terms(unit: &mut impl TileUnit, rows: Rows, weights: *const u16) {
    let Rows { first, pitch, .. } = rows;
    // SAFETY: the caller's promise.
    unsafe {
        one_tile(unit, rows.low_terms(), weights);

        unit.load::<FIRST, 0>(first.cast(), pitch);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();

        unit.load::<LEFT, TERM_BYTES>(weights.cast(), LINE);
        unit.multiply::<FIRST_LEFT, FIRST, LEFT>();
        unit.load::<RIGHT, { TERM_BYTES + TILE_BYTES }>(weights.cast(), LINE);
        unit.multiply::<FIRST_RIGHT, FIRST, RIGHT>();
    }
}
