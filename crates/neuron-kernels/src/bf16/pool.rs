use super::map::Bf16View;
use super::number::{Terms, round, split, widen_pixel};
use neuron_geometry::Window;

/// The greatest value of every window, NaN if it holds one; the padding never wins.
///
/// # Shapes
/// * `output`: `[batch, positions of the map's size, terms, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn bf16_max_pool(window: Window, input: Bf16View<'_>, output: &mut [u16]) {
    input.check();
    let [rows, columns] = window.positions([input.height, input.width]);
    let (pixel, channels) = (input.pixel(), input.channels);
    assert_eq!(output.len(), input.batch * rows * columns * pixel, "output of the max-pool");
    let inside = |axis: usize, at: usize, place: usize| {
        let at =
            (at * window.stride[axis] + place * window.dilation[axis]).checked_sub(window.padding[axis])?;
        (at < [input.height, input.width][axis]).then_some(at)
    };
    neuron_threads::for_each(output.chunks_mut((columns * pixel).max(1)), |index, line| {
        let (item, y) = (index / rows, index % rows);
        let (mut best, mut values) = (vec![0.0; channels], vec![0.0; channels]);
        for (x, output) in line.chunks_exact_mut(pixel).enumerate() {
            best.fill(f32::NEG_INFINITY);
            for row in (0..window.kernel[0]).filter_map(|place| inside(0, y, place)) {
                for column in (0..window.kernel[1]).filter_map(|place| inside(1, x, place)) {
                    let at = ((item * input.height + row) * input.width + column) * pixel;
                    widen_pixel(&input.data[at..][..pixel], input.terms, &mut values);
                    for (best, value) in best.iter_mut().zip(&values) {
                        *best = if *value > *best || value.is_nan() { *value } else { *best };
                    }
                }
            }
            match input.terms {
                Terms::One => {
                    output.iter_mut().zip(&best).for_each(|(number, value)| *number = round(*value));
                }
                Terms::Two => {
                    let (high, low) = output.split_at_mut(channels);
                    for ((value, high), low) in best.iter().zip(high).zip(low) {
                        [*high, *low] = split(*value);
                    }
                }
            }
        }
    });
}
