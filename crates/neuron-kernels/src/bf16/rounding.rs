//! Rounding, splitting and widening of all values of a slice, with vectors where the machine has instructions for it.
use super::number::{Terms, round, split, widen_pixel};

/// Values rounded in one piece.
const CHUNK: usize = 1 << 14;

/// Rounds maps: `[positions, channels]` of `values` to `[positions, terms, channels]` of `numbers`.
///
/// # Panics
/// If the lengths do not fit one another.
pub fn round_into(values: &[f32], channels: usize, terms: Terms, numbers: &mut [u16]) {
    assert_eq!(numbers.len(), terms.count() * values.len(), "numbers for {} values", values.len());
    let positions = (CHUNK / channels).max(1);
    let chunks =
        values.chunks(positions * channels).zip(numbers.chunks_mut(terms.count() * positions * channels));
    neuron_threads::for_each(chunks, |_, (values, numbers)| match terms {
        Terms::One => round_all(values, numbers),
        Terms::Two => {
            split_pixels(values, channels, numbers);
        }
    });
}

/// Positions of so many channels, each value split in two: the high terms of a position, then its low ones.
pub(super) fn split_pixels(values: &[f32], channels: usize, numbers: &mut [u16]) {
    assert_eq!(2 * values.len(), numbers.len(), "two numbers for every value");
    #[cfg(target_arch = "x86_64")]
    if super::dot::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { super::vectors::split_pixels(values, channels, numbers) };
    }
    for (values, numbers) in values.chunks_exact(channels).zip(numbers.chunks_exact_mut(2 * channels)) {
        let (high, low) = numbers.split_at_mut(channels);
        split_all(values, high, low);
    }
}

/// Positions of two terms of so many channels: all high terms, and all low ones.
pub(super) fn part_pixels(numbers: &[u16], channels: usize, high: &mut [u16], low: &mut [u16]) {
    assert_eq!([numbers.len(); 2], [2 * high.len(), 2 * low.len()], "two terms of every value");
    #[cfg(target_arch = "x86_64")]
    if channels <= super::vectors::FEW_CHANNELS && super::dot::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { super::vectors::part_pixels(numbers, channels, high, low) };
    }
    let terms = high.chunks_exact_mut(channels).zip(low.chunks_exact_mut(channels));
    for (pixel, (high, low)) in numbers.chunks_exact(2 * channels).zip(terms) {
        high.copy_from_slice(&pixel[..channels]);
        low.copy_from_slice(&pixel[channels..]);
    }
}

/// [`round`] of every value.
pub(super) fn round_all(values: &[f32], numbers: &mut [u16]) {
    assert_eq!(values.len(), numbers.len(), "a number for every value");
    #[cfg(target_arch = "x86_64")]
    if super::dot::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { super::vectors::round_all(values, numbers) };
    }
    numbers.iter_mut().zip(values).for_each(|(number, value)| *number = round(*value));
}

/// [`split`] of every value.
pub(super) fn split_all(values: &[f32], high: &mut [u16], low: &mut [u16]) {
    assert_eq!([values.len(); 2], [high.len(), low.len()], "two numbers for every value");
    #[cfg(target_arch = "x86_64")]
    if super::dot::is_there() {
        // SAFETY: the machine has the instructions.
        return unsafe { super::vectors::split_all(values, high, low) };
    }
    for ((value, high), low) in values.iter().zip(high).zip(low) {
        [*high, *low] = split(*value);
    }
}

/// The values of maps: the reverse of [`round_into`].
///
/// # Panics
/// If the lengths do not fit one another.
pub fn widen_into(numbers: &[u16], channels: usize, terms: Terms, values: &mut [f32]) {
    assert_eq!(numbers.len(), terms.count() * values.len(), "numbers for {} values", values.len());
    let positions = (CHUNK / channels).max(1);
    let chunks =
        values.chunks_mut(positions * channels).zip(numbers.chunks(terms.count() * positions * channels));
    neuron_threads::for_each(chunks, |_, (values, numbers)| {
        for (values, numbers) in
            values.chunks_exact_mut(channels).zip(numbers.chunks_exact(terms.count() * channels))
        {
            widen_pixel(numbers, terms, values);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_rounded_as_one_is() {
        let odd = [
            f32::NAN,
            f32::INFINITY,
            -f32::INFINITY,
            0.0,
            -0.0,
            f32::MAX,
            f32::exp2(-57.0),
            f32::exp2(-56.0),
        ];
        let values: Vec<f32> = (0..77)
            .map(|index| odd.get(index % 11).copied().unwrap_or((index as f32 - 40.0) / 7.0))
            .collect();
        let (mut numbers, mut high, mut low) = ([0; 77], [0; 77], [0; 77]);
        round_all(&values, &mut numbers);
        split_all(&values, &mut high, &mut low);
        for (index, value) in values.iter().enumerate() {
            assert_eq!(numbers[index], round(*value), "{value}");
            assert_eq!([high[index], low[index]], split(*value), "{value}");
        }
    }

    #[test]
    fn terms_lie_side_by_side_and_apart() {
        for channels in [1, 2, 3, 4, 5, 11, 16, 17, 33] {
            let values: Vec<f32> = (0..37 * channels).map(|index| index as f32 / 7.0 - 40.0).collect();
            let mut numbers = vec![0; 2 * values.len()];
            split_pixels(&values, channels, &mut numbers);
            for (pixel, values) in numbers.chunks(2 * channels).zip(values.chunks(channels)) {
                for (channel, value) in values.iter().enumerate() {
                    let found = [pixel[channel], pixel[channels + channel]];
                    assert_eq!(found, split(*value), "{value} of {channels} channels");
                }
            }
            let (mut high, mut low) = (vec![0; values.len()], vec![0; values.len()]);
            part_pixels(&numbers, channels, &mut high, &mut low);
            for (value, found) in values.iter().zip(high.into_iter().zip(low)) {
                assert_eq!([found.0, found.1], split(*value), "{value} of {channels} channels");
            }
        }
    }

    #[test]
    fn maps_are_widened_as_they_were_rounded() {
        let values: Vec<f32> = (0..60).map(|index| index as f32 / 7.0 - 4.0).collect();
        for terms in [Terms::One, Terms::Two] {
            let mut numbers = vec![0; 60 * terms.count()];
            round_into(&values, 5, terms, &mut numbers);
            let mut back = vec![0.0; 60];
            widen_into(&numbers, 5, terms, &mut back);
            let error = if terms == Terms::One { 2f32.powi(-8) } else { 2f32.powi(-16) };
            assert!(
                values.iter().zip(&back).all(|(value, back)| (value - back).abs() <= error * value.abs())
            );
        }
    }
}
