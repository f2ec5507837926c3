//! The arithmetic with fused multiply-adds of f32, for machines without matrix instructions.
use super::packed::{PANEL, STEP, STEP_NUMBERS, TILE_COLUMNS, TILE_NUMBERS};
use super::task::{Task, products};

/// Rows at a time.
const ROWS: usize = 2;
/// Columns at a time.
const COLUMNS: usize = TILE_COLUMNS;

/// Compiles [`product`] for an instruction set.
macro_rules! fused {
    ($name:ident $(, #[$enable:meta])?) => {
        /// # Safety
        /// As for [`product`]; and the machine must have the instruction set.
        $(#[$enable])?
        pub(super) unsafe fn $name(task: &Task<'_>) {
            // SAFETY: the caller's promise.
            unsafe { product(task) }
        }
    };
}

#[cfg(target_arch = "x86_64")]
fused!(avx512, #[target_feature(enable = "avx512f,avx512bw,avx512vl,fma")]);
#[cfg(target_arch = "x86_64")]
fused!(avx2, #[target_feature(enable = "avx2,fma")]);
fused!(portable);

/// All rows times all panels.
///
/// # Safety
/// The runs must be readable for all rows, and no other task may write this one's rows and columns.
#[inline(always)]
unsafe fn product(task: &Task<'_>) {
    for panel in task.panels.clone() {
        for first in (0..task.rows).step_by(ROWS) {
            let mut sums = [[0f32; PANEL]; ROWS];
            let count = ROWS.min(task.rows - first);
            // A missing row is computed like the one before, and dropped.
            let rows: [usize; ROWS] = std::array::from_fn(|row| first + row.min(count - 1));
            for tile in 0..PANEL / COLUMNS {
                let bias = &task.bias[panel * PANEL + tile * COLUMNS..][..COLUMNS];
                // SAFETY: the caller's promise.
                let tile_sums = unsafe { tile_sums(task, rows, task.weights.panel(panel), tile, bias) };
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
    rows: [usize; ROWS],
    weights: &[u16],
    tile: usize,
    bias: &[f32],
) -> [[f32; COLUMNS]; ROWS] {
    let mut sums: [[f32; COLUMNS]; ROWS] = [std::array::from_fn(|column| bias[column]); ROWS];
    let len = task.weights.step_len();
    for run in task.runs {
        let steps = weights[run.steps.start * len..run.steps.end * len].chunks_exact(len);
        for (index, step) in steps.enumerate() {
            for [low_row, low_weight] in products(task.weights.terms) {
                let offset = index * STEP + if *low_row { task.low } else { 0 };
                let weights =
                    &step[if *low_weight { STEP_NUMBERS } else { 0 } + tile * TILE_NUMBERS..][..TILE_NUMBERS];
                let row = |row: usize| run.start.wrapping_add(rows[row] * task.pitch + offset);
                // SAFETY: the rows' steps are readable, by the caller's promise.
                let numbers: [&[u16; STEP]; ROWS] =
                    std::array::from_fn(|index| unsafe { &*row(index).cast() });
                add_step(numbers, weights.try_into().expect("a tile of weights"), &mut sums);
            }
        }
    }
    sums
}

/// Adds 32 products of every row and column.
#[inline(always)]
fn add_step(rows: [&[u16; STEP]; ROWS], weights: &[u16; TILE_NUMBERS], sums: &mut [[f32; COLUMNS]; ROWS]) {
    let mut even = [[0f32; COLUMNS]; ROWS];
    let mut odd = [[0f32; COLUMNS]; ROWS];
    for pair in 0..STEP / 2 {
        let mut factors = [[0f32; COLUMNS]; 2];
        let [evens, odds] = &mut factors;
        for ((even, odd), both) in
            evens.iter_mut().zip(odds).zip(weights[pair * 2 * COLUMNS..][..2 * COLUMNS].as_chunks::<2>().0)
        {
            *even = f32::from_bits(u32::from(both[0]) << 16);
            *odd = f32::from_bits(u32::from(both[1]) << 16);
        }
        for (index, row) in rows.iter().enumerate() {
            let first = f32::from_bits(u32::from(row[2 * pair]) << 16);
            let second = f32::from_bits(u32::from(row[2 * pair + 1]) << 16);
            for column in 0..COLUMNS {
                even[index][column] = first.mul_add(factors[0][column], even[index][column]);
                odd[index][column] = second.mul_add(factors[1][column], odd[index][column]);
            }
        }
    }
    for ((sums, even), odd) in sums.iter_mut().zip(&even).zip(&odd) {
        for column in 0..COLUMNS {
            sums[column] += even[column] + odd[column];
        }
    }
}
