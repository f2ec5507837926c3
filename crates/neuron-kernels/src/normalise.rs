//! Layer norms over the channels of each position.
use crate::elementwise::CHUNK;
use crate::microkernel::{Isa, normalise_line, normalise_line_back};
use crate::shape::View;

/// `(x - mean) / sqrt(variance + eps) * weight + bias`, with the mean and the (biased) variance of each position's
/// channels: a layer norm (Ba et al., "Layer Normalization", 2016) as ConvNeXt and transformers have it.
///
/// The sums are exact to a few units in the last place of f32 whatever the mean.
///
/// # Shapes
/// * `weight`, `bias`: `[channels]`
/// * `output`: like the input
///
/// # Panics
/// If a length does not fit.
pub fn layer_norm(input: View<'_>, weight: &[f32], bias: &[f32], eps: f64, output: &mut [f32]) {
    let isa = Isa::detected();
    by_positions(input, output, |at, output| {
        let input = &input.data[at..][..output.len()];
        normalise_line(isa, input, (weight, bias), eps, output);
    });
}

/// The gradient of [`layer_norm`] with respect to its input, of that with respect to its output.
///
/// # Shapes
/// * `weight`: `[channels]`
/// * `signal`, `output`: like the input
///
/// # Panics
/// If a length does not fit.
pub fn layer_norm_gradient(input: View<'_>, weight: &[f32], eps: f64, signal: &[f32], output: &mut [f32]) {
    assert_eq!(signal.len(), input.data.len(), "signal of the layer norm");
    let isa = Isa::detected();
    by_positions(input, output, |at, output| {
        let part = at..at + output.len();
        normalise_line_back(isa, &input.data[part.clone()], (weight, &signal[part]), eps, output);
    });
}

/// Calls `body` with where some whole positions begin, and their outputs.
fn by_positions(input: View<'_>, output: &mut [f32], body: impl Fn(usize, &mut [f32]) + Sync) {
    input.check();
    assert_eq!(output.len(), input.data.len(), "output of the layer norm");
    if output.is_empty() {
        return;
    }
    let chunk = input.channels * (CHUNK / input.channels).max(1);
    neuron_threads::for_each(output.chunks_mut(chunk), |index, output| body(index * chunk, output));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EPS: f64 = 1e-6;
    /// Miri, which is slow, has few.
    const MOST_CHANNELS: usize = if cfg!(miri) { 40 } else { 100 };

    /// In f64: the outputs, and the gradients.
    fn definition([x, signal]: [&[f32]; 2], [weight, bias]: [&[f32]; 2]) -> (Vec<f64>, Vec<f64>) {
        let (mut outputs, mut gradients) = (Vec::new(), Vec::new());
        let len = weight.len() as f64;
        for (x, signal) in x.chunks(weight.len()).zip(signal.chunks(weight.len())) {
            let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
            let (x, signal, weight, bias) = (wide(x), wide(signal), wide(weight), wide(bias));
            let mean = x.iter().sum::<f64>() / len;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / len;
            let scale = 1.0 / (variance + EPS).sqrt();
            let normal: Vec<f64> = x.iter().map(|x| (x - mean) * scale).collect();
            outputs.extend(normal.iter().zip(&weight).zip(&bias).map(|((n, w), b)| n * w + b));
            // d n_j / d x_i = scale * ([i == j] - 1 / len - n_i n_j / len), summed over j.
            for (i, n) in normal.iter().enumerate() {
                let terms = normal
                    .iter()
                    .zip(&signal)
                    .zip(&weight)
                    .enumerate()
                    .map(|(j, ((m, s), w))| s * w * (f64::from(u8::from(i == j)) - (1.0 + n * m) / len));
                gradients.push(scale * terms.sum::<f64>());
            }
        }
        (outputs, gradients)
    }

    fn noise(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|index| ((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    fn check(batch: usize, [height, width]: [usize; 2], channels: usize, offset: f32, seed: usize) {
        let len = batch * height * width * channels;
        let mut x = noise(len, seed);
        x.iter_mut().for_each(|x| *x += offset);
        let (signal, weight, bias) =
            (noise(len, seed + 1), noise(channels, seed + 2), noise(channels, seed + 3));
        let (expected, gradients) = definition([&x, &signal], [&weight, &bias]);
        let input = View::new(batch, height, width, channels, &x);
        let (mut output, mut gradient) = (vec![f32::NAN; len], vec![f32::NAN; len]);
        layer_norm(input, &weight, &bias, EPS, &mut output);
        layer_norm_gradient(input, &weight, EPS, &signal, &mut gradient);
        for isa in Isa::available() {
            let (mut again, mut back) = (vec![f32::NAN; len], vec![f32::NAN; len]);
            normalise_line(isa, &x, (&weight, &bias), EPS, &mut again);
            normalise_line_back(isa, &x, (&weight, &signal), EPS, &mut back);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&again), bits(&output), "{isa:?}");
            assert_eq!(bits(&back), bits(&gradient), "{isa:?}");
        }
        for (got, expected) in output.iter().zip(&expected) {
            assert!((f64::from(*got) - expected).abs() < 4e-6, "{got}, not {expected}");
        }
        // One channel, or equal ones, have a scale of a thousand.
        let largest = gradients.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        for (got, expected) in gradient.iter().zip(&gradients) {
            assert!(
                (f64::from(*got) - expected).abs() < 4e-6 * largest.max(1e3 / channels as f64),
                "{got}, not {expected}"
            );
        }
    }

    proptest! {
        #[test]
        fn layer_norms_and_their_gradients_are_what_they_are_defined_to_be(
            batch in 1usize..3, height in 1usize..4, width in 1usize..5, channels in 1..MOST_CHANNELS, seed in 0usize..1000,
        ) {
            check(batch, [height, width], channels, 0.0, seed);
        }
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        // As exact as x itself: 64 has 1 / 4 of the places of a value in (-1, 1) behind the point.
        check(2, [1, 3], if cfg!(miri) { 33 } else { 768 }, 64.0, 5);
    }

    #[test]
    fn nothing_is_normalised_to_nothing() {
        layer_norm(View::new(0, 2, 3, 4, &[]), &[1.0; 4], &[0.0; 4], EPS, &mut []);
    }
}
