//! Maps of few positions.
use super::{Direct, ROWS, Sampling, TINY};
use crate::microkernel::{Axis, FullEpilogue, Rows, Split, Stage, gemm};
use crate::shape::View;
use std::ops::Range;

impl Direct {
    /// Whether the map is tiny enough that most of what a kernel covers is padding.
    ///
    /// Never decided by the batch: an item's result must not depend on it.
    pub(super) fn runs_by_position(&self, input: View<'_>, sampling: &Sampling) -> bool {
        let positions = sampling.positions[0] * sampling.positions[1];
        let one_tap_a_block = self.blocks.inputs.is_multiple_of(self.weight[0].block_len());
        positions <= TINY
            && self.blocks.count == 1
            && one_tap_a_block
            && (0..positions).all(|at| self.taps(input, sampling, at).next().is_some())
    }

    /// One product a kernel position and output position: its rows are the items, read and written in place. Kernel
    /// positions in the padding are left out, for adding their zeros would change nothing.
    pub(super) fn by_position(
        &self,
        input: View<'_>,
        sampling: &Sampling,
        epilogue: &FullEpilogue<'_>,
        output: &mut [f32],
    ) {
        let (positions, channels) = (sampling.positions[0] * sampling.positions[1], self.out_channels());
        let row_parts = input.batch.div_ceil(ROWS);
        let panels = channels.div_ceil(self.isa.panel);
        let wanted = (4 * neuron_threads::threads()).div_ceil(positions * row_parts);
        let split = Split::new(
            [
                Axis::whole(positions, channels).every(1),
                Axis::whole(input.batch, positions * channels).shares(1, row_parts),
                Axis::whole(1, 1),
                Axis::whole(channels, 1).shares(self.isa.panel, wanted.min(panels.div_ceil(4))),
            ],
            3,
        );
        split.for_each(output, |_, mut cell| {
            let [position, item, _, column] = cell.first;
            let epilogue = epilogue.at_column(column);
            let blocks: Vec<_> = self.taps(input, sampling, position).collect();
            for (index, (block, at)) in blocks.iter().enumerate() {
                let rows = Rows::new(&input.data[item * input.item_len() + at..], input.item_len());
                let last = index + 1 == blocks.len();
                let stage = Stage { resume: index > 0, epilogue: last.then_some(epilogue) };
                gemm(self.isa, rows, self.weight[0].panels(block, column), &mut cell.matrix(1), stage);
            }
        });
    }

    /// The blocks of the depth that output `position` needs, and where in an item's values each begins.
    fn taps<'a>(
        &'a self,
        input: View<'a>,
        sampling: &'a Sampling,
        position: usize,
    ) -> impl Iterator<Item = (Range<usize>, usize)> + 'a {
        let Sampling { stride, origin, positions } = *sampling;
        let (y, x) = (position / positions[1], position % positions[1]);
        self.weight[0].blocks().filter_map(move |block| {
            let (tap, channel) = (block.start / input.channels, block.start % input.channels);
            let [down, across] =
                [tap / self.kernel[1] * self.dilation[0], tap % self.kernel[1] * self.dilation[1]];
            let line = inside(y * stride[0] + down, origin[0], input.height)?;
            let column = inside(x * stride[1] + across, origin[1], input.width)?;
            Some((block, (line * input.width + column) * input.channels + channel))
        })
    }
}

fn inside(at: usize, origin: isize, len: usize) -> Option<usize> {
    at.checked_add_signed(origin).filter(|at| *at < len)
}
