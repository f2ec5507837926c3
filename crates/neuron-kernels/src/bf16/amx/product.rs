//! All blocks of a task, one after the other.
use super::super::epilogue::Finish;
use super::super::number::Terms;
use super::super::packed::{PANEL, STEP, STEP_NUMBERS};
use super::super::task::{TILE, Task};
use super::pending::{Block, Pending};
use super::rows::{Pair, Tiles};
use super::steps::{self, Rows};
use super::unit::{Shapes, TileUnit};

/// All rows times all panels.
///
/// # Safety
/// The machine must have the unit, and AVX-512 with its instructions for bf16 numbers. The runs must be readable for all
/// rows, and no other task may write this one's rows and columns.
pub(super) unsafe fn product(task: &Task<'_>, mut unit: impl TileUnit) {
    if task.rows == 0 {
        return;
    }
    let shapes = Shapes::new(Tiles::new(task.rows).height());
    // SAFETY: the caller's promise.
    unsafe {
        unit.configure(&shapes);
        blocks(task, &mut unit);
        unit.release();
    }
}

/// Blocks of rows and panels.
///
/// The processor looks about 500 instructions ahead, and loading a tile takes 16 of them: whatever is known before the
/// first block is computed there.
///
/// # Safety
/// As for [`product`], with the unit configured.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn blocks(task: &Task<'_>, unit: &mut impl TileUnit) {
    let pairs = Tiles::new(task.rows).pairs(task);
    let steps = task.steps().max(1);
    let finish = Finish::new(&task.sink);
    let finish = (&task.sink, &finish);
    // Tile stores are not forwarded to vector loads: the epilogue runs two blocks behind.
    let mut memory = [const { Block::ZERO }; 3];
    let memory = memory.each_mut().map(Block::start);
    let mut pending: [Pending; 3] = Default::default();
    let mut newest = 0;
    for [pair, panel] in task.order(pairs.len()) {
        let pair = &pairs[pair];
        let oldest = (newest + 1) % 3;
        let (done, sums) = (&mut pending[oldest], memory[oldest]);
        let rate = done.rows.div_ceil(steps);
        // SAFETY: the caller's promise.
        let beside = |rows: usize| unsafe { done.advance(finish, sums, rows) };
        let (place, beside) = ((pair, panel, memory[newest]), (rate, beside));
        // SAFETY: the caller's promise.
        unsafe {
            match (task.weights.terms, pair.rows > pair.height) {
                (Terms::One, false) => block::<false, false>(task, unit, place, beside),
                (Terms::One, true) => block::<false, true>(task, unit, place, beside),
                (Terms::Two, false) => block::<true, false>(task, unit, place, beside),
                (Terms::Two, true) => block::<true, true>(task, unit, place, beside),
            }
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

/// All products of one or two tiles of rows and a panel, into `sums`; beside each step, so many rows of an earlier block are
/// finished, and at the end those that are left of it.
///
/// # Safety
/// As for [`product`], with the unit configured, and room for four tiles of sums.
#[inline(always)]
unsafe fn block<const TWO_TERMS: bool, const TWO_TILES: bool>(
    task: &Task<'_>,
    unit: &mut impl TileUnit,
    (pair, panel, sums): (&Pair, usize, *mut f32),
    (rate, mut beside): (usize, impl FnMut(usize)),
) {
    let weights = task.weights.panel(panel).as_ptr();
    let step_len = if TWO_TERMS { 2 * STEP_NUMBERS } else { STEP_NUMBERS };
    // SAFETY: the caller's promise; panels are as long as they say, and so are biases.
    unsafe {
        steps::begin::<TWO_TILES>(unit, task.bias.as_ptr().add(panel * PANEL));
        for run in task.runs {
            let first = run.start.wrapping_add(pair.start * run.pitch);
            let second = first.wrapping_add(pair.height * run.pitch);
            let mut rows = Rows { first, second, low: run.low, pitch: run.pitch * size_of::<u16>() };
            let mut weights = weights.wrapping_add(run.steps.start * step_len);
            for _ in run.steps.clone() {
                match (TWO_TERMS, TWO_TILES) {
                    (false, false) => steps::one_tile(unit, rows, weights),
                    (false, true) => steps::two_tiles(unit, rows, weights),
                    (true, false) => steps::one_tile_of_two_terms(unit, rows, weights),
                    (true, true) => steps::two_tiles_of_two_terms(unit, rows, weights),
                }
                beside(rate);
                rows.first = rows.first.wrapping_add(STEP);
                rows.second = rows.second.wrapping_add(STEP);
                weights = weights.wrapping_add(step_len);
            }
        }
        beside(2 * TILE);
        steps::end::<TWO_TILES>(unit, sums);
    }
}
