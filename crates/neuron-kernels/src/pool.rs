use super::{View, parallel, reduce_mean};
use neuron_geometry::Window;
use std::ops::Range;

/// The part of window `index` of an axis that lies inside of `0..len`.
fn clipped(window: Window, index: usize, len: usize) -> Range<usize> {
    let start = index * window.stride;
    start.saturating_sub(window.padding)..(start + window.kernel).saturating_sub(window.padding).min(len)
}

/// The greatest value of every window, NaN if it holds one; the padding never wins.
///
/// `argmax` receives where in the window (`row * kernel + column`) the maximum is first reached.
///
/// # Shapes
/// * `output`, `argmax`: `[batch, positions(height), positions(width), channels]`
///
/// # Panics
/// If a length does not fit, a window could lie in the padding alone, or it has more than 256 places.
pub fn max_pool(window: Window, input: View<'_>, output: &mut [f32], argmax: Option<&mut [u8]>) {
    input.check();
    assert!(window.padding < window.kernel && window.kernel <= 16, "unsupported max-pool {window:?}");
    let (rows, columns) = (window.positions(input.height), window.positions(input.width));
    assert_eq!(output.len(), input.batch * rows * columns * input.channels, "output of the max-pool");
    if output.is_empty() {
        return;
    }
    let line = columns * input.channels;
    let places = |index: usize, x: usize| places(window, input, (index / rows, index % rows, x));
    match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), output.len(), "argmax of the max-pool");
            parallel::for_each_chunk_pair(output, argmax, line, |index, output, argmax| {
                let pixels =
                    output.chunks_exact_mut(input.channels).zip(argmax.chunks_exact_mut(input.channels));
                for (x, (best, argmax)) in pixels.enumerate() {
                    best_and_where(places(index, x), best, argmax);
                }
            });
        }
        None => parallel::for_each_chunk(output, line, |index, output| {
            for (x, best) in output.chunks_exact_mut(input.channels).enumerate() {
                best_alone(places(index, x), best);
            }
        }),
    }
}

/// The places of window (`y`, `x`) of an item that lie inside of the map, row by row: number and channels of each.
fn places(
    window: Window,
    input: View<'_>,
    (item, y, x): (usize, usize, usize),
) -> impl Iterator<Item = (usize, &[f32])> {
    let View { height, width, channels, data, .. } = input;
    clipped(window, y, height).flat_map(move |row| {
        let first = (row + window.padding - y * window.stride) * window.kernel;
        clipped(window, x, width).map(move |column| {
            let values = &data[((item * height + row) * width + column) * channels..][..channels];
            (first + column + window.padding - x * window.stride, values)
        })
    })
}

fn best_alone<'a>(places: impl Iterator<Item = (usize, &'a [f32])>, best: &mut [f32]) {
    best.fill(f32::NEG_INFINITY);
    for (_, values) in places {
        for (best, value) in best.iter_mut().zip(values) {
            *best = if *value > *best || value.is_nan() { *value } else { *best };
        }
    }
}

fn best_and_where<'a>(
    mut places: impl Iterator<Item = (usize, &'a [f32])>,
    best: &mut [f32],
    argmax: &mut [u8],
) {
    let (place, values) = places.next().expect("no window lies in the padding alone");
    best.copy_from_slice(values);
    argmax.fill(place as u8);
    for (place, values) in places {
        for ((best, at), value) in best.iter_mut().zip(&mut *argmax).zip(values) {
            let better = *value > *best || (value.is_nan() && !best.is_nan());
            *best = if better { *value } else { *best };
            *at = if better { place as u8 } else { *at };
        }
    }
}

/// The gradient of [`max_pool`] with respect to its input: each goes to the one place that won.
///
/// # Shapes
/// * `gradient`, `argmax`: `[batch, positions(height), positions(width), channels]`
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn max_pool_backward(
    window: Window,
    gradient: View<'_>,
    argmax: &[u8],
    height: usize,
    width: usize,
    output: &mut [f32],
) {
    gradient.check();
    let View { batch, height: rows, width: columns, channels, data } = gradient;
    assert_eq!(
        (rows, columns),
        (window.positions(height), window.positions(width)),
        "positions of the max-pool"
    );
    assert_eq!(argmax.len(), data.len(), "argmax of the max-pool");
    assert_eq!(output.len(), batch * height * width * channels, "gradient of the max-pool's input");
    if output.is_empty() {
        return;
    }
    // Gathering, a line of the input at a time: each value is the sum over the windows that it won, in their order.
    parallel::for_each_chunk(output, width * channels, |index, output| {
        let (item, row) = (index / height, index % height);
        output.fill(0.0);
        for y in windows_over(window, row, rows) {
            for x in 0..columns {
                let at = ((item * rows + y) * columns + x) * channels;
                let (values, places) = (&data[at..][..channels], &argmax[at..][..channels]);
                for column in clipped(window, x, width) {
                    let place = (row + window.padding - y * window.stride) * window.kernel
                        + (column + window.padding - x * window.stride);
                    let output = &mut output[column * channels..][..channels];
                    for ((output, value), at) in output.iter_mut().zip(values).zip(places) {
                        *output += if usize::from(*at) == place { *value } else { 0.0 };
                    }
                }
            }
        }
    });
}

/// The windows of an axis that hold position `at`.
fn windows_over(window: Window, at: usize, positions: usize) -> Range<usize> {
    let padded = at + window.padding;
    let first = (padded + 1).saturating_sub(window.kernel).div_ceil(window.stride);
    first..(padded / window.stride + 1).min(positions)
}

/// Number of windows of an [`average_pool`] along an axis: the last one may hang over the border, not lie beyond it.
pub fn average_pool_positions(window: Window, len: usize) -> usize {
    if len == 0 {
        return 0;
    }
    let count = len.saturating_sub(window.kernel).div_ceil(window.stride) + 1;
    count.min(len.div_ceil(window.stride))
}

/// The mean of every window; one that hangs over the border averages what it holds.
///
/// # Shapes
/// * `output`: `[batch, average_pool_positions(height), average_pool_positions(width), channels]`
///
/// # Panics
/// If a length does not fit or the window has padding.
pub fn average_pool(window: Window, input: View<'_>, output: &mut [f32]) {
    input.check();
    assert_eq!(window.padding, 0, "padding of an average pool");
    let View { batch, height, width, channels, data } = input;
    let (rows, columns) = (average_pool_positions(window, height), average_pool_positions(window, width));
    assert_eq!(output.len(), batch * rows * columns * channels, "output of the average pool");
    if output.is_empty() {
        return;
    }
    parallel::for_each_chunk(output, columns * channels, |index, output| {
        let (item, y) = (index / rows, index % rows);
        output.fill(0.0);
        for (x, sum) in output.chunks_exact_mut(channels).enumerate() {
            let (lines, places) = (clipped(window, y, height), clipped(window, x, width));
            let count = (lines.len() * places.len()) as f32;
            for row in lines {
                for column in places.clone() {
                    let values = &data[((item * height + row) * width + column) * channels..][..channels];
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            sum.iter_mut().for_each(|sum| *sum /= count);
        }
    });
}

/// The gradient of [`average_pool`] with respect to its input: each window's is shared out evenly.
///
/// # Shapes
/// * `gradient`: `[batch, average_pool_positions(height), average_pool_positions(width), channels]`
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit or the window has padding.
pub fn average_pool_backward(
    window: Window,
    gradient: View<'_>,
    height: usize,
    width: usize,
    output: &mut [f32],
) {
    gradient.check();
    assert_eq!(window.padding, 0, "padding of an average pool");
    let View { batch, height: rows, width: columns, channels, data } = gradient;
    let expected = (average_pool_positions(window, height), average_pool_positions(window, width));
    assert_eq!((rows, columns), expected, "positions of the average pool");
    assert_eq!(output.len(), batch * height * width * channels, "gradient of the average pool's input");
    if output.is_empty() {
        return;
    }
    parallel::for_each_chunk(output, width * channels, |index, output| {
        let (item, row) = (index / height, index % height);
        output.fill(0.0);
        for y in windows_over(window, row, rows) {
            for x in 0..columns {
                let (lines, places) = (clipped(window, y, height), clipped(window, x, width));
                let count = (lines.len() * places.len()) as f32;
                let values = &data[((item * rows + y) * columns + x) * channels..][..channels];
                for column in places {
                    let output = &mut output[column * channels..][..channels];
                    output.iter_mut().zip(values).for_each(|(output, value)| *output += value / count);
                }
            }
        }
    });
}

/// The mean of every map.
///
/// # Shapes
/// * `output`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn global_average_pool(input: View<'_>, output: &mut [f32]) {
    reduce_mean(input, output);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The places of each window that lie inside of the map, as (place in the window, index of its pixel in the batch).
    fn windows(
        window: Window,
        [batch, height, width]: [usize; 3],
        positions: (usize, usize),
    ) -> Vec<Vec<(usize, usize)>> {
        let inside = |at: usize, tap: usize, len: usize| {
            (at * window.stride + tap).checked_sub(window.padding).filter(|at| *at < len)
        };
        let mut all = Vec::new();
        for (item, at) in (0..batch).flat_map(|item| (0..positions.0 * positions.1).map(move |at| (item, at)))
        {
            let places = (0..window.kernel * window.kernel).filter_map(|place| {
                let y = inside(at / positions.1, place / window.kernel, height)?;
                let x = inside(at % positions.1, place % window.kernel, width)?;
                Some((place, (item * height + y) * width + x))
            });
            all.push(places.collect());
        }
        all
    }

    fn check_max_pool(window: Window, [batch, height, width, channels]: [usize; 4], data: &[f32]) {
        let positions = (window.positions(height), window.positions(width));
        let input = View::new(batch, height, width, channels, data);
        let windows = windows(window, [batch, height, width], positions);
        let len = windows.len() * channels;
        let (mut maxima, mut argmax, mut alone) = (vec![0.0; len], vec![99; len], vec![0.0; len]);
        max_pool(window, input, &mut maxima, Some(&mut argmax));
        max_pool(window, input, &mut alone, None);
        let mut expected = vec![0.0; data.len()];
        for (at, places) in windows.iter().enumerate() {
            for channel in 0..channels {
                let value = |pixel: usize| data[pixel * channels + channel];
                let nan = places.iter().find(|(_, pixel)| value(*pixel).is_nan());
                let best = nan.unwrap_or_else(|| {
                    places
                        .iter()
                        .reduce(|best, next| if value(next.1) > value(best.1) { next } else { best })
                        .unwrap()
                });
                let index = at * channels + channel;
                assert_eq!(usize::from(argmax[index]), best.0);
                assert_eq!(maxima[index].to_bits(), value(best.1).to_bits());
                assert_eq!(alone[index].is_nan(), nan.is_some());
                assert!(nan.is_some() || alone[index] == maxima[index]);
                expected[best.1 * channels + channel] += index as f32;
            }
        }
        let gradient: Vec<f32> = (0..len).map(|index| index as f32).collect();
        let gradient = View::new(batch, positions.0, positions.1, channels, &gradient);
        let mut back = vec![f32::NAN; data.len()];
        max_pool_backward(window, gradient, &argmax, height, width, &mut back);
        assert_eq!(back, expected);
    }

    proptest! {
        #[test]
        fn max_pools_are_what_they_are_defined_to_be(
            kernel in 1usize..5, stride in 1usize..4, padding in 0usize..3,
            batch in 1usize..3, height in 1usize..9, width in 1usize..9, channels in 1usize..5, seed in 0usize..1000,
        ) {
            prop_assume!(padding < kernel && height + 2 * padding >= kernel && width + 2 * padding >= kernel);
            let window = Window { kernel, stride, padding };
            // Few values, so that there are ties, and some NaN.
            let value = |index: usize| match (index * 7919 + seed * 104_729) % 23 {
                0 => f32::NAN,
                other => other as f32 % 5.0 - 2.0,
            };
            let data: Vec<f32> = (0..batch * height * width * channels).map(value).collect();
            check_max_pool(window, [batch, height, width, channels], &data);
        }

        #[test]
        fn average_pools_and_their_gradients_are_what_they_are_defined_to_be(
            kernel in 1usize..5, stride in 1usize..5,
            batch in 1usize..3, height in 1usize..9, width in 1usize..9, channels in 1usize..5,
        ) {
            let window = Window { kernel, stride, padding: 0 };
            let positions = (average_pool_positions(window, height), average_pool_positions(window, width));
            let data: Vec<f32> = (0..batch * height * width * channels).map(|i| (i * 37 % 101) as f32).collect();
            let windows = windows(window, [batch, height, width], positions);
            let mut means = vec![f32::NAN; windows.len() * channels];
            average_pool(window, View::new(batch, height, width, channels, &data), &mut means);
            let mut expected_back = vec![0.0; data.len()];
            for (index, mean) in means.iter().enumerate() {
                let places = &windows[index / channels];
                prop_assert!(!places.is_empty());
                let sum: f32 = places.iter().map(|(_, pixel)| data[pixel * channels + index % channels]).sum();
                prop_assert_eq!(*mean, sum / places.len() as f32);
                for (_, pixel) in places {
                    expected_back[pixel * channels + index % channels] += index as f32 / places.len() as f32;
                }
            }
            let gradient: Vec<f32> = (0..means.len()).map(|index| index as f32).collect();
            let gradient = View::new(batch, positions.0, positions.1, channels, &gradient);
            let mut back = vec![f32::NAN; data.len()];
            average_pool_backward(window, gradient, height, width, &mut back);
            prop_assert_eq!(back, expected_back);
        }
    }

    #[test]
    fn the_last_window_may_hang_over_but_not_lie_beyond() {
        let positions =
            |kernel, stride, len| average_pool_positions(Window { kernel, stride, padding: 0 }, len);
        // As torch's AvgPool2d(kernel, stride, ceil_mode=True).
        assert_eq!([positions(2, 2, 7), positions(2, 2, 8), positions(2, 2, 1)], [4, 4, 1]);
        assert_eq!([positions(3, 2, 6), positions(1, 2, 2), positions(2, 3, 4)], [3, 1, 2]);
    }
}
