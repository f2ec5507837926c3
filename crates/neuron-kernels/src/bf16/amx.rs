//! Intel's matrix instructions. `std::arch` has them on nightly compilers only: here they are assembly.
//!
//! Tile registers belong to nobody but this file: the compiler never touches them, so that they keep their contents from
//! one `asm!` to the next, and vector code in between runs beside the tile unit.
use super::epilogue::{Finish, Positions, Sums};
use super::number::Terms;
use super::packed::{PANEL, STEP, STEP_NUMBERS, TILE_COLUMNS};
use super::task::{Cursor, Sink, TILE, Task};
use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;
use std::sync::OnceLock;

/// Whether the processor and the system have them; asks the system for the tile state, once a process.
pub(super) fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
            && has_tiles()
            && is_permitted()
    })
}

/// Whether the processor has tiles and their products of bf16 numbers, and the system saves registers at all.
fn has_tiles() -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const AMX_BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
    __cpuid(0).eax >= 7
        && __cpuid(1).ecx & OSXSAVE != 0
        && __cpuid_count(7, 0).edx & AMX_BF16_AND_TILE == AMX_BF16_AND_TILE
}

#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    const XFEATURE_XTILEDATA: i64 = 18;
    let result: i64;
    // SAFETY: the call changes what this process may use, and touches no memory.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA, out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// Shapes of the tile registers: 0 to 3 hold sums, 4 and 5 rows, 6 and 7 weights.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

impl Shapes {
    fn new(height: usize) -> Self {
        let mut shapes = [0; 64];
        shapes[0] = 1;
        for tile in 0..8 {
            shapes[16 + 2 * tile] = 64;
            shapes[48 + tile] = if tile < 6 { height as u8 } else { 16 };
        }
        Self(shapes)
    }
}

/// The sums of two row tiles and two column tiles.
#[repr(C, align(64))]
struct Block([f32; 4 * TILE_SUMS]);

/// Sums of a tile.
const TILE_SUMS: usize = TILE * TILE_COLUMNS;

/// All rows times all panels.
///
/// # Safety
/// The machine must have the instructions. The runs must be readable for all rows, and no other task may write this
/// one's rows and columns.
pub(super) unsafe fn product(task: &Task<'_>) {
    if task.rows == 0 {
        return;
    }
    let shapes = Shapes::new(Tiles::new(task.rows).height());
    // SAFETY: the shapes are valid ones; the rest is the caller's promise.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &shapes, options(nostack, readonly));
        blocks(task);
        asm!("tilerelease", options(nostack, nomem));
    }
}

/// Consecutive rows of an item in two tiles, and where they go.
struct Pair {
    start: usize,
    /// Rows of the first tile, and of both.
    height: usize,
    rows: usize,
    cursor: Cursor,
}

/// A block whose sums are done, and whose rows go through the epilogue while the tile unit computes the next ones.
///
/// It is written field by field and never moved: a copy would wait for the stores before it, and so for the tiles.
#[derive(Default)]
struct Pending {
    cursor: Cursor,
    /// The panel's first.
    column: usize,
    height: usize,
    rows: usize,
    next: usize,
}

impl Pending {
    #[inline(always)]
    fn begin(&mut self, pair: &Pair, panel: usize) {
        self.cursor = pair.cursor;
        self.column = panel * PANEL;
        self.height = pair.height;
        self.rows = pair.rows;
        self.next = 0;
    }

    /// Finishes up to `count` more rows of the sums.
    ///
    /// # Safety
    /// As for [`product`].
    #[inline(always)]
    unsafe fn advance(&mut self, (sink, finish): (&Sink, &Finish), sums: *const f32, count: usize) {
        let end = (self.next + count).min(self.rows);
        while self.next < end {
            let is_first = self.next < self.height;
            let here = if is_first { end.min(self.height) } else { end } - self.next;
            let (tile, row) = if is_first { (0, self.next) } else { (1, self.next - self.height) };
            let (first, count) = self.cursor.some(sink, here);
            if let Some(first) = first {
                // SAFETY: the sums of a block are as many as four tiles; the rest is the caller's promise.
                unsafe {
                    let left = sums.add(2 * tile * TILE_SUMS + row * TILE_COLUMNS);
                    let sums = Sums { left, right: TILE_SUMS, pitch: TILE_COLUMNS };
                    finish.rows(sums, self.column, Positions { first, count });
                }
            }
            self.next += count;
        }
    }
}

/// Blocks of rows and panels, one after the other.
///
/// The processor looks about 500 instructions ahead, and loading a tile takes 16 of them: whatever is known before the
/// first block is computed there.
///
/// # Safety
/// As for [`product`], with the tiles' shapes loaded.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn blocks(task: &Task<'_>) {
    let pairs = Tiles::new(task.rows).pairs(task);
    let steps = task.steps().max(1);
    let finish = Finish::new(&task.sink);
    let finish = (&task.sink, &finish);
    // Tile stores are not forwarded to vector loads: the epilogue runs two blocks behind.
    let mut memory = [const { Block([0.0; 4 * TILE_SUMS]) }; 3];
    let memory = memory.each_mut().map(|block| block.0.as_mut_ptr());
    let mut pending: [Pending; 3] = Default::default();
    let mut newest = 0;
    for [pair, panel] in task.order(pairs.len()) {
        let pair = &pairs[pair];
        let oldest = (newest + 1) % 3;
        let (done, sums) = (&mut pending[oldest], memory[oldest]);
        let rate = done.rows.div_ceil(steps);
        // SAFETY: the caller's promise; panels are as long as they say, and so are biases.
        unsafe {
            begin(task.bias.as_ptr().add(panel * PANEL));
            let beside = || done.advance(finish, sums, rate);
            match (task.weights.terms, pair.rows > pair.height) {
                (Terms::One, false) => all_steps::<false, false>(task, pair, panel, beside),
                (Terms::One, true) => all_steps::<false, true>(task, pair, panel, beside),
                (Terms::Two, false) => all_steps::<true, false>(task, pair, panel, beside),
                (Terms::Two, true) => all_steps::<true, true>(task, pair, panel, beside),
            }
            done.advance(finish, sums, 2 * TILE);
            end(memory[newest]);
        }
        pending[newest].begin(pair, panel);
        newest = oldest;
    }
    // The next slot is free.
    for slot in [newest + 1, newest + 2].map(|slot| slot % 3) {
        // SAFETY: as above.
        unsafe { pending[slot].advance(finish, memory[slot], 2 * TILE) }
    }
}

/// All products of one or two tiles of rows and a panel, with something `beside` each step.
///
/// # Safety
/// As for [`product`], with the tiles' shapes loaded.
#[inline(always)]
unsafe fn all_steps<const TWO_TERMS: bool, const TWO_TILES: bool>(
    task: &Task<'_>,
    pair: &Pair,
    panel: usize,
    mut beside: impl FnMut(),
) {
    let panel = task.weights.panel(panel).as_ptr();
    let step_len = if TWO_TERMS { 2 * STEP_NUMBERS } else { STEP_NUMBERS };
    for run in task.runs {
        let pitch = run.pitch;
        let mut first = run.start.wrapping_add(pair.start * pitch);
        let mut second = first.wrapping_add(pair.height * pitch);
        let mut weights = panel.wrapping_add(run.steps.start * step_len);
        for _ in run.steps.clone() {
            let low = [first.wrapping_add(run.low), second.wrapping_add(run.low)];
            // SAFETY: the caller's promise.
            unsafe {
                match (TWO_TERMS, TWO_TILES) {
                    (false, false) => step_of_one(first, pitch, weights),
                    (false, true) => step_of_two([first, second], pitch, weights),
                    (true, false) => {
                        step_of_one(first, pitch, weights);
                        step_of_one(low[0], pitch, weights);
                        step_of_one(first, pitch, weights.wrapping_add(STEP_NUMBERS));
                    }
                    (true, true) => step_of_two_terms([first, second], low, pitch, weights),
                }
            }
            beside();
            (first, second) = (first.wrapping_add(STEP), second.wrapping_add(STEP));
            weights = weights.wrapping_add(step_len);
        }
    }
}

/// Sums begin as the biases of their columns: every row of a tile is read from the same place.
#[inline(always)]
unsafe fn begin(bias: *const f32) {
    // SAFETY: the caller's biases of 32 columns.
    unsafe {
        asm!(
            "tileloadd tmm0, [{bias} + {zero}]",
            "tileloadd tmm1, [{bias} + {zero} + 64]",
            "tileloadd tmm2, [{bias} + {zero}]",
            "tileloadd tmm3, [{bias} + {zero} + 64]",
            bias = in(reg) bias, zero = in(reg) 0usize, options(nostack, readonly, preserves_flags)
        );
    }
}

#[inline(always)]
unsafe fn end(sums: *mut f32) {
    // SAFETY: the caller's memory for four tiles.
    unsafe {
        asm!(
            "tilestored [{sums} + {pitch}], tmm0",
            "tilestored [{sums} + {pitch} + 1024], tmm1",
            "tilestored [{sums} + {pitch} + 2048], tmm2",
            "tilestored [{sums} + {pitch} + 3072], tmm3",
            sums = in(reg) sums, pitch = in(reg) 64usize, options(nostack, preserves_flags)
        );
    }
}

/// One step of two row tiles.
#[inline(always)]
unsafe fn step_of_two(rows: [*const u16; 2], pitch: usize, weights: *const u16) {
    // SAFETY: the caller's rows and weights.
    unsafe {
        asm!(
            "tileloadd tmm4, [{first} + {pitch}]",
            "tileloadd tmm6, [{weights} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{second} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            first = in(reg) rows[0], second = in(reg) rows[1], pitch = in(reg) 2 * pitch,
            weights = in(reg) weights, line = in(reg) 64usize, options(nostack, readonly, preserves_flags)
        );
    }
}

/// One step of one row tile.
#[inline(always)]
unsafe fn step_of_one(row: *const u16, pitch: usize, weights: *const u16) {
    // SAFETY: the caller's rows and weights.
    unsafe {
        asm!(
            "tileloadd tmm4, [{row} + {pitch}]",
            "tileloadd tmm6, [{weights} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            row = in(reg) row, pitch = in(reg) 2 * pitch, weights = in(reg) weights, line = in(reg) 64usize,
            options(nostack, readonly, preserves_flags)
        );
    }
}

/// One step of two row tiles in two terms: high by high, low by high, high by low.
#[inline(always)]
unsafe fn step_of_two_terms(high: [*const u16; 2], low: [*const u16; 2], pitch: usize, weights: *const u16) {
    // SAFETY: the caller's rows and weights.
    unsafe {
        asm!(
            "tileloadd tmm4, [{high0} + {pitch}]",
            "tileloadd tmm6, [{weights} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{high1} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{low0} + {pitch}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{low1} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{high0} + {pitch}]",
            "tileloadd tmm6, [{weights} + {line} + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{weights} + {line} + 3072]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{high1} + {pitch}]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            high0 = in(reg) high[0], high1 = in(reg) high[1], low0 = in(reg) low[0], low1 = in(reg) low[1],
            pitch = in(reg) 2 * pitch, weights = in(reg) weights, line = in(reg) 64usize,
            options(nostack, readonly, preserves_flags)
        );
    }
}

/// Rows as tiles of nearly equal height. The last is one of the highest, so that reading all tiles at that height reads
/// no row behind the last.
#[derive(Clone, Copy)]
struct Tiles {
    rows: usize,
    count: usize,
}

impl Tiles {
    fn new(rows: usize) -> Self {
        Self { rows, count: rows.div_ceil(TILE) }
    }

    fn height(&self) -> usize {
        self.rows.div_ceil(self.count.max(1))
    }

    fn tile(&self, index: usize) -> Range<usize> {
        self.rows * index / self.count..self.rows * (index + 1) / self.count
    }

    /// Two and two of an item's; of an odd number, the last alone.
    fn pairs(&self, task: &Task<'_>) -> Vec<Pair> {
        let pair = |item: usize, index: usize| {
            let first = self.tile(index);
            let end = if index + 1 < self.count { self.tile(index + 1).end } else { first.end };
            let start = item * task.items.rows + first.start;
            let cursor = task.sink.cursor(first.start, item * task.items.positions);
            Pair { start, height: first.len(), rows: end - first.start, cursor }
        };
        let of_item = |item: usize| (0..self.count).step_by(2).map(move |index| pair(item, index));
        (0..task.items.count).flat_map(of_item).collect()
    }
}
