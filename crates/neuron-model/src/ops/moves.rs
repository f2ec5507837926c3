//! What operations have in common that only move values to other places: a signal moves back.

use std::sync::Arc;

use neuron_kernels::View;

use super::host::{Backward, Forward, Pool, Signal, Size};
use super::op::Op;

/// An operation each of whose values is one of its input, or a constant.
pub(super) trait Moves: Op {
    /// Position and channel of the input's value that a place of the output has; `None` for the constant.
    ///
    /// Sizes are `[height, width, channels]`; a map with extra positions is one line.
    fn source(
        &self,
        input: [usize; 3],
        output: [usize; 3],
        position: usize,
        channel: usize,
    ) -> Option<(usize, usize)>;

    /// The constant.
    fn constant(&self) -> f32 {
        0.0
    }
}

/// Output values by their places.
pub(super) fn forward(moves: &(impl Moves + Sync), call: &Forward<'_>, output: &mut [f32]) {
    let View { height, width, channels, data, .. } = call.input;
    let [rows, columns] = call.shape.lines();
    let (from, to) = ([height, width, channels], [rows, columns, call.shape.channels]);
    let (item_len, positions) = (call.input.item_len(), rows * columns);
    neuron_threads::for_each(output.chunks_mut(to[2].max(1)), |index, values| {
        let (item, position) = (index / positions, index % positions);
        let input = &data[item * item_len..][..item_len];
        for (channel, value) in values.iter_mut().enumerate() {
            *value = match moves.source(from, to, position, channel) {
                Some((at, of)) => input[at * channels + of],
                None => moves.constant(),
            };
        }
    });
}

/// A signal back to the places that values came from; those that were read several times get the sum, in the output's order.
pub(super) fn backward(
    moves: &(impl Moves + Sync),
    call: &Backward<'_>,
    signal: Signal,
    pool: &mut Pool,
) -> Vec<Signal> {
    let (size, output) = (call.sizes[0], call.output_size);
    let sides = |size: Size| [size.height, size.width, size.channels];
    let (from, to) = (sides(size), sides(output));
    let mut back = pool.take(size.len());
    let item_len = size.height * size.width * size.channels;
    let signal_len = output.height * output.width * output.channels;
    neuron_threads::for_each(back.chunks_mut(item_len.max(1)), |item, back| {
        back.fill(0.0);
        for (at, signal) in signal[item * signal_len..][..signal_len].iter().enumerate() {
            if let Some((position, channel)) = moves.source(from, to, at / to[2], at % to[2]) {
                back[position * size.channels + channel] += signal;
            }
        }
    });
    pool.release(signal);
    vec![Arc::new(back)]
}
