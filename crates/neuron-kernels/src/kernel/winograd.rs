//! The two-dimensional transforms of a tile, a vector of channels at a time.
use super::block::{BlockMut, MatrixMut};
use super::finish::{Finish, RawFinish};
use super::isa::Isa;
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
const MOST_INPUTS: usize = 36;
const MOST_OUTPUTS: usize = 16;
/// Lanes of the widest vector.
const MOST_LANES: usize = 16;

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
    products: *const f32,
    pitch: usize,
    /// First output pixel, the distances of lines and of pixels, and how many of them there are.
    output: *mut f32,
    line: usize,
    pixel: usize,
    lines: usize,
    pixels: usize,
    /// A multiple of the vector's length.
    channels: usize,
    /// The slices begin where the output does. `None` leaves the sums as they are.
    finish: Option<RawFinish>,
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
                        let value = match &t.finish {
                            Some(finish) => finish.vector(row[x], channel, at),
                            None => row[x],
                        };
                        value.store(t.output.add(at));
                    }
                }
            }
        }
    }
}

/// One item's map, `[height, width, channels]`, and zeros for what lies beyond it.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    /// `channels` zeros.
    pub(crate) zeros: &'a [f32],
}

/// Transforms the tile whose first pixel is (`y`, `x`) of the map; `slabs` has a row for each frequency.
///
/// # Panics
/// If `slabs` lacks frequencies, or columns for the channels in whole vectors.
pub(crate) fn input(isa: &Isa, size: Size, map: Map<'_>, (y, x): (isize, isize), slabs: &mut MatrixMut<'_>) {
    let (side, Map { height, width, channels, .. }) = (size.inputs(), map);
    assert!(slabs.rows >= size.frequencies() && slabs.columns >= channels.next_multiple_of(MOST_LANES));
    let pixel = |index: usize| {
        let inside = |start: isize, step: usize, len: usize| {
            start.checked_add_unsigned(step).filter(|at| (0..len as isize).contains(at))
        };
        let row = inside(y, index / side, height);
        let column = inside(x, index % side, width);
        match (row, column) {
            (Some(row), Some(column)) => {
                map.data[(row as usize * width + column as usize) * channels..][..channels].as_ptr()
            }
            _ => map.zeros[..channels].as_ptr(),
        }
    };
    let pixels = from_fn(|index| pixel(index.min(size.frequencies() - 1)));
    // SAFETY: the instruction set was detected; each pixel was sliced to `channels` values, `slabs` checked above.
    unsafe { (isa.winograd(size).0)(&pixels, channels, slabs.start, slabs.pitch) }
}

/// Transforms a tile of products back into the pixels of `block`, an output's `[1, lines, pixels, channels]`.
///
/// `products` begins with the tile's first; frequencies lie `pitch` apart, each with whole vectors of channels.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn output(
    isa: &Isa,
    size: Size,
    (products, pitch): (&[f32], usize),
    finish: &Finish<'_>,
    block: &mut BlockMut<'_>,
) {
    let [_, lines, pixels, channels] = block.extent;
    assert!(lines <= size.outputs() && pixels <= size.outputs() && block.extent[0] == 1);
    assert!(products.len() >= (size.frequencies() - 1) * pitch + channels.next_multiple_of(MOST_LANES));
    assert!(finish.bias.len() >= channels);
    let whole = channels - channels % isa.lanes;
    let (end, last) = block.line([0, lines - 1, pixels - 1, 0]);
    finish.check_covers(last + end.len());
    let (start, [_, line, pixel, _]) = (block.start, block.pitch);
    let tile = Inverse {
        products: products.as_ptr(),
        pitch,
        output: start,
        line,
        pixel,
        lines,
        pixels,
        channels: whole,
        finish: Some(finish.raw().offset(0, block.offset)),
    };
    let transform = isa.winograd(size).1;
    // SAFETY: the instruction set was detected; the products, the bias and the slices were checked above, the pixels
    // are exclusively borrowed.
    unsafe { transform(&tile) };
    if whole == channels {
        return;
    }
    // The channels of the last vector: transformed beside the output, then finished one by one.
    let mut sums = [0f32; MOST_OUTPUTS * MOST_LANES];
    let beside = Inverse {
        products: products[whole..].as_ptr(),
        output: sums.as_mut_ptr(),
        line: size.outputs() * isa.lanes,
        pixel: isa.lanes,
        channels: isa.lanes,
        finish: None,
        ..tile
    };
    // SAFETY: as above; the sums hold a whole vector for each pixel of a tile.
    unsafe { transform(&beside) };
    for (y, x) in (0..lines).flat_map(|y| (0..pixels).map(move |x| (y, x))) {
        let (values, at) = block.line([0, y, x, 0]);
        let sums = &sums[(y * size.outputs() + x) * isa.lanes..];
        for channel in whole..channels {
            values[channel] = finish.value(sums[channel - whole], channel, at + channel);
        }
    }
}
