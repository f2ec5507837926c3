//! Depthwise convolutions of a strip of channels, on slices.
use super::activation::Lines;
use super::block::BlockMut;
use super::depthwise::{Copy, Strip};
use super::epilogue::{Beside, FullEpilogue};
use super::isa::Isa;
use super::line::finish_beside;

/// What the windows of some lines and columns of positions see, in whole strips of channels.
#[derive(Clone, Copy)]
pub(crate) struct Windows<'a> {
    pub(crate) data: &'a [f32],
    /// Where the first position's window begins.
    pub(crate) start: usize,
    /// Distances of the windows of neighbouring lines and columns.
    pub(crate) position: [usize; 2],
    /// Distances of kernel rows and columns.
    pub(crate) tap: [usize; 2],
    /// Height and width of the kernel.
    pub(crate) kernel: [usize; 2],
    /// `[kernel row, kernel column, channel of the strip]`
    pub(crate) weight: &'a [f32],
}

/// Some positions of a block, whose axes are `[item, line, column, channel]`.
#[derive(Clone, Copy)]
pub(crate) struct Positions {
    /// The first line and column, how many there are, and how far they are apart.
    pub(crate) first: [usize; 2],
    pub(crate) count: [usize; 2],
    pub(crate) step: [usize; 2],
    /// Where a strip begins among the block's channels; it may reach beyond them.
    pub(crate) channel: usize,
}

/// More values than the largest tile has.
const EDGE: usize = 512;
/// Tiles run along lines unless these have fewer positions.
const SHORT: usize = 4;

/// The sums of windows with the epilogue that begins at the block's first channel, for strips of `width` channels.
///
/// # Panics
/// If a slice is too short or the positions are not in the block.
pub(crate) fn convolve_strip(
    isa: &Isa,
    width: usize,
    windows: &Windows<'_>,
    epilogue: &FullEpilogue<'_>,
    block: &mut BlockMut<'_>,
    at: Positions,
) {
    let Positions { first, count, step, channel } = at;
    if count.contains(&0) {
        return;
    }
    let Windows { data, start, position, tap, kernel, weight } = *windows;
    if !kernel.contains(&0) {
        let reach = |axis: usize| (count[axis] - 1) * position[axis] + (kernel[axis] - 1) * tap[axis];
        let end = start + reach(0) + reach(1) + width;
        assert!(end <= data.len(), "windows up to {end} of {} values", data.len());
    }
    assert!(weight.len() >= kernel[0] * kernel[1] * width, "weights of {kernel:?} places");
    let last = [0, 1].map(|axis| first[axis] + (count[axis] - 1) * step[axis]);
    let (_, begin) = block.line([0, first[0], first[1], 0]);
    let (values, end) = block.line([0, last[0], last[1], 0]);
    let channels = values.len();
    assert!(channel < channels && epilogue.bias.len() >= channels, "channel {channel} of {channels}");
    epilogue.check_covers(end + channels);
    let pitch = [step[0] * block.pitch[1], step[1] * block.pitch[2]];
    let (along, across) = if count[1] >= count[0].min(SHORT) { (1, 0) } else { (0, 1) };
    let (kernels, _) = isa.strips(width);
    let raw = epilogue.raw().offset(channel, begin + channel);
    let whole = Strip {
        lines: count[across],
        tiles: 1,
        input: data.as_ptr().wrapping_add(start),
        line: position[across],
        position: position[along],
        row: tap[0],
        column: tap[1],
        kernel,
        weight: weight.as_ptr(),
        output: block.start.wrapping_add(begin - block.offset + channel),
        output_line: pitch[across],
        output_position: pitch[along],
        epilogue: Some(raw),
    };
    // Tiles of nearly equal width, as for a product: of two widths.
    let tiles = count[along].div_ceil(kernels.len());
    let (narrow, wide) = (count[along] / tiles, count[along] % tiles);
    let sizes = [(narrow + 1, wide), (narrow, tiles - wide)];
    let mut done = 0;
    for (size, tiles) in sizes.into_iter().filter(|(_, tiles)| *tiles > 0) {
        let input = whole.input.wrapping_add(done * whole.position);
        if channels - channel >= width {
            let at = done * whole.output_position;
            let strip = Strip {
                tiles,
                input,
                output: whole.output.wrapping_add(at),
                epilogue: Some(raw.offset(0, at)),
                ..whole
            };
            // SAFETY: the instruction set was detected; windows, weights and the epilogue's slices are in bounds as
            // asserted, and the positions lie in the block, which is exclusively borrowed.
            unsafe { kernels[size - 1](&strip) };
        } else {
            let mut sums = [0f32; EDGE];
            assert!(size * width <= EDGE);
            for (line, tile) in (0..whole.lines).flat_map(|line| (0..tiles).map(move |tile| (line, tile))) {
                let skipped = done + tile * size;
                let sums_of = Strip {
                    lines: 1,
                    input: whole.input.wrapping_add(line * whole.line + skipped * whole.position),
                    output: sums.as_mut_ptr(),
                    output_position: width,
                    epilogue: None,
                    ..whole
                };
                let at = line * whole.output_line + skipped * whole.output_position;
                let beside = Beside {
                    sums: sums.as_ptr(),
                    sums_pitch: width,
                    output: whole.output.wrapping_add(at),
                    lines: Lines { count: size, pitch: pitch[along], len: channels - channel },
                    epilogue: raw.offset(0, at),
                };
                // SAFETY: as above, with `sums` for the output of the kernel, and the channels that there are.
                unsafe {
                    kernels[size - 1](&sums_of);
                    finish_beside(isa, &beside, epilogue);
                }
            }
        }
        done += size * tiles;
    }
    if channels - channel >= width {
        let lines = Lines { count: count[along], pitch: pitch[along], len: width };
        for line in 0..whole.lines {
            // SAFETY: as above.
            unsafe {
                epilogue.later().finish(isa.activate, whole.output.wrapping_add(line * pitch[across]), lines);
            }
        }
    }
}

/// Pixels of a map of `channels` channels a pixel.
#[derive(Clone, Copy)]
pub(crate) struct Pixels<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) channels: usize,
    /// Index of the first pixel, the distance of lines in pixels, and how many lines and pixels of each.
    pub(crate) first: usize,
    pub(crate) line: usize,
    pub(crate) extent: [usize; 2],
}

/// The strip of `width` channels that begins at `channel` of each pixel; 0 where there are no such channels. `to` begins with
/// the first pixel's, its lines are `line` values apart.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn copy_strip(
    isa: &Isa,
    width: usize,
    pixels: Pixels<'_>,
    channel: usize,
    (to, line): (&mut [f32], usize),
) {
    let Pixels { data, channels, first, line: lines_apart, extent } = pixels;
    if extent.contains(&0) {
        return;
    }
    let last = first + (extent[0] - 1) * lines_apart + extent[1];
    let end = (extent[0] - 1) * line + extent[1] * width;
    assert!(channel < channels && last * channels <= data.len() && end <= to.len(), "{extent:?} pixels");
    let copy = Copy {
        from: data[first * channels + channel..].as_ptr(),
        to: to.as_mut_ptr(),
        extent,
        pitch: [lines_apart * channels, channels],
        line,
        count: width.min(channels - channel),
    };
    let (_, kernel) = isa.strips(width);
    // SAFETY: the instruction set was detected; pixels and strips are in bounds as asserted.
    unsafe { kernel(&copy) };
}
