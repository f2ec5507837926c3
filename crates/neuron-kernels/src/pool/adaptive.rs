//! The means of a fixed number of bins, whatever the size of the map.
use super::pixel;
use crate::shape::View;
use std::ops::Range;

/// The mean of every bin of a map that is divided into as many bins as there are positions: bin `i` of `m` holds
/// `floor(i n / m) .. ceil((i + 1) n / m)` of `n` lines or columns (PyTorch's `AdaptiveAvgPool2d`).
///
/// Bins overlap where `m` does not divide `n`, and repeat values where it is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAveragePool {
    /// Height and width of the output.
    pub positions: [usize; 2],
}

/// What of an axis of `len` positions bin `index` of `bins` holds.
fn bin(index: usize, bins: usize, len: usize) -> Range<usize> {
    index * len / bins..((index + 1) * len).div_ceil(bins)
}

impl AdaptiveAveragePool {
    /// Overwrites `output` with the means, accumulated in f64, line by line.
    ///
    /// # Shapes
    /// * `output`: `[batch, positions, channels]`
    ///
    /// # Panics
    /// If a length does not fit or maps without positions are to have means.
    pub fn forward(&self, input: View<'_>, output: &mut [f32]) {
        input.check();
        let ([rows, columns], View { batch, height, width, channels, .. }) = (self.positions, input);
        assert_eq!(output.len(), batch * rows * columns * channels, "output of the adaptive pool");
        if output.is_empty() {
            return;
        }
        assert!(height * width > 0, "maps without positions");
        neuron_threads::for_each(output.chunks_mut(columns * channels), |index, output| {
            let (item, lines) = (index / rows, bin(index % rows, rows, height));
            let mut sums = vec![0f64; channels];
            for (x, means) in output.chunks_exact_mut(channels).enumerate() {
                let across = bin(x, columns, width);
                sums.fill(0.0);
                for (y, x) in lines.clone().flat_map(|y| across.clone().map(move |x| (y, x))) {
                    let values = pixel(&input, item, y, x);
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(*value));
                }
                let count = (lines.len() * across.len()) as f64;
                means.iter_mut().zip(&sums).for_each(|(mean, sum)| *mean = (sum / count) as f32);
            }
        });
    }

    /// The gradient of [`AdaptiveAveragePool::forward`] with respect to its input of `size`: that of each mean is shared
    /// out evenly.
    ///
    /// # Shapes
    /// * `signal`: `[batch, positions, channels]`
    /// * `output`: `[batch, height, width, channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn backward(&self, signal: View<'_>, size: [usize; 2], output: &mut [f32]) {
        signal.check();
        let ([height, width], [rows, columns]) = (size, self.positions);
        let channels = signal.channels;
        assert_eq!(signal.size(), self.positions, "positions of the adaptive pool");
        let expected = signal.batch * height * width * channels;
        assert_eq!(output.len(), expected, "gradient of the adaptive pool's input");
        if output.is_empty() {
            return;
        }
        // The bins that hold a place are those that it would hold, were there as many places as bins.
        let columns: Vec<(Range<usize>, Vec<usize>)> = (0..width)
            .map(|x| {
                let bins = bin(x, width, columns);
                (bins.clone(), bins.map(|index| bin(index, columns, width).len()).collect())
            })
            .collect();
        neuron_threads::for_each(output.chunks_mut(width * channels), |index, output| {
            let (item, line) = (index / height, index % height);
            output.fill(0.0);
            for y in bin(line, height, rows) {
                let lines = bin(y, rows, height).len();
                for (output, (bins, counts)) in output.chunks_exact_mut(channels).zip(&columns) {
                    for (x, count) in bins.clone().zip(counts) {
                        let (values, count) = (pixel(&signal, item, y, x), (lines * count) as f32);
                        output.iter_mut().zip(values).for_each(|(output, value)| *output += value / count);
                    }
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `size x positions`: the weight of each place in each mean along an axis, by the text of PyTorch's documentation.
    fn share(places: usize, bins: usize) -> Vec<Vec<f64>> {
        let bounds = |bin: usize| {
            let start = (bin as f64 * places as f64 / bins as f64 + 1e-9).floor() as usize;
            let end = ((bin + 1) as f64 * places as f64 / bins as f64 - 1e-9).ceil() as usize;
            (start, end)
        };
        let of = |bin: usize, place: usize| {
            let (start, end) = bounds(bin);
            if (start..end).contains(&place) { 1.0 / (end - start) as f64 } else { 0.0 }
        };
        (0..bins).map(|bin| (0..places).map(|place| of(bin, place)).collect()).collect()
    }

    proptest! {
        #[test]
        fn adaptive_pools_and_their_gradients_are_what_they_are_defined_to_be(
            batch in 1usize..3, height in 1usize..12, width in 1usize..12,
            rows in 1usize..9, columns in 1usize..9, channels in 1usize..5,
        ) {
            let data: Vec<f32> = (0..batch * height * width * channels).map(|i| (i * 37 % 101) as f32).collect();
            let pool = AdaptiveAveragePool { positions: [rows, columns] };
            let mut means = vec![f32::NAN; batch * rows * columns * channels];
            pool.forward(View::new(batch, height, width, channels, &data), &mut means);
            let signal: Vec<f32> = (0..means.len()).map(|i| (i * 53 % 97) as f32).collect();
            let mut back = vec![f32::NAN; data.len()];
            pool.backward(View::new(batch, rows, columns, channels, &signal), [height, width], &mut back);

            let (down, across) = (share(height, rows), share(width, columns));
            let (mut expected, mut gradients) = (vec![0f64; means.len()], vec![0f64; data.len()]);
            for (index, (mean, signal)) in expected.iter_mut().zip(&signal).enumerate() {
                let (position, channel) = (index / channels, index % channels);
                let (item, y, x) = (position / (rows * columns), position / columns % rows, position % columns);
                for (place, (i, j)) in (0..height).flat_map(|i| (0..width).map(move |j| (i, j))).enumerate() {
                    let at = (item * height * width + place) * channels + channel;
                    *mean += down[y][i] * across[x][j] * f64::from(data[at]);
                    gradients[at] += down[y][i] * across[x][j] * f64::from(*signal);
                }
            }
            let near = |got: &[f32], expected: &[f64]| {
                got.iter().zip(expected).all(|(got, expected)| (f64::from(*got) - expected).abs() < 1e-4)
            };
            prop_assert!(near(&means, &expected));
            prop_assert!(near(&back, &gradients));
        }
    }

    #[test]
    fn one_bin_is_the_mean_of_the_map() {
        let data: Vec<f32> = (0..2 * 5 * 3 * 4).map(|i| (i as f32).sin()).collect();
        let input = View::new(2, 5, 3, 4, &data);
        let (mut means, mut global) = ([0.0; 8], [0.0; 8]);
        AdaptiveAveragePool { positions: [1, 1] }.forward(input, &mut means);
        super::super::global_average_pool(input, &mut global);
        assert_eq!(means, global);
        // As many bins as positions change nothing.
        let mut same = vec![0.0; data.len()];
        AdaptiveAveragePool { positions: [5, 3] }.forward(input, &mut same);
        assert_eq!(same, data);
    }

    #[test]
    fn bins_are_pytorchs() {
        // torch.nn.AdaptiveAvgPool2d((1, 3)) of 0..5: 0..2, 1..4, 3..5.
        let mut means = [0.0; 3];
        let data = [0.0, 1.0, 2.0, 3.0, 4.0];
        AdaptiveAveragePool { positions: [1, 3] }.forward(View::new(1, 1, 5, 1, &data), &mut means);
        assert_eq!(means, [0.5, 2.0, 3.5]);
    }
}
