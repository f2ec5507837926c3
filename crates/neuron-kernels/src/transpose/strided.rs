//! Transposed convolutions of stride 2 and more, without multiplying by the zeros between the gradients.
use super::taps::{Taps, grid};
use crate::direct::{Blocks, Columns, Corner, Direct, Filter, GroupPart, ROWS, run_groups};
use crate::epilogue::TransposeEpilogue;
use crate::microkernel::{
    Axis, BlockMut, Cells, FullEpilogue, Isa, MatrixMut, Split, apply_to_line, with_scratch,
};
use crate::shape::{ConvGeometry, View};
use neuron_geometry::Window;

/// Most columns of a task: its sums stay in the second-level cache.
const COLUMNS: usize = 256;

/// One small stride-1 convolution over the gradient for each remainder of (position + padding) by the stride.
///
/// Window `(y + padding - dilation * tap) / stride` sees position `y` at every `tap` for which that is a whole number.
/// Which taps these are depends on the remainder alone, see [`Taps`].
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
    /// Along each axis.
    taps: [Taps; 2],
    /// None where no window sees the positions.
    weight: Option<Direct>,
}

impl Strided {
    /// Packs the weights of the forward convolution.
    pub(super) fn new(isa: &'static Isa, geometry: ConvGeometry, weight: &[f32]) -> Self {
        let ConvGeometry { in_channels, groups, window, .. } = geometry;
        let [group_in, group_out] = geometry.group();
        let phase = |index: usize| {
            let (line, column) = (index / window.stride[1], index % window.stride[1]);
            let taps = [Taps::new(window, 0, line), Taps::new(window, 1, column)];
            let kernel = taps.map(|taps| taps.count);
            let dilation = taps.map(|taps| taps.apart);
            let filter = Filter { groups, inputs: group_out, outputs: group_in, kernel, dilation };
            let pack = || {
                Direct::new(isa, filter, |channel, out, [y, x]| {
                    let tap = taps[0].of_window(y) * window.kernel[1] + taps[1].of_window(x);
                    let filter = (channel / group_in * group_out + out) * group_in + channel % group_in;
                    weight[filter * window.places() + tap]
                })
            };
            Phase { taps, weight: (kernel[0] * kernel[1] > 0).then(pack) }
        };
        Self {
            geometry,
            isa,
            blocks: Blocks::new(isa, groups, group_out, group_in),
            zeros: vec![0.0; in_channels],
            phases: (0..window.stride[0] * window.stride[1]).map(phase).collect(),
        }
    }

    /// Overwrites `output` `[batch, height, width, in_channels]`.
    pub(super) fn forward(
        &self,
        gradient: View<'_>,
        [height, width]: [usize; 2],
        epilogue: TransposeEpilogue<'_>,
        output: &mut [f32],
    ) {
        let ConvGeometry { in_channels, window: Window { stride: [down, across], .. }, .. } = self.geometry;
        let epilogue = epilogue.with_bias(&self.zeros);
        epilogue.check(output.len());
        if output.is_empty() {
            return;
        }
        if self.blocks.are_narrow() {
            let parts = self.phases.iter().map(|phase| {
                let (grid, origin) = grid(phase.taps);
                GroupPart { weights: phase.weight.as_ref(), stride: [1; 2], origin, grid }
            });
            let parts: Vec<GroupPart<'_>> = parts.collect();
            return run_groups(
                (self.isa, self.blocks),
                gradient,
                &parts,
                ([height, width], &epilogue),
                output,
            );
        }
        // Lines a cell and cells a task, so that a task has about ROWS positions of each phase.
        let a_line = width.div_ceil(across);
        let lines = (ROWS / a_line).clamp(1, height.div_ceil(down)) * down;
        let cells = gradient.batch * height.div_ceil(lines);
        let runs = cells.div_ceil((ROWS * down / (a_line * lines)).max(1));
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
            self.phases.iter().for_each(|phase| self.run_phase(phase, gradient, &epilogue, &mut cells));
        });
    }

    /// The channels in parts that lie within one block each and give every thread several tasks.
    fn cut_columns(&self, runs: usize) -> Axis {
        let channels = Axis::whole(self.geometry.in_channels, 1);
        if self.blocks.count > 1 {
            return channels.every(self.blocks.outputs);
        }
        let (panel, threads) = (self.isa.panel, neuron_threads::threads());
        let panels = self.geometry.in_channels.div_ceil(panel);
        let wanted = if threads == 1 { 1 } else { (4 * threads).div_ceil(runs) };
        channels.shares(panel, wanted.max(panels * panel / COLUMNS).clamp(1, panels))
    }

    /// Computes the positions of one phase in a task's cells, which have the same columns.
    ///
    /// They lie apart in the output, so that they are first listed over all cells, then summed beside the output as the
    /// rows of one product, and last put in their places, in the same order.
    fn run_phase(
        &self,
        phase: &Phase,
        gradient: View<'_>,
        epilogue: &FullEpilogue<'_>,
        cells: &mut Cells<'_>,
    ) {
        let mut corners = Vec::new();
        let (mut column, mut columns) = (0, 0);
        for cell in cells.range.clone() {
            let block = cells.block(cell);
            (column, columns) = (block.first[0], block.extent[0]);
            let item = block.first[1];
            corners.extend(self.positions(phase, &block).map(|(y, x)| Corner {
                item,
                top: phase.taps[0].first_window(block.first[2] + y),
                left: phase.taps[1].first_window(x),
            }));
        }
        with_scratch(corners.len() * columns, |sums| {
            if let Some(weight) = &phase.weight {
                let within =
                    Columns { block: column / self.blocks.outputs, first: column % self.blocks.outputs };
                let mut sums = MatrixMut::new(sums, corners.len(), columns, columns);
                weight.gathered_sums(gradient, within, &corners, None, &mut sums);
            } else {
                sums.fill(0.0);
            }
            let mut sums = sums.chunks_exact(columns);
            for cell in cells.range.clone() {
                let mut block = cells.block(cell);
                for (y, x) in self.positions(phase, &block) {
                    let sums = sums.next().expect("a row of sums for each corner");
                    let (line, at) = block.line([0, 0, y, x]);
                    apply_to_line(self.isa, sums, &epilogue.at_column(column), (line, at));
                }
            }
        });
    }

    /// The lines and columns of a block that belong to a phase.
    fn positions(&self, phase: &Phase, block: &BlockMut<'_>) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Window { stride: [down, across], padding, .. } = self.geometry.window;
        let ([_, _, top, _], [_, _, lines, width]) = (block.first, block.extent);
        // The first index from which on `index + start + padding` leaves the remainder.
        let first = |axis: usize, start: usize, stride: usize| {
            (phase.taps[axis].remainder + stride - (start + padding[axis]) % stride) % stride
        };
        let (y, x) = (first(0, top, down), first(1, 0, across));
        (y..lines).step_by(down).flat_map(move |y| (x..width).step_by(across).map(move |x| (y, x)))
    }
}
