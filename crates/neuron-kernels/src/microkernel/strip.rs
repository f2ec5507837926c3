//! Depthwise convolutions of a strip of channels, on slices.
use super::activation::Lines;
use super::block::BlockMut;
use super::depthwise::{Copy, Strip};
use super::epilogue::FullEpilogue;
use super::isa::Isa;
use super::line::apply_to_line;

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
    let Positions { first, count, step, channel } = at;
    if count.contains(&0) {
        return;
    }
    let Windows { data, start, kernel, .. } = *windows;
    if !kernel.contains(&0) {
        let reach =
            |axis: usize| (count[axis] - 1) * windows.position[axis] + (kernel[axis] - 1) * windows.tap[axis];
        let end = start + reach(0) + reach(1) + isa.panel;
        assert!(end <= data.len(), "windows up to {end} of {} values", data.len());
    }
    assert!(windows.weight.len() >= kernel[0] * kernel[1] * isa.panel, "weights of {kernel:?} places");
    let last = [0, 1].map(|axis| first[axis] + (count[axis] - 1) * step[axis]);
    let (_, begin) = block.line([0, first[0], first[1], 0]);
    let (values, end) = block.line([0, last[0], last[1], 0]);
    let channels = values.len();
    assert!(channel < channels && epilogue.bias.len() >= channels, "channel {channel} of {channels}");
    epilogue.check_covers(end + channels);
    let pitch = [step[0] * block.pitch[1], step[1] * block.pitch[2]];
    let output = block.start.wrapping_add(begin - block.offset + channel);
    let raw = epilogue.raw().offset(channel, begin + channel);
    let (along, across) = if count[1] >= count[0].min(SHORT) { (1, 0) } else { (0, 1) };
    let tiles = count[along].div_ceil(isa.strips.len());
    for index in 0..count[across] {
        let (mut done, input) = (0, start + index * windows.position[across]);
        for tile in 0..tiles {
            // Tiles of nearly equal width, as for a product.
            let width = (count[along] - done).div_ceil(tiles - tile);
            let at = index * pitch[across] + done * pitch[along];
            let strip = Strip {
                input: data.as_ptr().wrapping_add(input + done * windows.position[along]),
                position: windows.position[along],
                row: windows.tap[0],
                column: windows.tap[1],
                kernel,
                weight: windows.weight.as_ptr(),
                output: output.wrapping_add(at),
                pitch: pitch[along],
                epilogue: Some(raw.offset(0, at)),
            };
            let kernel = isa.strips[width - 1];
            if channels - channel >= isa.panel {
                let lines = Lines { count: width, pitch: pitch[along], len: isa.panel };
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
                    let mut place = [0, first[0], first[1], 0];
                    place[1 + across] += index * step[across];
                    place[1 + along] += (done + position) * step[along];
                    let (values, at) = block.line(place);
                    apply_to_line(isa, sums, &epilogue, (&mut values[channel..], at + channel));
                }
            }
            done += width;
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

/// The strip that begins at `channel` of each pixel; 0 where there are no such channels. `to` begins with the first pixel's,
/// its lines are `line` values apart.
///
/// # Panics
/// If a slice is too short.
pub(crate) fn copy_strip(isa: &Isa, pixels: Pixels<'_>, channel: usize, to: &mut [f32], line: usize) {
    let Pixels { data, channels, first, line: lines_apart, extent } = pixels;
    if extent.contains(&0) {
        return;
    }
    let last = first + (extent[0] - 1) * lines_apart + extent[1];
    let end = (extent[0] - 1) * line + extent[1] * isa.panel;
    assert!(channel < channels && last * channels <= data.len() && end <= to.len(), "{extent:?} pixels");
    let copy = Copy {
        from: data[first * channels + channel..].as_ptr(),
        to: to.as_mut_ptr(),
        extent,
        pitch: [lines_apart * channels, channels],
        line,
        count: isa.panel.min(channels - channel),
    };
    // SAFETY: the instruction set was detected; pixels and strips are in bounds as asserted.
    unsafe { (isa.copy_strip)(&copy) };
}
