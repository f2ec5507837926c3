//! Matrix products on packed panels, in place in whatever memory rows and results lie.
use super::activation::Lines;
use super::block::MatrixMut;
use super::epilogue::{Beside, FullEpilogue};
use super::isa::Isa;
use super::line::finish_beside;
use super::tile::{LINE, Tile, TileKernel};
use std::ops::Range;

/// Rows of A, readable in place: row `r` begins at `r * pitch` and consists of lines of runs with gaps between them.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    /// Distance of rows in values.
    pub(crate) pitch: usize,
    /// Number of lines, and of runs in each. The depth of the product is shared out evenly among them.
    pub(crate) segments: [usize; 2],
    /// Distance of lines in values.
    pub(crate) line: usize,
    /// Values between two runs of a line that do not belong to the row.
    pub(crate) gap: usize,
}

impl<'a> Rows<'a> {
    /// Rows in one piece.
    pub(crate) fn new(data: &'a [f32], pitch: usize) -> Self {
        Self { data, pitch, segments: [1, 1], line: 0, gap: 0 }
    }
}

/// Neighbouring panels of a packed B, `[panel][depth][columns of a panel]`; the last panel of all may be narrow.
#[derive(Clone, Copy)]
pub(crate) struct Panels<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) depth: usize,
}

/// Where a product stands in the sum over all blocks of the depth.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    /// C holds the sums over earlier blocks; otherwise they start from 0.
    pub(crate) resume: bool,
    /// After the last block, what becomes of the sums. The bias begins at C's first column.
    pub(crate) epilogue: Option<FullEpilogue<'a>>,
}

impl<'a> Stage<'a> {
    /// The stage of block `steps` of a product of `depth`: the epilogue follows the last one.
    pub(crate) fn of(steps: &Range<usize>, depth: usize, epilogue: Option<FullEpilogue<'a>>) -> Self {
        Self { resume: steps.start > 0, epilogue: epilogue.filter(|_| steps.end == depth) }
    }
}

/// More values than the largest tile has.
const EDGE: usize = 512;
/// Most tiles a call: so many that a call costs little, so few that their results are still in the first-level cache when a
/// long activation follows.
const TILES: usize = 8;

/// `C (+)= A B`, then the epilogue.
///
/// A panel of B stays in L1 over the rows, which come from L2. C may end within the last panel.
///
/// # Panics
/// If a slice is too short for the others' shapes.
pub(crate) fn gemm(isa: &Isa, a: Rows<'_>, b: Panels<'_>, c: &mut MatrixMut<'_>, stage: Stage<'_>) {
    let (rows, panels) = (c.rows, c.columns.div_ceil(isa.panel));
    if rows == 0 || panels == 0 {
        return;
    }
    let [outer, inner] = a.segments;
    let run = b.depth / (outer * inner);
    assert_eq!(run * outer * inner, b.depth, "a depth in {:?} runs", a.segments);
    assert!(b.data.len() >= isa.padded(c.columns) * b.depth, "{panels} panels of depth {}", b.depth);
    let last = (rows - 1) * a.pitch + (outer - 1) * a.line + (inner - 1) * (run + a.gap) + run;
    assert!(last <= a.data.len(), "{rows} rows of depth {}", b.depth);
    let end = c.offset + (rows - 1) * c.pitch + c.columns;
    if let Some(epilogue) = &stage.epilogue {
        assert!(epilogue.bias.len() >= c.columns, "bias of {} columns", c.columns);
        epilogue.check_covers(end);
    }
    for panel in 0..panels {
        let column = panel * isa.panel;
        let width = isa.panel_for(c.columns - column);
        let kernels = if width == isa.panel { isa.tiles } else { isa.narrow_tiles };
        let packed = b.data[column * b.depth..].as_ptr();
        let next = packed.wrapping_add(b.depth * width);
        let whole = c.columns - column >= width;
        // Tiles of nearly equal height, of two heights: a thin last one would waste most of its registers.
        let count = rows.div_ceil(kernels.len());
        let (height, taller) = (rows / count, rows % count);
        let (mut row, mut index) = (0, 0);
        while index < count {
            let (height, last) = if index < taller { (height + 1, taller) } else { (height, count) };
            let tiles = if whole { (last - index).min(TILES) } else { 1 };
            let at = row * c.pitch + column;
            let tile = Tile {
                tiles,
                a: a.data[row * a.pitch..].as_ptr(),
                a_pitch: a.pitch,
                segments: a.segments,
                run,
                line: a.line,
                gap: a.gap,
                b: packed,
                c: c.start.wrapping_add(at),
                c_pitch: c.pitch,
                resume: stage.resume,
                epilogue: stage.epilogue.map(|epilogue| epilogue.raw().offset(column, c.offset + at)),
                // The next panel, or the next block of the depth.
                ahead: next.wrapping_add(index * b.depth * LINE),
                ahead_end: next.wrapping_add(b.depth * width),
            };
            let kernel = kernels[height - 1];
            if whole {
                // SAFETY: the instruction set was detected; the tiles' rows of A, a panel of B and of the bias are in
                // bounds as asserted, C's are exclusively borrowed, and the epilogue's slices reach as far as C does.
                unsafe { kernel(&tile) };
                if let Some(epilogue) = &stage.epilogue {
                    let lines = Lines { count: tiles * height, pitch: c.pitch, len: width };
                    // SAFETY: as for the tiles.
                    unsafe { epilogue.later().finish(isa.activate, tile.c, lines) };
                }
            } else {
                edge(isa, (kernel, height, width), &tile, c, (row, column), stage);
            }
            row += tiles * height;
            index += tiles;
        }
    }
}

/// A tile that ends within a panel: computed beside C, then finished into it.
fn edge(
    isa: &Isa,
    (kernel, height, width): (TileKernel, usize, usize),
    tile: &Tile,
    c: &mut MatrixMut<'_>,
    (row, column): (usize, usize),
    stage: Stage<'_>,
) {
    let columns = column..c.columns;
    let mut sums = [0f32; EDGE];
    assert!(height * width <= EDGE && columns.len() < width);
    if stage.resume {
        for (r, sums) in sums.chunks_exact_mut(width).take(height).enumerate() {
            sums[..columns.len()].copy_from_slice(c.values(row + r, columns.clone()).0);
        }
    }
    let beside = Tile { c: sums.as_mut_ptr(), c_pitch: width, epilogue: None, ..*tile };
    // SAFETY: as for a whole tile, with `sums` for C.
    unsafe { kernel(&beside) };
    let Some(epilogue) = &stage.epilogue else {
        for (r, sums) in sums.chunks_exact(width).take(height).enumerate() {
            c.values(row + r, columns.clone()).0.copy_from_slice(&sums[..columns.len()]);
        }
        return;
    };
    let beside = Beside {
        sums: sums.as_ptr(),
        sums_pitch: width,
        output: tile.c,
        lines: Lines { count: height, pitch: c.pitch, len: columns.len() },
        epilogue: epilogue.raw().offset(column, c.offset + row * c.pitch + column),
    };
    // SAFETY: the instruction set was detected; the bias and the epilogue's slices reach as far as C does, as asserted for
    // all tiles, and C is exclusively borrowed.
    unsafe { finish_beside(isa, &beside, epilogue) };
}
