//! Depthwise convolutions: every channel has a kernel of its own.
//!
//! A product over channels would multiply the zeros between them. Vectors of channels are multiplied place by place
//! instead, some positions of a line at a time.
use crate::direct::Sampling;
use crate::grid::Grid;
use crate::microkernel::{
    Axis, BlockMut, Buffer, FullEpilogue, Isa, Pixels, Positions, Split, Windows, convolve_strip, copy_strip,
    with_scratch,
};
use crate::shape::View;
use crate::tasks;
use std::ops::Range;

/// Bytes a task reads and writes: they stay in the second-level cache while a strip follows the other.
const TASK_BYTES: usize = 192 << 10;

/// The kernels of all channels, packed, and how far apart their places lie.
#[derive(Debug)]
pub(super) struct Depthwise {
    isa: &'static Isa,
    /// Height and width.
    kernel: [usize; 2],
    dilation: [usize; 2],
    /// `[strip of channels][kernel row, kernel column][channel of the strip]`. The last strip is narrow where that holds its
    /// channels, and filled up with zeros.
    weight: Buffer,
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
        let mut packed = Buffer::lasting_zeros(isa.padded(channels) * taps);
        for channel in 0..channels {
            let first = channel - channel % isa.panel;
            let width = isa.panel_for(channels - first);
            for tap in 0..taps {
                packed[first * taps + tap * width + channel - first] =
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
    let (lines, group) = cut(isa, input, parts, [height, width]);
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
        compute(isa, input, parts, &epilogue, &mut cell);
    });
}

/// Output lines and channels a task. Whatever they are, no bit depends on them.
fn cut(isa: &Isa, input: View<'_>, parts: &[Part<'_>], [height, width]: [usize; 2]) -> (usize, usize) {
    let wanted = tasks::wanted();
    let step = parts.iter().map(|part| part.grid.step[0]).max().unwrap_or(1);
    let reach = parts.iter().map(|part| part.kernels.reach(0)).max().unwrap_or(1);
    let strips = input.channels.div_ceil(isa.panel);
    let (mut lines, mut group) = (height.next_multiple_of(step), strips);
    loop {
        let seen = lines * input.height / height.max(1) + reach;
        let pixels = seen * input.width + lines * width;
        let bytes = pixels * group * isa.panel * size_of::<f32>();
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

/// Computes the positions in a cell: strip after strip, so that the outputs of all parts are written while they are near.
fn compute(
    isa: &Isa,
    input: View<'_>,
    parts: &[Part<'_>],
    epilogue: &FullEpilogue<'_>,
    cell: &mut BlockMut<'_>,
) {
    let (item, from, count) = (cell.first[0], cell.first[3], cell.extent[3]);
    let plans: Vec<Plan<'_>> = parts.iter().map(|part| Plan::new(part, input, cell)).collect();
    let lens = || plans.iter().map(Plan::scratch);
    with_scratch(lens().sum::<usize>() * isa.panel, |scratch| {
        for channel in (from..from + count).step_by(isa.panel) {
            let strip = StripOf { item, channel, width: isa.panel_for(input.channels - channel), from };
            let mut rest = &mut scratch[..];
            for (plan, len) in plans.iter().zip(lens()) {
                let (scratch, behind) = rest.split_at_mut(len * isa.panel);
                plan.compute(input, strip, epilogue, cell, (scratch, channel == from));
                rest = behind;
            }
        }
    });
}

/// A strip of an item's channels.
#[derive(Clone, Copy)]
struct StripOf {
    item: usize,
    channel: usize,
    width: usize,
    /// The first channel of the cell.
    from: usize,
}

impl Depthwise {
    /// Lines or columns of the input from a window's first to its last.
    fn reach(&self, axis: usize) -> usize {
        self.kernel[axis].saturating_sub(1) * self.dilation[axis] + 1
    }

    /// The weights of a strip from a kernel row on.
    fn strip(&self, strip: StripOf, row: usize) -> &[f32] {
        let [rows, columns] = self.kernel;
        &self.weight[strip.channel * rows * columns + row * columns * strip.width..]
    }
}

/// How a part's positions in a cell are computed, the same for every strip.
struct Plan<'a> {
    part: &'a Part<'a>,
    /// Where the cell begins.
    top: usize,
    /// Lines of the grid that see lines of the map with the same kernel rows, and these.
    runs: Vec<(Range<usize>, Range<usize>)>,
    whole: Segment,
    /// The columns of the grid cut into those whose windows lie inside of the map, and those at its border; nothing if a copy
    /// of the whole is cheaper.
    in_place: Option<[Segment; 3]>,
}

/// Neighbouring columns of a grid.
struct Segment {
    columns: Range<usize>,
    /// What they see, if not the map itself.
    copy: Option<Border>,
}

impl<'a> Plan<'a> {
    fn new(part: &'a Part<'a>, input: View<'_>, cell: &BlockMut<'_>) -> Self {
        let ([_, top, ..], [_, lines, columns, _]) = (cell.first, cell.extent);
        let lines = part.grid.before(0, top)..part.grid.before(0, top + lines);
        let columns = part.grid.before(1, columns);
        let copied = |columns: Range<usize>| Segment {
            copy: Some(Border::new(part, input, &lines, columns.clone())),
            columns,
        };
        let mut runs: Vec<(Range<usize>, Range<usize>)> = Vec::new();
        for line in lines.clone() {
            let rows = part.rows(line, input.height);
            match runs.last_mut() {
                Some((lines, same)) if *same == rows => lines.end = line + 1,
                _ => runs.push((line..line + 1, rows)),
            }
        }
        let inside = part.inside(input.width, columns);
        let (left, right) = (copied(0..inside.start), copied(inside.end..columns));
        let whole = copied(0..columns);
        // Lines in three pieces are worth it where little of them is copied.
        let width = |segment: &Segment| segment.copy.as_ref().map_or(0, |copy| copy.width);
        let in_place = (2 * (width(&left) + width(&right)) < width(&whole)).then_some([
            left,
            Segment { columns: inside, copy: None },
            right,
        ]);
        Self { part, top, runs, whole, in_place }
    }

    /// Pixels of the copies.
    fn scratch(&self) -> usize {
        let segments = self.in_place.iter().flatten().chain([&self.whole]);
        segments.filter_map(|segment| segment.copy.as_ref()).map(Border::pixels).sum()
    }

    /// Computes a strip. Copies are put into `scratch`, whose border is cleared if this is the first strip.
    fn compute(
        &self,
        input: View<'_>,
        strip: StripOf,
        epilogue: &FullEpilogue<'_>,
        cell: &mut BlockMut<'_>,
        (scratch, is_first): (&mut [f32], bool),
    ) {
        let Part { kernels, grid: Grid { first, step }, .. } = *self.part;
        let isa = kernels.isa;
        // The kernels read whole strips. A narrow strip comes last: its copies have another border.
        let is_whole = strip.channel + strip.width <= input.channels;
        let clear = is_first || strip.width < isa.panel || !is_whole;
        let segments = match &self.in_place {
            Some(segments) if is_whole => &segments[..],
            _ => std::slice::from_ref(&self.whole),
        };
        let mut rest = scratch;
        for Segment { columns, copy } in segments {
            let len = copy.as_ref().map_or(0, |copy| copy.pixels() * strip.width);
            let (scratch, behind) = rest.split_at_mut(len);
            rest = behind;
            if let Some(copy) = copy {
                copy.fill(isa, input, strip, scratch, clear);
            }
            for (lines, rows) in &self.runs {
                let windows = match copy {
                    Some(copy) => copy.windows(self.part, (lines.start, rows), strip, scratch),
                    None => self.part.windows_in_place(input, (lines.start, rows), columns.start, strip),
                };
                let positions = Positions {
                    first: [first[0] + lines.start * step[0] - self.top, first[1] + columns.start * step[1]],
                    count: [lines.len(), columns.len()],
                    step,
                    channel: strip.channel - strip.from,
                };
                convolve_strip(isa, strip.width, &windows, epilogue, cell, positions);
            }
        }
    }
}

impl Part<'_> {
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

    /// Those of `columns` columns of the grid whose windows lie inside of a map of `width`.
    fn inside(&self, width: usize, columns: usize) -> Range<usize> {
        let (stride, origin) = (self.stride[1], self.origin[1]);
        let left = ((-origin).max(0) as usize).div_ceil(stride).min(columns);
        let room = width as isize - self.kernels.reach(1) as isize - origin;
        let right = if room < 0 { 0 } else { room as usize / stride + 1 };
        left..right.clamp(left, columns)
    }

    /// What the windows from a line and column of the grid on see of the map itself.
    fn windows_in_place<'a>(
        &'a self,
        input: View<'a>,
        (line, rows): (usize, &Range<usize>),
        column: usize,
        strip: StripOf,
    ) -> Windows<'a> {
        let Depthwise { kernel, dilation, .. } = *self.kernels;
        let View { width, channels, data, .. } = input;
        let y = (line * self.stride[0] + rows.start * dilation[0]) as isize + self.origin[0];
        let x = (column * self.stride[1]) as isize + self.origin[1];
        let start = (y.max(0) as usize * width + x.max(0) as usize) * channels + strip.channel;
        Windows {
            data,
            start: strip.item * input.item_len() + start,
            position: [self.stride[0] * width * channels, self.stride[1] * channels],
            tap: [dilation[0] * width * channels, dilation[1] * channels],
            kernel: [rows.len(), kernel[1]],
            weight: self.kernels.strip(strip, rows.start),
        }
    }
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

    fn pixels(&self) -> usize {
        self.lines.len() * self.width
    }

    /// Copies a strip, and clears the border if that was not done.
    fn fill(&self, isa: &Isa, input: View<'_>, strip: StripOf, scratch: &mut [f32], clear: bool) {
        if scratch.is_empty() {
            return;
        }
        let pitch = self.width * strip.width;
        let (before, behind) = (self.inside.start * strip.width, self.inside.end * strip.width);
        if clear {
            for line in scratch.chunks_exact_mut(pitch) {
                line[..before].fill(0.0);
                line[behind..].fill(0.0);
            }
        }
        let pixels = Pixels {
            data: input.data,
            channels: input.channels,
            first: (strip.item * input.height + self.lines.start) * input.width + self.column,
            line: input.width,
            extent: [self.lines.len(), self.inside.len()],
        };
        copy_strip(isa, strip.width, pixels, strip.channel, (&mut scratch[before..], pitch));
    }

    /// What the windows from a line of the grid on see of the copy.
    fn windows<'a>(
        &self,
        part: &'a Part<'_>,
        (line, rows): (usize, &Range<usize>),
        strip: StripOf,
        scratch: &'a [f32],
    ) -> Windows<'a> {
        let Depthwise { kernel, dilation, .. } = *part.kernels;
        let pitch = self.width * strip.width;
        let seen = (line * part.stride[0] + rows.start * dilation[0]) as isize + part.origin[0];
        let seen = if rows.is_empty() { 0 } else { seen as usize - self.lines.start };
        Windows {
            data: scratch,
            start: seen * pitch,
            position: [part.stride[0] * pitch, part.stride[1] * strip.width],
            tap: [dilation[0] * pitch, dilation[1] * strip.width],
            kernel: [rows.len(), kernel[1]],
            weight: part.kernels.strip(strip, rows.start),
        }
    }
}
