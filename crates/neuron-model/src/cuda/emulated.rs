//! The kernels' source compiled for the CPU, as one thread of one block, and held against the CPU engine: what they
//! compute can be tested without a GPU, though not how threads share it out.

use std::ffi::c_void;
use std::process::Command;

use half::bf16;
use neuron_geometry::Window;

use super::element::Element;
use super::frozen::channels_last;
use super::kernels::{Argument, MAPS_IN_BF16, SIGNATURES, SOURCE, check};
use crate::cpu::{self, Algorithm, ConvGeometry, Convolution, Epilogue, View};

const PRELUDE: &str = "
#include <cmath>
#define __global__
#define __device__
struct Axis { unsigned x, y, z; };
static const Axis blockIdx = {0, 0, 0}, threadIdx = {0, 0, 0}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};
";

/// Hands arguments of any type to any kernel.
const ARGUMENT: &str = "
union Argument {
    void *pointer; whole count; float value;
    template <class T> operator T *() const { return (T *)pointer; }
    operator whole() const { return count; }
    operator float() const { return value; }
};
";

/// The kernels as a library of the CPU's.
struct Emulated {
    library: libloading::Library,
    /// Where the library is while it is used.
    _folder: tempfile::TempDir,
}

/// An argument as `ARGUMENT` declares it.
#[repr(C)]
union Raw {
    pointer: u64,
    count: i64,
    value: f32,
}

impl Emulated {
    /// For maps of f32; `None`, with a line that says so, where there is no C++ compiler.
    fn new() -> Option<Self> {
        Self::of(Element::F32)
    }

    fn of(element: Element) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, library) = (folder.path().join("kernels.cpp"), folder.path().join("kernels.so"));
        let call = |(name, letters): &(&str, &str)| {
            let arguments: String = (0..letters.len()).map(|at| format!(", a[{at}]")).collect();
            format!("extern \"C\" void call_{name}(whole n, const Argument *a) {{ {name}(n{arguments}); }}\n")
        };
        let calls: String = SIGNATURES.iter().map(call).collect();
        std::fs::write(&source, [PRELUDE, SOURCE, ARGUMENT, &calls].concat()).expect("the source is written");
        let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
        let mut compile = Command::new(compiler);
        if element == Element::Bf16 {
            compile.arg(format!("-D{MAPS_IN_BF16}"));
        }
        compile
            .args(["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-o"])
            .arg(&library)
            .arg(&source);
        let Ok(output) = compile.output() else {
            println!("left out: there is no C++ compiler");
            return None;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // SAFETY: the library was just made and runs nothing when it is opened.
        let library = unsafe { libloading::Library::new(&library) }.expect("the library opens");
        Some(Self { library, _folder: folder })
    }

    /// Runs a kernel over memory of the host.
    fn run(&self, name: &str, count: usize, arguments: &[Argument]) {
        check(name, arguments);
        let raw = |argument: &Argument| match *argument {
            Argument::Pointer(pointer) => Raw { pointer },
            Argument::Whole(count) => Raw { count },
            Argument::Real(value) => Raw { value },
        };
        let arguments: Vec<Raw> = arguments.iter().map(raw).collect();
        // SAFETY: every kernel has such a function (see `new`), and its arguments' types were checked.
        unsafe {
            let call: libloading::Symbol<'_, unsafe extern "C" fn(i64, *const c_void)> =
                self.library.get(format!("call_{name}").as_bytes()).expect("the kernel is there");
            call(count as i64, arguments.as_ptr().cast());
        }
    }
}

fn read<T>(values: &[T]) -> Argument {
    Argument::Pointer(values.as_ptr() as u64)
}

fn write<T>(values: &mut [T]) -> Argument {
    Argument::Pointer(values.as_mut_ptr() as u64)
}

const NONE: Argument = Argument::Pointer(0);

fn whole(value: usize) -> Argument {
    value.into()
}

/// Values of a few sizes, with ties, zeros of both signs, negatives, infinities and NaN.
fn values(len: usize, seed: usize) -> Vec<f32> {
    let value = |at: usize| match ((at + 13) * (seed + 7919)) % 47 {
        0 => f32::NAN,
        1 => -0.0,
        2 => f32::INFINITY,
        other => other as f32 % 11.0 - 5.0 + (other as f32).sin() * 0.001,
    };
    (0..len).map(value).collect()
}

/// Equal bits, apart from those of NaNs.
fn assert_same(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(same, "{what} at {at}: {found} for {expected}");
    }
}

const BATCH: usize = 2;
const HEIGHT: usize = 7;
const WIDTH: usize = 5;
const CHANNELS: usize = 3;
const LEN: usize = BATCH * HEIGHT * WIDTH * CHANNELS;

#[test]
fn what_is_done_value_by_value_has_the_bits_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let (input, other, scale, shift) =
        (values(LEN, 1), values(LEN, 2), values(CHANNELS, 3), values(CHANNELS, 4));
    let (mut found, mut expected) = (vec![0.5; LEN], vec![0.25; LEN]);
    for relu in [false, true] {
        let arguments =
            [read(&input), read(&scale), read(&shift), write(&mut found), whole(CHANNELS), relu.into()];
        gpu.run("scale_shift", LEN, &arguments);
        cpu::scale_shift(&input, &scale, &shift, relu, &mut expected);
        assert_same(&found, &expected, "scale_shift");
        gpu.run("add", LEN, &[read(&input), read(&other), write(&mut found), relu.into()]);
        cpu::add(&input, &other, relu, &mut expected);
        assert_same(&found, &expected, "add");
        for residual in [NONE, read(&other)] {
            found.copy_from_slice(&input);
            gpu.run(
                "bias_activation",
                LEN,
                &[write(&mut found), read(&shift), residual, whole(CHANNELS), relu.into()],
            );
            for (at, expected) in expected.iter_mut().enumerate() {
                let sum = input[at] + shift[at % CHANNELS];
                let sum = if matches!(residual, Argument::Pointer(0)) { sum } else { sum + other[at] };
                *expected = if relu && sum < 0.0 { 0.0 } else { sum };
            }
            assert_same(&found, &expected, "bias_activation");
        }
    }
    gpu.run("relu", LEN, &[read(&input), write(&mut found)]);
    cpu::relu(&input, &mut expected);
    assert_same(&found, &expected, "relu");

    (found, expected) = (input.clone(), input.clone());
    gpu.run("scale_by_channel", LEN, &[write(&mut found), read(&scale), whole(CHANNELS)]);
    cpu::scale_by_channel(&mut expected, &scale);
    assert_same(&found, &expected, "scale_by_channel");
    gpu.run("accumulate", LEN, &[write(&mut found), read(&other), Argument::Real(-1.0)]);
    cpu::update(&mut expected, &other, |sum, term| sum - term);
    assert_same(&found, &expected, "accumulate");
    gpu.run("quotient", LEN, &[write(&mut found), read(&other), Argument::Real(1e-5)]);
    cpu::update(&mut expected, &other, |divisor, numerator| numerator / (divisor + 1e-5));
    assert_same(&found, &expected, "quotient");

    gpu.run("fill", LEN, &[write(&mut found), Argument::Real(0.75)]);
    assert_same(&found, &vec![0.75; LEN], "fill");
    let colour = [0.5f32, -2.0, 3.0];
    gpu.run("fill_pixels", LEN, &[&[write(&mut found)], &colour.map(Argument::Real)[..]].concat());
    assert_same(&found, &colour.repeat(LEN / 3), "fill_pixels");
}

#[test]
fn signals_pass_gates_and_sums_as_on_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let (signal, forward, addend) = (values(LEN, 5), values(LEN, 6), values(LEN, 7));
    for (kind, with_addend) in (0..4).flat_map(|kind| [(kind, false), (kind, true)]) {
        let mut found = signal.clone();
        let more = if with_addend { read(&addend) } else { NONE };
        gpu.run("gate", LEN, &[write(&mut found), more, read(&forward), whole(kind)]);
        let expected: Vec<f32> = (0..LEN)
            .map(|at| {
                let sum = if with_addend { signal[at] + addend[at] } else { signal[at] };
                match kind {
                    0 => sum,
                    1 if forward[at] > 0.0 => sum,
                    2 if forward[at] > 0.0 && (sum >= 0.0 || sum.is_nan()) => sum,
                    3 => sum * forward[at],
                    _ => 0.0,
                }
            })
            .collect();
        assert_same(&found, &expected, "gate");
    }
    let (mut found, mut found_rest) = (signal.clone(), vec![0.0; LEN]);
    let (mut expected, mut expected_rest) = (signal.clone(), vec![0.0; LEN]);
    let terms = [read(&forward), read(&addend), write(&mut found), write(&mut found_rest)];
    gpu.run("split_by_magnitude", LEN, &terms);
    cpu::split_by_magnitude(&forward, &addend, &mut expected, &mut expected_rest);
    assert_same(&found, &expected, "split_by_magnitude");
    assert_same(&found_rest, &expected_rest, "the rest of split_by_magnitude");
}

#[test]
fn max_pools_have_the_bits_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let data = values(LEN, 8);
    let input = View::new(BATCH, HEIGHT, WIDTH, CHANNELS, &data);
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1), (1, 2, 0), (4, 3, 2)] {
        let window = Window { kernel, stride, padding };
        let (rows, columns) = (window.positions(HEIGHT), window.positions(WIDTH));
        let len = BATCH * rows * columns * CHANNELS;
        let sizes = [HEIGHT, WIDTH, CHANNELS, rows, columns, kernel, stride, padding].map(whole);
        let (mut found, mut argmax) = (vec![0.5; len], vec![9u8; len]);
        let (mut expected, mut expected_argmax) = (vec![0.0; len], vec![0u8; len]);
        let pointers = [read(&data), write(&mut found), write(&mut argmax)];
        gpu.run("max_pool", len, &[&pointers, &sizes[..]].concat());
        cpu::max_pool(window, input, &mut expected, Some(&mut expected_argmax));
        assert_same(&found, &expected, "max_pool");
        assert_eq!(argmax, expected_argmax);
        gpu.run("max_pool", len, &[&[read(&data), write(&mut found), NONE], &sizes[..]].concat());
        assert_same(&found, &expected, "max_pool without positions");

        let gradient: Vec<f32> = (0..len).map(|at| (at as f32 * 0.7).sin()).collect();
        let (mut found, mut expected) = (vec![0.5; LEN], vec![0.0; LEN]);
        let pointers = [read(&gradient), read(&argmax), write(&mut found)];
        gpu.run("max_pool_backward", LEN, &[&pointers, &sizes[..]].concat());
        let view = View::new(BATCH, rows, columns, CHANNELS, &gradient);
        cpu::max_pool_backward(window, view, &argmax, HEIGHT, WIDTH, &mut expected);
        assert_same(&found, &expected, "max_pool_backward");
    }
}

#[test]
fn means_have_the_bits_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let data = values(LEN, 9);
    let input = View::new(BATCH, HEIGHT, WIDTH, CHANNELS, &data);
    for (kernel, stride) in [(2, 2), (3, 2), (2, 3), (1, 1)] {
        let window = Window { kernel, stride, padding: 0 };
        let positions = |len| cpu::average_pool_positions(window, len);
        let (rows, columns) = (positions(HEIGHT), positions(WIDTH));
        let len = BATCH * rows * columns * CHANNELS;
        let sizes = [HEIGHT, WIDTH, CHANNELS, rows, columns, kernel, stride].map(whole);
        let (mut found, mut expected) = (vec![0.5; len], vec![0.0; len]);
        gpu.run("average_pool", len, &[&[read(&data), write(&mut found)], &sizes[..]].concat());
        cpu::average_pool(window, input, &mut expected);
        assert_same(&found, &expected, "average_pool");

        let (mut back, mut expected_back) = (vec![0.5; LEN], vec![0.0; LEN]);
        gpu.run("average_pool_backward", LEN, &[&[read(&found), write(&mut back)], &sizes[..]].concat());
        let gradient = View::new(BATCH, rows, columns, CHANNELS, &found);
        cpu::average_pool_backward(window, gradient, HEIGHT, WIDTH, &mut expected_back);
        assert_same(&back, &expected_back, "average_pool_backward");
    }

    let (count, sizes) = (BATCH * CHANNELS, [HEIGHT * WIDTH, CHANNELS].map(whole));
    let (mut scores, mut positions) = (vec![0.5; count], vec![9u32; count]);
    let (mut expected, mut expected_positions) = (vec![0.0; count], vec![0u32; count]);
    let pointers = [read(&data), write(&mut scores), write(&mut positions)];
    gpu.run("reduce_max", count, &[&pointers, &sizes[..]].concat());
    cpu::reduce_max(input, &mut expected, &mut expected_positions);
    assert_same(&scores, &expected, "reduce_max");
    assert_eq!(positions, expected_positions);
    gpu.run("reduce_mean", count, &[&[read(&data), write(&mut scores)], &sizes[..]].concat());
    cpu::reduce_mean(input, &mut expected);
    assert_same(&scores, &expected, "reduce_mean");
    scores.fill(0.5);
    gpu.run("global_average_pool", count, &[&[read(&data), write(&mut scores)], &sizes[..]].concat());
    assert_same(&scores, &expected, "global_average_pool");

    let (mut spread, share) = (vec![0.5; LEN], 1.0 / (HEIGHT * WIDTH) as f32);
    gpu.run("spread_mean", LEN, &[&[read(&scores), write(&mut spread)], &sizes[..]].concat());
    let item = HEIGHT * WIDTH * CHANNELS;
    let expected: Vec<f32> =
        (0..LEN).map(|at| scores[at / item * CHANNELS + at % CHANNELS] * share).collect();
    assert_same(&spread, &expected, "spread_mean");
}

#[test]
fn convolutions_that_cudnn_has_not_are_those_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    for (kernel, stride, padding, groups) in
        [(1, 1, 0, 1), (3, 1, 1, 1), (3, 2, 1, 3), (7, 2, 3, 1), (1, 2, 0, 3)]
    {
        let (in_channels, out_channels) = (6, 9);
        let geometry = ConvGeometry { in_channels, out_channels, kernel, stride, padding, groups };
        let (rows, columns) = (geometry.positions(HEIGHT), geometry.positions(WIDTH));
        let wave =
            |len: usize, step: f32| -> Vec<f32> { (0..len).map(|at| (at as f32 * step).sin()).collect() };
        let input = wave(BATCH * HEIGHT * WIDTH * in_channels, 0.7);
        let weight = wave(geometry.weight_len(), 1.3);
        let signal = wave(BATCH * rows * columns * out_channels, 0.9);
        let mut output = vec![0.5; signal.len()];
        let mut back = vec![0.5; input.len()];
        let sizes =
            [HEIGHT, WIDTH, in_channels, rows, columns, out_channels, kernel, stride, padding, groups];
        let sizes = sizes.map(whole);
        let turned = channels_last(geometry, &weight);
        let forward = [read(&input), read(&turned), write(&mut output)];
        gpu.run("convolution", signal.len(), &[&forward[..], &sizes].concat());
        let transposed = [read(&signal), read(&turned), write(&mut back)];
        gpu.run("transposed_convolution", input.len(), &[&transposed[..], &sizes].concat());

        let on_cpu = Convolution::new(geometry, &weight, None, Algorithm::Direct);
        let mut expected = vec![0.0; output.len()];
        let epilogue = Epilogue::Activation { residual: None, relu: false };
        on_cpu.forward(View::new(BATCH, HEIGHT, WIDTH, in_channels, &input), epilogue, &mut expected);
        for (found, expected) in output.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{geometry:?}: {found} for {expected}");
        }
        // <conv(x), s> = <x, conv^T(s)>
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let (there, here) = (dot(&output, &signal), dot(&input, &back));
        assert!((there - here).abs() < 1e-3, "{geometry:?}: {there} and {here}");
    }
}

/// Values as they are stored in 16 bits.
fn rounded(values: &[f32]) -> Vec<bf16> {
    values.iter().map(|value| bf16::from_f32(*value)).collect()
}

fn widened(values: &[bf16]) -> Vec<f32> {
    values.iter().map(|value| value.to_f32()).collect()
}

#[test]
fn maps_in_bf16_are_rounded_to_the_nearest() {
    let Some(gpu) = Emulated::of(Element::Bf16) else { return };
    let mut data = values(LEN, 10);
    // Halfway between two neighbours, down and up to the even one; the largest, which rounds to infinity.
    data.extend([
        1.0 + 1.0 / 256.0,
        1.0 + 3.0 / 256.0,
        -1.0 - 1.0 / 256.0,
        f32::MAX,
        f32::MIN_POSITIVE / 2.0,
    ]);
    let mut maps = vec![bf16::ONE; data.len()];
    gpu.run("to_maps", data.len(), &[read(&data), write(&mut maps)]);
    assert_same(&widened(&maps), &widened(&rounded(&data)), "to_maps");
    let mut back = vec![0.5; data.len()];
    gpu.run("from_maps", data.len(), &[read(&maps), write(&mut back)]);
    assert_same(&back, &widened(&maps), "from_maps");
}

/// Every kernel that takes maps computes in f32 and rounds once.
#[test]
fn kernels_over_maps_in_bf16_round_once() {
    let (Some(narrow), Some(wide)) = (Emulated::of(Element::Bf16), Emulated::new()) else { return };
    let (input, other) = (rounded(&values(LEN, 11)), rounded(&values(LEN, 12)));
    let (wide_input, wide_other) = (widened(&input), widened(&other));
    let (scale, shift) = (values(CHANNELS, 13), values(CHANNELS, 14));
    let bias = rounded(&shift);
    let wide_bias = widened(&bias);
    let (mut found, mut expected) = (vec![bf16::ONE; LEN], vec![0.5f32; LEN]);
    let compare = |found: &[bf16], expected: &[f32], kernel: &str| {
        assert_same(&widened(found), &widened(&rounded(expected)), kernel);
    };

    narrow.run("relu", LEN, &[read(&input), write(&mut found)]);
    wide.run("relu", LEN, &[read(&wide_input), write(&mut expected)]);
    compare(&found, &expected, "relu");
    narrow.run("add", LEN, &[read(&input), read(&other), write(&mut found), whole(1)]);
    wide.run("add", LEN, &[read(&wide_input), read(&wide_other), write(&mut expected), whole(1)]);
    compare(&found, &expected, "add");
    let norm = [read(&scale), read(&shift)];
    let sizes = [whole(CHANNELS), whole(0)];
    narrow.run("scale_shift", LEN, &[&[read(&input)], &norm[..], &[write(&mut found)], &sizes].concat());
    wide.run(
        "scale_shift",
        LEN,
        &[&[read(&wide_input)], &norm[..], &[write(&mut expected)], &sizes].concat(),
    );
    compare(&found, &expected, "scale_shift");
    (found, expected) = (input.clone(), wide_input.clone());
    let sizes = [whole(CHANNELS), whole(1)];
    narrow.run(
        "bias_activation",
        LEN,
        &[&[write(&mut found), read(&bias), read(&other)], &sizes[..]].concat(),
    );
    wide.run(
        "bias_activation",
        LEN,
        &[&[write(&mut expected), read(&wide_bias), read(&wide_other)], &sizes[..]].concat(),
    );
    compare(&found, &expected, "bias_activation");

    let window = Window { kernel: 3, stride: 2, padding: 1 };
    let (rows, columns) = (window.positions(HEIGHT), window.positions(WIDTH));
    let len = BATCH * rows * columns * CHANNELS;
    let sizes = [HEIGHT, WIDTH, CHANNELS, rows, columns, 3, 2, 1].map(whole);
    narrow.run("max_pool", len, &[&[read(&input), write(&mut found), NONE], &sizes[..]].concat());
    wide.run("max_pool", len, &[&[read(&wide_input), write(&mut expected), NONE], &sizes[..]].concat());
    compare(&found[..len], &expected[..len], "max_pool");
    let (count, sizes) = (BATCH * CHANNELS, [HEIGHT * WIDTH, CHANNELS].map(whole));
    narrow.run("global_average_pool", count, &[&[read(&input), write(&mut found)], &sizes[..]].concat());
    wide.run("reduce_mean", count, &[&[read(&wide_input), write(&mut expected)], &sizes[..]].concat());
    compare(&found[..count], &expected[..count], "global_average_pool");

    // Scores leave as f32.
    let (mut scores, mut positions) = (vec![0.5f32; count], vec![9u32; count]);
    narrow.run("reduce_mean", count, &[&[read(&input), write(&mut scores)], &sizes[..]].concat());
    assert_same(&scores, &expected[..count], "reduce_mean");
    let outputs = [write(&mut scores), write(&mut positions)];
    narrow.run("reduce_max", count, &[&[read(&input)], &outputs[..], &sizes].concat());
    let (mut expected, mut expected_positions) = (vec![0.0; count], vec![0u32; count]);
    let view = View::new(BATCH, HEIGHT, WIDTH, CHANNELS, &wide_input);
    cpu::reduce_max(view, &mut expected, &mut expected_positions);
    assert_same(&scores, &expected, "reduce_max");
    assert_eq!(positions, expected_positions);
}

#[test]
fn levels_are_looked_up() {
    let Some(gpu) = Emulated::new() else { return };
    let table: Vec<f32> = (0..768).map(|at| at as f32 / 3.0).collect();
    let levels: Vec<u8> = (0..LEN).map(|at| (at * 37 % 256) as u8).collect();
    let mut found = vec![0.5; LEN];
    gpu.run("look_up", LEN, &[read(&levels), read(&table), write(&mut found)]);
    let value = |(at, level): (usize, &u8)| table[at % 3 * 256 + usize::from(*level)];
    assert_same(&found, &levels.iter().enumerate().map(value).collect::<Vec<_>>(), "look_up");
}

#[test]
fn walks_start_at_one_channel_of_each_item() {
    let Some(gpu) = Emulated::new() else { return };
    let positions = HEIGHT * WIDTH;
    let mut activations: Vec<f32> = values(LEN, 15).iter().map(|value| value.max(0.0)).collect();
    // No alignment where there is no activation.
    activations[..CHANNELS].fill(0.0);
    let wanted = [1i64, 2];
    let mut shares = vec![0.5f64; BATCH * positions];
    let sizes = [positions, CHANNELS].map(whole);
    let pointers = [read(&activations), read(&wanted), write(&mut shares)];
    gpu.run("alignment", BATCH * positions, &[&pointers, &sizes[..]].concat());
    for (at, vector) in activations.chunks_exact(CHANNELS).enumerate() {
        let norm = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        let value = f64::from(vector[wanted[at / positions] as usize]);
        let share = if norm > 0.0 { value / norm } else { 0.0 };
        assert!(shares[at] == share || (shares[at].is_nan() && share.is_nan()), "{} for {share}", shares[at]);
    }
    shares.iter_mut().for_each(|share| *share = if share.is_nan() { 0.0 } else { *share });
    let mut places = [-1i64; BATCH];
    gpu.run("most_aligned", BATCH, &[read(&shares), write(&mut places), whole(positions)]);
    for (place, shares) in places.iter().zip(shares.chunks_exact(positions)) {
        let best = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        assert_eq!(shares.iter().position(|share| *share == best), Some(*place as usize));
    }
    for kind in 0..3 {
        let mut signal = vec![0.5; LEN];
        let pointers = [read(&activations), read(&wanted), read(&places), write(&mut signal)];
        gpu.run("seed", LEN, &[&pointers, &sizes[..], &[whole(kind)]].concat());
        let expected = |at: usize| {
            let (item, position) = (at / (positions * CHANNELS), at / CHANNELS % positions);
            match kind {
                _ if at % CHANNELS != wanted[item] as usize => 0.0,
                0 => activations[at],
                1 => f32::from(u8::from(position == places[item] as usize)),
                _ => 1.0 / positions as f32,
            }
        };
        assert_same(&signal, &(0..LEN).map(expected).collect::<Vec<_>>(), "seed");
    }
}

/// Relevant features in order, and how far they are from a target, for rows of every length up to the longest that
/// networks have.
#[test]
fn relevant_features_are_matched_in_stable_order() {
    let Some(gpu) = Emulated::new() else { return };
    for positions in [1, 2, 3, 35, 64, 196, 12_544] {
        let (channels, len) = (2, 2 * positions);
        // Ties, and zeros of both signs.
        let finite = |value: f32| if value.is_finite() { value } else { -3.0 };
        let features: Vec<f32> = values(len, 16).into_iter().map(finite).collect();
        let relevance: Vec<f32> = values(len, 17).into_iter().map(|value| finite(value).max(0.0)).collect();
        let sizes = [positions, channels].map(whole);
        let (mut lowest, mut highest) = ([0.5f32; 2], [0.5f32; 2]);
        let bounds = [write(&mut lowest), write(&mut highest)];
        gpu.run("extremes", channels, &[&[read(&relevance)], &bounds[..], &sizes].concat());

        let (mut keys, mut merged) = (vec![0u64; len], vec![0u64; len]);
        let maps = [read(&features), read(&relevance)];
        let pointers = [&maps[..], &bounds[..], &[write(&mut keys)]].concat();
        gpu.run("sort_keys", len, &[&pointers[..], &sizes].concat());
        let mut run = 1;
        while run < positions {
            let pointers = [read(&keys), write(&mut merged)];
            gpu.run("merge_runs", len, &[&pointers[..], &[positions, run].map(whole)].concat());
            std::mem::swap(&mut keys, &mut merged);
            run *= 2;
        }

        let target: Vec<f32> = (0..len).map(|at| (at % positions) as f32 / 7.0 - 1.0).collect();
        let scale = [0.5f32, -2.0];
        let (mut differences, mut gradient) = (vec![9.0f32; len], vec![9.0f32; len]);
        let pointers = [
            &[read(&keys)],
            &maps[..],
            &bounds,
            &[read(&target), read(&scale)],
            &[write(&mut differences), write(&mut gradient)],
        ];
        gpu.run("match_sorted", len, &[&pointers.concat()[..], &sizes].concat());
        let mut sums = [0.5f64; 2];
        gpu.run("sum_squares", channels, &[&[read(&differences), write(&mut sums)], &sizes[..]].concat());

        for channel in 0..channels {
            let plane =
                |map: &[f32]| -> Vec<f32> { map.iter().skip(channel).step_by(channels).copied().collect() };
            let (features, relevance, gradient) = (plane(&features), plane(&relevance), plane(&gradient));
            let low = relevance.iter().copied().fold(f32::INFINITY, f32::min);
            let high = relevance.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!((lowest[channel], highest[channel]), (low, high));
            let attention: Vec<f32> =
                relevance.iter().map(|value| (value - low) / (high - low + 1e-6)).collect();
            let relevant: Vec<f32> =
                attention.iter().zip(&features).map(|(a, feature)| a * feature).collect();
            let mut order: Vec<usize> = (0..positions).collect();
            order.sort_by(|a, b| relevant[*a].partial_cmp(&relevant[*b]).expect("no NaN"));
            let found: Vec<usize> =
                keys[channel * positions..][..positions].iter().map(|key| *key as u32 as usize).collect();
            assert_eq!(found, order, "{positions} positions");
            let (mut sum, mut expected) = (0.0, vec![0.0; positions]);
            for (rank, at) in order.into_iter().enumerate() {
                let difference = relevant[at] - target[channel * positions + rank];
                sum += f64::from(difference) * f64::from(difference);
                expected[at] = scale[channel] * 2.0 * difference * attention[at];
            }
            assert_same(&gradient, &expected, "match_sorted");
            assert_eq!(sums[channel].to_bits(), sum.to_bits(), "sum_squares");
        }
    }
}

#[test]
fn keys_order_infinities_and_nan_at_the_ends() {
    let Some(gpu) = Emulated::new() else { return };
    let features = [f32::NAN, 1.0, f32::INFINITY, -0.0, f32::NEG_INFINITY, 0.0, -1.0, -f32::NAN];
    // So high that the summand of the divisor vanishes: the attention is 1.
    let (lowest, highest) = ([0.0f32], [2.0f32.powi(20)]);
    let relevance = [highest[0]; 8];
    let mut keys = [0u64; 8];
    let pointers = [read(&features), read(&relevance), read(&lowest), read(&highest), write(&mut keys)];
    gpu.run("sort_keys", 8, &[&pointers[..], &[8, 1].map(whole)].concat());
    keys.sort_unstable();
    assert_eq!(keys.map(|key| key as u32), [7, 4, 6, 3, 5, 1, 2, 0]);
}
