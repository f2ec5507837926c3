//! Groups of few channels.
use super::{Blocks, Direct, Sampling};
use crate::grid::Grid;
use crate::microkernel::{Axis, BlockMut, FullEpilogue, Isa, Panels, Rows, Split, Stage, gemm, with_scratch};
use crate::shape::View;
use crate::tasks;

/// Values of the copied lines of a task: about half of what the second-level cache holds.
const TASK_VALUES: usize = 48 << 10;
/// Channels of a group up to which it is narrow: what a kernel place sees of one is little to copy.
const NARROW: usize = 128;

/// The weights of a grid of positions, and where they read. Without weights, sums are 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupPart<'a> {
    pub(crate) weights: Option<&'a Direct>,
    /// By the positions of the grid.
    pub(crate) stride: [usize; 2],
    pub(crate) origin: [isize; 2],
    pub(crate) grid: Grid,
}

impl Blocks {
    /// Whether there are several blocks of few channels.
    pub(crate) fn are_narrow(&self) -> bool {
        self.count > 1 && self.inputs <= NARROW
    }
}

impl Direct {
    /// Narrow groups: see [`run_groups`].
    pub(super) fn by_groups(
        &self,
        input: View<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let Sampling { stride, origin, positions } = *sampling;
        let part = GroupPart { weights: Some(self), stride, origin, grid: Grid::WHOLE };
        run_groups((self.isa, self.blocks), input, &[part], (positions, epilogue), output);
    }

    /// Lines or columns of the input from a window's first to its last.
    fn reach(&self, axis: usize) -> usize {
        self.dilation[axis] * (self.kernel[axis] - 1) + 1
    }
}

/// Overwrites `output` `[batch, height, width, channels]`, which the grids of the parts cover.
///
/// A task copies what some output lines see of some groups, with its zero border; their positions then read their kernel
/// places from that copy in place. Gathering would copy every value `kernel^2 / stride^2` times, a few at a time.
pub(crate) fn run_groups(
    (isa, blocks): (&Isa, Blocks),
    input: View<'_>,
    parts: &[GroupPart<'_>],
    ([height, width], epilogue): ([usize; 2], &FullEpilogue<'_>),
    output: &mut [f32],
) {
    if output.is_empty() {
        return;
    }
    let step = parts.iter().map(|part| part.grid.step[0]).max().unwrap_or(1);
    let reach = parts.iter().filter_map(|part| part.weights).map(|weights| weights.reach(0)).max();
    let wanted = tasks::wanted();
    let (mut lines, mut group) = (height.next_multiple_of(step), blocks.count);
    loop {
        let seen = lines * input.height / height + reach.unwrap_or(0);
        let tasks = input.batch * height.div_ceil(lines) * blocks.count.div_ceil(group);
        if seen * input.width * group * blocks.inputs <= TASK_VALUES && tasks >= wanted {
            break;
        }
        if group * blocks.inputs > tasks::CHANNELS && group > 1 {
            group = group.div_ceil(2);
        } else if lines > 2 * step {
            lines = lines.div_ceil(2).next_multiple_of(step);
        } else if group > 1 {
            group = group.div_ceil(2);
        } else {
            break;
        }
    }
    let channels = blocks.count * blocks.outputs;
    let split = Split::new(
        [
            Axis::whole(input.batch, height * width * channels).every(1),
            Axis::whole(height, width * channels).every(lines),
            Axis::whole(width, channels),
            Axis::whole(channels, 1).every(group * blocks.outputs),
        ],
        3,
    );
    split.for_each(output, |_, mut cell| {
        let epilogue = epilogue.at_column(cell.first[3]);
        parts.iter().for_each(|part| part.compute((isa, blocks), input, &epilogue, &mut cell));
    });
}

impl GroupPart<'_> {
    /// Computes the part's positions in a cell of whole blocks.
    fn compute(
        &self,
        (isa, blocks): (&Isa, Blocks),
        input: View<'_>,
        epilogue: &FullEpilogue<'_>,
        cell: &mut BlockMut<'_>,
    ) {
        let ([item, top, _, channel], [_, lines, width, count]) = (cell.first, cell.extent);
        let Grid { first, step } = self.grid;
        let lines = self.grid.before(0, top)..self.grid.before(0, top + lines);
        let columns = self.grid.before(1, width);
        if lines.is_empty() || columns == 0 {
            return;
        }
        let (first_block, held) = (channel / blocks.outputs, count / blocks.outputs);
        let pixel = held * blocks.inputs;
        let reach = |axis: usize| self.weights.map_or(0, |weights| weights.reach(axis));
        let pitch = ((columns - 1) * self.stride[1] + reach(1)) * pixel;
        let needed = (lines.len() - 1) * self.stride[0] + reach(0);
        with_scratch(needed * pitch, |copy| {
            let above = (lines.start * self.stride[0]) as isize + self.origin[0];
            for (line, to) in (above..).zip(copy.chunks_exact_mut(pitch.max(1)).take(needed)) {
                copy_pixels(input, (item, line), self.origin[1], first_block * blocks.inputs, (to, pixel));
            }
            for line in 0..lines.len() {
                let y = first[0] + (lines.start + line) * step[0] - top;
                let mut positions = cell.at(1, y);
                let mut positions = positions.every(2, first[1], step[1]);
                let mut matrix = positions.matrix(2);
                for block in 0..held {
                    let place = block * blocks.outputs..(block + 1) * blocks.outputs;
                    let epilogue = epilogue.at_column(place.start);
                    let mut sums = matrix.part(place);
                    let Some(weights) = self.weights else {
                        let (rows, none) = (Rows::new(&[], 0), Panels { data: &[], depth: 0 });
                        let stage = Stage { resume: false, epilogue: Some(epilogue) };
                        gemm(isa, rows, none, &mut sums, stage);
                        continue;
                    };
                    let Direct { kernel, dilation, .. } = *weights;
                    let weight = &weights.weight[first_block + block];
                    for steps in weight.blocks() {
                        // Blocks of the depth are whole kernel rows.
                        let row = kernel[1] * blocks.inputs;
                        let (skipped, rows) = (steps.start / row, steps.len() / row);
                        let start = (line * self.stride[0] + skipped * dilation[0]) * pitch;
                        let rows = Rows {
                            data: &copy[start + block * blocks.inputs..needed * pitch],
                            pitch: self.stride[1] * pixel,
                            segments: [rows, kernel[1]],
                            line: dilation[0] * pitch,
                            gap: dilation[1] * pixel - blocks.inputs,
                        };
                        let stage = Stage::of(&steps, weight.depth(), Some(epilogue));
                        gemm(isa, rows, weight.panels(&steps, 0), &mut sums, stage);
                    }
                }
            }
        });
    }
}

/// Fills `to` with pixels of `pixel` channels, those from `channel` on of an item's line from column `left` on; zeros where
/// there is no input.
fn copy_pixels(
    input: View<'_>,
    (item, line): (usize, isize),
    left: isize,
    channel: usize,
    (to, pixel): (&mut [f32], usize),
) {
    if !(0..input.height as isize).contains(&line) {
        return to.fill(0.0);
    }
    let pitch = input.width * input.channels;
    let line = &input.data[(item * input.height + line as usize) * pitch..][..pitch];
    if pixel == input.channels {
        return super::copy_clipped(line, left * pixel as isize, to);
    }
    for (x, to) in (left..).zip(to.chunks_exact_mut(pixel)) {
        if (0..input.width as isize).contains(&x) {
            to.copy_from_slice(&line[x as usize * input.channels + channel..][..pixel]);
        } else {
            to.fill(0.0);
        }
    }
}
