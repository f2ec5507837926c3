//! What happens to finished sums, in vectors of AVX-512: for engines that have its instructions for bf16 numbers.
use super::number::Terms;
use super::packed::{PANEL, TILE_COLUMNS};
use super::task::Sink;
use super::vectors::{rest, round, widened, widened_at};
use std::arch::x86_64::*;
use std::ptr::{null, null_mut};

/// As [`Sink::finish`]: what does not change from row to row lies ready.
///
/// Null pointers stand for what is absent; the others point to the first column at position 0.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    residual: *const u16,
    rounded: *mut u16,
    full: *mut f32,
    terms: Terms,
    channels: usize,
    columns: usize,
    /// What no value is less than.
    least: f32,
    kernels: [Kernel; 2],
}

/// Sums of rows, as vectors of 16 columns.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) left: *const f32,
    /// How far the other 16 columns lie behind.
    pub(super) right: usize,
    /// From a row to the next.
    pub(super) pitch: usize,
}

/// The first one's position, and how many they are.
#[derive(Clone, Copy)]
pub(super) struct Positions {
    pub(super) first: usize,
    pub(super) count: usize,
}

/// Finishes the sums of rows from a column on. Few instructions a row matter: more of them than the processor looks ahead
/// would keep the tile unit waiting.
type Kernel = unsafe fn(&Finish, Sums, usize, Positions);

impl Finish {
    pub(super) fn new(sink: &Sink) -> Self {
        Self {
            residual: sink.residual.map_or(null(), |start| start.wrapping_add(sink.first)),
            rounded: sink.rounded.map_or(null_mut(), |start| start.wrapping_add(sink.first)),
            full: sink.full.map_or(null_mut(), |start| start.wrapping_add(sink.first)),
            terms: sink.terms,
            channels: sink.channels,
            columns: sink.columns,
            least: if sink.relu { 0.0 } else { f32::NEG_INFINITY },
            kernels: match (sink.terms, sink.residual.is_some(), sink.full.is_some()) {
                (Terms::One, false, false) => kernels::<false, false, false>(),
                (Terms::One, false, true) => kernels::<false, false, true>(),
                (Terms::One, true, false) => kernels::<false, true, false>(),
                (Terms::One, true, true) => kernels::<false, true, true>(),
                (Terms::Two, false, false) => kernels::<true, false, false>(),
                (Terms::Two, false, true) => kernels::<true, false, true>(),
                (Terms::Two, true, false) => kernels::<true, true, false>(),
                (Terms::Two, true, true) => kernels::<true, true, true>(),
            },
        }
    }

    /// Asks for the memory that [`Finish::rows`] will read and write, so that it comes while the sums are formed.
    #[inline(always)]
    pub(super) fn fetch(&self, column: usize, position: usize) {
        let values = position * self.channels + column;
        // SAFETY: a prefetch has no effect but on time, whatever the address.
        unsafe {
            for term in 0..self.terms.count() {
                let numbers = (self.terms.count() * position + term) * self.channels + column;
                if !self.residual.is_null() {
                    _mm_prefetch::<_MM_HINT_T0>(self.residual.wrapping_add(numbers).cast());
                }
                if !self.rounded.is_null() {
                    _mm_prefetch::<_MM_HINT_ET0>(self.rounded.wrapping_add(numbers).cast());
                }
            }
            if !self.full.is_null() {
                _mm_prefetch::<_MM_HINT_ET0>(self.full.wrapping_add(values).cast());
                _mm_prefetch::<_MM_HINT_ET0>(self.full.wrapping_add(values + TILE_COLUMNS).cast());
            }
        }
    }

    /// Finishes the sums of consecutive positions in the panel that begins at `column`.
    ///
    /// # Safety
    /// The machine must have AVX-512 and its instructions for bf16 numbers. The sums must be readable. No other task may
    /// have these positions and columns.
    #[inline(always)]
    pub(super) unsafe fn rows(&self, sums: Sums, column: usize, positions: Positions) {
        let is_whole = column + PANEL <= self.columns;
        // SAFETY: the caller's promise.
        unsafe { (self.kernels[usize::from(is_whole)])(self, sums, column, positions) }
    }
}

/// For panels that lack some columns, and for whole ones.
fn kernels<const TWO: bool, const ADDS: bool, const FULL: bool>() -> [Kernel; 2] {
    [rows::<TWO, ADDS, FULL, false>, rows::<TWO, ADDS, FULL, true>]
}

/// # Safety
/// As for [`Finish::rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn rows<const TWO: bool, const ADDS: bool, const FULL: bool, const WHOLE: bool>(
    finish: &Finish,
    sums: Sums,
    column: usize,
    Positions { first, count }: Positions,
) {
    let Finish { residual, rounded, full, channels, columns, least, .. } = *finish;
    let columns = if WHOLE { u32::MAX } else { u32::MAX >> (PANEL - (columns - column)) };
    let pixel = if TWO { 2 * channels } else { channels };
    let (has_rounded, least) = (!rounded.is_null(), _mm512_set1_ps(least));
    let mut left = sums.left;
    let (mut residual, mut rounded, mut full) = (
        residual.wrapping_add(first * pixel + column),
        rounded.wrapping_add(first * pixel + column),
        full.wrapping_add(first * channels + column),
    );
    for _ in 0..count {
        // SAFETY: masked columns are not touched; the others lie inside of the outputs, which the caller checked.
        unsafe {
            let mut values = [_mm512_loadu_ps(left), _mm512_loadu_ps(left.wrapping_add(sums.right))];
            if ADDS {
                let addends_at = |numbers: *const u16| match WHOLE {
                    true => widened_at(numbers),
                    false => widened(_mm512_maskz_loadu_epi16(columns, numbers.cast())),
                };
                let mut addends = addends_at(residual);
                if TWO {
                    let low = addends_at(residual.wrapping_add(channels));
                    addends = [0, 1].map(|half| _mm512_add_ps(addends[half], low[half]));
                }
                values = [0, 1].map(|half| _mm512_add_ps(values[half], addends[half]));
            }
            // The second operand where one is NaN.
            values = values.map(|value| _mm512_max_ps(least, value));
            if FULL {
                _mm512_mask_storeu_ps(full, columns as u16, values[0]);
                _mm512_mask_storeu_ps(full.wrapping_add(TILE_COLUMNS), (columns >> 16) as u16, values[1]);
            }
            if !FULL || has_rounded {
                let high = round(values);
                _mm512_mask_storeu_epi16(rounded.cast(), columns, high);
                if TWO {
                    let high = widened(high);
                    let low = round([0, 1].map(|half| rest(values[half], high[half])));
                    _mm512_mask_storeu_epi16(rounded.wrapping_add(channels).cast(), columns, low);
                }
            }
        }
        left = left.wrapping_add(sums.pitch);
        residual = residual.wrapping_add(pixel);
        rounded = rounded.wrapping_add(pixel);
        full = full.wrapping_add(channels);
    }
}
