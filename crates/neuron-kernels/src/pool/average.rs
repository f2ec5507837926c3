//! The mean of every window.
use super::{Line, Places, UnsupportedPool, check, pixel, windows_over};
use crate::microkernel::{Isa, Pooling, pool_pixels};
use crate::shape::View;
use neuron_geometry::Window;

/// What an average pool divides the sum of a window by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Divisor {
    /// The places inside of the map (PyTorch's `count_include_pad=False`).
    Inside,
    /// The places inside of the map and its padding (`count_include_pad=True`); what hangs over beyond it in ceil mode
    /// does not count.
    Padded,
}

/// The mean of every window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePool {
    window: Window,
    divisor: Divisor,
}

impl AveragePool {
    /// A pool over `window`.
    ///
    /// # Errors
    /// If the window is degenerate, as narrow as its padding, or dilated.
    pub fn new(window: Window, divisor: Divisor) -> Result<Self, UnsupportedPool> {
        check(window)?;
        if window.dilation != [1; 2] {
            return Err(UnsupportedPool::DilatedAverage(window));
        }
        Ok(Self { window, divisor })
    }

    /// Overwrites `output` with the means.
    ///
    /// # Shapes
    /// * `output`: `[batch, positions of the map's size, channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: View<'_>, output: &mut [f32]) {
        input.check();
        let [rows, columns] = self.window.positions(input.size());
        let channels = input.channels;
        assert_eq!(output.len(), input.batch * rows * columns * channels, "output of the average pool");
        if output.is_empty() {
            return;
        }
        let isa = Isa::detected();
        neuron_threads::for_each(output.chunks_mut(columns * channels), |index, output| {
            let (item, y) = (index / rows, index % rows);
            let mut line = Line::new(&self.window, &input, item, y);
            for (x, output) in output.chunks_exact_mut(channels).enumerate() {
                let count = self.count([y, x], input.size(), [line.rows.len(), line.columns(x).len()]);
                let (from, places) = line.places(x);
                pool_pixels(isa, Pooling::Mean(count), &input.data[from..], places, output);
            }
        });
    }

    /// The gradient of [`AveragePool::forward`] with respect to its input: each window's is shared out evenly.
    ///
    /// # Shapes
    /// * `gradient`: `[batch, positions of the size, channels]`
    /// * `size`: height and width of the input
    /// * `output`: `[batch, height, width, channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn backward(&self, gradient: View<'_>, size: [usize; 2], output: &mut [f32]) {
        gradient.check();
        let ([height, width], window) = (size, &self.window);
        let View { batch, height: rows, width: columns, channels, .. } = gradient;
        assert_eq!([rows, columns], window.positions(size), "positions of the average pool");
        assert_eq!(output.len(), batch * height * width * channels, "gradient of the average pool's input");
        if output.is_empty() {
            return;
        }
        neuron_threads::for_each(output.chunks_mut(width * channels), |index, output| {
            let (item, line) = (index / height, index % height);
            output.fill(0.0);
            for y in windows_over(window, 0, line, rows) {
                let lines = Places::inside(window, 0, y, height).len();
                for x in 0..columns {
                    let places = Places::inside(window, 1, x, width);
                    let count = self.count([y, x], size, [lines, places.len()]);
                    let values = pixel(&gradient, item, y, x);
                    for (_, column) in places.positions() {
                        let output = &mut output[column * channels..][..channels];
                        output.iter_mut().zip(values).for_each(|(output, value)| *output += value / count);
                    }
                }
            }
        });
    }

    /// What the sum of a window, of whose places so many lie inside of a map of `size`, is divided by.
    fn count(&self, at: [usize; 2], size: [usize; 2], inside: [usize; 2]) -> f32 {
        let window = &self.window;
        let counted = |axis: usize| match self.divisor {
            Divisor::Inside => inside[axis],
            Divisor::Padded => {
                let padded = size[axis] + 2 * window.padding[axis];
                window.kernel[axis].min(padded - at[axis] * window.stride[axis])
            }
        };
        (counted(0) * counted(1)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{any_window, windows};
    use super::*;
    use proptest::prelude::*;

    /// The places of window `at` along an axis that the padded map holds.
    fn padded(window: Window, axis: usize, at: usize, len: usize) -> usize {
        let places = 0..window.kernel[axis];
        places.filter(|place| at * window.stride[axis] + place < len + 2 * window.padding[axis]).count()
    }

    proptest! {
        #[test]
        fn average_pools_and_their_gradients_are_what_they_are_defined_to_be(
            window in any_window(), divisor in prop_oneof![Just(Divisor::Inside), Just(Divisor::Padded)],
            batch in 1usize..3, height in 1usize..9, width in 1usize..9, channels in 1usize..5,
        ) {
            let window = Window { dilation: [1; 2], ..window };
            let pool = AveragePool::new(window, divisor);
            prop_assume!(pool.is_ok());
            let pool = pool.expect("as assumed");
            let [rows, columns] = window.positions([height, width]);
            let data: Vec<f32> = (0..batch * height * width * channels).map(|i| (i * 37 % 101) as f32).collect();
            let windows = windows(window, [batch, height, width]);
            let mut means = vec![f32::NAN; windows.len() * channels];
            pool.forward(View::new(batch, height, width, channels, &data), &mut means);
            let mut expected_back = vec![0.0; data.len()];
            for (index, mean) in means.iter().enumerate() {
                let (at, places) = (index / channels % (rows * columns), &windows[index / channels]);
                prop_assert!(!places.is_empty());
                let count = match divisor {
                    Divisor::Inside => places.len(),
                    Divisor::Padded => padded(window, 0, at / columns, height) * padded(window, 1, at % columns, width),
                };
                let sum: f32 = places.iter().map(|(_, pixel)| data[pixel * channels + index % channels]).sum();
                prop_assert_eq!(*mean, sum / count as f32);
                for (_, pixel) in places {
                    expected_back[pixel * channels + index % channels] += index as f32 / count as f32;
                }
            }
            let gradient: Vec<f32> = (0..means.len()).map(|index| index as f32).collect();
            let gradient = View::new(batch, rows, columns, channels, &gradient);
            let mut back = vec![f32::NAN; data.len()];
            pool.backward(gradient, [height, width], &mut back);
            prop_assert_eq!(back, expected_back);
        }
    }

    #[test]
    fn padding_counts_as_pytorch_counts_it() {
        // torch.nn.AvgPool2d(2, stride=2, padding=1, ceil_mode=True, count_include_pad=..) of 1..=4 as 1 x 4.
        let window = Window { ceil_mode: true, ..Window::square(2, 2, 1) };
        let means = |divisor| {
            let mut means = [0.0; 3];
            let pool = AveragePool::new(window, divisor).expect("a window that an average pool can have");
            pool.forward(View::new(1, 1, 4, 1, &[1.0, 2.0, 3.0, 4.0]), &mut means);
            means
        };
        assert_eq!(means(Divisor::Inside), [1.0, 2.5, 4.0]);
        assert_eq!(means(Divisor::Padded), [0.25, 1.25, 1.0]);
    }
}
