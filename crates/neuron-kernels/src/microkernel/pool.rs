//! Sums and maxima over the places of windows, and sums over whole maps.
use super::lanes::{Lanes, each_vector};

/// What becomes of the values of a window's places.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pooling {
    /// Their sum, one after the other, divided by a number.
    Mean(f32),
    /// The greatest, or NaN if there is one; minus infinity if there is none.
    Max,
}

/// `channels` outputs of the pixels that begin at each of `places`.
///
/// # Safety
/// The machine has the instruction set; each place of `data`, and `output`, are valid for `channels` values.
pub(super) type Pool =
    unsafe fn(pooling: Pooling, data: *const f32, places: &[usize], output: *mut f32, channels: usize);

/// The maxima, and which of `places` has each first, by the numbers that they are given.
///
/// # Safety
/// As for [`Pool`]; there is a place, each has a number, and `which` is valid for `channels` values.
pub(super) type PoolMax =
    unsafe fn(data: *const f32, places: &[(usize, u8)], output: *mut f32, which: *mut u8, channels: usize);

/// Vectors whose sums are formed at a time.
const VECTORS: usize = 4;

/// # Safety
/// As for [`Pool`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn pool<S: Lanes>(
    pooling: Pooling,
    data: *const f32,
    places: &[usize],
    output: *mut f32,
    channels: usize,
) {
    // Several vectors at a time, so that a place is read once for all of them; then one by one.
    macro_rules! reduce {
        ($start:expr, $step:ident, $last:expr) => {{
            let whole = channels - channels % (VECTORS * S::LEN);
            for at in (0..whole).step_by(VECTORS * S::LEN) {
                let mut sums = [$start; VECTORS];
                for place in places {
                    let from = data.add(place + at);
                    for j in 0..VECTORS {
                        sums[j] = $step(sums[j], S::load(from.add(j * S::LEN)));
                    }
                }
                for j in 0..VECTORS {
                    $last(sums[j]).store(output.add(at + j * S::LEN));
                }
            }
            each_vector!(S, channels - whole, at, count: {
                let mut sum = $start;
                for place in places {
                    sum = $step(sum, S::load_up_to(data.add(place + whole + at), count));
                }
                $last(sum).store_up_to(output.add(whole + at), count);
            });
        }};
    }
    // SAFETY: passed on to the caller.
    unsafe {
        match pooling {
            Pooling::Mean(count) => reduce!(S::splat(0.0), sum, |sum: S| sum.div(S::splat(count))),
            Pooling::Max => reduce!(S::splat(f32::NEG_INFINITY), greatest, |best: S| best),
        }
    }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn sum<S: Lanes>(sum: S, value: S) -> S {
    // SAFETY: passed on to the caller.
    unsafe { sum.add(value) }
}

/// # Safety
/// As for [`Lanes`].
#[inline(always)]
unsafe fn greatest<S: Lanes>(best: S, value: S) -> S {
    // SAFETY: passed on to the caller.
    unsafe { value.where_nan(value, best.at_least(value)) }
}

/// # Safety
/// As for [`PoolMax`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn pool_max<S: Lanes>(
    data: *const f32,
    places: &[(usize, u8)],
    output: *mut f32,
    which: *mut u8,
    channels: usize,
) {
    // SAFETY: passed on to the caller; a vector has at most 16 lanes.
    unsafe {
        each_vector!(S, channels, at, count: {
            let (first, number) = places[0];
            let mut best = S::load_up_to(data.add(first + at), count);
            let mut numbers = S::splat(f32::from(number));
            for (place, number) in &places[1..] {
                let (value, number) = (S::load_up_to(data.add(place + at), count), S::splat(f32::from(*number)));
                // The first NaN wins, and stays.
                let (if_nan, its_number) = (best.where_nan(best, value), best.where_nan(numbers, number));
                numbers = value.where_nan(its_number, best.where_less(value, number, numbers));
                best = value.where_nan(if_nan, best.where_less(value, value, best));
            }
            best.store_up_to(output.add(at), count);
            let mut lanes = [0f32; 16];
            numbers.store(lanes.as_mut_ptr());
            for (lane, number) in lanes.iter().take(count).enumerate() {
                *which.add(at + lane) = *number as u8;
            }
        });
    }
}

/// The sums in f64 of the values of `positions` pixels, in their order: of `values`, or multiplied by those of `factors`.
///
/// # Safety
/// The machine has the instruction set; `values`, `factors` and `sums` are valid for what is said.
pub(super) type SumPixels = unsafe fn(&Pixels);

/// Some channels of the pixels of a map.
pub(super) struct Pixels {
    pub(super) values: *const f32,
    /// Null for a sum without factors.
    pub(super) factors: *const f32,
    pub(super) pitch: usize,
    pub(super) positions: usize,
    pub(super) sums: *mut f64,
    pub(super) channels: usize,
}

/// # Safety
/// As for [`SumPixels`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn sum_pixels<S: Lanes>(pixels: &Pixels) {
    let Pixels { values, factors, pitch, positions, sums, channels } = *pixels;
    let whole = channels - channels % (VECTORS * S::LEN);
    // Several vectors at a time, whose sums stay in registers; then one by one.
    macro_rules! sum {
        ($load:ident, $position:ident, $sums:ident, $step:expr) => {{
            for at in (0..whole).step_by(VECTORS * S::LEN) {
                let mut parts = [S::wide_splat(0.0); VECTORS];
                for $position in 0..positions {
                    for j in 0..VECTORS {
                        let $load = |from: *const f32| S::load(from.add($position * pitch + at + j * S::LEN));
                        let $sums = parts[j];
                        parts[j] = $step;
                    }
                }
                for j in 0..VECTORS {
                    S::wide_store(parts[j], sums.add(at + j * S::LEN));
                }
            }
            each_vector!(S, channels - whole, at, count: {
                let mut $sums = S::wide_splat(0.0);
                for $position in 0..positions {
                    let $load = |from: *const f32| S::load_up_to(from.add($position * pitch + whole + at), count);
                    $sums = $step;
                }
                let mut lanes = [0f64; 16];
                S::wide_store($sums, lanes.as_mut_ptr());
                sums.add(whole + at).copy_from_nonoverlapping(lanes.as_ptr(), count);
            });
        }};
    }
    // SAFETY: passed on to the caller; a vector has at most 16 lanes.
    unsafe {
        if factors.is_null() {
            sum!(load, position, parts_of, S::wide_add(load(values).widen(), parts_of));
        } else {
            sum!(load, position, parts_of, {
                S::wide_mul_add(load(values).widen(), load(factors).widen(), parts_of)
            });
        }
    }
}
