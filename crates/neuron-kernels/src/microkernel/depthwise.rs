//! Depthwise convolutions: a strip of channels, each with a kernel of its own, over some positions of a line.
//!
//! Every output value is one chain of fused multiply-adds, kernel row by kernel row, that starts from 0, as in
//! [`tile`](super::tile). Each input that is loaded is multiplied once; each weight, once for every position of a block.
use super::epilogue::{RawEpilogue, each, finish};
use super::lanes::{L1, L1_WRITE, Lanes, each_vector, prefetch};

/// One call of a kernel: lines of tiles of as many positions as the kernel has.
pub(super) struct Strip {
    pub(super) lines: usize,
    pub(super) tiles: usize,
    /// What the first position's first kernel place sees, and the distances of the windows of neighbouring lines and
    /// positions, of kernel rows and of kernel columns.
    pub(super) input: *const f32,
    pub(super) line: usize,
    pub(super) position: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    /// Height and width of the kernel.
    pub(super) kernel: [usize; 2],
    /// `[kernel row, kernel column, channel of the strip]`
    pub(super) weight: *const f32,
    /// The first position's first channel, and the distances of lines and of positions.
    pub(super) output: *mut f32,
    pub(super) output_line: usize,
    pub(super) output_position: usize,
    /// The slices begin where the output does. `None` leaves the sums as they are.
    pub(super) epilogue: Option<RawEpilogue>,
}

/// A kernel for tiles of a fixed number of positions.
///
/// # Safety
/// The machine has the kernel's instruction set. The inputs and weights are readable as described, for whole strips; the
/// output and the epilogue's slices are valid for a strip of each position, the output exclusively.
pub(super) type StripKernel = unsafe fn(&Strip);

/// The kernel for tiles of `MR` positions and a strip of `NV` vectors.
///
/// # Safety
/// As for [`StripKernel`]; only to be inlined into a function that enables `S`.
#[inline(always)]
pub(super) unsafe fn strip<S: Lanes, const MR: usize, const NV: usize>(s: &Strip) {
    for line in 0..s.lines {
        let (mut input, mut at) = (line.wrapping_mul(s.line), line.wrapping_mul(s.output_line));
        for _ in 0..s.tiles {
            // Outputs of a strip lie apart, and so does the input that the next line is the first to see: nothing but this
            // fetches them in time.
            let below = input.wrapping_add(s.kernel[0].wrapping_mul(s.row));
            for r in 0..MR {
                prefetch::<L1_WRITE>(
                    s.output.wrapping_add(at.wrapping_add(r.wrapping_mul(s.output_position))),
                );
                prefetch::<L1>(s.input.wrapping_add(below.wrapping_add(r.wrapping_mul(s.position))));
            }
            // SAFETY: the caller vouches for the instruction set, for windows of all positions and for their outputs.
            unsafe {
                let mut sums = sums::<S, MR, NV>(s, s.input.wrapping_add(input));
                if let Some(epilogue) = &s.epilogue {
                    finish(&mut sums, &epilogue.offset(0, at), s.output_position);
                }
                let output = s.output.wrapping_add(at);
                each!(r, j: sums[r][j].store(output.add(r.wrapping_mul(s.output_position) + j * S::LEN)));
            }
            input = input.wrapping_add(MR.wrapping_mul(s.position));
            at = at.wrapping_add(MR.wrapping_mul(s.output_position));
        }
    }
}

/// The sums of `MR` windows, the first of which begins at `input`.
///
/// # Safety
/// As for [`StripKernel`].
#[expect(clippy::needless_range_loop, reason = "indices that are constants after unrolling")]
#[inline(always)]
unsafe fn sums<S: Lanes, const MR: usize, const NV: usize>(s: &Strip, input: *const f32) -> [[S; NV]; MR] {
    // SAFETY: passed on to the caller.
    unsafe {
        let mut sums = [[S::splat(0.0); NV]; MR];
        let (mut line, mut weight) = (input, s.weight);
        for _ in 0..s.kernel[0] {
            let mut input = line;
            for _ in 0..s.kernel[1] {
                let mut weights = [S::splat(0.0); NV];
                for j in 0..NV {
                    weights[j] = S::load(weight.add(j * S::LEN));
                }
                for r in 0..MR {
                    let at = input.wrapping_add(r.wrapping_mul(s.position));
                    for j in 0..NV {
                        sums[r][j] = S::load(at.add(j * S::LEN)).mul_add(weights[j], sums[r][j]);
                    }
                }
                input = input.wrapping_add(s.column);
                weight = weight.add(NV * S::LEN);
            }
            line = line.wrapping_add(s.row);
        }
        sums
    }
}

/// Pixels of which a strip of channels is copied, and where to.
pub(super) struct Copy {
    pub(super) from: *const f32,
    pub(super) to: *mut f32,
    /// Lines, and pixels of each.
    pub(super) extent: [usize; 2],
    /// Distances of lines and of pixels where they come from; the distance of lines where they go, where strips are
    /// neighbours.
    pub(super) pitch: [usize; 2],
    pub(super) line: usize,
    /// Channels that there are. The rest of a strip becomes 0.
    pub(super) count: usize,
}

/// # Safety
/// The machine has the instruction set; the pixels are readable as described, for `count` channels each, and the strips
/// writable.
pub(super) type CopyStrip = unsafe fn(&Copy);

/// # Safety
/// As for [`CopyStrip`]; only to be inlined into a function that enables `S`, `NV` of whose vectors are a strip.
#[inline(always)]
pub(super) unsafe fn copy_strip<S: Lanes, const NV: usize>(copy: &Copy) {
    let Copy { from, to, extent: [lines, pixels], pitch, line, count } = *copy;
    for y in 0..lines {
        // SAFETY: passed on to the caller.
        unsafe {
            let (mut from, mut to) = (from.add(y * pitch[0]), to.add(y * line));
            for _ in 0..pixels {
                if count == NV * S::LEN {
                    for j in 0..NV {
                        S::load(from.add(j * S::LEN)).store(to.add(j * S::LEN));
                    }
                } else {
                    for j in 0..NV {
                        S::splat(0.0).store(to.add(j * S::LEN));
                    }
                    each_vector!(S, count, at, lanes: {
                        S::load_up_to(from.add(at), lanes).store_up_to(to.add(at), lanes);
                    });
                }
                from = from.wrapping_add(pitch[1]);
                to = to.wrapping_add(NV * S::LEN);
            }
        }
    }
}
