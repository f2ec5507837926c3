//! Depthwise convolutions of a strip of channels, on slices.
use super::activation::Lines;
use super::block::BlockMut;
use super::depthwise::Strip;
use super::epilogue::FullEpilogue;
use super::isa::Isa;
use super::line::apply_to_line;
use std::ops::Range;

/// What windows see, each of them in whole strips of channels.
#[derive(Clone, Copy)]
pub(crate) struct Windows<'a> {
    pub(crate) data: &'a [f32],
    /// Where the first position's window begins.
    pub(crate) start: usize,
    /// Distances of neighbouring positions' windows, of kernel columns and of kernel rows.
    pub(crate) position: usize,
    pub(crate) column: usize,
    pub(crate) row: usize,
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    /// `[kernel row, kernel column, channel of the strip]`
    pub(crate) weight: &'a [f32],
}

/// Some positions of a line of a block, whose axes are `[item, line, column, channel]`.
#[derive(Clone, Copy)]
pub(crate) struct Positions {
    pub(crate) line: usize,
    /// The first column, how many columns there are, and how far they are apart.
    pub(crate) column: usize,
    pub(crate) count: usize,
    pub(crate) step: usize,
    /// Where a strip begins among the block's channels; it may reach beyond them.
    pub(crate) channel: usize,
}

/// More values than the largest tile has.
const EDGE: usize = 512;

/// The sums of windows with the epilogue that begins at the block's first channel.
///
/// # Panics
/// If a slice is too short or the positions are not in the block.
pub(crate) fn convolve_strip(
    isa: &Isa,
    windows: &Windows<'_>,
    epilogue: &FullEpilogue<'_>,
    block: &mut BlockMut<'_>,
    at: Positions,
) {
    let Positions { line, column, count, step, channel } = at;
    if count == 0 {
        return;
    }
    let Windows { data, start, kernel: [rows, columns], .. } = *windows;
    let last = (count - 1) * windows.position
        + rows.saturating_sub(1) * windows.row
        + columns.saturating_sub(1) * windows.column;
    let seen = if rows * columns > 0 { start + last + isa.panel } else { start };
    assert!(seen <= data.len(), "windows up to {seen} of {} values", data.len());
    assert!(windows.weight.len() >= rows * columns * isa.panel, "weights of {rows} x {columns} places");
    let (_, first) = block.line([0, line, column, 0]);
    let (end, behind) = block.line([0, line, column + (count - 1) * step, 0]);
    let behind = behind + end.len();
    let channels = end.len() - channel;
    assert!(epilogue.bias.len() >= end.len(), "bias of {} channels", end.len());
    epilogue.check_covers(behind);
    let pitch = step * block.pitch[2];
    let output = block.start.wrapping_add(first - block.offset + channel);
    let raw = epilogue.raw().offset(channel, first + channel);
    let tiles = count.div_ceil(isa.strips.len());
    let mut done = 0;
    for index in 0..tiles {
        // Tiles of nearly equal width, as for a product.
        let width = (count - done).div_ceil(tiles - index);
        let strip = Strip {
            input: data[start..].as_ptr().wrapping_add(done * windows.position),
            position: windows.position,
            column: windows.column,
            row: windows.row,
            kernel: windows.kernel,
            weight: windows.weight.as_ptr(),
            output: output.wrapping_add(done * pitch),
            pitch,
            epilogue: Some(raw.offset(0, done * pitch)),
        };
        let kernel = isa.strips[width - 1];
        if channels >= isa.panel {
            let lines = Lines { count: width, pitch, len: isa.panel };
            // SAFETY: the instruction set was detected; windows, weights and the epilogue's slices are in bounds as
            // asserted, and the positions lie in the block, which is exclusively borrowed.
            unsafe {
                kernel(&strip);
                epilogue.later().finish(isa, strip.output, lines);
            }
        } else {
            let mut sums = [0f32; EDGE];
            assert!(width * isa.panel <= EDGE);
            let beside = Strip { output: sums.as_mut_ptr(), pitch: isa.panel, epilogue: None, ..strip };
            // SAFETY: as above, with `sums` for the output.
            unsafe { kernel(&beside) };
            let epilogue = epilogue.at_column(channel);
            for (position, sums) in sums.chunks_exact(isa.panel).take(width).enumerate() {
                let (values, at) = block.line([0, line, column + (done + position) * step, 0]);
                apply_to_line(isa, sums, &epilogue, (&mut values[channel..], at + channel));
            }
        }
        done += width;
    }
}

/// The strip that begins at `channel`, of some pixels of `channels` values each, one behind the other; 0 where there are no
/// such channels.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn copy_strip(
    isa: &Isa,
    (line, channels): (&[f32], usize),
    pixels: Range<usize>,
    channel: usize,
    to: &mut [f32],
) {
    let (count, len) = (isa.panel.min(channels - channel), pixels.len());
    assert!(pixels.end * channels <= line.len() && len * isa.panel <= to.len(), "{pixels:?} of a line");
    if len > 0 {
        let from = line[pixels.start * channels + channel..].as_ptr();
        // SAFETY: the instruction set was detected; pixels and strips are in bounds as asserted.
        unsafe { (isa.copy_strip)(from, channels, count, to.as_mut_ptr(), len) };
    }
}
