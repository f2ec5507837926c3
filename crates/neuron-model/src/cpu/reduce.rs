use super::View;

/// The greatest value of every map and where it is first reached; NaN, at its first place, if there is one.
///
/// # Shapes
/// * `scores`, `positions` (`y * width + x`): `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn reduce_max(input: View<'_>, scores: &mut [f32], positions: &mut [u32]) {
    input.check();
    let View { batch, height, width, channels, data } = input;
    assert!(height * width > 0, "maps without positions");
    assert_eq!((scores.len(), positions.len()), (batch * channels, batch * channels), "[batch, channels]");
    for item in 0..batch {
        let map = &data[item * input.item_len()..][..input.item_len()];
        let scores = &mut scores[item * channels..][..channels];
        let positions = &mut positions[item * channels..][..channels];
        scores.copy_from_slice(&map[..channels]);
        positions.fill(0);
        for (position, pixel) in map.chunks_exact(channels).enumerate().skip(1) {
            for ((score, first), value) in scores.iter_mut().zip(&mut *positions).zip(pixel) {
                let better = *value > *score || (value.is_nan() && !score.is_nan());
                *score = if better { *value } else { *score };
                *first = if better { position as u32 } else { *first };
            }
        }
    }
}

/// The mean of every map, accumulated in f64 in the order of the positions.
///
/// # Shapes
/// * `scores`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn reduce_mean(input: View<'_>, scores: &mut [f32]) {
    input.check();
    let View { batch, height, width, channels, data } = input;
    assert!(height * width > 0, "maps without positions");
    assert_eq!(scores.len(), batch * channels, "[batch, channels]");
    let mut sums = vec![0f64; channels];
    for item in 0..batch {
        sums.fill(0.0);
        for pixel in data[item * input.item_len()..][..input.item_len()].chunks_exact(channels) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += f64::from(*value);
            }
        }
        for (score, sum) in scores[item * channels..][..channels].iter_mut().zip(&sums) {
            *score = (sum / (height * width) as f64) as f32;
        }
    }
}
