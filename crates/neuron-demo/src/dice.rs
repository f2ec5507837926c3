//! Where chance comes from: ChaCha8 (Bernstein, "ChaCha, a variant of Salsa20", 2008).

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Random numbers that depend on a seed and a stream alone, on every machine.
///
/// The key is the seed in its first eight bytes, little-endian, and zeros; every stream is a sequence of its own.
#[derive(Clone, Debug)]
pub struct Dice {
    generator: ChaCha8Rng,
}

impl Dice {
    /// The beginning of a stream.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self { generator }
    }

    /// Uniform in 0..1: the upper 24 bits of a word.
    pub fn unit(&mut self) -> f32 {
        (self.generator.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    /// Uniform in `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A uniform whole number below `count`, which must be far below 2^32: a word's share of it, rounded down.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.generator.next_u32()) * count as u64) >> 32) as usize
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range_and_fill_it() {
        let mut dice = Dice::new(3, 1);
        let mut counts = [0; 5];
        for _ in 0..5000 {
            counts[dice.below(5)] += 1;
            assert!((2.0..3.0).contains(&dice.between(2.0, 3.0)));
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn seeds_and_streams_differ() {
        let first = |seed, stream| Dice::new(seed, stream).unit();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(2, 2));
        assert_ne!(first(1, 2), first(1, 3));
    }
}
