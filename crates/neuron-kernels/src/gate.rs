//! Maps whose channels are scaled by a number that an item has for each: squeeze and excitation.
use crate::elementwise::CHUNK;
use crate::microkernel::{Isa, scale_line, scale_line_in_place, sum_positions};
use crate::reduce::{CHANNELS, by_channels};
use crate::shape::View;

/// `output = input * gate`
///
/// # Shapes
/// * `gate`: `[batch, channels]`
/// * `output`: like the input
///
/// # Panics
/// If a length does not fit.
pub fn multiply_by_gate(input: View<'_>, gate: &[f32], output: &mut [f32]) {
    input.check();
    assert_eq!(gate.len(), input.batch * input.channels, "gates of [batch, channels]");
    assert_eq!(output.len(), input.data.len(), "output of the gate");
    let isa = Isa::detected();
    by_item(output, input.item_len(), input.channels, |item, at, output| {
        let gate = &gate[item * input.channels..][..input.channels];
        scale_line(isa, &input.data[at..][..output.len()], gate, output);
    });
}

/// `signal *= gate`: the gradient of [`multiply_by_gate`] with respect to its input.
///
/// # Shapes
/// * `signal`: `[batch, .., channels]`
/// * `gate`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn scale_by_gate(signal: &mut [f32], gate: &[f32], channels: usize) {
    if signal.is_empty() {
        return;
    }
    assert!(gate.len().is_multiple_of(channels), "gates of [batch, {channels}]");
    assert!(
        signal.len().is_multiple_of(gate.len()),
        "a signal of [{}, .., {channels}]",
        gate.len() / channels
    );
    let (isa, item_len) = (Isa::detected(), signal.len() / gate.len() * channels);
    by_item(signal, item_len, channels, |item, _, signal| {
        scale_line_in_place(isa, signal, &gate[item * channels..][..channels]);
    });
}

/// The gradient of [`multiply_by_gate`] with respect to its gate: the sums of `input * signal`, accumulated in f64 in the
/// order of the positions.
///
/// # Shapes
/// * `signal`: like the input
/// * `output`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn gate_gradient(input: View<'_>, signal: &[f32], output: &mut [f32]) {
    input.check();
    assert_eq!(signal.len(), input.data.len(), "signal of the gate");
    assert_eq!(output.len(), input.batch * input.channels, "gradient of the gate");
    if output.is_empty() {
        return;
    }
    let (isa, channels, positions) = (Isa::detected(), input.channels, input.height * input.width);
    if positions == 0 {
        return output.fill(0.0);
    }
    by_channels(output, channels, |item, first, output| {
        let mut sums = [0f64; CHANNELS];
        let sums = &mut sums[..output.len()];
        let from = item * input.item_len() + first;
        let terms = (&input.data[from..], Some(&signal[from..]));
        sum_positions(isa, terms, (positions, channels), sums);
        output.iter_mut().zip(sums).for_each(|(output, sum)| *output = *sum as f32);
    });
}

/// Calls `body` with an item, where some of its positions begin among all values, and these positions.
fn by_item(
    values: &mut [f32],
    item_len: usize,
    channels: usize,
    body: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    if values.is_empty() {
        return;
    }
    let chunk = (channels * (CHUNK / channels).max(1)).min(item_len);
    let parts = item_len.div_ceil(chunk);
    let items = values.chunks_mut(item_len).flat_map(|item| item.chunks_mut(chunk));
    neuron_threads::for_each(items, |index, values| {
        let item = index / parts;
        body(item, item * item_len + index % parts * chunk, values);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Miri, which is slow, has few.
    const MOST_CHANNELS: usize = if cfg!(miri) { 12 } else { 150 };

    proptest! {
        #[test]
        fn gates_and_their_gradients_are_what_they_are_defined_to_be(
            batch in 1usize..4, height in 1usize..6, width in 1usize..40, channels in 1..MOST_CHANNELS,
        ) {
            let positions = height * width;
            let value = |index: usize, factor: usize| (index * factor % 101) as f32 / 50.0 - 1.0;
            let data: Vec<f32> = (0..batch * positions * channels).map(|i| value(i, 37)).collect();
            let signal: Vec<f32> = (0..data.len()).map(|i| value(i, 53)).collect();
            let gate: Vec<f32> = (0..batch * channels).map(|i| value(i, 29)).collect();
            let input = View::new(batch, height, width, channels, &data);
            let (mut output, mut back) = (vec![f32::NAN; data.len()], signal.clone());
            let mut sums = vec![f32::NAN; gate.len()];
            multiply_by_gate(input, &gate, &mut output);
            scale_by_gate(&mut back, &gate, channels);
            gate_gradient(input, &signal, &mut sums);
            let mut expected = vec![0f64; gate.len()];
            for index in 0..data.len() {
                let at = index / (positions * channels) * channels + index % channels;
                prop_assert_eq!(output[index], data[index] * gate[at]);
                prop_assert_eq!(back[index], signal[index] * gate[at]);
                expected[at] += f64::from(data[index]) * f64::from(signal[index]);
            }
            for (sum, expected) in sums.iter().zip(expected) {
                prop_assert_eq!(*sum, expected as f32);
            }
        }
    }

    #[test]
    fn no_items_no_gates() {
        multiply_by_gate(View::new(0, 2, 2, 3, &[]), &[], &mut []);
        scale_by_gate(&mut [], &[], 3);
        gate_gradient(View::new(0, 2, 2, 3, &[]), &[], &mut []);
    }
}
