//! The kernels' source compiled for the CPU, as one thread of one block, and held against the CPU engine: what they
//! compute can be tested without a GPU, though not how threads share it out.

use std::ffi::c_void;
use std::process::Command;

use neuron_geometry::Window;

use super::kernels::{Argument, SIGNATURES, SOURCE, check};
use crate::cpu::{self, View};

const PRELUDE: &str = "
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
    /// `None`, with a line that says so, where there is no C++ compiler.
    fn new() -> Option<Self> {
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

    let (mut spread, share) = (vec![0.5; LEN], 1.0 / (HEIGHT * WIDTH) as f32);
    gpu.run("spread_mean", LEN, &[&[read(&scores), write(&mut spread)], &sizes[..]].concat());
    let item = HEIGHT * WIDTH * CHANNELS;
    let expected: Vec<f32> =
        (0..LEN).map(|at| scores[at / item * CHANNELS + at % CHANNELS] * share).collect();
    assert_same(&spread, &expected, "spread_mean");
}
