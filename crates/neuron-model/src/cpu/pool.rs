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
/// If a length does not fit, a window can lie in the padding alone, or has more than 256 places.
pub fn max_pool(window: Window, input: View<'_>, output: &mut [f32], argmax: Option<&mut [u8]>) {
    input.check();
    assert!(window.padding < window.kernel && window.kernel <= 16, "unsupported max-pool {window:?}");
    let View { batch, height, width, channels, data } = input;
    let (rows, columns) = (window.positions(height), window.positions(width));
    assert_eq!(output.len(), batch * rows * columns * channels, "output of the max-pool");
    if output.is_empty() {
        return;
    }
    let line = columns * channels;
    let pool_line = |index: usize, output: &mut [f32], mut argmax: Option<&mut [u8]>| {
        let (item, y) = (index / rows, index % rows);
        output.fill(f32::NEG_INFINITY);
        for x in 0..columns {
            let best = &mut output[x * channels..][..channels];
            let mut places = argmax.as_deref_mut().map(|places| &mut places[x * channels..][..channels]);
            let mut first = true;
            for row in clipped(window, y, height) {
                for column in clipped(window, x, width) {
                    let values = &data[((item * height + row) * width + column) * channels..][..channels];
                    let place = (row + window.padding - y * window.stride) * window.kernel
                        + (column + window.padding - x * window.stride);
                    match places.as_deref_mut() {
                        Some(places) => {
                            for ((best, at), value) in best.iter_mut().zip(places).zip(values) {
                                let better = first || *value > *best || (value.is_nan() && !best.is_nan());
                                *best = if better { *value } else { *best };
                                *at = if better { place as u8 } else { *at };
                            }
                        }
                        None => {
                            for (best, value) in best.iter_mut().zip(values) {
                                *best = if *value > *best || value.is_nan() { *value } else { *best };
                            }
                        }
                    }
                    first = false;
                }
            }
        }
    };
    match argmax {
        Some(argmax) => {
            assert_eq!(argmax.len(), output.len(), "argmax of the max-pool");
            parallel::for_each_chunk_pair(output, argmax, line, |i, output, argmax| {
                pool_line(i, output, Some(argmax));
            });
        }
        None => parallel::for_each_chunk(output, line, |i, output| pool_line(i, output, None)),
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
