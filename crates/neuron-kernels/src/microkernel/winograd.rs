//! The two-dimensional transforms of a tile, a vector of channels at a time: the kernels.
use super::epilogue::RawEpilogue;
use super::lanes::Lanes;
use super::minimal::Filtering;
use std::array::from_fn;

/// Which of the two algorithms: tiles of 2x2 or of 4x4 outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    F2,
    F4,
}

impl Size {
    /// Side of a tile of outputs.
    pub(crate) fn outputs(self) -> usize {
        match self {
            Self::F2 => 2,
            Self::F4 => 4,
        }
    }

    /// Side of a tile of inputs.
    pub(crate) fn inputs(self) -> usize {
        self.outputs() + 2
    }

    /// Number of products that a tile is made of.
    pub(crate) fn frequencies(self) -> usize {
        self.inputs() * self.inputs()
    }
}

/// Most inputs and outputs of a tile.
pub(super) const MOST_INPUTS: usize = 36;
pub(super) const MOST_OUTPUTS: usize = 16;
/// Lanes of the widest vector.
pub(super) const MOST_LANES: usize = 16;

/// An input transform: `channels` channels of the pixels at `pixels` into slabs of frequencies `pitch` values apart.
/// Whole vectors are written.
///
/// # Safety
/// The machine has the instruction set; the pixels have `channels` values, the slabs that many in whole vectors.
pub(super) type Input =
    unsafe fn(pixels: &[*const f32; MOST_INPUTS], channels: usize, slabs: *mut f32, pitch: usize);

/// An output transform, see [`Inverse`].
///
/// # Safety
/// The machine has the instruction set and the fields hold what they promise.
pub(super) type Output = unsafe fn(&Inverse);

/// What an output transform reads and writes.
pub(super) struct Inverse {
    /// The tile's products in slabs of frequencies, `pitch` apart.
    pub(super) products: *const f32,
    pub(super) pitch: usize,
    /// First output pixel, the distances of lines and of pixels, and how many of them there are.
    pub(super) output: *mut f32,
    pub(super) line: usize,
    pub(super) pixel: usize,
    pub(super) lines: usize,
    pub(super) pixels: usize,
    /// A multiple of the vector's length.
    pub(super) channels: usize,
    /// The slices begin where the output does. `None` leaves the sums as they are.
    pub(super) epilogue: Option<RawEpilogue>,
}

/// # Safety
/// As for [`Input`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn input_tile<S: Lanes, F: Filtering<IN, OUT>, const IN: usize, const OUT: usize>(
    pixels: &[*const f32; MOST_INPUTS],
    channels: usize,
    slabs: *mut f32,
    pitch: usize,
) {
    let (whole, rest) = (channels - channels % S::LEN, channels % S::LEN);
    // SAFETY: the caller vouches for the instruction set, for `channels` values at each pixel, and for whole vectors of
    // them in each slab.
    unsafe {
        for channel in (0..whole).step_by(S::LEN) {
            let load = |pixel: usize| S::load(pixels[pixel].add(channel));
            input_vector::<S, F, IN, OUT>(load, slabs.add(channel), pitch);
        }
        if rest > 0 {
            let load = |pixel: usize| S::load_first(pixels[pixel].add(whole), rest);
            input_vector::<S, F, IN, OUT>(load, slabs.add(whole), pitch);
        }
    }
}

/// # Safety
/// As for [`Input`], with one vector at each of the pixels that `load` knows.
#[expect(clippy::needless_range_loop, reason = "indices that are constants after unrolling")]
#[inline(always)]
unsafe fn input_vector<S: Lanes, F: Filtering<IN, OUT>, const IN: usize, const OUT: usize>(
    load: impl Fn(usize) -> S,
    slabs: *mut f32,
    pitch: usize,
) {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut columns = [[S::splat(0.0); IN]; IN];
        for x in 0..IN {
            columns[x] = F::input(from_fn(|y| load(y * IN + x)));
        }
        for y in 0..IN {
            let row = F::input(from_fn(|x| columns[x][y]));
            for x in 0..IN {
                row[x].store(slabs.add((y * IN + x) * pitch));
            }
        }
    }
}

/// # Safety
/// As for [`Output`]; only to be inlined into a function that enables `S`.
#[expect(clippy::needless_range_loop, reason = "indices that are constants after unrolling")]
#[inline(always)]
pub(super) unsafe fn output_tile<S: Lanes, F: Filtering<IN, OUT>, const IN: usize, const OUT: usize>(
    t: &Inverse,
) {
    for channel in (0..t.channels).step_by(S::LEN) {
        // SAFETY: the caller vouches for the instruction set, the slabs and the pixels.
        unsafe {
            let mut columns = [[S::splat(0.0); OUT]; IN];
            for x in 0..IN {
                let product = |y: usize| S::load(t.products.add((y * IN + x) * t.pitch + channel));
                columns[x] = F::output(from_fn(product));
            }
            for y in 0..OUT {
                let row = F::output(from_fn(|x| columns[x][y]));
                for x in 0..OUT {
                    if y < t.lines && x < t.pixels {
                        let at = y * t.line + x * t.pixel + channel;
                        let value = match &t.epilogue {
                            Some(epilogue) => epilogue.vector(row[x], channel, at),
                            None => row[x],
                        };
                        value.store(t.output.add(at));
                    }
                }
            }
        }
    }
}
