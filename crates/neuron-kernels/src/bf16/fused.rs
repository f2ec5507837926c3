//! Both arithmetics with fused multiply-adds of f32, for machines without instructions for bf16 numbers.
use super::arithmetic::Bf16Arithmetic::{self, Pairs, Tiles};
use super::number::widen;
use super::packed::{PANEL, STEP, STEP_NUMBERS, TILE_COLUMNS, TILE_NUMBERS};
use super::task::{Task, products};

/// Rows at a time.
const ROWS: usize = 2;
/// Columns at a time.
const COLUMNS: usize = TILE_COLUMNS;

/// Compiles [`product`] of an arithmetic for each instruction set.
macro_rules! fused {
    ($module:ident, $arithmetic:ident) => {
        pub(super) mod $module {
            use super::*;

            /// # Safety
            /// As for [`product`]; and the machine must have the instruction set.
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]
            pub(in super::super) unsafe fn avx512(task: &Task<'_>) {
                // SAFETY: the caller's promise.
                unsafe { product(task, $arithmetic) }
            }

            /// # Safety
            /// As for [`avx512`].
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            pub(in super::super) unsafe fn avx2(task: &Task<'_>) {
                // SAFETY: the caller's promise.
                unsafe { product(task, $arithmetic) }
            }

            /// # Safety
            /// As for [`product`].
            pub(in super::super) unsafe fn portable(task: &Task<'_>) {
                // SAFETY: the caller's promise.
                unsafe { product(task, $arithmetic) }
            }
        }
    };
}

fused!(tiles, Tiles);
fused!(pairs, Pairs);

/// All rows times all panels.
///
/// # Safety
/// The runs must be readable for all rows, and no other task may write this one's rows and columns.
#[inline(always)]
unsafe fn product(task: &Task<'_>, arithmetic: Bf16Arithmetic) {
    for panel in task.panels.clone() {
        for first in (0..task.rows).step_by(ROWS) {
            let mut sums = [[0f32; PANEL]; ROWS];
            let count = ROWS.min(task.rows - first);
            // A missing row is computed like the one before, and dropped.
            let rows: [usize; ROWS] = std::array::from_fn(|row| first + row.min(count - 1));
            for tile in 0..PANEL / COLUMNS {
                // SAFETY: the caller's promise.
                let tile_sums = unsafe { tile_sums(task, arithmetic, rows, [panel, tile]) };
                for (sums, tile_sums) in sums.iter_mut().zip(tile_sums) {
                    sums[tile * COLUMNS..][..COLUMNS].copy_from_slice(&tile_sums);
                }
            }
            for (row, sums) in sums.iter().enumerate().take(count) {
                // SAFETY: the caller's promise.
                unsafe { task.sink.finish(first + row, (panel * PANEL).min(task.sink.columns), sums) };
            }
        }
    }
}

/// # Safety
/// As for [`product`].
#[inline(always)]
unsafe fn tile_sums(
    task: &Task<'_>,
    arithmetic: Bf16Arithmetic,
    rows: [usize; ROWS],
    [panel, tile]: [usize; 2],
) -> [[f32; COLUMNS]; ROWS] {
    let weights = task.weights.panel(panel);
    let bias = &task.bias[panel * PANEL + tile * COLUMNS..][..COLUMNS];
    let mut sums: [[f32; COLUMNS]; ROWS] = [std::array::from_fn(|column| bias[column]); ROWS];
    let len = task.weights.step_len();
    for run in task.runs {
        let steps = weights[run.steps.start * len..run.steps.end * len].chunks_exact(len);
        for (index, step) in steps.enumerate() {
            for [low_row, low_weight] in products(task.weights.terms) {
                let offset = index * STEP + if *low_row { run.low } else { 0 };
                let weights =
                    &step[if *low_weight { STEP_NUMBERS } else { 0 } + tile * TILE_NUMBERS..][..TILE_NUMBERS];
                let row = |row: usize| run.start.wrapping_add(rows[row] * run.pitch + offset);
                // SAFETY: the rows' steps are readable, by the caller's promise.
                let numbers: [&[u16; STEP]; ROWS] =
                    std::array::from_fn(|index| unsafe { &*row(index).cast() });
                let weights = weights.try_into().expect("a tile of weights");
                match arithmetic {
                    Tiles => add_tile_step(numbers, weights, &mut sums),
                    Pairs => add_pairs(numbers, weights, run.pairs(index), &mut sums),
                }
            }
        }
    }
    sums
}

/// Adds 32 products of every row and column to sums of their own, and these to the others.
#[inline(always)]
fn add_tile_step(
    rows: [&[u16; STEP]; ROWS],
    weights: &[u16; TILE_NUMBERS],
    sums: &mut [[f32; COLUMNS]; ROWS],
) {
    let mut even = [[0f32; COLUMNS]; ROWS];
    let mut odd = [[0f32; COLUMNS]; ROWS];
    for pair in 0..STEP / 2 {
        let [evens, odds] = factors(weights, pair);
        for (index, row) in rows.iter().enumerate() {
            let [first, second] = [widen(row[2 * pair]), widen(row[2 * pair + 1])];
            for column in 0..COLUMNS {
                even[index][column] = first.mul_add(evens[column], even[index][column]);
                odd[index][column] = second.mul_add(odds[column], odd[index][column]);
            }
        }
    }
    for ((sums, even), odd) in sums.iter_mut().zip(&even).zip(&odd) {
        for column in 0..COLUMNS {
            sums[column] += even[column] + odd[column];
        }
    }
}

/// Adds so many pairs of products of every row and column one by one, of each pair the second one first.
#[inline(always)]
fn add_pairs(
    rows: [&[u16; STEP]; ROWS],
    weights: &[u16; TILE_NUMBERS],
    pairs: usize,
    sums: &mut [[f32; COLUMNS]; ROWS],
) {
    for pair in 0..pairs.min(STEP / 2) {
        let [evens, odds] = factors(weights, pair);
        for (row, sums) in rows.iter().zip(&mut *sums) {
            let [first, second] = [widen(row[2 * pair]), widen(row[2 * pair + 1])];
            for column in 0..COLUMNS {
                sums[column] = first.mul_add(evens[column], second.mul_add(odds[column], sums[column]));
            }
        }
    }
}

/// The weights of a pair of depths: those of the first, and those of the second.
#[inline(always)]
fn factors(weights: &[u16; TILE_NUMBERS], pair: usize) -> [[f32; COLUMNS]; 2] {
    let pairs = weights[pair * 2 * COLUMNS..][..2 * COLUMNS].as_chunks::<2>().0;
    [0, 1].map(|member| std::array::from_fn(|column| widen(pairs[column][member])))
}
