use crate::microkernel::{Isa, sum_positions};
use crate::shape::View;

/// The greatest value of every map and where it is first reached; NaN, at its first place, if there is one.
///
/// # Shapes
/// * `scores`, `positions` (`y * width + x`): `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn reduce_max(input: View<'_>, scores: &mut [f32], positions: &mut [u32]) {
    let channels = check(input, scores);
    assert_eq!(positions.len(), scores.len(), "positions of [batch, channels]");
    if scores.is_empty() {
        return;
    }
    neuron_threads::for_each(
        scores.chunks_mut(channels).zip(positions.chunks_mut(channels)),
        |item, (scores, positions)| {
            let mut pixels = pixels(input, item);
            scores.copy_from_slice(pixels.next().expect("maps have positions"));
            positions.fill(0);
            for (position, pixel) in (1..).zip(pixels) {
                for ((score, first), value) in scores.iter_mut().zip(&mut *positions).zip(pixel) {
                    let better = *value > *score || (value.is_nan() && !score.is_nan());
                    *score = if better { *value } else { *score };
                    *first = if better { position } else { *first };
                }
            }
        },
    );
}

/// The mean of every map, accumulated in f64 in the order of the positions.
///
/// # Shapes
/// * `scores`: `[batch, channels]`
///
/// # Panics
/// If a length does not fit or the maps are empty.
pub fn reduce_mean(input: View<'_>, scores: &mut [f32]) {
    let channels = check(input, scores);
    if scores.is_empty() {
        return;
    }
    let (isa, positions) = (Isa::detected(), input.height * input.width);
    by_channels(scores, channels, |item, first, scores| {
        let mut sums = [0f64; CHANNELS];
        let sums = &mut sums[..scores.len()];
        let values = &input.data[item * input.item_len() + first..];
        sum_positions(isa, (values, None), (positions, channels), sums);
        scores.iter_mut().zip(sums).for_each(|(score, sum)| *score = (*sum / positions as f64) as f32);
    });
}

/// Channels whose sums are a task: an item alone would be one.
pub(super) const CHANNELS: usize = 64;

/// Calls `body` with an item, the first of some of its channels, and their scores of `[batch, channels]`.
pub(super) fn by_channels(
    scores: &mut [f32],
    channels: usize,
    body: impl Fn(usize, usize, &mut [f32]) + Sync,
) {
    let parts = channels.div_ceil(CHANNELS);
    let scores = scores.chunks_mut(channels).flat_map(|scores| scores.chunks_mut(CHANNELS));
    neuron_threads::for_each(scores, |index, scores| body(index / parts, index % parts * CHANNELS, scores));
}

/// Number of channels.
fn check(input: View<'_>, scores: &[f32]) -> usize {
    input.check();
    assert!(input.height * input.width > 0, "maps without positions");
    assert_eq!(scores.len(), input.batch * input.channels, "scores of [batch, channels]");
    input.channels
}

/// The channels of every position of an item.
fn pixels(input: View<'_>, item: usize) -> impl Iterator<Item = &[f32]> {
    input.data[item * input.item_len()..][..input.item_len()].chunks_exact(input.channels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `[2, 2, 3, 2]`: a first maximum among ties and a negative map; then a NaN after a maximum and infinities.
    const MAPS: [f32; 24] = [
        1.0,
        -5.0,
        7.0,
        -4.0,
        2.0,
        -9.0, //
        7.0,
        -8.0,
        0.0,
        -4.0,
        7.0,
        -6.0, //
        3.0,
        0.0,
        9.0,
        f32::NEG_INFINITY,
        f32::NAN,
        2.0, //
        1.0,
        f32::INFINITY,
        f32::NAN,
        0.0,
        4.0,
        0.0,
    ];

    #[test]
    fn the_first_maximum_counts_and_nan_wins() {
        let (mut scores, mut positions) = ([0.0; 4], [9; 4]);
        reduce_max(View::new(2, 2, 3, 2, &MAPS), &mut scores, &mut positions);
        assert_eq!((scores[0], scores[1], scores[3]), (7.0, -4.0, f32::INFINITY));
        assert!(scores[2].is_nan());
        assert_eq!(positions, [1, 1, 2, 3]);
    }

    #[test]
    fn means_do_not_lose_small_terms() {
        // In f32 the ones would vanish beside 2^25, one after the other.
        let mut map = vec![1.0; 1 << 8];
        map[0] = (1u32 << 25) as f32;
        let mut scores = [0.0];
        reduce_mean(View::new(1, 16, 16, 1, &map), &mut scores);
        assert_eq!(scores[0], (f64::from((1u32 << 25) + (1 << 8) - 1) / f64::from(1 << 8)) as f32);
        let mut scores = [0.0; 4];
        reduce_mean(View::new(2, 2, 3, 2, &MAPS), &mut scores);
        assert_eq!((scores[0], scores[1]), (4.0, -6.0));
        assert!(scores[2].is_nan() && scores[3].is_nan(), "a NaN, and infinity minus infinity");
    }

    #[test]
    fn no_items_no_scores() {
        reduce_max(View::new(0, 2, 2, 3, &[]), &mut [], &mut []);
        reduce_mean(View::new(0, 2, 2, 3, &[]), &mut []);
    }
}
