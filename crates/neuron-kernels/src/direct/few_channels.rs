//! Inputs of few channels, such as pixels.
use super::{Direct, LINES, Sampling};
use crate::microkernel::{Axis, FullEpilogue, Rows, Split, Stage, gemm, with_scratch};
use crate::shape::View;

impl Direct {
    /// A task copies the input lines it needs with their zero border; its output positions then read their kernel rows
    /// from that copy in place. Gathering would copy every value `kernel^2 / stride^2` times instead.
    pub(super) fn by_lines(
        &self,
        input: View<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let Sampling { stride, origin, positions: [height, width] } = *sampling;
        let channels = self.out_channels();
        let line = width * channels;
        let split = Split::new(
            [
                Axis::whole(input.batch, height * line).every(1),
                Axis::whole(height, line).every(LINES),
                Axis::whole(width, channels),
                Axis::whole(channels, 1),
            ],
            3,
        );
        let weight = &self.weight[0];
        let pitch = ((width - 1) * stride[1] + self.kernel[1]) * input.channels;
        split.for_each(output, |_, mut cell| {
            let ([item, first, ..], [_, lines, ..]) = (cell.first, cell.extent);
            let needed = (lines - 1) * stride[0] + self.dilation[0] * (self.kernel[0] - 1) + 1;
            with_scratch(needed * pitch, |padded| {
                let top = (first * stride[0]) as isize + origin[0];
                copy_lines(input, item, [top, origin[1]], padded[..needed * pitch].chunks_exact_mut(pitch));
                // A window's rows lie one below the other in the copy: segments of one row of the product.
                for index in 0..lines {
                    let rows = Rows {
                        data: &padded[index * stride[0] * pitch..],
                        pitch: stride[1] * input.channels,
                        segments: [self.kernel[0], 1],
                        line: self.dilation[0] * pitch,
                        gap: 0,
                    };
                    let all = weight.blocks().next().expect("few channels are packed in one block");
                    let stage = Stage { resume: false, epilogue: Some(*epilogue) };
                    gemm(self.isa, rows, weight.panels(&all, 0), &mut cell.at(1, index).matrix(2), stage);
                }
            });
        });
    }
}

/// Fills `lines` with an item's lines from `top` on, each from column `left` on, zeros where there is no input.
fn copy_lines<'a>(
    input: View<'_>,
    item: usize,
    [top, left]: [isize; 2],
    lines: impl Iterator<Item = &'a mut [f32]>,
) {
    let pitch = input.width * input.channels;
    for (line, to) in (top..).zip(lines) {
        if (0..input.height as isize).contains(&line) {
            let from = &input.data[(item * input.height + line as usize) * pitch..][..pitch];
            super::copy_clipped(from, left * input.channels as isize, to);
        } else {
            to.fill(0.0);
        }
    }
}
