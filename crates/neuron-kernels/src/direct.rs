//! Direct convolution: a matrix product over output positions whose rows are read in place or gathered a block at a
//! time, never laid out as a whole.
use crate::microkernel::{Axis, FullEpilogue, Isa, MatrixMut, Rows, Split, Stage, gemm, with_scratch};
use crate::packed::{Depth, Packed};
use crate::shape::View;
use crate::tasks;

mod by_position;
mod few_channels;
mod gated;
mod narrow_groups;

pub(super) use gated::Gated;
pub(super) use narrow_groups::{GroupPart, run_groups};

/// Output positions a task: a gathered block of them stays in the second-level cache. A multiple of every tile's height.
pub(super) const ROWS: usize = 168;
/// Columns a task: the sums of its rows stay in the second-level cache, too.
const COLUMNS: usize = 512;
/// Maps of up to this many positions run position by position.
const TINY: usize = 4;
/// Inputs of fewer channels are read from a padded copy.
const FEW_CHANNELS: usize = 16;
/// Output lines a task on such inputs.
const LINES: usize = 8;

/// Where a convolution reads: output position `(y, x)` sees the input from `stride * (y, x) + origin` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sampling {
    pub(super) stride: [usize; 2],
    pub(super) origin: [isize; 2],
    /// Height and width of the output.
    pub(super) positions: [usize; 2],
}

impl Sampling {
    /// The window of an output position that is counted over all items.
    fn corner(&self, position: usize) -> Corner {
        let [height, width] = self.positions;
        let (item, y, x) = (position / (height * width), position / width % height, position % width);
        let start = |axis: usize, at: usize| (at * self.stride[axis]) as isize + self.origin[axis];
        Corner { item, top: start(0, y), left: start(1, x) }
    }
}

/// How channels hang together: `blocks` independent dense convolutions side by side.
///
/// A group narrower than a narrow panel would leave some of a register tile empty; neighbouring groups share a block then,
/// with zero weights between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    pub(super) count: usize,
    /// Channels in and out of a block.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Blocks {
    /// The blocks of `groups` groups of `inputs` and `outputs` channels each.
    pub(super) fn new(isa: &Isa, groups: usize, inputs: usize, outputs: usize) -> Self {
        let fits = |merged: &usize| groups.is_multiple_of(*merged) && merged * outputs <= isa.half_panel();
        let merged = (1..=groups).filter(fits).max().unwrap_or(1);
        Self { count: groups / merged, inputs: merged * inputs, outputs: merged * outputs }
    }
}

/// The shape of a convolution's weights, and how far apart its places lie in the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filter {
    pub(super) groups: usize,
    /// Channels in and out of each group.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: [usize; 2],
    pub(super) dilation: [usize; 2],
}

/// A convolution's weights, packed.
#[derive(Debug)]
pub(super) struct Direct {
    pub(super) isa: &'static Isa,
    pub(super) blocks: Blocks,
    /// Height and width of the kernel.
    kernel: [usize; 2],
    /// Distance of neighbouring places of a window, in lines and in columns of the input.
    dilation: [usize; 2],
    /// One matrix a block, `[kernel row, kernel column, channel] x [channel out]`.
    pub(super) weight: Vec<Packed>,
}

/// The columns of a block from `first` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) block: usize,
    pub(super) first: usize,
}

/// Where in the input an output position's window begins; may lie beyond its border.
#[derive(Clone, Copy, Debug)]
pub(super) struct Corner {
    pub(super) item: usize,
    pub(super) top: isize,
    pub(super) left: isize,
}

impl Direct {
    /// Packs `weight(channel out, channel in of its group, [kernel row, kernel column])`.
    pub(super) fn new(
        isa: &'static Isa,
        filter: Filter,
        weight: impl Fn(usize, usize, [usize; 2]) -> f32,
    ) -> Self {
        let Filter { groups, inputs: group_in, outputs: group_out, kernel, dilation } = filter;
        let blocks = Blocks::new(isa, groups, group_in, group_out);
        let pack = |block: usize| {
            let at = |step: usize, column: usize| {
                let (tap, channel) = (step / blocks.inputs, step % blocks.inputs);
                if channel / group_in != column / group_out {
                    return 0.0;
                }
                weight(
                    block * blocks.outputs + column,
                    channel % group_in,
                    [tap / kernel[1], tap % kernel[1]],
                )
            };
            let taps = kernel[0] * kernel[1];
            if few_channels(&blocks) {
                Packed::unblocked(isa, taps * blocks.inputs, blocks.outputs, at)
            } else if blocks.are_narrow() {
                let depth = Depth { runs: kernel[0], run: kernel[1] * blocks.inputs };
                Packed::by_whole_runs(isa, depth, blocks.outputs, at)
            } else {
                Packed::new(isa, Depth { runs: taps, run: blocks.inputs }, blocks.outputs, at)
            }
        };
        Self { isa, blocks, kernel, dilation, weight: (0..blocks.count).map(pack).collect() }
    }

    pub(super) fn in_channels(&self) -> usize {
        self.blocks.count * self.blocks.inputs
    }

    pub(super) fn out_channels(&self) -> usize {
        self.blocks.count * self.blocks.outputs
    }

    /// Overwrites `output` `[batch, positions, out_channels]`. Only pointwise convolutions take a gate.
    pub(super) fn forward(
        &self,
        gated: Gated<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        if output.is_empty() {
            return;
        }
        let (Gated { input, .. }, one_position) = (gated, self.kernel == [1, 1]);
        // Lines are read in place, a kernel row at a time: its columns must touch.
        if few_channels(&self.blocks) && !one_position && self.dilation[1] == 1 {
            self.by_lines(input, sampling, epilogue, output);
        } else if self.blocks.are_narrow() && !one_position {
            self.by_groups(input, sampling, epilogue, output);
        } else if !one_position && self.runs_by_position(input, sampling) {
            self.by_position(input, sampling, epilogue, output);
        } else {
            self.by_rows(gated, sampling, epilogue, output);
        }
    }

    /// Tasks of neighbouring positions and columns.
    fn by_rows(
        &self,
        Gated { input, gate }: Gated<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let rows = input.batch * sampling.positions[0] * sampling.positions[1];
        let (row_parts, column_parts) = self.partition(rows);
        let one = Axis::whole(1, 1);
        let channels = self.out_channels();
        let split = Split::new(
            [
                Axis::whole(rows, channels).shares(1, row_parts),
                Axis::whole(self.blocks.count, self.blocks.outputs).every(1),
                one,
                Axis::whole(self.blocks.outputs, 1).shares(self.isa.panel, column_parts),
            ],
            3,
        );
        let in_place = self.reads_in_place(input, sampling);
        split.for_each(output, |_, mut cell| {
            let ([row, block, _, first], [count, ..]) = (cell.first, cell.extent);
            let epilogue = epilogue.at_column(block * self.blocks.outputs + first);
            let columns = Columns { block, first };
            let mut sums = cell.matrix(0);
            if let Some(gate) = gate {
                self.gated_sums((input, gate), row..row + count, columns, epilogue, &mut sums);
            } else if in_place {
                self.sums_in_place(input, row, columns, epilogue, &mut sums);
            } else {
                let corners: Vec<_> = (row..row + count).map(|position| sampling.corner(position)).collect();
                self.gathered_sums(input, columns, &corners, Some(epilogue), &mut sums);
            }
        });
    }

    /// The sums of a pointwise convolution from input position `row` on.
    fn sums_in_place(
        &self,
        input: View<'_>,
        row: usize,
        columns: Columns,
        epilogue: FullEpilogue<'_>,
        output: &mut MatrixMut<'_>,
    ) {
        let weight = &self.weight[columns.block];
        let first = row * input.channels + columns.block * self.blocks.inputs;
        for steps in weight.blocks() {
            let rows = Rows::new(&input.data[first + steps.start..], input.channels);
            let stage = Stage::of(&steps, weight.depth(), Some(epilogue));
            gemm(self.isa, rows, weight.panels(&steps, columns.first), output, stage);
        }
    }

    /// The sums of the windows at `corners`, one a row, from a column of a block on. The epilogue begins there, too.
    ///
    /// The depth is walked in blocks: what the windows see of one is gathered into scratch, multiplied, and added to the
    /// sums of the blocks before; the epilogue follows the last.
    pub(super) fn gathered_sums(
        &self,
        input: View<'_>,
        columns: Columns,
        corners: &[Corner],
        epilogue: Option<FullEpilogue<'_>>,
        output: &mut MatrixMut<'_>,
    ) {
        let weight = &self.weight[columns.block];
        // Off a power of two: rows would compete for the same few places of the first-level cache.
        let pitch = weight.block_len() + 16;
        with_scratch(corners.len() * pitch, |gathered| {
            for steps in weight.blocks() {
                for (corner, row) in corners.iter().zip(gathered.chunks_exact_mut(pitch)) {
                    self.gather(input, columns.block, *corner, steps.start, &mut row[..steps.len()]);
                }
                let stage = Stage::of(&steps, weight.depth(), epilogue);
                gemm(
                    self.isa,
                    Rows::new(gathered, pitch),
                    weight.panels(&steps, columns.first),
                    output,
                    stage,
                );
            }
        });
    }

    /// Whether rows are read where they lie.
    ///
    /// Rows a multiple of 4 KiB apart all map to one set of the first-level cache, which has fewer ways than a tile has
    /// rows: copying them is cheaper (measured on Zen 4: 95 to 99 against 90 GFLOP/s).
    fn reads_in_place(&self, input: View<'_>, sampling: &Sampling) -> bool {
        let same = sampling.positions == input.size();
        let collide = input.channels.is_multiple_of(1024);
        let pointwise = self.kernel == [1; 2] && sampling.stride == [1; 2] && sampling.origin == [0; 2];
        pointwise && same && !collide
    }

    /// Copies what the window at `corner` sees of a block's channels, from step `from` of the depth on.
    ///
    /// A kernel row is one run in channels-last memory unless its columns lie apart or the channels are split into
    /// blocks: then each of its places is a run.
    fn gather(&self, input: View<'_>, block: usize, corner: Corner, from: usize, mut row: &mut [f32]) {
        let View { height, width, channels, data, .. } = input;
        let Corner { item, top, left } = corner;
        let (run, runs) = match (self.blocks.count, self.dilation[1]) {
            (1, 1) => (self.kernel[1] * channels, 1),
            _ => (self.blocks.inputs, self.kernel[1]),
        };
        // Runs are copied one by one, the first from its middle on where a block of the depth begins there.
        let (mut index, mut skip) = (from / run, from % run);
        while !row.is_empty() {
            let (values, rest) = row.split_at_mut((run - skip).min(row.len()));
            let line = top + (index / runs * self.dilation[0]) as isize;
            if (0..height as isize).contains(&line) {
                let start = (left + (index % runs * self.dilation[1]) as isize) * channels as isize;
                let start = start + (block * self.blocks.inputs + skip) as isize;
                let pitch = width * channels;
                copy_clipped(&data[(item * height + line as usize) * pitch..][..pitch], start, values);
            } else {
                values.fill(0.0);
            }
            (row, index, skip) = (rest, index + 1, 0);
        }
    }

    /// Shares of the rows and of each block's columns, so that every thread gets several tasks.
    fn partition(&self, rows: usize) -> (usize, usize) {
        let panel = self.isa.panel;
        let panels = self.blocks.outputs.div_ceil(panel);
        let wanted = tasks::wanted();
        // From the largest task that fits the caches downwards: wide ones lose columns, tall ones rows, in turn.
        let (mut height, mut group) = (ROWS.min(rows), panels.min(COLUMNS / panel));
        while rows.div_ceil(height) * panels.div_ceil(group) * self.blocks.count < wanted {
            let thin = height <= 4 * self.isa.tile_rows();
            // Tasks that share rows stream different weights, tasks that share columns the same ones: where there are
            // few rows, the weights are what takes time.
            if group * panel > 128 || (thin && group > 1) {
                group = group.div_ceil(2);
            } else if !thin {
                height = height.div_ceil(2);
            } else {
                break;
            }
        }
        (rows.div_ceil(height), panels.div_ceil(group))
    }
}

fn few_channels(blocks: &Blocks) -> bool {
    blocks.count == 1 && blocks.inputs < FEW_CHANNELS
}

/// `to = line[start..][..to.len()]`, zeros where that lies beyond the line.
fn copy_clipped(line: &[f32], start: isize, to: &mut [f32]) {
    let (len, wanted) = (line.len() as isize, to.len() as isize);
    if start >= 0 && start + wanted <= len {
        return to.copy_from_slice(&line[start as usize..][..to.len()]);
    }
    let head = (-start).clamp(0, wanted);
    let tail = (start + wanted - len).clamp(0, wanted - head);
    let (before, rest) = to.split_at_mut(head as usize);
    let (inside, after) = rest.split_at_mut((wanted - head - tail) as usize);
    before.fill(0.0);
    after.fill(0.0);
    if !inside.is_empty() {
        inside.copy_from_slice(&line[(start + head) as usize..][..inside.len()]);
    }
}
