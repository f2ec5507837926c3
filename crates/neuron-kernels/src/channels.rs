//! Channels put side by side, taken apart and put in another order.
use crate::elementwise::CHUNK;
use crate::shape::View;

/// Puts the channels of maps of one size side by side.
///
/// # Shapes
/// * `output`: `[batch, height, width, sum of the channels]`
///
/// # Panics
/// If the maps are not of one size or a length does not fit.
pub fn concatenate(inputs: &[View<'_>], output: &mut [f32]) {
    inputs.iter().for_each(View::check);
    let of = |view: &View<'_>| (view.batch, view.height, view.width);
    assert!(
        inputs.iter().all(|input| of(input) == of(&inputs[0])),
        "maps of one size: {:?}",
        inputs.iter().map(of).collect::<Vec<_>>()
    );
    let channels: usize = inputs.iter().map(|input| input.channels).sum();
    let expected: usize = inputs.iter().map(|input| input.data.len()).sum();
    assert_eq!(output.len(), expected, "output of a concatenation");
    by_position(output, channels, |position, output| {
        let mut first = 0;
        for View { channels: part, data, .. } in inputs {
            let values = data[position * part..].chunks_exact((*part).max(1));
            for (output, values) in output.chunks_exact_mut(channels).zip(values) {
                output[first..first + part].copy_from_slice(values);
            }
            first += part;
        }
    });
}

/// `count` channels from `first` on.
///
/// # Shapes
/// * `output`: `[batch, height, width, count]`
///
/// # Panics
/// If there are not so many channels or a length does not fit.
pub fn take_channels(input: View<'_>, first: usize, count: usize, output: &mut [f32]) {
    input.check();
    let positions = input.batch * input.height * input.width;
    assert!(first + count <= input.channels, "{count} channels from {first} on, of {}", input.channels);
    assert_eq!(output.len(), positions * count, "output of {count} channels");
    by_position(output, count, |position, output| {
        let inputs = input.data[position * input.channels..].chunks_exact(input.channels);
        for (output, input) in output.chunks_exact_mut(count).zip(inputs) {
            output.copy_from_slice(&input[first..first + count]);
        }
    });
}

/// The transpose of [`take_channels`]: the part is put at `first`, and all other channels are 0.
///
/// # Shapes
/// * `output`: `[batch, height, width, channels]`
///
/// # Panics
/// If there are not so many channels or a length does not fit.
pub fn put_channels(part: View<'_>, first: usize, channels: usize, output: &mut [f32]) {
    part.check();
    let count = part.channels;
    assert!(first + count <= channels, "{count} channels from {first} on, of {channels}");
    assert_eq!(
        output.len(),
        part.batch * part.height * part.width * channels,
        "output of {channels} channels"
    );
    by_position(output, channels, |position, output| {
        let parts = part.data[position * count..].chunks(count.max(1)).chain(std::iter::repeat(&[][..]));
        for (output, part) in output.chunks_exact_mut(channels).zip(parts) {
            output[..first].fill(0.0);
            output[first..first + count].copy_from_slice(&part[..count]);
            output[first + count..].fill(0.0);
        }
    });
}

/// Channel `group * (channels / groups) + index` becomes `index * groups + group`: ShuffleNet's mix of groups (Zhang et
/// al., 2018). With `channels / groups` for `groups`, the way back.
///
/// # Shapes
/// * `output`: like the input
///
/// # Panics
/// If the channels are not a multiple of the groups or a length does not fit.
pub fn shuffle_channels(input: View<'_>, groups: usize, output: &mut [f32]) {
    input.check();
    let channels = input.channels;
    assert!(groups > 0 && channels.is_multiple_of(groups), "{channels} channels in {groups} groups");
    assert_eq!(output.len(), input.data.len(), "output of the shuffle");
    let group = channels / groups;
    by_position(output, channels, |position, output| {
        let inputs = input.data[position * channels..].chunks_exact(channels);
        for (output, input) in output.chunks_exact_mut(channels).zip(inputs) {
            if groups == 2 {
                let (left, right) = input.split_at(group);
                for ((output, left), right) in output.chunks_exact_mut(2).zip(left).zip(right) {
                    output.copy_from_slice(&[*left, *right]);
                }
            } else if group == 2 {
                let (left, right) = output.split_at_mut(groups);
                for ((input, left), right) in input.chunks_exact(2).zip(left).zip(right) {
                    (*left, *right) = (input[0], input[1]);
                }
            } else {
                for (first, input) in input.chunks_exact(group).enumerate() {
                    output[first..]
                        .iter_mut()
                        .step_by(groups)
                        .zip(input)
                        .for_each(|(output, value)| *output = *value);
                }
            }
        }
    });
}

/// Each item's values in torch's order, as a fully connected layer on a flattened map reads them.
///
/// # Shapes
/// * `output`: `[batch, channels, height, width]`
///
/// # Panics
/// If a length does not fit.
pub fn flatten_channels_first(input: View<'_>, output: &mut [f32]) {
    input.check();
    transpose(input.data, [input.height * input.width, input.channels], output);
}

/// The inverse of [`flatten_channels_first`].
///
/// # Shapes
/// * `input`: `[batch, channels, positions]`
/// * `output`: `[batch, positions, channels]`
///
/// # Panics
/// If a length does not fit.
pub fn unflatten_channels_first(input: &[f32], positions: usize, channels: usize, output: &mut [f32]) {
    transpose(input, [channels, positions], output);
}

/// Each `rows x columns` matrix transposed.
fn transpose(input: &[f32], [rows, columns]: [usize; 2], output: &mut [f32]) {
    assert_eq!(output.len(), input.len(), "values and their order");
    if output.is_empty() {
        return;
    }
    let len = rows * columns;
    assert!(input.len().is_multiple_of(len), "matrices of {rows} rows of {columns} values");
    // A task writes some rows of the result: a cache line of each row that it reads is used up.
    let outputs = output.chunks_mut(len).flat_map(|output| output.chunks_mut(rows * LINE));
    let parts = columns.div_ceil(LINE);
    neuron_threads::for_each(outputs, |index, output| {
        let input = &input[index / parts * len + index % parts * LINE..];
        for (column, output) in output.chunks_exact_mut(rows).enumerate() {
            for (row, value) in output.iter_mut().enumerate() {
                *value = input[row * columns + column];
            }
        }
    });
}

/// Values of a cache line.
const LINE: usize = 16;

/// Calls `body` with the index of a position and the outputs from there on, of `channels` each.
fn by_position(output: &mut [f32], channels: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    if output.is_empty() {
        return;
    }
    let positions = (CHUNK / channels).max(1);
    neuron_threads::for_each(output.chunks_mut(positions * channels), |index, output| {
        body(index * positions, output);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Miri, which is slow, has few.
    const MOST_CHANNELS: usize = if cfg!(miri) { 6 } else { 70 };

    fn counted(len: usize) -> Vec<f32> {
        (0..len).map(|index| index as f32).collect()
    }

    proptest! {
        #[test]
        fn channels_are_put_together_and_taken_apart(
            batch in 1usize..4, height in 1usize..6, width in 1usize..9,
            parts in proptest::collection::vec(0..MOST_CHANNELS, 1..5),
        ) {
            let positions = batch * height * width;
            let maps: Vec<Vec<f32>> = parts.iter().enumerate()
                .map(|(index, channels)| counted(positions * channels).iter().map(|value| value + index as f32 / 8.0).collect())
                .collect();
            let views: Vec<View<'_>> = maps.iter().zip(&parts)
                .map(|(map, channels)| View::new(batch, height, width, *channels, map))
                .collect();
            let channels: usize = parts.iter().sum();
            let mut whole = vec![f32::NAN; positions * channels];
            concatenate(&views, &mut whole);
            let mut first = 0;
            for (map, count) in maps.iter().zip(&parts) {
                let mut part = vec![f32::NAN; map.len()];
                take_channels(View::new(batch, height, width, channels, &whole), first, *count, &mut part);
                prop_assert_eq!(&part, map);
                let mut back = vec![f32::NAN; whole.len()];
                put_channels(View::new(batch, height, width, *count, map), first, channels, &mut back);
                for (index, value) in back.iter().enumerate() {
                    let is_part = (first..first + count).contains(&(index % channels));
                    prop_assert_eq!(*value, if is_part { whole[index] } else { 0.0 });
                }
                first += count;
            }
            // One value is known by its place.
            if parts[0] > 0 {
                prop_assert_eq!(whole[(positions - 1) * channels], ((positions - 1) * parts[0]) as f32);
            }
        }

        #[test]
        fn a_shuffle_is_a_transpose_of_groups(
            batch in 1usize..3, height in 1usize..5, width in 1usize..7, groups in 1usize..7, group in 1usize..40,
        ) {
            let (positions, channels) = (batch * height * width, groups * group);
            let data = counted(positions * channels);
            let (mut shuffled, mut back) = (vec![f32::NAN; data.len()], vec![f32::NAN; data.len()]);
            shuffle_channels(View::new(batch, height, width, channels, &data), groups, &mut shuffled);
            for (index, value) in shuffled.iter().enumerate() {
                let (position, channel) = (index / channels, index % channels);
                prop_assert_eq!(*value, data[position * channels + channel % groups * group + channel / groups]);
            }
            shuffle_channels(View::new(batch, height, width, channels, &shuffled), group, &mut back);
            prop_assert_eq!(back, data);
        }

        #[test]
        fn a_flattened_map_is_in_torchs_order(
            batch in 1usize..4, height in 1usize..6, width in 1usize..9, channels in 1usize..40,
        ) {
            let data = counted(batch * height * width * channels);
            let input = View::new(batch, height, width, channels, &data);
            let (mut flat, mut back) = (vec![f32::NAN; data.len()], vec![f32::NAN; data.len()]);
            flatten_channels_first(input, &mut flat);
            prop_assert_eq!(&flat, &input.channels_first().collect::<Vec<_>>());
            unflatten_channels_first(&flat, height * width, channels, &mut back);
            prop_assert_eq!(back, data);
        }
    }

    #[test]
    fn no_items_no_channels() {
        let none = View::new(0, 2, 3, 4, &[]);
        concatenate(&[none, none], &mut []);
        take_channels(none, 1, 2, &mut []);
        put_channels(none, 1, 9, &mut []);
        shuffle_channels(none, 2, &mut []);
        flatten_channels_first(none, &mut []);
        unflatten_channels_first(&[], 6, 4, &mut []);
    }
}
