//! The greatest value of every window.
use super::{Line, Places, UnsupportedPool, check, windows_over};
use crate::microkernel::{Isa, Pooling, pool_pixels, pool_pixels_max};
use crate::shape::View;
use neuron_geometry::Window;

/// Places that a byte can tell apart.
const MOST_PLACES: usize = 1 << u8::BITS;

/// The greatest value of every window, NaN if it holds one; the padding never wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    window: Window,
}

impl MaxPool {
    /// A pool over `window`.
    ///
    /// # Errors
    /// If the window is degenerate, as narrow as its padding, or has more than 256 places.
    pub fn new(window: Window) -> Result<Self, UnsupportedPool> {
        check(window)?;
        if window.places() > MOST_PLACES {
            return Err(UnsupportedPool::TooManyPlaces(window));
        }
        Ok(Self { window })
    }

    /// Overwrites `output` with the maxima, and `argmax` with where in the window (`row * kernel width + column`) each is
    /// first reached.
    ///
    /// A dilated window all of whose places miss the map has the maximum of nothing, minus infinity.
    ///
    /// # Shapes
    /// * `output`, `argmax`: `[batch, positions of the map's size, channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn forward(&self, input: View<'_>, output: &mut [f32], argmax: Option<&mut [u8]>) {
        input.check();
        let [rows, columns] = self.window.positions(input.size());
        assert_eq!(output.len(), input.batch * rows * columns * input.channels, "output of the max-pool");
        if output.is_empty() {
            return;
        }
        let line = columns * input.channels;
        let isa = Isa::detected();
        match argmax {
            Some(argmax) => {
                assert_eq!(argmax.len(), output.len(), "argmax of the max-pool");
                neuron_threads::for_each(
                    output.chunks_mut(line).zip(argmax.chunks_mut(line)),
                    |index, (output, argmax)| {
                        let mut line = Line::new(&self.window, &input, index / rows, index % rows);
                        let pixels = output
                            .chunks_exact_mut(input.channels)
                            .zip(argmax.chunks_exact_mut(input.channels));
                        for (x, (best, argmax)) in pixels.enumerate() {
                            let (from, places) = line.numbered_places(x);
                            if places.is_empty() {
                                best.fill(f32::NEG_INFINITY);
                                argmax.fill(0);
                            } else {
                                pool_pixels_max(isa, &input.data[from..], places, best, argmax);
                            }
                        }
                    },
                );
            }
            None => neuron_threads::for_each(output.chunks_mut(line), |index, output| {
                let mut line = Line::new(&self.window, &input, index / rows, index % rows);
                for (x, best) in output.chunks_exact_mut(input.channels).enumerate() {
                    let (from, places) = line.places(x);
                    pool_pixels(isa, Pooling::Max, &input.data[from..], places, best);
                }
            }),
        }
    }

    /// The gradient of [`MaxPool::forward`] with respect to its input: each goes to the one place that won.
    ///
    /// # Shapes
    /// * `gradient`, `argmax`: `[batch, positions of the size, channels]`
    /// * `size`: height and width of the input
    /// * `output`: `[batch, height, width, channels]`
    ///
    /// # Panics
    /// If a length does not fit.
    pub fn backward(&self, gradient: View<'_>, argmax: &[u8], size: [usize; 2], output: &mut [f32]) {
        gradient.check();
        let ([height, width], window) = (size, &self.window);
        let View { batch, height: rows, width: columns, channels, data } = gradient;
        assert_eq!([rows, columns], window.positions(size), "positions of the max-pool");
        assert_eq!(argmax.len(), data.len(), "argmax of the max-pool");
        assert_eq!(output.len(), batch * height * width * channels, "gradient of the max-pool's input");
        if output.is_empty() {
            return;
        }
        // Gathering, a line of the input at a time: each value is the sum over the windows that it won, in their order.
        neuron_threads::for_each(output.chunks_mut(width * channels), |index, output| {
            let (item, line) = (index / height, index % height);
            output.fill(0.0);
            for y in windows_over(window, 0, line, rows) {
                let Some(row) = Places::inside(window, 0, y, height).at(line) else { continue };
                for x in 0..columns {
                    let at = ((item * rows + y) * columns + x) * channels;
                    let won = (&data[at..][..channels], &argmax[at..][..channels]);
                    for (column, x) in Places::inside(window, 1, x, width).positions() {
                        let place = row * window.kernel[1] + column;
                        add_where_won(won, place, &mut output[x * channels..][..channels]);
                    }
                }
            }
        });
    }
}

/// `output += gradient` for the channels that `place` won.
fn add_where_won((gradient, argmax): (&[f32], &[u8]), place: usize, output: &mut [f32]) {
    for ((output, value), at) in output.iter_mut().zip(gradient).zip(argmax) {
        *output += if usize::from(*at) == place { *value } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{any_window, windows};
    use super::*;
    use proptest::prelude::*;

    fn check_max_pool(window: Window, [batch, height, width, channels]: [usize; 4], data: &[f32]) {
        let pool = MaxPool::new(window).expect("a window that a max-pool can have");
        let [rows, columns] = window.positions([height, width]);
        let input = View::new(batch, height, width, channels, data);
        let windows = windows(window, [batch, height, width]);
        let len = windows.len() * channels;
        let (mut maxima, mut argmax, mut alone) = (vec![0.0; len], vec![99; len], vec![0.0; len]);
        pool.forward(input, &mut maxima, Some(&mut argmax));
        pool.forward(input, &mut alone, None);
        let mut expected = vec![0.0; data.len()];
        for (at, places) in windows.iter().enumerate() {
            for channel in 0..channels {
                let index = at * channels + channel;
                let value = |pixel: usize| data[pixel * channels + channel];
                let nan = places.iter().find(|(_, pixel)| value(*pixel).is_nan());
                let best = nan.copied().or_else(|| {
                    let places = places.iter().copied();
                    places.reduce(|best, next| if value(next.1) > value(best.1) { next } else { best })
                });
                let Some(best) = best else {
                    assert_eq!((maxima[index], alone[index]), (f32::NEG_INFINITY, f32::NEG_INFINITY));
                    continue;
                };
                assert_eq!(usize::from(argmax[index]), best.0);
                assert_eq!(maxima[index].to_bits(), value(best.1).to_bits());
                assert_eq!(alone[index].is_nan(), nan.is_some());
                assert!(nan.is_some() || alone[index] == maxima[index]);
                expected[best.1 * channels + channel] += index as f32;
            }
        }
        let gradient: Vec<f32> = (0..len).map(|index| index as f32).collect();
        let gradient = View::new(batch, rows, columns, channels, &gradient);
        let mut back = vec![f32::NAN; data.len()];
        pool.backward(gradient, &argmax, [height, width], &mut back);
        assert_eq!(back, expected);
    }

    proptest! {
        #[test]
        fn max_pools_are_what_they_are_defined_to_be(
            window in any_window(),
            batch in 1usize..3, height in 1usize..9, width in 1usize..9, channels in 1usize..5, seed in 0usize..1000,
        ) {
            prop_assume!(MaxPool::new(window).is_ok());
            // Few values, so that there are ties, and some NaN.
            let value = |index: usize| match (index * 7919 + seed * 104_729) % 23 {
                0 => f32::NAN,
                other => other as f32 % 5.0 - 2.0,
            };
            let data: Vec<f32> = (0..batch * height * width * channels).map(value).collect();
            check_max_pool(window, [batch, height, width, channels], &data);
        }
    }

    #[test]
    fn a_dilated_window_can_miss_the_map() {
        // Its two places lie before and behind the one position; PyTorch answers minus infinity, too.
        let window = Window { kernel: [1, 2], padding: [0, 1], dilation: [1, 2], ..Window::square(1, 1, 0) };
        check_max_pool(window, [1, 1, 1, 2], &[3.0, 4.0]);
    }

    #[test]
    fn ceil_mode_as_pytorch_has_it() {
        // torch.nn.MaxPool2d(3, stride=2, ceil_mode=True) of 0..16 as 4 x 4: the last windows hold two lines, two columns.
        let window = Window { ceil_mode: true, ..Window::square(3, 2, 0) };
        let data: Vec<f32> = (0..16u8).map(f32::from).collect();
        let (mut maxima, mut argmax) = ([0.0; 4], [0; 4]);
        let pool = MaxPool::new(window).expect("a window that a max-pool can have");
        pool.forward(View::new(1, 4, 4, 1, &data), &mut maxima, Some(&mut argmax));
        assert_eq!((maxima, argmax), ([10.0, 11.0, 14.0, 15.0], [8, 7, 5, 4]));
    }
}
