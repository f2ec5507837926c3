//! Transposed convolutions of stride 2 and more, without multiplying by the zeros between the gradients.
use super::direct::{Blocks, Corner, Direct, ROWS};
use super::kernel::{
    Axis, BlockMut, Cells, Finish, Isa, MatrixMut, Operation, Split, finish_line, with_scratch,
};
use super::{ConvGeometry, View, parallel};

/// Most columns of a task: its sums stay in the second-level cache.
const COLUMNS: usize = 256;

/// One small stride-1 convolution over the gradient for each remainder of (position + padding) by the stride.
///
/// Window `(y + padding - tap) / stride` sees position `y` at every `tap` that leaves the remainder of `y + padding`:
/// with `y + padding = stride * step + remainder` and `tap = stride * t + remainder` that is window `step - t`.
#[derive(Debug)]
pub(super) struct Strided {
    geometry: ConvGeometry,
    isa: &'static Isa,
    blocks: Blocks,
    zeros: Vec<f32>,
    /// By remainder of the line, then of the column.
    phases: Vec<Phase>,
}

#[derive(Debug)]
struct Phase {
    /// Of the line and of the column.
    remainder: (usize, usize),
    /// Windows that see a position, along each axis; none where the kernel is smaller than the stride.
    taps: (usize, usize),
    weight: Option<Direct>,
}

impl Strided {
    /// Packs the weights of the forward convolution.
    pub(super) fn new(isa: &'static Isa, geometry: ConvGeometry, weight: &[f32]) -> Self {
        let ConvGeometry { in_channels, out_channels, kernel, stride, groups, .. } = geometry;
        let (group_in, group_out) = (in_channels / groups, out_channels / groups);
        let phase = |index: usize| {
            let remainder = (index / stride, index % stride);
            let count = |remainder: usize| kernel.saturating_sub(remainder).div_ceil(stride);
            let taps = (count(remainder.0), count(remainder.1));
            let pack = || {
                Direct::new(isa, groups, (group_out, group_in), taps, |channel, out, y, x| {
                    // Windows in ascending order are taps in descending order.
                    let tap =
                        |taps: usize, index: usize, remainder: usize| stride * (taps - 1 - index) + remainder;
                    let tap = tap(taps.0, y, remainder.0) * kernel + tap(taps.1, x, remainder.1);
                    let filter = (channel / group_in * group_out + out) * group_in + channel % group_in;
                    weight[filter * kernel * kernel + tap]
                })
            };
            Phase { remainder, taps, weight: (taps.0 * taps.1 > 0).then(pack) }
        };
        Self {
            geometry,
            isa,
            blocks: Blocks::new(isa, groups, (group_out, group_in)),
            zeros: vec![0.0; in_channels],
            phases: (0..stride * stride).map(phase).collect(),
        }
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        (height, width): (usize, usize),
        addend: Option<&[f32]>,
        operation: Operation<'_>,
        output: &mut [f32],
    ) {
        let ConvGeometry { in_channels, stride, .. } = self.geometry;
        let finish = Finish { bias: &self.zeros, addend, operation };
        finish.check(output.len());
        if output.is_empty() {
            return;
        }
        // Lines a cell and cells a task, so that a task has about ROWS positions of each phase.
        let a_line = width.div_ceil(stride);
        let lines = (ROWS / a_line).clamp(1, height.div_ceil(stride)) * stride;
        let cells = gradient.batch * height.div_ceil(lines);
        let runs = cells.div_ceil((ROWS * stride / (a_line * lines)).max(1));
        let columns = self.cut_columns(runs);
        let split = Split::new(
            [
                columns,
                Axis::whole(gradient.batch, height * width * in_channels).every(1),
                Axis::whole(height, width * in_channels).every(lines),
                Axis::whole(width, in_channels),
            ],
            0,
        );
        // A whole number of runs for each part of the columns, so that no run crosses from one into the next.
        let tasks = runs * split.cells() / cells;
        split.for_each_run(output, 0..split.cells(), tasks, |mut cells| {
            self.phases.iter().for_each(|phase| self.run_phase(phase, gradient, &finish, &mut cells));
        });
    }

    /// The channels in parts that lie within one block each and give every thread several tasks.
    fn cut_columns(&self, runs: usize) -> Axis {
        let channels = Axis::whole(self.geometry.in_channels, 1);
        if self.blocks.count > 1 {
            return channels.every(self.blocks.outputs);
        }
        let (panel, threads) = (self.isa.panel, parallel::threads());
        let panels = self.geometry.in_channels.div_ceil(panel);
        let wanted = if threads == 1 { 1 } else { (4 * threads).div_ceil(runs) };
        channels.shares(panel, wanted.max(panels * panel / COLUMNS).clamp(1, panels))
    }

    /// Computes the positions of one phase in a task's cells, which have the same columns.
    fn run_phase(&self, phase: &Phase, gradient: View<'_>, finish: &Finish<'_>, cells: &mut Cells<'_>) {
        let mut corners = Vec::new();
        let (mut column, mut columns) = (0, 0);
        for cell in cells.range.clone() {
            let block = cells.block(cell);
            (column, columns) = (block.first[0], block.extent[0]);
            let item = block.first[1];
            corners.extend(self.positions(phase, &block).map(|(y, x)| {
                let window = |at: usize, taps: usize| {
                    ((at + self.geometry.padding) / self.geometry.stride) as isize - (taps as isize - 1)
                };
                Corner { item, top: window(block.first[2] + y, phase.taps.0), left: window(x, phase.taps.1) }
            }));
        }
        with_scratch(corners.len() * columns, |sums| {
            if let Some(weight) = &phase.weight {
                let (block, within) = (column / self.blocks.outputs, column % self.blocks.outputs);
                let mut sums = MatrixMut::new(sums, corners.len(), columns, columns);
                weight.gathered_sums(gradient, (block, within), &corners, None, &mut sums);
            } else {
                sums.fill(0.0);
            }
            let mut sums = sums.chunks_exact(columns);
            for cell in cells.range.clone() {
                let mut block = cells.block(cell);
                for (y, x) in self.positions(phase, &block) {
                    let sums = sums.next().expect("a row of sums for each corner");
                    let (line, at) = block.line([0, 0, y, x]);
                    finish_line(self.isa, sums, &finish.at_column(column), (line, at));
                }
            }
        });
    }

    /// The lines and columns of a block that belong to a phase.
    fn positions(&self, phase: &Phase, block: &BlockMut<'_>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let ConvGeometry { stride, padding, .. } = self.geometry;
        let ([_, _, top, _], [_, _, lines, width]) = (block.first, block.extent);
        // The first index from which on `index + start + padding` leaves the remainder.
        let first =
            move |start: usize, remainder: usize| (remainder + stride - (start + padding) % stride) % stride;
        let (y, x) = (first(top, phase.remainder.0), first(0, phase.remainder.1));
        (y..lines).step_by(stride).flat_map(move |y| (x..width).step_by(stride).map(move |x| (y, x)))
    }
}
