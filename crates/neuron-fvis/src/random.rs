//! Where start pictures and jitter come from: ChaCha8 (Bernstein, "ChaCha, a variant of Salsa20", 2008).
//!
//! The key is the seed in its first eight bytes, little-endian, and zeros. Every copy of a picture has two streams:
//! `2 * copy` for its start and `2 * copy + 1` for its jitter. Streams know no unit, so that a unit starts from
//! the same picture alone and in company. docs/fvis.md describes the generator for other implementations.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::view::Shift;

/// Words of a ChaCha block: each step of the jitter has a block of its own, so that a resumed run needs no state.
const BLOCK_WORDS: u128 = 16;
/// Word of a step's block from which its other numbers come, behind those of the jitter.
const BEHIND_JITTER: u128 = 8;
/// Bit of the word that decides on a flip.
const FLIP: u32 = 1 << 31;

fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream);
    rng
}

/// Independent normal values of mean 0 and variance 1: pairs by Box and Muller's transform, computed in f64.
///
/// With two words `a`, `b` of the stream: `u = (a + 1/2) / 2^32`, `v = b / 2^32`, and the pair is
/// `sqrt(-2 ln u)` times the cosine and the sine of `2 pi v`.
pub(crate) fn normal(seed: u64, copy: usize, len: usize) -> Vec<f32> {
    let mut rng = stream(seed, 2 * copy as u64);
    let scale = 2f64.powi(-32);
    let mut values = Vec::with_capacity(len + 1);
    while values.len() < len {
        let u = (f64::from(rng.next_u32()) + 0.5) * scale;
        let v = f64::from(rng.next_u32()) * scale;
        let radius = (-2.0 * u.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * v).sin_cos();
        values.extend([(radius * cosine) as f32, (radius * sine) as f32]);
    }
    values.truncate(len);
    values
}

/// How a picture is moved in a step: down and right by uniform integers of `-jitter_px ..= jitter_px`, and
/// mirrored or not with equal chances.
pub(crate) fn shift(seed: u64, copy: usize, step: usize, jitter_px: usize) -> Shift {
    let mut rng = stream(seed, 2 * copy as u64 + 1);
    rng.set_word_pos(step as u128 * BLOCK_WORDS);
    let mirrored = rng.next_u32() & FLIP != 0;
    let mut along = || uniform(&mut rng, 2 * jitter_px as u32 + 1) as isize - jitter_px as isize;
    let (down, right) = (along(), along());
    Shift { down, right, mirrored }
}

/// Two uniform numbers of 0 to 1 of a step: its block's ninth and tenth word, plus one half, by 2^32.
pub(crate) fn shares(seed: u64, copy: usize, step: usize) -> [f64; 2] {
    let mut rng = stream(seed, 2 * copy as u64 + 1);
    rng.set_word_pos(step as u128 * BLOCK_WORDS + BEHIND_JITTER);
    [0; 2].map(|_| (f64::from(rng.next_u32()) + 0.5) * 2f64.powi(-32))
}

/// A uniform integer below `count`: a word modulo `count`, where words that would favour the small ones are left out.
fn uniform(rng: &mut ChaCha8Rng, count: u32) -> u32 {
    let fair = u32::MAX - (u32::MAX % count + 1) % count;
    loop {
        let word = rng.next_u32();
        if word <= fair {
            return word % count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_chacha8() {
        // The first block for a key and stream of zeros, from the eSTREAM test vectors (bytes 3e 00 ef 2f 89 5f 40 d6).
        let mut rng = stream(0, 0);
        assert_eq!([rng.next_u32(), rng.next_u32()], [0x2fef_003e, 0xd640_5f89]);
    }

    #[test]
    fn normal_values_are_normal() {
        let values: Vec<f64> = normal(3, 0, 100_001).into_iter().map(f64::from).collect();
        let moment = |power| values.iter().map(|value| value.powi(power)).sum::<f64>() / values.len() as f64;
        assert_eq!(values.len(), 100_001);
        // Within four standard errors of the moments of a normal distribution.
        for (power, want, variance) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = (moment(power) - want).abs();
            assert!(error < 4.0 * (variance / values.len() as f64).sqrt(), "moment {power}: {error}");
        }
    }

    #[test]
    fn shifts_fill_their_range_evenly() {
        let mut counts = [0; 7];
        let mut mirrored = 0;
        for step in 0..7000 {
            let shift = shift(0, 2, step, 3);
            counts[(shift.down + 3) as usize] += 1;
            counts[(shift.right + 3) as usize] += 1;
            mirrored += usize::from(shift.mirrored);
        }
        assert!(counts.iter().all(|count| (1850..2150).contains(count)), "{counts:?}");
        assert!((3300..3700).contains(&mirrored), "{mirrored}");
        assert_eq!(shift(5, 0, 9, 0), Shift { down: 0, right: 0, ..shift(5, 0, 9, 0) });
    }

    #[test]
    fn streams_differ_by_seed_copy_and_step() {
        assert_ne!(normal(0, 0, 4), normal(1, 0, 4));
        assert_ne!(normal(0, 0, 4), normal(0, 1, 4));
        assert_ne!(shift(0, 0, 0, 1000), shift(0, 0, 1, 1000));
        assert_eq!(shift(7, 1, 3, 30), shift(7, 1, 3, 30));
        assert_eq!(shares(7, 1, 3), shares(7, 1, 3));
        assert!(
            shares(7, 1, 3) != shares(7, 1, 4)
                && shares(7, 1, 3).iter().all(|share| (0.0..1.0).contains(share))
        );
    }
}
