//! What operations compute: by their definitions, or as torch 2 does for the same maps, by the calls that stand beside its
//! numbers.
#![expect(clippy::excessive_precision, clippy::approx_constant, reason = "numbers as torch prints them")]

use neuron_model::ops::{
    Attention, ChannelReduction, DepthToSpace, Enlarge, Filling, Function, GroupNorm, Interpolation, Pad,
    Places, Pointwise, Reach, RmsNorm, Scatter, Similarity, Softmax, SpaceToDepth,
};
use neuron_model::{GraphBuilder, Operation};

use super::cases::cases;
use super::subject::{Case, Subject};

/// `[channels, height, width]` as `[height, width, channels]`.
fn channels_last(planes: &[f32], channels: usize) -> Vec<f32> {
    let positions = planes.len() / channels;
    (0..planes.len()).map(|at| planes[at % channels * positions + at / channels]).collect()
}

fn assert_near(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error < 2e-6, "{name} at {at}: {found} instead of {expected}");
    }
}

/// What an operation makes of `0, 1, 2, ...`, or of what `value` says of these, in torch's order.
fn counted(size: [usize; 3], operation: impl Into<Operation>, value: fn(f32) -> f32) -> (Vec<f32>, usize) {
    let [channels, height, width] = size;
    let case = Case::new("counted", [height, width, channels], operation);
    let planes: Vec<f32> = (0..size.iter().product::<usize>()).map(|at| value(at as f32)).collect();
    let mut subject = Subject::new(&case, 1);
    let output = subject.run(&channels_last(&planes, channels));
    let channels = subject.network.channels(&subject.output);
    // Back to torch's order.
    (channels_last(&output, output.len() / channels), channels)
}

/// `torch.nn.functional.pad`, with `value=-1.5`, `mode="reflect"` and `mode="replicate"`.
#[test]
fn maps_are_padded_as_torch_does_it() {
    let pad = |before, after, filling| Pad { before, after, filling };
    let (constant, _) = counted([1, 2, 3], pad([2, 0], [0, 1], Filling::Value(-1.5)), |value| value);
    let rows = [[-1.5; 4], [-1.5; 4], [0.0, 1.0, 2.0, -1.5], [3.0, 4.0, 5.0, -1.5]];
    assert_eq!(constant, rows.as_flattened());
    let (mirror, _) = counted([1, 3, 4], pad([1, 3], [2, 1], Filling::Mirror), |value| value);
    let rows =
        [4.0, 0.0, 4.0, 8.0, 4.0, 0.0].map(|first| [3, 2, 1, 0, 1, 2, 3, 2].map(|at| first + at as f32));
    assert_eq!(mirror, rows.as_flattened());
    let (edge, channels) = counted([2, 2, 3], pad([1, 2], [2, 0], Filling::Edge), |value| value);
    let rows = [0.0, 0.0, 3.0, 3.0, 3.0].map(|first| [0, 0, 0, 1, 2].map(|at| first + at as f32));
    let next = rows.map(|row| row.map(|value| value + 6.0));
    assert_eq!((edge, channels), ([rows, next].as_flattened().as_flattened().to_vec(), 2));
}

/// `pixel_unshuffle` and `pixel_shuffle`; ONNX's `SpaceToDepth` keeps the channels of a place together.
#[test]
fn channels_and_positions_are_exchanged_as_torch_does_it() {
    let (torch, channels) = counted([2, 2, 4], SpaceToDepth { side: 2, channels_first: true }, |value| value);
    let expected = [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15].map(|at| at as f32);
    assert_eq!((torch.as_slice(), channels), (&expected[..], 8));
    let (onnx, _) = counted([2, 2, 4], SpaceToDepth { side: 2, channels_first: false }, |value| value);
    let expected = [0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15].map(|at| at as f32);
    assert_eq!(onnx, expected);
    let (torch, channels) = counted([8, 1, 2], DepthToSpace { side: 2 }, |value| value);
    let expected = [0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15].map(|at| at as f32);
    assert_eq!((torch.as_slice(), channels), (&expected[..], 2));
}

/// `interpolate(scale_factor=(3, 2))` of 0, 1, 4, 9, ..., with `mode="nearest"` and `mode="bilinear"`.
#[test]
fn maps_are_enlarged_as_torch_does_it() {
    let enlarged =
        |interpolation| counted([1, 2, 3], Enlarge { times: [3, 2], interpolation }, |value| value * value).0;
    let (first, second) = ([0.0, 0.0, 1.0, 1.0, 4.0, 4.0], [9.0, 9.0, 16.0, 16.0, 25.0, 25.0]);
    assert_eq!(
        enlarged(Interpolation::Nearest),
        [first, first, first, second, second, second].as_flattened()
    );
    let rows = [
        [0.0, 0.25, 0.75, 1.75, 3.25, 4.0],
        [0.0, 0.25, 0.75, 1.75, 3.25, 4.0],
        [3.0, 3.75, 5.25, 7.25, 9.75, 11.0],
        [6.0, 7.25, 9.75, 12.75, 16.25, 18.0],
        [9.0, 10.75, 14.25, 18.25, 22.75, 25.0],
        [9.0, 10.75, 14.25, 18.25, 22.75, 25.0],
    ];
    assert_near("bilinear", &enlarged(Interpolation::Linear), rows.as_flattened());
}

/// At these, or a quarter of them, or their magnitudes.
const PLACES: [f32; 4] = [-2.5, -0.5, 0.25, 30.0];
const MAGNITUDES: [f32; 4] = [0.04, 0.5, 2.0, 30.0];

/// Functions of the same names, `leaky_relu(x, 0.1)`, `elu(x, 1.5)`, `clamp(x, -0.75, 6)`.
#[test]
fn functions_are_those_of_torch() {
    use Function as F;
    for (function, at, expected) in [
        (F::LeakyRelu { slope: 0.1 }, PLACES, [-0.25, -0.05, 0.25, 30.0]),
        (F::Elu { alpha: 1.5 }, PLACES, [-1.376_872_5, -0.590_204, 0.25, 30.0]),
        (F::Mish, PLACES, [-0.196_816_19, -0.220_743_76, 0.169_572_4, 30.0]),
        (F::Softplus, PLACES, [0.078_889_735, 0.474_076_99, 0.825_939_4, 30.0]),
        (F::Clamp { low: -0.75, high: 6.0 }, PLACES, [-0.75, -0.5, 0.25, 6.0]),
        (F::Exp, PLACES.map(|x| x / 4.0), [0.535_261_45, 0.882_496_9, 1.064_494_5, 1_808.042_4]),
        (F::Square, PLACES, [6.25, 0.25, 0.0625, 900.0]),
        (F::Abs, PLACES, [2.5, 0.5, 0.25, 30.0]),
        (F::Erf, PLACES, [-0.999_593, -0.520_499_9, 0.276_326_4, 1.0]),
        (F::Sin, PLACES, [-0.598_472_1, -0.479_425_55, 0.247_403_96, -0.988_031_6]),
        (F::Cos, PLACES, [-0.801_143_6, 0.877_582_55, 0.968_912_4, 0.154_251_46]),
        (F::Log, MAGNITUDES, [-3.218_875_9, -0.693_147_2, 0.693_147_2, 3.401_197_4]),
        (F::Sqrt, MAGNITUDES, [0.2, 0.707_106_77, 1.414_213_5, 5.477_225_8]),
        (F::ReciprocalSqrt, MAGNITUDES, [5.0, 1.414_213_5, 0.707_106_77, 0.182_574_17]),
        (F::Reciprocal, MAGNITUDES, [25.0, 2.0, 0.5, 0.033_333_335]),
    ] {
        let case = Case::new("function", [2, 2, 1], Pointwise { function });
        assert_near(&format!("{function:?}"), &Subject::new(&case, 1).run(&at), &expected);
    }
}

/// Far from 0 nothing overflows on the way to a value that does not.
#[test]
fn functions_far_from_zero_are_what_they_approach() {
    use Function as F;
    for (function, expected) in [
        (F::Elu { alpha: 2.0 }, [-2.0, 1e4]),
        (F::Mish, [0.0, 1e4]),
        (F::Softplus, [0.0, 1e4]),
        (F::Erf, [-1.0, 1.0]),
    ] {
        let case = Case::new("function", [1, 2, 1], Pointwise { function });
        let mut subject = Subject::new(&case, 1);
        assert_eq!(subject.run(&[-1e4, 1e4]), expected, "{function:?}");
        let slopes = subject.gradient(&[1.0, 1.0]);
        let above = if function == F::Erf { 0.0 } else { 1.0 };
        assert_eq!(slopes.iter().map(|slope| slope.abs()).collect::<Vec<_>>(), [0.0, above], "{function:?}");
    }
}

/// Of four channels of three positions, with `weight=[1, 2, 0.5, -1]`, `bias=[0, 1, -1, 0.5]`, `eps=1e-3`:
/// `group_norm` with 1, 2 and 4 groups, and `rms_norm` over channels.
#[test]
fn norms_are_those_of_torch() {
    let planes = [1.0, -2.0, 3.0, 4.0, 0.5, -1.0, 2.0, 2.0, -3.0, 1.0, 0.0, 7.0];
    let normed = |operation: Operation| {
        let case = Case::new("norm", [1, 3, 4], operation);
        let mut subject = Subject::weighing(&case, 1, |name, _| match name {
            "weight" => vec![1.0, 2.0, 0.5, -1.0],
            _ => vec![0.0, 1.0, -1.0, 0.5],
        });
        subject.run(&channels_last(&planes, 4))
    };
    let groups = [
        [
            -0.080_316, -1.236_866, 0.690_717, 3.152_468, 0.453_851, -0.702_698, -0.8474, -0.8474,
            -1.811_191, 0.580_316, 0.965_833, -1.732_784,
        ],
        [
            0.039_868, -1.395_382, 0.996_701, 3.950_236, 0.601_32, -0.833_93, -0.916_283, -0.916_283,
            -1.753_454, 0.667_434, 1.002_303, -1.341_777,
        ],
        [
            0.162_202, -1.297_618, 1.135_416, 3.704_587, 0.363_627, -1.068_213, -0.646_478, -0.646_478,
            -1.707_043, 1.039_136, 1.362_617, -0.901_753,
        ],
    ];
    for (groups, expected) in [1, 2, 4].into_iter().zip(groups) {
        let found = normed(GroupNorm { channels: 4, groups, eps: 1e-3 }.into());
        assert_near(&format!("{groups} groups"), &found, &channels_last(&expected, 4));
    }
    let root_mean_square = [
        0.426_363, 3.410_901, 0.426_363, -0.426_363, -1.392_284, 0.696_142, 0.696_142, 0.0, 0.727_586,
        -0.485_057, -0.363_793, -1.6977,
    ];
    assert_near("rms", &normed(RmsNorm { channels: 4, eps: 1e-3 }.into()), &root_mean_square);
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).expect("a case")
}

fn run(name: &str) -> (Vec<f32>, Vec<Vec<f32>>, Vec<f32>) {
    let case = case(name);
    let (pixels, mut subject) = (case.pixels(2), Subject::new(&case, 2));
    let output = subject.run(&pixels);
    (pixels, subject.inputs.iter().map(|tap| subject.value(tap)).collect(), output)
}

#[test]
fn a_grid_is_left_without_its_tokens() {
    for name in ["grid selection", "grid selection of a grid"] {
        let (pixels, _, output) = run(name);
        assert_eq!(output, pixels, "{name}");
    }
}

#[test]
fn tokens_come_before_the_grid() {
    let (_, inputs, output) = run("token join");
    let items = inputs[0].chunks_exact(30).zip(inputs[1].chunks_exact(2));
    let expected: Vec<f32> = items.flat_map(|(grid, tokens)| [tokens, grid].concat()).collect();
    assert_eq!(output, expected);
}

/// `[15, 4]` to `[4, 15]`.
#[test]
fn positions_are_exchanged_for_channels() {
    let (_, inputs, output) = run("exchange");
    let turned = |item: &[f32]| -> Vec<f32> { (0..60).map(|at| item[at % 15 * 4 + at / 15]).collect() };
    let expected: Vec<f32> = inputs[0].chunks_exact(60).flat_map(turned).collect();
    assert_eq!(output, expected);
}

/// Of 2 x 3 positions every second row and third column, and a row of zeros below.
#[test]
fn zeros_are_put_between_positions() {
    let (scattered, _) = counted([1, 2, 3], Scatter { stride: [2, 3], after: [1, 0] }, |value| value + 1.0);
    let (none, row) = ([0.0; 7], |first| [first, 0.0, 0.0, first + 1.0, 0.0, 0.0, first + 2.0]);
    assert_eq!(scattered, [row(1.0), none, row(4.0), none].as_flattened());
}

#[test]
fn one_map_chooses_between_two() {
    let (_, inputs, output) = run("choice");
    let chosen = |at: usize| if inputs[0][at] != 0.0 { inputs[1][at] } else { inputs[2][at] };
    let expected: Vec<f32> = (0..output.len()).map(chosen).collect();
    assert_eq!(output, expected);
    assert!(inputs[0].contains(&0.0) && inputs[0].contains(&1.0));
}

/// Each of 12 queries in 2 heads of 2 channels, over 4 keys, whose heads may be one; values have 3 channels.
#[test]
fn attention_reaches_other_maps() {
    for (name, heads) in
        [("cross attention", 2), ("cross attention by a matrix", 2), ("cross attention to shared keys", 1)]
    {
        let case = case(name);
        let mut subject = Subject::new(&case, 2);
        let output = subject.run(&case.pixels(2));
        let [queries, keys, values] = [0, 1, 2].map(|index| subject.value(&subject.inputs[index]));
        let bias = subject.network.weights().tensor("output.bias").map(|tensor| tensor.data.clone());
        let mut expected = vec![0.0; output.len()];
        for (at, expected) in expected.iter_mut().enumerate() {
            let (item, query, head, channel) = (at / 72, at / 6 % 12, at / 3 % 2, at % 3);
            let of = head % heads;
            let power = |key: usize| {
                let dot = (0..2).map(|c| {
                    let key = keys[(4 * item + key) * 2 * heads + 2 * of + c];
                    f64::from(queries[(12 * item + query) * 4 + 2 * head + c]) * f64::from(key)
                });
                let by_place =
                    bias.as_ref().map_or(0.0, |bias| f64::from(bias[(12 * head + query) * 4 + key]));
                (0.7f64 * dot.sum::<f64>() + by_place).exp()
            };
            let sum: f64 = (0..4).map(power).sum();
            let value = |key: usize| f64::from(values[(4 * item + key) * 3 * heads + 3 * of + channel]);
            *expected = (0..4).map(|key| power(key) / sum * value(key)).sum::<f64>() as f32;
        }
        assert_near(name, &output, &expected);
    }
}

#[test]
fn a_product_is_one() {
    for name in ["product", "product with a gate", "product with itself"] {
        let (_, inputs, output) = run(name);
        let expected: Vec<f32> = inputs[0].iter().zip(&inputs[1]).map(|(a, b)| a * b).collect();
        assert_eq!(output, expected, "{name}");
    }
}

#[test]
fn what_is_spread_is_everywhere() {
    // Items of 15 positions; what one of them has, and of how many channels.
    for (name, channels) in [("spread a channel", 3), ("spread a position", 2), ("spread a number", 3)] {
        let (_, inputs, output) = run(name);
        let small = &inputs[1];
        let (positions, wide) = match name {
            "spread a channel" => (15, 1),
            "spread a position" => (1, 2),
            _ => (1, 1),
        };
        assert_eq!((small.len(), output.len()), (2 * positions * wide, 2 * 15 * channels), "{name}");
        for (at, value) in output.iter().enumerate() {
            let (item, position, channel) = (at / channels / 15, at / channels % 15, at % channels);
            let from = (item * positions + position % positions) * wide + channel % wide;
            assert_eq!(*value, small[from], "{name} at {at}");
        }
    }
}

#[test]
fn parts_of_a_whole_sum_up_to_it() {
    for name in ["softmax", "softmax of tokens"] {
        let (_, inputs, output) = run(name);
        for (input, output) in inputs[0].chunks_exact(4).zip(output.chunks_exact(4)) {
            let powers: Vec<f64> = input.iter().map(|value| f64::from(*value).exp()).collect();
            let sum: f64 = powers.iter().sum();
            let expected: Vec<f32> = powers.iter().map(|power| (power / sum) as f32).collect();
            assert_near(name, output, &expected);
        }
    }
    let (_, inputs, output) = run("softmax of groups");
    for (input, output) in inputs[0].chunks_exact(6).zip(output.chunks_exact(6)) {
        // Channels 0 and 3, 1 and 4, 2 and 5.
        let power = |at: usize| f64::from(input[at]).exp();
        let part = |at: usize| power(at) / (power(at % 3) + power(at % 3 + 3));
        let expected: Vec<f32> = (0..6).map(|at| part(at) as f32).collect();
        assert_near("softmax of groups", output, &expected);
    }
    let case = Case::new("large", [1, 1, 3], Softmax { apart: 1 });
    assert_eq!(Subject::new(&case, 1).run(&[1e30, -1e30, 1e30]), [0.5, 0.0, 0.5]);
}

#[test]
fn positions_and_channels_are_reduced() {
    for (name, by) in [("global max pool", 15), ("global max pool of tokens", 17)] {
        let (_, inputs, output) = run(name);
        let maps = inputs[0].chunks_exact(4 * by);
        let greatest = |map: &[f32], channel: usize| {
            map.iter().skip(channel).step_by(4).copied().fold(f32::NEG_INFINITY, f32::max)
        };
        let expected: Vec<f32> =
            maps.flat_map(|map| (0..4).map(move |channel| greatest(map, channel))).collect();
        assert_eq!(output, expected, "{name}");
    }
    for (name, by) in [("global sum", 15), ("global sum of tokens", 17)] {
        let (_, inputs, output) = run(name);
        let sum = |map: &[f32], channel: usize| {
            map.iter().skip(channel).step_by(4).map(|value| f64::from(*value)).sum::<f64>() as f32
        };
        let maps = inputs[0].chunks_exact(4 * by);
        let expected: Vec<f32> = maps.flat_map(|map| (0..4).map(move |channel| sum(map, channel))).collect();
        assert_near(name, &output, &expected);
    }
    let reduced = |operation: ChannelReduction| {
        let case = Case::new("reduction", [1, 2, 3], operation);
        Subject::new(&case, 1).run(&[1.0, 2.0, -6.0, -4.0, -3.5, -9.0])
    };
    assert_eq!(reduced(ChannelReduction::Mean), [-1.0, -5.5]);
    assert_eq!(reduced(ChannelReduction::Sum), [-3.0, -16.5]);
    assert_eq!(reduced(ChannelReduction::Max), [2.0, -3.5]);
}

/// Queries, keys and values with a number for each head and pair of positions, which windows have in common.
#[test]
fn attention_adds_its_matrix() {
    for name in ["attention by a matrix", "attention by a matrix in windows", "attention by a matrix, spread"]
    {
        let case = case(name);
        let Operation::Attention(attention) = case.operation else { unreachable!("{name}") };
        let (pixels, mut subject) = (case.pixels(2), Subject::new(&case, 2));
        let output = subject.run(&pixels);
        let bias = subject.network.weights().tensor("output.bias").expect("its own").data.clone();
        let input = subject.value(&subject.inputs[0]);
        let positions = input.len() / 2 / 12;
        let mut expected = vec![0.0; output.len()];
        for item in 0..2 {
            let value = |position: usize, channel: usize| {
                f64::from(input[(item * positions + position) * 12 + channel])
            };
            for members in groups(attention, case.image, positions) {
                let len = members.len();
                for (head, i) in (0..2).flat_map(|head| (0..len).map(move |i| (head, i))) {
                    // Of a member that is in sight.
                    let power = |j: usize| {
                        let ((query, of), (key, region)) = (members[i], members[j]);
                        let dot = (0..2)
                            .map(|c| value(query, 2 * head + c) * value(key, 4 + 2 * head + c))
                            .sum::<f64>();
                        let by_place = f64::from(bias[(head * len + i) * len + j]);
                        if of == region { (0.7f64 * dot + by_place).exp() } else { 0.0 }
                    };
                    let sum: f64 = (0..len).map(power).sum();
                    for channel in 2 * head..2 * head + 2 {
                        let mean: f64 =
                            (0..len).map(|j| power(j) / sum * value(members[j].0, 8 + channel)).sum();
                        expected[(item * positions + members[i].0) * 4 + channel] = mean as f32;
                    }
                }
            }
        }
        assert_near(name, &output, &expected);
    }
}

/// The positions of each group with the region that each lies in.
fn groups(
    attention: Attention,
    [height, width, _]: [usize; 3],
    positions: usize,
) -> Vec<Vec<(usize, [bool; 2])>> {
    if attention.reach == Reach::All {
        return vec![(0..positions).map(|position| (position, [false; 2])).collect()];
    }
    // The place along an axis, and whether it came round the edge.
    let along = |group: usize, member: usize, len: usize| match attention.reach {
        Reach::Windows { shift, .. } => {
            let moved = 2 * group + member + shift;
            (moved % len, moved >= len)
        }
        _ => (member * len / 2 + group, false),
    };
    let across = width / 2;
    let member = |group: usize, at: usize| {
        let (y, below) = along(group / across, at / 2, height);
        let (x, right) = along(group % across, at % 2, width);
        (y * width + x, [below, right])
    };
    (0..height / 2 * across).map(|group| (0..4).map(|at| member(group, at)).collect()).collect()
}

/// Of another grid, of other tokens, or of other windows than those that attend.
#[test]
fn a_matrix_of_another_grid_is_an_error() {
    let told = |reach, places: Places, [height, width]: [usize; 2]| {
        let (mut graph, image) = GraphBuilder::new(12);
        let similarity = Similarity::Dot { factor: 1.0 };
        graph.module("a", Attention { channels: 4, heads: 2, reach, similarity, places }, &[image]);
        let infos = graph.finish().map(|graph| graph.tap_infos(height, width).map(drop));
        infos
            .map_err(|error| format!("{error:?}"))
            .and_then(|told| told.map_err(|error| format!("{error:?}")))
    };
    let matrix = |extra, grid| Places::Matrix { extra, grid };
    let windows = Reach::Windows { side: 2, shift: 0, padded: false };
    assert_eq!(told(Reach::All, matrix(0, [2, 3]), [2, 3]), Ok(()));
    assert!(told(Reach::All, matrix(0, [2, 3]), [3, 3]).unwrap_err().contains("only: [2, 3]"));
    assert!(told(Reach::All, matrix(1, [2, 3]), [2, 3]).unwrap_err().contains("Extra"));
    for reach in [windows, Reach::Spread { side: 2 }] {
        assert_eq!(told(reach, matrix(0, [2, 2]), [4, 6]), Ok(()), "{reach:?}");
        assert!(told(reach, matrix(0, [3, 2]), [4, 6]).is_err(), "{reach:?}");
        assert!(told(reach, matrix(1, [2, 2]), [4, 6]).is_err(), "{reach:?}");
    }
}
