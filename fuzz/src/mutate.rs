//! Makes new inputs of known ones.

use crate::random::Random;

/// No longer inputs are made: what a longer file can do wrong, a short one can, too, and more often.
const MAX_BYTES: usize = 16 << 10;

/// Numbers at which readers stumble: ends of ranges, and what lies beside them.
const NUMBERS: [u64; 18] = [
    0,
    1,
    7,
    8,
    16,
    64,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// The same as text, for JSON and TOML.
const NUMERALS: [&str; 12] = [
    "0",
    "-1",
    "1",
    "65536",
    "4294967295",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e-320",
    "0.5",
    "null",
];

/// A way to change bytes, with the other inputs at hand.
type Change = fn(&mut Mutator, &mut Vec<u8>, &[Vec<u8>]);

const CHANGES: [Change; 13] = [
    Mutator::flip,
    Mutator::set,
    Mutator::set,
    Mutator::number,
    Mutator::length,
    Mutator::length,
    Mutator::numeral,
    Mutator::token,
    Mutator::token,
    Mutator::delete,
    Mutator::repeat,
    Mutator::splice,
    Mutator::cut,
];

/// Changes inputs, the same way for the same seed.
pub struct Mutator {
    random: Random,
    dictionary: Vec<Vec<u8>>,
}

impl Mutator {
    /// `dictionary` holds words of the format that chance would not find.
    pub fn new(seed: u64, dictionary: Vec<Vec<u8>>) -> Self {
        Self { random: Random::new(seed), dictionary }
    }

    /// A changed copy of one of the inputs; the later ones are taken more often.
    pub fn mutate(&mut self, inputs: &[Vec<u8>]) -> Vec<u8> {
        let (one, other) = (self.random.below(inputs.len()), self.random.below(inputs.len()));
        let mut bytes = inputs.get(one.max(other)).cloned().unwrap_or_default();
        // Mostly one or two changes: after many, a reader stops at the first.
        let changes = 1 + self.random.next().trailing_ones().min(6);
        for _ in 0..changes {
            let change = *self.random.of(&CHANGES);
            change(self, &mut bytes, inputs);
        }
        bytes.truncate(MAX_BYTES);
        bytes
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.random.below(bytes.len())
    }

    /// A part of some bytes, mostly short.
    fn part(&mut self, bytes: &[u8]) -> std::ops::Range<usize> {
        let start = self.place(bytes);
        let most = if self.random.below(4) == 0 { bytes.len() } else { 16 };
        start..bytes.len().min(start + 1 + self.random.below(most))
    }

    #[expect(clippy::ptr_arg, reason = "all mutations have one form")]
    fn flip(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let (at, bit) = (self.place(bytes), self.random.below(8));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }

    #[expect(clippy::ptr_arg, reason = "all mutations have one form")]
    fn set(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let (at, value) = (self.place(bytes), self.random.next() as u8);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
    }

    /// Writes a number of 1, 2, 4 or 8 bytes, in either order.
    fn write(&mut self, bytes: &mut [u8], at: usize, width: usize, value: u64) {
        let little = value.to_le_bytes();
        let reversed = self.random.below(2) == 0;
        for (index, byte) in bytes.iter_mut().skip(at).take(width).enumerate() {
            *byte = little[if reversed { width - 1 - index } else { index }];
        }
    }

    #[expect(clippy::ptr_arg, reason = "all mutations have one form")]
    fn number(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let (at, width) = (self.place(bytes), 1 << self.random.below(4));
        let value = *self.random.of(&NUMBERS);
        self.write(bytes, at, width, value);
    }

    /// Changes what may be a length: to one that is a little off, or to that of what follows.
    #[expect(clippy::ptr_arg, reason = "all mutations have one form")]
    fn length(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let (at, width) = (self.place(bytes), 1usize << self.random.below(4));
        let Some(field) = bytes.get(at..at + width) else { return };
        let big = self.random.below(2) == 0;
        let push = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let value = if big { field.iter().fold(0, push) } else { field.iter().rev().fold(0, push) };
        let behind = (bytes.len() - at - width) as u64;
        let off = 1 + self.random.below(16) as u64;
        let value = match self.random.below(5) {
            0 => value.wrapping_add(off),
            1 => value.wrapping_sub(off),
            2 => value.wrapping_mul(2),
            3 => behind.wrapping_add(off).wrapping_sub(8),
            _ => behind,
        };
        let field = value.to_le_bytes();
        for index in 0..width {
            bytes[at + index] = field[if big { width - 1 - index } else { index }];
        }
    }

    /// Replaces the digits at some place, or the next ones, by other numerals.
    fn numeral(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let from = self.place(bytes);
        let digit = |byte: &u8| byte.is_ascii_digit();
        let Some(start) = bytes.iter().skip(from).position(digit).map(|at| from + at) else { return };
        let length = bytes[start..].iter().take_while(|byte| digit(byte)).count();
        let numeral = self.random.of(&NUMERALS).bytes();
        bytes.splice(start..start + length, numeral);
    }

    /// Puts a word of the dictionary in, over what is there or between it.
    fn token(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        if self.dictionary.is_empty() {
            return;
        }
        let token = self.dictionary[self.random.below(self.dictionary.len())].clone();
        let at = self.random.below(bytes.len() + 1);
        let over = if self.random.below(2) == 0 { token.len() } else { 0 };
        bytes.splice(at..bytes.len().min(at + over), token);
    }

    fn delete(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let part = self.part(bytes);
        bytes.drain(part);
    }

    fn repeat(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let part = self.part(bytes);
        let times = 1 << self.random.below(6);
        let end = part.end;
        let repeated = bytes[part].repeat(times);
        bytes.splice(end..end, repeated.into_iter().take(MAX_BYTES));
    }

    /// Puts a part of another input in, over what is there or between it.
    fn splice(&mut self, bytes: &mut Vec<u8>, inputs: &[Vec<u8>]) {
        let Some(other) = inputs.get(self.random.below(inputs.len())) else { return };
        let part = self.part(other);
        let at = self.random.below(bytes.len() + 1);
        let over = if self.random.below(2) == 0 { part.len() } else { 0 };
        bytes.splice(at..bytes.len().min(at + over), other[part].iter().copied());
    }

    fn cut(&mut self, bytes: &mut Vec<u8>, _: &[Vec<u8>]) {
        let at = self.place(bytes);
        bytes.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(seed: u64) -> Vec<Vec<u8>> {
        let known = [b"{\"a\": 17}".to_vec(), vec![0; 40], Vec::new()];
        let mut mutator = Mutator::new(seed, vec![b"word".to_vec()]);
        (0..5000).map(|_| mutator.mutate(&known)).collect()
    }

    #[test]
    fn a_seed_gives_its_own_inputs_every_time() {
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }

    #[test]
    fn every_kind_of_change_is_made() {
        let made = inputs(3);
        let any = |holds: &dyn Fn(&[u8]) -> bool| made.iter().any(|bytes| holds(bytes));
        let has = |part: &[u8]| any(&|bytes| bytes.windows(part.len()).any(|window| window == part));
        assert!(has(b"word") && has(b"18446744073709551615") && has(&[0xff; 8]) && has(b"{\"a\": 16}"));
        assert!(any(&|bytes| bytes.len() > 100) && any(&|bytes| !bytes.is_empty() && bytes.len() < 9));
        assert!(made.iter().all(|bytes| bytes.len() <= MAX_BYTES));
        // A length that is just that of what follows.
        let is_length = |bytes: &[u8], at: usize| {
            let behind = (bytes.len() - at - 2) as u16;
            bytes[at..at + 2] == behind.to_le_bytes()
        };
        assert!(any(&|bytes| bytes.len() == 40 && (0..30).any(|at| is_length(bytes, at))));
    }
}
