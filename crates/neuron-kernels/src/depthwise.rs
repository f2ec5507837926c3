//! Depthwise convolutions: every channel has a kernel of its own.
//!
//! A product over channels would multiply the zeros between them. Vectors of channels are multiplied place by place
//! instead, some positions of a line at a time.
use crate::direct::Sampling;
use crate::microkernel::{
    Axis, BlockMut, Buffer, FullEpilogue, Isa, Pixels, Positions, Split, Windows, convolve_strip, copy_strip,
    with_scratch,
};
use crate::shape::View;
use crate::tasks;
use std::ops::Range;

/// Bytes of input a task: they stay in the second-level cache while they are read once for every kernel row.
const TASK_BYTES: usize = 192 << 10;

/// The kernels of all channels, packed, and how far apart their places lie.
#[derive(Debug)]
pub(super) struct Depthwise {
    isa: &'static Isa,
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
        Self { isa, kernel, dilation, weight: packed }
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
    let wanted = tasks::wanted();
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
        if group * isa.panel > tasks::CHANNELS {
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
        let ([item, top, _, from], [_, lines, columns, count]) = (cell.first, cell.extent);
        let lines = self.grid.before(0, top)..self.grid.before(0, top + lines);
        let columns = self.grid.before(1, columns);
        let isa = self.kernels.isa;
        let runs = self.runs(lines.clone(), input.height);
        let whole = Segment { columns: 0..columns, copy: Some(Border::new(self, input, &lines, 0..columns)) };
        let whole = [whole];
        let in_place = self.segments(input, &lines, columns);
        let segments = in_place.iter().flatten().chain(&whole);
        let scratch = segments.filter_map(|segment| segment.copy.as_ref()).map(|copy| copy.len(isa)).max();
        with_scratch(scratch.unwrap_or(0), |scratch| {
            for channel in (from..from + count).step_by(isa.panel) {
                // The kernels read whole strips.
                let is_whole = channel + isa.panel <= input.channels;
                let segments = in_place.as_ref().filter(|_| is_whole).map_or(&whole[..], |parts| &parts[..]);
                for Segment { columns, copy } in segments {
                    if let Some(copy) = copy {
                        copy.fill(isa, input, item, channel, scratch);
                    }
                    for (lines, rows) in &runs {
                        let windows = match copy {
                            Some(copy) => copy.windows(self, (lines.start, rows), scratch),
                            None => self.windows_in_place(
                                input,
                                item,
                                (lines.start, rows),
                                columns.start,
                                channel,
                            ),
                        };
                        let skipped = rows.start * self.kernels.kernel[1] * isa.panel;
                        let windows = Windows { weight: &self.kernels.strip(channel)[skipped..], ..windows };
                        let Grid { first, step } = self.grid;
                        let positions = Positions {
                            first: [
                                first[0] + lines.start * step[0] - top,
                                first[1] + columns.start * step[1],
                            ],
                            count: [lines.len(), columns.len()],
                            step,
                            channel: channel - from,
                        };
                        convolve_strip(isa, &windows, epilogue, cell, positions);
                    }
                }
            }
        });
    }

    /// Lines of the grid that see lines of the map with the same kernel rows, and these.
    fn runs(&self, lines: Range<usize>, height: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for line in lines {
            let rows = self.rows(line, height);
            match runs.last_mut() {
                Some((lines, same)) if *same == rows => lines.end = line + 1,
                _ => runs.push((line..line + 1, rows)),
            }
        }
        runs
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

    /// The columns of the grid cut into those whose windows lie inside of the map, and those at its border; nothing if a copy
    /// of the whole is cheaper.
    fn segments(&self, input: View<'_>, lines: &Range<usize>, columns: usize) -> Option<[Segment; 3]> {
        let (stride, origin) = (self.stride[1], self.origin[1]);
        let reach = self.kernels.reach(1) as isize;
        let left = ((-origin).max(0) as usize).div_ceil(stride).min(columns);
        let room = input.width as isize - reach - origin;
        let inside = if room < 0 { 0 } else { room as usize / stride + 1 };
        let right = inside.clamp(left, columns);
        // A position at the border takes some four times as long as one inside, a copy as long as two places.
        let [rows, taps] = self.kernels.kernel;
        let border = 3 * (left + columns - right) * rows * taps;
        let copies = 2 * columns * self.stride[0] * stride;
        if border > copies {
            return None;
        }
        let copied = |columns: Range<usize>| Segment {
            copy: Some(Border::new(self, input, lines, columns.clone())),
            columns,
        };
        Some([copied(0..left), Segment { columns: left..right, copy: None }, copied(right..columns)])
    }

    /// What the windows from a line and column of the grid on see of the map itself.
    fn windows_in_place<'a>(
        &self,
        input: View<'a>,
        item: usize,
        (line, rows): (usize, &Range<usize>),
        column: usize,
        channel: usize,
    ) -> Windows<'a> {
        let Depthwise { kernel, dilation, .. } = *self.kernels;
        let View { width, channels, data, .. } = input;
        let y = (line * self.stride[0] + rows.start * dilation[0]) as isize + self.origin[0];
        let x = (column * self.stride[1]) as isize + self.origin[1];
        let start = (y.max(0) as usize * width + x.max(0) as usize) * channels + channel;
        Windows {
            data,
            start: item * input.item_len() + start,
            position: [self.stride[0] * width * channels, self.stride[1] * channels],
            tap: [dilation[0] * width * channels, dilation[1] * channels],
            kernel: [rows.len(), kernel[1]],
            weight: &[],
        }
    }
}

/// Neighbouring columns of a grid.
struct Segment {
    columns: Range<usize>,
    /// What they see, if not the map itself.
    copy: Option<Border>,
}

/// A copy of a strip of what some positions see: lines of the map with zeros beside them. Above and below there are none, as
/// kernel rows that see no line are left out.
struct Border {
    /// Of the map.
    lines: Range<usize>,
    /// Columns of the copy, those of them that the map has, and the column of the map with which these begin.
    width: usize,
    inside: Range<usize>,
    column: usize,
}

impl Border {
    fn new(part: &Part<'_>, input: View<'_>, lines: &Range<usize>, columns: Range<usize>) -> Self {
        let Part { kernels, stride, origin, .. } = part;
        let at = |axis: usize, index: usize| (index * stride[axis]) as isize + origin[axis];
        let clip = |at: isize, len: usize| at.clamp(0, len as isize) as usize;
        let above = clip(at(0, lines.start), input.height);
        let below = clip(at(0, lines.end.max(1) - 1) + kernels.reach(0) as isize, input.height);
        let width = columns.len().saturating_sub(1) * stride[1] + kernels.reach(1);
        let left = at(1, columns.start);
        let before = clip(-left, width);
        let behind = clip(input.width as isize - left, width);
        Self {
            lines: above..below.max(above),
            width: if columns.is_empty() { 0 } else { width },
            inside: before..behind.max(before),
            column: left.max(0) as usize,
        }
    }

    fn len(&self, isa: &Isa) -> usize {
        self.lines.len() * self.width * isa.panel
    }

    /// Copies the strip that begins at `channel`.
    fn fill(&self, isa: &Isa, input: View<'_>, item: usize, channel: usize, scratch: &mut [f32]) {
        let (pitch, scratch) = (self.width * isa.panel, &mut scratch[..self.len(isa)]);
        if scratch.is_empty() {
            return;
        }
        let (before, behind) = (self.inside.start * isa.panel, self.inside.end * isa.panel);
        for line in scratch.chunks_exact_mut(pitch) {
            line[..before].fill(0.0);
            line[behind..].fill(0.0);
        }
        let pixels = Pixels {
            data: input.data,
            channels: input.channels,
            first: (item * input.height + self.lines.start) * input.width + self.column,
            line: input.width,
            extent: [self.lines.len(), self.inside.len()],
        };
        copy_strip(isa, pixels, channel, &mut scratch[before..], pitch);
    }

    /// What the windows from a line of the grid on see of the copy.
    fn windows<'a>(
        &self,
        part: &Part<'_>,
        (line, rows): (usize, &Range<usize>),
        scratch: &'a [f32],
    ) -> Windows<'a> {
        let Depthwise { isa, kernel, dilation, .. } = *part.kernels;
        let pitch = self.width * isa.panel;
        let seen = (line * part.stride[0] + rows.start * dilation[0]) as isize + part.origin[0];
        let seen = if rows.is_empty() { 0 } else { seen as usize - self.lines.start };
        Windows {
            data: &scratch[..self.len(isa)],
            start: seen * pitch,
            position: [part.stride[0] * pitch, part.stride[1] * isa.panel],
            tap: [dilation[0] * pitch, dilation[1] * isa.panel],
            kernel: [rows.len(), kernel[1]],
            weight: &[],
        }
    }
}
