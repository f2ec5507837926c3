//! Signals on their way back.

use super::*;

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
    kernels::split_by_magnitude(&forward, &addend, &mut expected, &mut expected_rest);
    assert_same(&found, &expected, "split_by_magnitude");
    assert_same(&found_rest, &expected_rest, "the rest of split_by_magnitude");
}

#[test]
fn passes_start_at_one_channel_of_each_item() {
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
