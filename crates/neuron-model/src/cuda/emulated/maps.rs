//! Forward passes.

use neuron_geometry::Window;

use super::*;
use crate::cuda::device_weights::channels_last;
use neuron_kernels::{
    Activation, Algorithm, AveragePool, ConvGeometry, Convolution, Divisor, Epilogue, MaxPool,
};

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
        let activation = relu.then_some(Activation::Relu);
        kernels::scale_shift(&input, &scale, &shift, activation, &mut expected);
        assert_same(&found, &expected, "scale_shift");
        gpu.run("add", LEN, &[read(&input), read(&other), write(&mut found), relu.into()]);
        kernels::add(&input, &other, activation, &mut expected);
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
                let sum = if matches!(residual, Argument::Nothing) { sum } else { sum + other[at] };
                *expected = if relu && sum < 0.0 { 0.0 } else { sum };
            }
            assert_same(&found, &expected, "bias_activation");
        }
    }
    gpu.run("relu", LEN, &[read(&input), write(&mut found)]);
    kernels::activate(Activation::Relu, &input, &mut expected);
    assert_same(&found, &expected, "relu");

    (found, expected) = (input.clone(), input.clone());
    gpu.run("scale_by_channel", LEN, &[write(&mut found), read(&scale), whole(CHANNELS)]);
    kernels::scale_by_channel(&mut expected, &scale);
    assert_same(&found, &expected, "scale_by_channel");
    gpu.run("accumulate", LEN, &[write(&mut found), read(&other), Argument::Real(-1.0)]);
    kernels::update(&mut expected, &other, |sum, term| sum - term);
    assert_same(&found, &expected, "accumulate");
    gpu.run("quotient", LEN, &[write(&mut found), read(&other), Argument::Real(1e-5)]);
    kernels::update(&mut expected, &other, |divisor, numerator| numerator / (divisor + 1e-5));
    assert_same(&found, &expected, "quotient");

    gpu.run("fill", LEN, &[write(&mut found), Argument::Real(0.75)]);
    assert_same(&found, &vec![0.75; LEN], "fill");
    let colour = [0.5f32, -2.0, 3.0];
    gpu.run("fill_pixels", LEN, &[&[write(&mut found)], &colour.map(Argument::Real)[..]].concat());
    assert_same(&found, &colour.repeat(LEN / 3), "fill_pixels");
}

#[test]
fn max_pools_have_the_bits_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let data = values(LEN, 8);
    let input = View::new(BATCH, HEIGHT, WIDTH, CHANNELS, &data);
    for (kernel, stride, padding) in [(3, 2, 1), (2, 2, 0), (3, 1, 1), (1, 2, 0), (4, 3, 2)] {
        let window = Window::square(kernel, stride, padding);
        let pool = MaxPool::new(window).expect("a window that a max-pool can have");
        let [rows, columns] = window.positions([HEIGHT, WIDTH]);
        let len = BATCH * rows * columns * CHANNELS;
        let sizes = [HEIGHT, WIDTH, CHANNELS, rows, columns, kernel, stride, padding].map(whole);
        let (mut found, mut argmax) = (vec![0.5; len], vec![9u8; len]);
        let (mut expected, mut expected_argmax) = (vec![0.0; len], vec![0u8; len]);
        let pointers = [read(&data), write(&mut found), write(&mut argmax)];
        gpu.run("max_pool", len, &[&pointers, &sizes[..]].concat());
        pool.forward(input, &mut expected, Some(&mut expected_argmax));
        assert_same(&found, &expected, "max_pool");
        assert_eq!(argmax, expected_argmax);
        gpu.run("max_pool", len, &[&[read(&data), write(&mut found), NONE], &sizes[..]].concat());
        assert_same(&found, &expected, "max_pool without positions");

        let gradient: Vec<f32> = (0..len).map(|at| (at as f32 * 0.7).sin()).collect();
        let (mut found, mut expected) = (vec![0.5; LEN], vec![0.0; LEN]);
        let pointers = [read(&gradient), read(&argmax), write(&mut found)];
        gpu.run("max_pool_backward", LEN, &[&pointers, &sizes[..]].concat());
        let view = View::new(BATCH, rows, columns, CHANNELS, &gradient);
        pool.backward(view, &argmax, [HEIGHT, WIDTH], &mut expected);
        assert_same(&found, &expected, "max_pool_backward");
    }
}

#[test]
fn means_have_the_bits_of_the_cpu() {
    let Some(gpu) = Emulated::new() else { return };
    let data = values(LEN, 9);
    let input = View::new(BATCH, HEIGHT, WIDTH, CHANNELS, &data);
    for (kernel, stride) in [(2, 2), (3, 2), (2, 3), (1, 1)] {
        let window = Window { ceil_mode: true, ..Window::square(kernel, stride, 0) };
        let pool = AveragePool::new(window, Divisor::Inside).expect("a window that an average pool can have");
        let [rows, columns] = window.positions([HEIGHT, WIDTH]);
        let len = BATCH * rows * columns * CHANNELS;
        let sizes = [HEIGHT, WIDTH, CHANNELS, rows, columns, kernel, stride].map(whole);
        let (mut found, mut expected) = (vec![0.5; len], vec![0.0; len]);
        gpu.run("average_pool", len, &[&[read(&data), write(&mut found)], &sizes[..]].concat());
        pool.forward(input, &mut expected);
        assert_same(&found, &expected, "average_pool");

        let (mut back, mut expected_back) = (vec![0.5; LEN], vec![0.0; LEN]);
        gpu.run("average_pool_backward", LEN, &[&[read(&found), write(&mut back)], &sizes[..]].concat());
        let gradient = View::new(BATCH, rows, columns, CHANNELS, &found);
        pool.backward(gradient, [HEIGHT, WIDTH], &mut expected_back);
        assert_same(&back, &expected_back, "average_pool_backward");
    }

    let (count, sizes) = (BATCH * CHANNELS, [HEIGHT * WIDTH, CHANNELS].map(whole));
    let (mut scores, mut positions) = (vec![0.5; count], vec![9u32; count]);
    let (mut expected, mut expected_positions) = (vec![0.0; count], vec![0u32; count]);
    let pointers = [read(&data), write(&mut scores), write(&mut positions)];
    gpu.run("reduce_max", count, &[&pointers, &sizes[..]].concat());
    kernels::reduce_max(input, &mut expected, &mut expected_positions);
    assert_same(&scores, &expected, "reduce_max");
    assert_eq!(positions, expected_positions);
    gpu.run("reduce_mean", count, &[&[read(&data), write(&mut scores)], &sizes[..]].concat());
    kernels::reduce_mean(input, &mut expected);
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
        let geometry = ConvGeometry {
            in_channels,
            out_channels,
            groups,
            window: Window::square(kernel, stride, padding),
        };
        let [rows, columns] = geometry.positions([HEIGHT, WIDTH]);
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
        let epilogue = Epilogue::Activation { residual: None, activation: None };
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
