//! Depthwise convolutions: every channel has a kernel of its own.
//!
//! A product over channels would multiply the zeros between them. Vectors of channels are multiplied place by place
//! instead, some positions of a line at a time.
use crate::direct::Sampling;
use crate::microkernel::{
    Axis, BlockMut, Buffer, FullEpilogue, Isa, Positions, Split, Windows, convolve_strip, copy_strip,
    with_scratch,
};
use crate::shape::View;
use std::ops::Range;

/// Bytes of input a task: they stay in the second-level cache while they are read once for every kernel row.
const TASK_BYTES: usize = 192 << 10;
/// Where there is enough to do: a thread that starts late, or shares its core, then holds up the others by little.
const TASKS_A_THREAD: usize = 8;
/// Channels a task at least, where there are as many: what lies together is read together.
const CHANNELS: usize = 128;

/// The kernels of all channels, packed, and how far apart their places lie.
#[derive(Debug)]
pub(super) struct Depthwise {
    isa: &'static Isa,
    channels: usize,
    /// Height and width.
    kernel: [usize; 2],
    dilation: [usize; 2],
    /// `[strip of channels][kernel row, kernel column][channel of the strip]`, the last strip filled up with zeros.
    weight: Buffer,
}

/// The positions of an output that one set of kernels computes: those of `first`, `first + step`, and so on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) first: [usize; 2],
    pub(super) step: [usize; 2],
}

impl Grid {
    /// All positions.
    pub(super) const WHOLE: Self = Self { first: [0; 2], step: [1; 2] };

    /// How many of the first `len` positions along an axis belong to it.
    fn before(&self, axis: usize, len: usize) -> usize {
        len.saturating_sub(self.first[axis]).div_ceil(self.step[axis])
    }
}

/// A set of kernels, where they read for the positions of a grid, and the grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) kernels: &'a Depthwise,
    /// By the positions of the grid.
    pub(super) stride: [usize; 2],
    pub(super) origin: [isize; 2],
    pub(super) grid: Grid,
}

impl Depthwise {
    /// Packs `weight(channel, [kernel row, kernel column])`.
    pub(super) fn new(
        isa: &'static Isa,
        channels: usize,
        [kernel, dilation]: [[usize; 2]; 2],
        weight: impl Fn(usize, [usize; 2]) -> f32,
    ) -> Self {
        let taps = kernel[0] * kernel[1];
        let mut packed = Buffer::zeros(channels.next_multiple_of(isa.panel) * taps);
        for channel in 0..channels {
            let strip = channel / isa.panel * taps;
            for tap in 0..taps {
                packed[(strip + tap) * isa.panel + channel % isa.panel] =
                    weight(channel, [tap / kernel[1], tap % kernel[1]]);
            }
        }
        Self { isa, channels, kernel, dilation, weight: packed }
    }

    /// Overwrites `output` `[batch, positions, channels]`.
    pub(super) fn forward(
        &self,
        input: View<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let Sampling { stride, origin, positions } = *sampling;
        let part = Part { kernels: self, stride, origin, grid: Grid::WHOLE };
        run(self.isa, input, &[part], positions, epilogue, output);
    }
}

/// Overwrites `output` `[batch, height, width, channels]`, which the grids of the parts cover.
pub(super) fn run(
    isa: &'static Isa,
    input: View<'_>,
    parts: &[Part<'_>],
    [height, width]: [usize; 2],
    epilogue: &FullEpilogue<'_>,
    output: &mut [f32],
) {
    if output.is_empty() {
        return;
    }
    let channels = input.channels;
    let (lines, group) = cut(isa, input, parts, height);
    let split = Split::new(
        [
            Axis::whole(input.batch, height * width * channels).every(1),
            Axis::whole(height, width * channels).every(lines),
            Axis::whole(width, channels),
            Axis::whole(channels, 1).every(group),
        ],
        3,
    );
    split.for_each(output, |_, mut cell| {
        let epilogue = epilogue.at_column(cell.first[3]);
        parts.iter().for_each(|part| part.compute(input, &epilogue, &mut cell));
    });
}

/// Output lines and channels a task. Whatever they are, no bit depends on them.
fn cut(isa: &Isa, input: View<'_>, parts: &[Part<'_>], height: usize) -> (usize, usize) {
    let threads = neuron_threads::threads();
    let wanted = if threads == 1 { 1 } else { TASKS_A_THREAD * threads };
    let step = parts.iter().map(|part| part.grid.step[0]).max().unwrap_or(1);
    let reach = parts.iter().map(|part| part.kernels.reach(0)).max().unwrap_or(1);
    let strips = input.channels.div_ceil(isa.panel);
    let (mut lines, mut group) = (height.next_multiple_of(step), strips);
    loop {
        let seen = lines * input.height / height.max(1) + reach;
        let bytes = seen * input.width * group * isa.panel * size_of::<f32>();
        let tasks = input.batch * height.div_ceil(lines) * strips.div_ceil(group);
        if bytes <= TASK_BYTES && tasks >= wanted {
            break;
        }
        // Few lines would read their neighbours' again and again, few channels less than what memory gives at a time.
        if group * isa.panel > CHANNELS {
            group = group.div_ceil(2);
        } else if lines > 4 * step {
            lines = (lines / 2).next_multiple_of(step);
        } else if group > 1 {
            group = group.div_ceil(2);
        } else {
            break;
        }
    }
    (lines, group * isa.panel)
}

impl Depthwise {
    /// Lines or columns of the input from a window's first to its last.
    fn reach(&self, axis: usize) -> usize {
        self.kernel[axis].saturating_sub(1) * self.dilation[axis] + 1
    }

    fn strip(&self, channel: usize) -> &[f32] {
        let len = self.kernel[0] * self.kernel[1] * self.isa.panel;
        &self.weight[channel / self.isa.panel * len..][..len]
    }
}

impl Part<'_> {
    /// Computes the part's positions in a cell.
    fn compute(&self, input: View<'_>, epilogue: &FullEpilogue<'_>, cell: &mut BlockMut<'_>) {
        let (Grid { first, step }, [_, top, _, from]) = (self.grid, cell.first);
        let lines = self.grid.before(0, top)..self.grid.before(0, top + cell.extent[1]);
        let columns = self.grid.before(1, cell.extent[2]);
        if lines.is_empty() || columns == 0 {
            return;
        }
        let isa = self.kernels.isa;
        let padded = Padded::new(self, input, lines.clone(), columns);
        with_scratch(padded.len(isa), |scratch| {
            padded.clear_borders(isa, scratch);
            for channel in (from..from + cell.extent[3]).step_by(isa.panel) {
                padded.fill(isa, input, cell.first[0], channel, scratch);
                for line in lines.clone() {
                    let positions = Positions {
                        line: first[0] + line * step[0] - top,
                        column: first[1],
                        count: columns,
                        step: step[1],
                        channel: channel - from,
                    };
                    let windows = padded.windows(self, input, line, channel, scratch);
                    convolve_strip(isa, &windows, epilogue, cell, positions);
                }
            }
        });
    }

    /// The kernel rows with which line `line` of the grid sees lines of the map.
    fn rows(&self, line: usize, height: usize) -> Range<usize> {
        let Depthwise { kernel, dilation, .. } = *self.kernels;
        let start = (line * self.stride[0]) as isize + self.origin[0];
        // The first row whose line is not before `end`.
        let first_from = |end: isize| {
            let steps = (end - start).max(0) as usize;
            steps.div_ceil(dilation[0]).min(kernel[0])
        };
        first_from(0)..first_from(height as isize)
    }
}

/// A strip of an input with its border: the lines that some lines of the output see, with zeros beside them. Above and
/// below there are none, as kernel rows without an input line are left out.
struct Padded {
    /// Of the input.
    lines: Range<usize>,
    /// Columns of a line in the copy, and the column of the input with which it begins.
    width: usize,
    left: isize,
    /// Columns of the copy that hold input.
    inside: Range<usize>,
}

impl Padded {
    fn new(part: &Part<'_>, input: View<'_>, lines: Range<usize>, columns: usize) -> Self {
        let Part { kernels, stride, origin, .. } = part;
        let at = |line: usize| (line * stride[0]) as isize + origin[0];
        let clip = |at: isize, len: usize| at.clamp(0, len as isize) as usize;
        let reach = [0, 1].map(|axis| kernels.reach(axis));
        let start = clip(at(lines.start), input.height);
        let end = clip(at(lines.end - 1) + reach[0] as isize, input.height);
        let (width, left) = ((columns - 1) * stride[1] + reach[1], origin[1]);
        let inside = clip(-left, width)..clip(input.width as isize - left, width);
        Self { lines: start..end.max(start), width, left, inside: inside.start..inside.end.max(inside.start) }
    }

    fn len(&self, isa: &Isa) -> usize {
        self.lines.len() * self.width * isa.panel
    }

    fn clear_borders(&self, isa: &Isa, scratch: &mut [f32]) {
        for line in scratch[..self.len(isa)].chunks_exact_mut(self.width * isa.panel) {
            line[..self.inside.start * isa.panel].fill(0.0);
            line[self.inside.end * isa.panel..].fill(0.0);
        }
    }

    /// Copies the strip that begins at `channel`.
    fn fill(&self, isa: &Isa, input: View<'_>, item: usize, channel: usize, scratch: &mut [f32]) {
        let pitch = input.width * input.channels;
        let pixels = |column: usize| (column as isize + self.left) as usize;
        if self.inside.is_empty() {
            return;
        }
        let pixels = pixels(self.inside.start)..pixels(self.inside.end);
        let lines = scratch[..self.len(isa)].chunks_exact_mut(self.width * isa.panel);
        for (line, to) in self.lines.clone().zip(lines) {
            let from = &input.data[(item * input.height + line) * pitch..][..pitch];
            let to = &mut to[self.inside.start * isa.panel..];
            copy_strip(isa, (from, input.channels), pixels.clone(), channel, to);
        }
    }

    /// What line `line` of the grid sees of the copy.
    fn windows<'a>(
        &self,
        part: &Part<'a>,
        input: View<'_>,
        line: usize,
        channel: usize,
        scratch: &'a [f32],
    ) -> Windows<'a> {
        let Depthwise { isa, kernel, dilation, .. } = *part.kernels;
        let rows = part.rows(line, input.height);
        let pitch = self.width * isa.panel;
        let seen = (line * part.stride[0] + rows.start * dilation[0]) as isize + part.origin[0];
        let seen = if rows.is_empty() { 0 } else { seen as usize - self.lines.start };
        Windows {
            data: &scratch[..self.len(isa)],
            start: seen * pitch,
            position: part.stride[1] * isa.panel,
            column: dilation[1] * isa.panel,
            row: dilation[0] * pitch,
            kernel: [rows.len(), kernel[1]],
            weight: &part.kernels.strip(channel)[rows.start * kernel[1] * isa.panel..],
        }
    }
}
