//! The instruction of AVX-512 that adds pairs of bf16 products to f32 sums.
use super::blocks::Place;
use super::epilogue::{Finish, Positions, Sums};
use super::packed::{PANEL, STEP, STEP_NUMBERS, TILE_COLUMNS, TILE_NUMBERS};
use super::task::{Task, products};
use crate::microkernel::share;
use std::arch::x86_64::*;
use std::ops::Range;

/// Rows of a block at most: of 32 registers 28 hold sums, two weights, and one a pair of a row's numbers. 14 rows divide
/// maps of 56, 28, 14 and 7 lines.
const ROWS: usize = 14;
/// Numbers of a line of the cache.
const LINE: usize = 32;

/// Whether the processor and the system have it.
pub(super) fn is_there() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bf16")
}

/// Whether it is issued as often as a fused multiply-add of f32, and so does twice as much: on AMD's processors. On
/// Intel's it is issued half as often.
pub(super) fn is_fast() -> bool {
    is_there() && {
        let vendor = __cpuid(0);
        [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
    }
}

/// All rows times all panels.
///
/// # Safety
/// The machine must have the instruction. The runs must be readable for all rows, and no other task may write this
/// one's rows and columns.
pub(super) unsafe fn product(task: &Task<'_>) {
    let kept = task.sink.kept_rows(task.rows);
    let blocks = kept.div_ceil(ROWS);
    let by_rows = task.is_by_rows();
    for [index, panel] in task.order(blocks) {
        let rows = share(kept, index, blocks);
        let ahead = if by_rows {
            let next = if index + 1 < blocks { share(kept, index + 1, blocks) } else { 0..0 };
            Ahead::of_rows(task, next, panel - task.panels.start)
        } else {
            Ahead::of_weights(task, panel + 1, [index, blocks])
        };
        let block = Block { first: rows.start, panel, ahead };
        // SAFETY: blocks have 1 to 14 rows; the rest is the caller's promise.
        unsafe { KERNELS[rows.len() - 1](task, block) }
    }
}

/// Some rows of those that are kept, from the first on, and the columns of a panel.
struct Block {
    first: usize,
    panel: usize,
    ahead: Ahead,
}

/// Memory that the next blocks need, and that is fetched into the second-level cache beside the products of this one.
struct Ahead {
    start: *const u16,
    /// Lines of the cache for each step.
    lines: usize,
}

impl Ahead {
    fn none() -> Self {
        Self { start: std::ptr::null(), lines: 0 }
    }

    /// One of some equal parts of a panel, if there is such a panel.
    fn of_weights(task: &Task<'_>, panel: usize, [part, parts]: [usize; 2]) -> Self {
        if panel >= task.panels.end {
            return Self::none();
        }
        let weights = task.weights.panel(panel);
        let start = weights[share(weights.len(), part, parts).start..].as_ptr();
        Self { start, lines: task.weights.step_len().div_ceil(LINE * parts) }
    }

    /// One of as many equal parts of some rows as there are panels, if the rows lie side by side: copies are in the cache.
    fn of_rows(task: &Task<'_>, rows: Range<usize>, part: usize) -> Self {
        let [run] = task.runs else { return Self::none() };
        if rows.is_empty() || run.pitch != run.steps.len() * STEP * task.weights.terms.count() {
            return Self::none();
        }
        let (len, parts) = (rows.len() * run.pitch, task.panels.len());
        let start = run.start.wrapping_add(rows.start * run.pitch + share(len, part, parts).start);
        Self { start, lines: len.div_ceil(LINE * parts * run.steps.len()) }
    }

    /// Fetches what is one step's.
    #[inline(always)]
    fn step(&mut self) {
        for line in 0..self.lines {
            // SAFETY: a prefetch has no effect but on time, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.start.wrapping_add(line * LINE).cast()) };
        }
        self.start = self.start.wrapping_add(self.lines * LINE);
    }
}

type BlockKernel = unsafe fn(&Task<'_>, Block);

/// For 1, 2, ... rows.
const KERNELS: [BlockKernel; ROWS] = [
    block::<1>,
    block::<2>,
    block::<3>,
    block::<4>,
    block::<5>,
    block::<6>,
    block::<7>,
    block::<8>,
    block::<9>,
    block::<10>,
    block::<11>,
    block::<12>,
    block::<13>,
    block::<14>,
];

/// # Safety
/// As for [`product`]; and there must be so many kept rows, and the panel.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn block<const R: usize>(task: &Task<'_>, block: Block) {
    let Block { first, panel, mut ahead } = block;
    let places: [Place; R] = task.sink.places(first);
    let finish = Finish::new(&task.sink);
    places.iter().for_each(|place| finish.fetch(panel * PANEL, place.position));
    let bias = &task.bias[panel * PANEL..][..PANEL];
    let mut memory = [[0f32; PANEL]; R];
    // SAFETY: rows are readable for all steps, by the caller's promise, and a panel's weights are as many as its steps
    // say; biases and memory have the lengths that are read and written.
    unsafe {
        let bias = [_mm512_loadu_ps(bias.as_ptr()), _mm512_loadu_ps(bias.as_ptr().add(TILE_COLUMNS))];
        let mut sums = [bias; R];
        for run in task.runs {
            let len = task.weights.step_len();
            let mut weights = task.weights.panel(panel).as_ptr().add(run.steps.start * len);
            let mut rows = places.each_ref().map(|place| run.start.wrapping_add(place.row * run.pitch));
            // Whole steps by themselves: loops of a length that is known take 4 % less time.
            for _ in 0..run.depth / STEP {
                ahead.step();
                add_step(task, run.low, rows, weights, STEP / 2, &mut sums);
                rows = rows.map(|row| row.wrapping_add(STEP));
                weights = weights.add(len);
            }
            if !run.depth.is_multiple_of(STEP) {
                ahead.step();
                add_step(task, run.low, rows, weights, (run.depth % STEP).div_ceil(2), &mut sums);
            }
        }
        for (memory, sums) in memory.iter_mut().zip(sums) {
            _mm512_storeu_ps(memory.as_mut_ptr(), sums[0]);
            _mm512_storeu_ps(memory.as_mut_ptr().add(TILE_COLUMNS), sums[1]);
        }
    }
    for (place, sums) in places.iter().zip(&memory) {
        // SAFETY: the sums are two vectors; the rest is the caller's promise.
        unsafe {
            let sums = Sums { left: sums.as_ptr(), right: TILE_COLUMNS, pitch: PANEL };
            finish.rows(sums, panel * PANEL, Positions { first: place.position, count: 1 });
        }
    }
}

/// Adds so many pairs of products to every row and column, in all terms.
///
/// # Safety
/// So many pairs of every row and of a panel's step must be readable.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
unsafe fn add_step<const R: usize>(
    task: &Task<'_>,
    low: usize,
    rows: [*const u16; R],
    weights: *const u16,
    pairs: usize,
    sums: &mut [[__m512; 2]; R],
) {
    for [low_row, low_weight] in products(task.weights.terms) {
        let term = if *low_row { low } else { 0 };
        let rows = rows.each_ref().map(|row| row.wrapping_add(term));
        let weights = weights.wrapping_add(if *low_weight { STEP_NUMBERS } else { 0 });
        for pair in 0..pairs {
            // SAFETY: the caller's promise; any bits are two numbers.
            unsafe {
                let weights = weights.add(pair * 2 * TILE_COLUMNS);
                let left = numbers(_mm512_loadu_si512(weights.cast()));
                let right = numbers(_mm512_loadu_si512(weights.add(TILE_NUMBERS).cast()));
                for (row, sums) in rows.iter().zip(&mut *sums) {
                    let both = row.add(2 * pair).cast::<i32>().read_unaligned();
                    let both = numbers(_mm512_set1_epi32(both));
                    sums[0] = _mm512_dpbf16_ps(sums[0], both, left);
                    sums[1] = _mm512_dpbf16_ps(sums[1], both, right);
                }
            }
        }
    }
}

/// The bits as bf16 numbers.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn numbers(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, of which every pattern is 32 numbers.
    unsafe { std::mem::transmute(bits) }
}
