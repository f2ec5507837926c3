//! Groups of few channels.
use super::{Direct, Sampling};
use crate::microkernel::{Axis, FullEpilogue, Rows, Split, Stage, gemm, with_scratch};
use crate::shape::View;
use crate::tasks;

/// Values of the copied lines of a task: about half of what the second-level cache holds.
const TASK_VALUES: usize = 48 << 10;

impl Direct {
    /// A task copies what some output lines see of some groups, with its zero border; their positions then read their
    /// kernel places from that copy in place. Gathering would copy every value `kernel^2 / stride^2` times, a few at a time.
    pub(super) fn by_groups(
        &self,
        input: View<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let Sampling { stride, origin, positions: [height, width] } = *sampling;
        let (channels, blocks) = (self.out_channels(), self.blocks);
        let columns = (width - 1) * stride[1] + self.dilation[1] * (self.kernel[1] - 1) + 1;
        let needed = |lines: usize| (lines - 1) * stride[0] + self.dilation[0] * (self.kernel[0] - 1) + 1;
        let wanted = tasks::wanted();
        let (mut lines, mut group) = (height, blocks.count);
        while needed(lines) * columns * group * blocks.inputs > TASK_VALUES
            || input.batch * height.div_ceil(lines) * blocks.count.div_ceil(group) < wanted
        {
            if group * blocks.inputs > tasks::CHANNELS && group > 1 {
                group = group.div_ceil(2);
            } else if lines > 2 {
                lines = lines.div_ceil(2);
            } else if group > 1 {
                group = group.div_ceil(2);
            } else {
                break;
            }
        }
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
            let ([item, top, _, column], [_, lines, _, count]) = (cell.first, cell.extent);
            let (first, group) = (column / blocks.outputs, count / blocks.outputs);
            let pixel = group * blocks.inputs;
            let pitch = columns * pixel;
            with_scratch(needed(lines) * pitch, |copy| {
                let copy = &mut copy[..needed(lines) * pitch];
                let above = (top * stride[0]) as isize + origin[0];
                for (line, to) in (above..).zip(copy.chunks_exact_mut(pitch)) {
                    copy_pixels(input, (item, line), origin[1], first * blocks.inputs, (to, pixel));
                }
                for line in 0..lines {
                    for block in 0..group {
                        let weight = &self.weight[first + block];
                        let epilogue = epilogue.at_column(column + block * blocks.outputs);
                        let mut line_of = cell.at(1, line);
                        let mut matrix = line_of.matrix(2);
                        let mut sums = matrix.part(block * blocks.outputs..(block + 1) * blocks.outputs);
                        for steps in weight.blocks() {
                            // Blocks of the depth are whole kernel rows.
                            let row = self.kernel[1] * blocks.inputs;
                            let (skipped, held) = (steps.start / row, steps.len() / row);
                            let start = (line * stride[0] + skipped * self.dilation[0]) * pitch;
                            let rows = Rows {
                                data: &copy[start + block * blocks.inputs..],
                                pitch: stride[1] * pixel,
                                segments: [held, self.kernel[1]],
                                line: self.dilation[0] * pitch,
                                gap: self.dilation[1] * pixel - blocks.inputs,
                            };
                            let stage = Stage::of(&steps, weight.depth(), Some(epilogue));
                            gemm(self.isa, rows, weight.panels(&steps, 0), &mut sums, stage);
                        }
                    }
                }
            });
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
