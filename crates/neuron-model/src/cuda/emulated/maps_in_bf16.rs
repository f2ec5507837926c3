//! Maps that are stored in 16 bits.

use neuron_geometry::Window;

use super::*;

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

    let [rows, columns] = Window::square(3, 2, 1).positions([HEIGHT, WIDTH]);
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
    kernels::reduce_max(view, &mut expected, &mut expected_positions);
    assert_same(&scores, &expected, "reduce_max");
    assert_eq!(positions, expected_positions);
}
