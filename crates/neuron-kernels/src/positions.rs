//! Maps whose positions are inserted, taken out, added to or regrouped; channels stay together.
use std::ops::Range;

use crate::microkernel::Number;
use crate::shape::View;

/// Calls `body` with each item and its part of the output.
fn by_item(batch: usize, output: &mut [f32], body: impl Fn(usize, &mut [f32]) + Sync) {
    if !output.is_empty() {
        let len = output.len() / batch;
        neuron_threads::for_each(output.chunks_mut(len), body);
    }
}

/// Positions `at..` move up, and `tokens` take their places: the same in every item.
///
/// # Shapes
/// * `tokens`: `[tokens, channels]`
/// * `output`: `[batch, positions + tokens, channels]`
///
/// # Panics
/// If a length does not fit, or there are fewer than `at` positions.
pub fn insert_positions(input: View<'_>, at: usize, tokens: &[f32], output: &mut [f32]) {
    input.check();
    assert_eq!(tokens.len() % input.channels, 0, "tokens of {} channels", input.channels);
    assert_eq!(output.len(), input.batch * (input.item_len() + tokens.len()), "output with the tokens");
    by_item(input.batch, output, |item, output| {
        let (before, after) =
            input.data[item * input.item_len()..][..input.item_len()].split_at(at * input.channels);
        output[..before.len()].copy_from_slice(before);
        output[before.len()..][..tokens.len()].copy_from_slice(tokens);
        output[before.len() + tokens.len()..].copy_from_slice(after);
    });
}

/// Some ranges of positions, one after the other.
///
/// # Shapes
/// * `output`: `[batch, positions of all ranges, channels]`
///
/// # Panics
/// If a length does not fit, or there are fewer positions.
pub fn take_positions(input: View<'_>, ranges: &[Range<usize>], output: &mut [f32]) {
    input.check();
    let positions = ranges.iter().map(Range::len).sum::<usize>();
    assert_eq!(output.len(), input.batch * positions * input.channels, "output of {positions} positions");
    by_item(input.batch, output, |item, mut output| {
        let data = &input.data[item * input.item_len()..][..input.item_len()];
        for range in ranges {
            let from = &data[range.start * input.channels..range.end * input.channels];
            let (to, rest) = output.split_at_mut(from.len());
            to.copy_from_slice(from);
            output = rest;
        }
    });
}

/// Every `every`-th line and column of maps, from the first on.
///
/// # Shapes
/// * `input`: `[batch, height, width, pixel]`, the four sizes
/// * `output`: `[batch, ceil(height / every), ceil(width / every), pixel]`
///
/// # Panics
/// If a length does not fit.
pub fn thin_positions<N: Number + Send + Sync>(
    input: &[N],
    [batch, height, width, pixel]: [usize; 4],
    every: usize,
    output: &mut [N],
) {
    let (lines, columns) = (height.div_ceil(every), width.div_ceil(every));
    assert_eq!(input.len(), batch * height * width * pixel, "maps of {height} x {width}");
    assert_eq!(output.len(), batch * lines * columns * pixel, "maps of {lines} x {columns}");
    if output.is_empty() {
        return;
    }
    neuron_threads::for_each(output.chunks_mut(columns * pixel), |line, output| {
        let from = (line / lines * height + line % lines * every) * width * pixel;
        let pixels = input[from..][..width * pixel].chunks_exact(pixel).step_by(every);
        output.chunks_exact_mut(pixel).zip(pixels).for_each(|(output, input)| output.copy_from_slice(input));
    });
}

/// The transpose of [`take_positions`] for one range that begins at `first`: zeros everywhere else.
///
/// # Shapes
/// * `output`: `[batch, positions, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn put_positions(input: View<'_>, first: usize, output: &mut [f32]) {
    input.check();
    by_item(input.batch, output, |item, output| {
        output.fill(0.0);
        let from = &input.data[item * input.item_len()..][..input.item_len()];
        output[first * input.channels..][..from.len()].copy_from_slice(from);
    });
}

/// `output = input + addend`, the same addend for every item.
///
/// # Shapes
/// * `addend`: that of an item
/// * `output`: like the input
///
/// # Panics
/// If a length does not fit.
pub fn add_to_items(input: View<'_>, addend: &[f32], output: &mut [f32]) {
    input.check();
    assert_eq!(addend.len(), input.item_len(), "an addend for one item");
    assert_eq!(output.len(), input.data.len(), "output of the sum");
    by_item(input.batch, output, |item, output| {
        let from = &input.data[item * addend.len()..][..addend.len()];
        for ((output, value), addend) in output.iter_mut().zip(from).zip(addend) {
            *output = value + addend;
        }
    });
}

/// Where the four positions of a merged one lie: down the first column, then down the second.
const PLACES: [[usize; 2]; 4] = [[0, 0], [1, 0], [0, 1], [1, 1]];

/// The channels of each 2 x 2 positions as those of one, column by column; zeros beyond the edge.
///
/// # Shapes
/// * `output`: `[batch, height / 2, width / 2, 4 * channels]`, rounded up
///
/// # Panics
/// If a length does not fit.
pub fn merge_patches(input: View<'_>, output: &mut [f32]) {
    input.check();
    let [rows, columns] = input.size().map(|size| size.div_ceil(2));
    assert_eq!(output.len(), input.batch * rows * columns * 4 * input.channels, "output of merged patches");
    by_item(input.batch, output, |item, output| {
        let data = &input.data[item * input.item_len()..][..input.item_len()];
        for (at, merged) in output.chunks_exact_mut(4 * input.channels).enumerate() {
            for ([down, right], to) in PLACES.into_iter().zip(merged.chunks_exact_mut(input.channels)) {
                let [y, x] = [at / columns * 2 + down, at % columns * 2 + right];
                match y < input.height && x < input.width {
                    true => {
                        to.copy_from_slice(&data[(y * input.width + x) * input.channels..][..input.channels]);
                    }
                    false => to.fill(0.0),
                }
            }
        }
    });
}

/// The transpose of [`merge_patches`], for a grid of `[height, width]`.
///
/// # Shapes
/// * `input`: as the output of [`merge_patches`]
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn split_patches(input: View<'_>, [height, width]: [usize; 2], output: &mut [f32]) {
    input.check();
    let channels = input.channels / 4;
    assert_eq!(input.size(), [height, width].map(|size| size.div_ceil(2)), "merged patches of the grid");
    assert_eq!(output.len(), input.batch * height * width * channels, "output of split patches");
    by_item(input.batch, output, |item, output| {
        let data = &input.data[item * input.item_len()..][..input.item_len()];
        for (at, to) in output.chunks_exact_mut(channels).enumerate() {
            let [y, x] = [at / width, at % width];
            let place = PLACES.iter().position(|place| *place == [y % 2, x % 2]).unwrap_or_default();
            let merged = y / 2 * input.width + x / 2;
            to.copy_from_slice(&data[merged * input.channels + place * channels..][..channels]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_move_with_their_channels() {
        // Two items of two positions of two channels.
        let data: Vec<f32> = (0..8u8).map(f32::from).collect();
        let input = View::new(2, 1, 2, 2, &data);
        let mut with = [0.0; 12];
        insert_positions(input, 1, &[-1.0, -2.0], &mut with);
        assert_eq!(with, [0.0, 1.0, -1.0, -2.0, 2.0, 3.0, 4.0, 5.0, -1.0, -2.0, 6.0, 7.0]);
        let mut without = [0.0; 8];
        take_positions(View::new(2, 1, 3, 2, &with), &[0..1, 2..3], &mut without);
        assert_eq!(without[..], data[..]);

        let mut last = [0.0; 4];
        take_positions(input, std::slice::from_ref(&(1..2)), &mut last);
        assert_eq!(last, [2.0, 3.0, 6.0, 7.0]);
        let mut back = [9.0; 8];
        put_positions(View::new(2, 1, 1, 2, &last), 1, &mut back);
        assert_eq!(back, [0.0, 0.0, 2.0, 3.0, 0.0, 0.0, 6.0, 7.0]);
        let mut sums = [0.0; 8];
        add_to_items(input, &[1.0, 2.0, 3.0, 4.0], &mut sums);
        assert_eq!(sums, [1.0, 3.0, 5.0, 7.0, 5.0, 7.0, 9.0, 11.0]);
    }

    #[test]
    fn thin_maps_have_the_first_of_every_two_lines_and_columns() {
        // Two items of three lines of two pixels of two numbers.
        let data: Vec<u16> = (0..24).collect();
        let mut thin = [0; 8];
        thin_positions(&data, [2, 3, 2, 2], 2, &mut thin);
        assert_eq!(thin, [0, 1, 8, 9, 12, 13, 20, 21]);
        thin_positions::<u16>(&[], [0, 3, 2, 2], 2, &mut []);
    }

    #[test]
    fn patches_are_merged_as_torchvision_does() {
        let data: Vec<f32> = (1..=9u8).map(f32::from).collect();
        let input = View::new(1, 3, 3, 1, &data);
        let mut merged = [0.0; 16];
        merge_patches(input, &mut merged);
        assert_eq!(merged[..8], [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 0.0, 0.0]);
        assert_eq!(merged[8..], [7.0, 0.0, 8.0, 0.0, 9.0, 0.0, 0.0, 0.0]);
        let mut split = [0.0; 9];
        split_patches(View::new(1, 2, 2, 4, &merged), [3, 3], &mut split);
        assert_eq!(split[..], data[..]);
    }
}
