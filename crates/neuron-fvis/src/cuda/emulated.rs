//! The kernels' source compiled for the CPU: relevant features in order, and how far they are from a target.

use neuron_model::KernelSource;

use crate::activation_term::Push;
use crate::matching::RANKS_TOGETHER;

#[path = "../../../neuron-model/src/cuda/emulated/host.rs"]
mod host;

use host::{Host, Raw, assert_same, values};

fn emulated() -> Option<Host> {
    Host::compile(KernelSource::PRELUDE, include_str!("kernels.cu"), None)
}

fn read<T>(values: &[T]) -> Raw {
    Raw { pointer: values.as_ptr() as u64 }
}

fn write<T>(values: &mut [T]) -> Raw {
    Raw { pointer: values.as_mut_ptr() as u64 }
}

fn whole(value: usize) -> Raw {
    Raw { count: value as i64 }
}

fn real(value: f32) -> Raw {
    Raw { value }
}

/// Runs a kernel over memory of the host.
fn run(host: &Host, name: &str, count: usize, arguments: &[Raw]) {
    // SAFETY: the arguments are those of the kernel, and their memory is as long as the tests' maps.
    unsafe { host.run(name, count, arguments) };
}

/// Nothing, where a kernel takes values or none.
const NOTHING: Raw = Raw { pointer: 0 };

/// Features in order, weighed by relevance and plain, and how far they are from a target, for rows of every length up to
/// the longest that networks have.
#[test]
fn features_are_matched_in_stable_order() {
    let Some(gpu) = emulated() else { return };
    let lengths = [1, 2, 3, 35, 64, 196, 12_544];
    for (positions, is_plain) in lengths.into_iter().flat_map(|len| [(len, false), (len, true)]) {
        let (channels, len) = (2, 2 * positions);
        // Ties, and zeros of both signs.
        let finite = |value: f32| if value.is_finite() { value } else { -3.0 };
        let features: Vec<f32> = values(len, 16).into_iter().map(finite).collect();
        let relevance: Vec<f32> = values(len, 17).into_iter().map(|value| finite(value).max(0.0)).collect();
        let sizes = [positions, channels].map(whole);
        let segments = positions.div_ceil(RANKS_TOGETHER);
        let (mut lows, mut highs) = (vec![0.5f32; 2 * segments], vec![0.5f32; 2 * segments]);
        let parts = [write(&mut lows), write(&mut highs)];
        let in_parts = [&sizes[..], &[whole(RANKS_TOGETHER)]].concat();
        let arguments = [&[read(&relevance), read(&relevance)], &parts[..], &in_parts].concat();
        run(&gpu, "extremes", channels * segments, &arguments);
        let (mut lowest, mut highest) = ([0.5f32; 2], [0.5f32; 2]);
        let bounds = [write(&mut lowest), write(&mut highest)];
        let of_parts = [segments, channels, segments].map(whole);
        run(&gpu, "extremes", channels, &[&parts[..], &bounds, &of_parts].concat());

        let (mut keys, mut merged) = (vec![0u64; len], vec![0u64; len]);
        let attention = if is_plain { [NOTHING; 3] } else { [read(&relevance), bounds[0], bounds[1]] };
        let pointers = [&[read(&features)], &attention[..], &[write(&mut keys)]].concat();
        run(&gpu, "sort_keys", len, &[&pointers[..], &sizes].concat());
        let mut sorted = 1;
        while sorted < positions {
            let pointers = [read(&keys), write(&mut merged)];
            run(&gpu, "merge_runs", len, &[&pointers[..], &[positions, sorted].map(whole)].concat());
            std::mem::swap(&mut keys, &mut merged);
            sorted *= 2;
        }

        let target: Vec<f32> = (0..len).map(|at| (at % positions) as f32 / 7.0 - 1.0).collect();
        let scale = [0.5f32, -2.0];
        let (mut differences, mut gradient) = (vec![9.0f32; len], vec![9.0f32; len]);
        let pointers = [
            &[read(&keys), read(&features)],
            &attention[..],
            &[read(&target), read(&scale)],
            &[write(&mut differences), write(&mut gradient)],
        ];
        run(&gpu, "match_sorted", len, &[&pointers.concat()[..], &sizes].concat());
        let (mut of_parts, mut sums) = (vec![0.5f64; 2 * segments], [0.5f64; 2]);
        let arguments = [&[read(&differences), write(&mut of_parts)], &in_parts[..]].concat();
        run(&gpu, "sum_squares", channels * segments, &arguments);
        let arguments = [read(&of_parts), write(&mut sums), whole(segments), whole(channels)];
        run(&gpu, "sum_segments", channels, &arguments);

        for channel in 0..channels {
            let plane =
                |map: &[f32]| -> Vec<f32> { map.iter().skip(channel).step_by(channels).copied().collect() };
            let (features, relevance, gradient) = (plane(&features), plane(&relevance), plane(&gradient));
            let low = relevance.iter().copied().fold(f32::INFINITY, f32::min);
            let high = relevance.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!((lowest[channel], highest[channel]), (low, high));
            let attention = |value: &f32| if is_plain { 1.0 } else { (value - low) / (high - low + 1e-6) };
            let attention: Vec<f32> = relevance.iter().map(attention).collect();
            let relevant: Vec<f32> =
                attention.iter().zip(&features).map(|(a, feature)| a * feature).collect();
            let mut order: Vec<usize> = (0..positions).collect();
            order.sort_by(|a, b| relevant[*a].partial_cmp(&relevant[*b]).expect("no NaN"));
            let found: Vec<usize> =
                keys[channel * positions..][..positions].iter().map(|key| *key as u32 as usize).collect();
            assert_eq!(found, order, "{positions} positions");
            let (mut sum, mut expected) = (0.0, vec![0.0; positions]);
            for (part, order) in order.chunks(RANKS_TOGETHER).enumerate() {
                let mut of_part = 0.0;
                for (rank, at) in (part * RANKS_TOGETHER..).zip(order) {
                    let difference = relevant[*at] - target[channel * positions + rank];
                    of_part += f64::from(difference) * f64::from(difference);
                    expected[*at] = scale[channel] * 2.0 * difference * attention[*at];
                }
                sum += of_part;
            }
            assert_same(&gradient, &expected, "match_sorted");
            assert_eq!(sums[channel].to_bits(), sum.to_bits(), "sum_squares");
        }
    }
}

#[test]
fn keys_order_infinities_and_nan_at_the_ends() {
    let Some(gpu) = emulated() else { return };
    let features = [f32::NAN, 1.0, f32::INFINITY, -0.0, f32::NEG_INFINITY, 0.0, -1.0, -f32::NAN];
    // So high that the summand of the divisor vanishes: the attention is 1.
    let (lowest, highest) = ([0.0f32], [2.0f32.powi(20)]);
    let relevance = [highest[0]; 8];
    let mut keys = [0u64; 8];
    let pointers = [read(&features), read(&relevance), read(&lowest), read(&highest), write(&mut keys)];
    run(&gpu, "sort_keys", 8, &[&pointers[..], &[8, 1].map(whole)].concat());
    keys.sort_unstable();
    assert_eq!(keys.map(|key| key as u32), [7, 4, 6, 3, 5, 1, 2, 0]);
}

#[test]
fn units_are_pushed_as_on_the_host() {
    let Some(gpu) = emulated() else { return };
    let channels = 3;
    let maps = [vec![9.0, -1.0, 9.0], values(3 * 49, 18), values(3 * 200, 19), vec![-2.0; 12], vec![0.0; 6]];
    let pushes = [(f32::INFINITY, 0.0), (4.0, 0.0), (3.0, 0.7), (f32::INFINITY, 2.0)];
    for ((map, channel), (goal, specificity)) in maps
        .iter()
        .flat_map(|map| (0..channels).map(move |channel| (map, channel)))
        .flat_map(|at| pushes.map(|push| (at, push)))
    {
        let map: Vec<f32> = map.iter().map(|v| if v.is_finite() { *v } else { 1.5 }).collect();
        let mut expected = vec![0.0; map.len()];
        Push { goal, specificity }.write(&map, (channels, channel), &mut expected);
        let mut found = vec![7.0f32; map.len()];
        let sizes = [whole(channels), whole(channel), real(goal), real(specificity)];
        run(&gpu, "write_push", map.len(), &[&[read(&map), write(&mut found)], &sizes[..]].concat());
        assert_same(&found, &expected, "write_push");
    }
}
