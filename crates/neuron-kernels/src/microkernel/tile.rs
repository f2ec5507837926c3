//! The register tile: `C[MR x NR] (+)= A[MR x k] B[k x NR]`.
//!
//! Every output value is one chain of fused multiply-adds in ascending k that starts from 0. Neither the shape of the
//! tile, nor the blocking, nor the instruction set changes the chain, so none of them changes a bit of the result.
use super::epilogue::{RawEpilogue, each, finish};
use super::lanes::{L1, L1_WRITE, L2, Lanes, prefetch};

/// Floats in a cache line.
pub(super) const LINE: usize = 16;

/// One call of a kernel: tiles below one another.
pub(super) struct Tile {
    pub(super) tiles: usize,
    /// First value of the first row of A, and the distance of rows.
    pub(super) a: *const f32,
    pub(super) a_pitch: usize,
    /// The steps come in lines of runs of `run`: A skips `gap` values after a run, and its lines begin `line` apart.
    pub(super) segments: [usize; 2],
    pub(super) run: usize,
    pub(super) line: usize,
    pub(super) gap: usize,
    /// A packed panel, `[segments * run][NR]`.
    pub(super) b: *const f32,
    /// First value of C, and the distance of rows.
    pub(super) c: *mut f32,
    pub(super) c_pitch: usize,
    /// Whether C holds the partial sums of earlier steps.
    pub(super) resume: bool,
    /// What to do with complete sums; the slices begin where C does.
    pub(super) epilogue: Option<RawEpilogue>,
    /// Memory that is needed soon, and its end: fetched into L2, a line each step.
    pub(super) ahead: *const f32,
    pub(super) ahead_end: *const f32,
}

/// A kernel for a fixed number of rows.
///
/// # Safety
/// The machine has the kernel's instruction set. A and B are readable as described; C and the epilogue's slices are
/// valid for all tiles' rows of a whole panel, C exclusively.
pub(super) type TileKernel = unsafe fn(&Tile);

/// The kernel for tiles of `MR` rows of `NV` vectors.
///
/// # Safety
/// As for [`TileKernel`]; only to be inlined into a function that enables `S`.
#[expect(clippy::needless_range_loop, reason = "indices that are constants after unrolling")]
#[inline(always)]
pub(super) unsafe fn tile<S: Lanes, const MR: usize, const NV: usize>(t: &Tile) {
    // Wrapping: an overflow check each step would be most of a build that checks. The caller has checked the bounds.
    let at = |r: usize, j: usize| r.wrapping_mul(t.c_pitch).wrapping_add(j * S::LEN);
    let steps = t.segments[0].wrapping_mul(t.segments[1]).wrapping_mul(t.run);
    for index in 0..t.tiles {
        let first = index.wrapping_mul(MR).wrapping_mul(t.c_pitch);
        let c = t.c.wrapping_add(first);
        let epilogue = t.epilogue.map(|epilogue| epilogue.offset(0, first));
        // What the sums are stored to and meet there is fetched while they are formed.
        fetch::<MR>(c, t.c_pitch, NV * S::LEN, prefetch::<L1_WRITE>);
        for side in epilogue.iter().flat_map(|epilogue| [epilogue.addend, epilogue.operand]) {
            if !side.is_null() {
                fetch::<MR>(side, t.c_pitch, NV * S::LEN, prefetch::<L1>);
            }
        }
        // When all is there, what the tile reads anyway is fetched, which is free.
        let mut ahead = t.ahead.wrapping_add(index.wrapping_mul(steps).wrapping_mul(LINE));
        if ahead >= t.ahead_end {
            ahead = t.b;
        }
        // SAFETY: the caller vouches for the instruction set and for A, B, C and the slices; `at` stays in MR rows of NV
        // vectors, A is read at MR rows of all runs, B at as many steps of NV vectors.
        unsafe {
            let mut sums = [[S::splat(0.0); NV]; MR];
            if t.resume {
                each!(r, j: sums[r][j] = S::load(c.add(at(r, j))));
            }
            let (mut line, mut b) = (t.a.wrapping_add(index.wrapping_mul(MR).wrapping_mul(t.a_pitch)), t.b);
            for _ in 0..t.segments[0] {
                let mut a = line;
                for _ in 0..t.segments[1] {
                    for _ in 0..t.run {
                        prefetch::<L2>(ahead);
                        ahead = ahead.wrapping_add(LINE);
                        let mut row = [S::splat(0.0); NV];
                        for j in 0..NV {
                            row[j] = S::load(b.add(j * S::LEN));
                        }
                        for r in 0..MR {
                            let value = S::splat(*a.add(r.wrapping_mul(t.a_pitch)));
                            for j in 0..NV {
                                sums[r][j] = value.mul_add(row[j], sums[r][j]);
                            }
                        }
                        a = a.add(1);
                        b = b.add(NV * S::LEN);
                    }
                    a = a.wrapping_add(t.gap);
                }
                line = line.wrapping_add(t.line);
            }
            if let Some(epilogue) = &epilogue {
                finish(&mut sums, epilogue, t.c_pitch);
            }
            each!(r, j: sums[r][j].store(c.add(at(r, j))));
        }
    }
}

/// Fetches rows of `width` values.
#[inline(always)]
fn fetch<const MR: usize>(first: *const f32, pitch: usize, width: usize, prefetch: impl Fn(*const f32)) {
    for row in 0..MR {
        for column in (0..width).step_by(LINE) {
            prefetch(first.wrapping_add(row.wrapping_mul(pitch).wrapping_add(column)));
        }
    }
}
