//! Passes over whole maps that no convolution could take along.
use crate::microkernel::{Activation, Isa, add_line, scale_line_in_place, scale_shift_line};

/// Values a task works on: a few microseconds, and small enough to stay in the first-level cache.
pub(super) const CHUNK: usize = 8192;

/// `activation?(input * scale + shift)` by channel: a batch norm that could not be folded.
///
/// # Shapes
/// * `input`, `output`: `[.., channels]`
/// * `scale`, `shift`: `[channels]`
pub fn scale_shift(
    input: &[f32],
    scale: &[f32],
    shift: &[f32],
    activation: Option<Activation>,
    output: &mut [f32],
) {
    let (isa, chunk) = (Isa::detected(), scale.len() * (CHUNK / scale.len()).max(1));
    neuron_threads::for_each(output.chunks_mut(chunk), |index, values| {
        let inputs = &input[index * chunk..][..values.len()];
        scale_shift_line(isa, inputs, [scale, shift], activation, values);
    });
}

/// `output = input`.
pub fn copy(input: &[f32], output: &mut [f32]) {
    neuron_threads::for_each(output.chunks_mut(CHUNK), |index, values| {
        values.copy_from_slice(&input[index * CHUNK..][..values.len()]);
    });
}

/// `output = activation?(left + right)`.
pub fn add(left: &[f32], right: &[f32], activation: Option<Activation>, output: &mut [f32]) {
    let isa = Isa::detected();
    neuron_threads::for_each(output.chunks_mut(CHUNK), |index, values| {
        let part = index * CHUNK..index * CHUNK + values.len();
        add_line(isa, [&left[part.clone()], &right[part]], activation, values);
    });
}

/// Changes every value by `change(value, other)`.
pub fn update(values: &mut [f32], other: &[f32], change: impl Fn(f32, f32) -> f32 + Sync) {
    neuron_threads::for_each(values.chunks_mut(CHUNK), |index, values| {
        let others = &other[index * CHUNK..][..values.len()];
        values.iter_mut().zip(others).for_each(|(value, other)| *value = change(*value, *other));
    });
}

/// Multiplies every value by the scale of its channel.
///
/// # Shapes
/// * `values`: `[.., channels]`
/// * `scale`: `[channels]`
pub fn scale_by_channel(values: &mut [f32], scale: &[f32]) {
    let (isa, chunk) = (Isa::detected(), scale.len() * (CHUNK / scale.len()).max(1));
    neuron_threads::for_each(values.chunks_mut(chunk), |_, values| scale_line_in_place(isa, values, scale));
}

/// Replaces negative values by 0; NaN stays.
pub fn clamp_negative(values: &mut [f32]) {
    neuron_threads::for_each(values.chunks_mut(CHUNK), |_, values| {
        values.iter_mut().for_each(|value| *value = rectified(*value));
    });
}

/// Divides a signal between the two terms of a sum: `(q * signal, (1 - q) * signal)` with
/// `q = |main| / (|main| + |shortcut|)`, one half where both are 0.
///
/// `signal` becomes the part of `main`; the rest is written to `rest`.
pub fn split_by_magnitude(main: &[f32], shortcut: &[f32], signal: &mut [f32], rest: &mut [f32]) {
    neuron_threads::for_each(
        signal.chunks_mut(CHUNK).zip(rest.chunks_mut(CHUNK)),
        |index, (signal, rest)| {
            let at = index * CHUNK;
            let terms = main[at..][..signal.len()].iter().zip(&shortcut[at..][..signal.len()]);
            for ((signal, rest), (main, shortcut)) in signal.iter_mut().zip(rest).zip(terms) {
                let sum = main.abs() + shortcut.abs();
                let share = if sum == 0.0 { 0.5 } else { main.abs() / sum };
                *rest = (1.0 - share) * *signal;
                *signal *= share;
            }
        },
    );
}

/// Divides a signal between the two terms of a sum in proportion to their values: `term / (sum +- eps) * signal`.
///
/// `signal` becomes the part of `main`; that of `shortcut` is written to `other`.
pub fn split_by_value(main: &[f32], shortcut: &[f32], eps: f32, signal: &mut [f32], other: &mut [f32]) {
    neuron_threads::for_each(
        signal.chunks_mut(CHUNK).zip(other.chunks_mut(CHUNK)),
        |index, (signal, other)| {
            let at = index * CHUNK;
            let terms = main[at..][..signal.len()].iter().zip(&shortcut[at..][..signal.len()]);
            for ((signal, other), (main, shortcut)) in signal.iter_mut().zip(other).zip(terms) {
                let quotient = *signal / stabilised(main + shortcut, eps);
                *other = shortcut * quotient;
                *signal = main * quotient;
            }
        },
    );
}

/// `z + eps` above 0 (and at 0), `z - eps` below: a divisor that keeps its sign and stays off 0.
pub fn stabilised(z: f32, eps: f32) -> f32 {
    if z < 0.0 { z - eps } else { z + eps }
}

/// `max(value, 0)` that lets NaN through.
fn rectified(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_norm_is_applied_by_channel() {
        let mut output = [0.0; 4];
        scale_shift(&[1.0, 2.0, 3.0, 4.0], &[2.0, -1.0], &[0.5, 1.0], Some(Activation::Relu), &mut output);
        assert_eq!(output, [2.5, 0.0, 6.5, 0.0]);
    }

    proptest! {
        #[test]
        fn passes_with_an_activation_are_two_passes(
            rows in 1usize..9, channels in 1usize..70, index in 0usize..8, seed in 0usize..1000,
        ) {
            use Activation::*;
            let last = [None, Some(Relu), Some(Relu6), Some(Sigmoid), Some(HardSigmoid), Some(Silu), Some(HardSwish),
                Some(Gelu)][index];
            let noise = |len: usize, from: usize| -> Vec<f32> {
                (0..len).map(|at| ((at * 7919 + (seed + from) * 104_729) % 2003) as f32 / 200.0 - 5.0).collect()
            };
            let len = rows * channels;
            let (left, right) = (noise(len, 0), noise(len, 1));
            let (scale, shift) = (noise(channels, 2), noise(channels, 3));
            let sums: Vec<f32> = left.iter().zip(&right).map(|(left, right)| left + right).collect();
            let channel = |at: usize| (scale[at % channels], shift[at % channels]);
            let shifted: Vec<f32> = (0..len).map(|at| left[at] * channel(at).0 + channel(at).1).collect();
            let activated = |values: Vec<f32>| {
                let mut output = values.clone();
                if let Some(last) = last {
                    crate::activate(last, &values, &mut output);
                }
                output
            };
            let mut output = vec![f32::NAN; len];
            add(&left, &right, last, &mut output);
            prop_assert_eq!(&output, &activated(sums));
            scale_shift(&left, &scale, &shift, last, &mut output);
            prop_assert_eq!(&output, &activated(shifted));
            let mut scaled = left.clone();
            scale_by_channel(&mut scaled, &scale);
            prop_assert!((0..len).all(|at| scaled[at] == left[at] * channel(at).0));
        }
    }

    #[test]
    fn a_split_keeps_the_sum() {
        let (mut signal, mut rest) = ([4.0, 1.0, 2.0], [0.0; 3]);
        split_by_magnitude(&[1.0, 0.0, -3.0], &[-3.0, 0.0, 0.0], &mut signal, &mut rest);
        assert_eq!((signal, rest), ([1.0, 0.5, 2.0], [3.0, 0.5, 0.0]));
        let (mut signal, mut rest) = ([4.0, 1.0, 2.0], [0.0; 3]);
        split_by_value(&[1.0, 0.0, -3.0], &[3.0, 0.0, 1.0], 0.0625, &mut signal, &mut rest);
        assert_eq!((signal[1], rest[1]), (0.0, 0.0), "nothing from nothing");
        assert!((signal[0] + rest[0] - 4.0).abs() < 0.07 && (signal[2] + rest[2] - 2.0).abs() < 0.07);
        assert!(signal[2] > 0.0 && rest[2] < 0.0, "a term against the sum gets the other sign");
    }
}
