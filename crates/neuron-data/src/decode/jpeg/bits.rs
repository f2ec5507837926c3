use crate::error::ImageError;

use super::truncated;

/// Reads the bits of entropy-coded data, in which `FF 00` stands for a byte `FF` and any other `FF xx` is a
/// marker that ends it.
///
/// Behind the end zeros follow; [`BitReader::overran`] tells whether any of them was used.
///
/// A copy that is not lent out stays in registers: hot loops work on one and write it back.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Next byte to be taken; stays at the `FF` of a marker.
    at: usize,
    /// The next bits, from the top. Below the `held` ones may lie bits that follow, never others.
    buffer: u64,
    held: u32,
    /// How many of the held bits, the last ones, were made up.
    padding: u32,
    used_padding: bool,
}

impl<'a> BitReader<'a> {
    /// Starts to read at byte `at` of a file.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, held: 0, padding: 0, used_padding: false }
    }

    /// Holds at least 32 bits from here on: a Huffman code (16) and the bits of its value (15).
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.held >= 32 {
            return;
        }
        if let Some(bytes) = self.data.get(self.at..).and_then(|rest| rest.first_chunk()) {
            let word = u64::from_be_bytes(*bytes);
            if !has_ff(word) {
                self.buffer |= word >> self.held;
                let taken = (63 - self.held) / 8;
                self.at += taken as usize;
                self.held += taken * 8;
                return;
            }
        }
        *self = self.refilled_bytewise();
    }

    #[inline(never)]
    fn refilled_bytewise(mut self) -> Self {
        while self.held <= 56 {
            let Some(byte) = self.next_byte() else {
                self.used_padding |= self.held < self.padding;
                self.padding = self.padding.min(self.held) + 64 - self.held;
                self.held = 64;
                return self;
            };
            self.buffer |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
        self
    }

    /// The next byte of data, `None` at a marker and at the end of the file.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        if byte != 0xff {
            self.at += 1;
            return Some(byte);
        }
        let (code, after) = self.after_fill()?;
        if code != 0 {
            return None;
        }
        self.at = after;
        Some(0xff)
    }

    /// What follows one or more `FF` at the current byte, and where it ends.
    fn after_fill(&self) -> Option<(u8, usize)> {
        let rest = self.data.get(self.at..)?;
        let fill = rest.iter().position(|&byte| byte != 0xff)?;
        Some((rest[fill], self.at + fill + 1))
    }

    /// The next `count` bits, 1 to 32; needs a [`BitReader::refill`] before.
    #[inline(always)]
    pub(super) fn peek(&self, count: u32) -> usize {
        (self.buffer >> (64 - count)) as usize
    }

    /// Drops bits that were held.
    #[inline(always)]
    pub(super) fn consume(&mut self, count: u32) {
        self.buffer <<= count;
        self.held -= count;
    }

    /// A signed value of `size` bits, 0 to 15, as JPEG writes it (figure F.12); needs a refill before.
    #[inline(always)]
    pub(super) fn signed(&mut self, size: u32) -> i32 {
        if size == 0 {
            return 0;
        }
        let value = self.peek(size) as i32;
        self.consume(size);
        extend(value, size)
    }

    /// An unsigned value of `size` bits, 0 to 15.
    #[inline(always)]
    pub(super) fn unsigned(&mut self, size: u32) -> u32 {
        if size == 0 {
            return 0;
        }
        self.refill();
        let value = self.peek(size) as u32;
        self.consume(size);
        value
    }

    /// One bit.
    #[inline(always)]
    pub(super) fn bit(&mut self) -> bool {
        self.unsigned(1) == 1
    }

    /// Whether bits were used that the data does not hold.
    #[inline(always)]
    pub(super) fn overran(&self) -> bool {
        self.used_padding || self.held < self.padding
    }

    /// Whether the data ended at a marker rather than with the file.
    pub(super) fn is_at_marker(&self) -> bool {
        self.after_fill().is_some_and(|(code, _)| code != 0)
    }

    /// Drops what is left of the data and moves to the next marker, which is not taken.
    ///
    /// Returns the marker's code and the byte behind it.
    pub(super) fn next_marker(&mut self) -> Result<(u8, usize), ImageError> {
        (self.buffer, self.held, self.padding, self.used_padding) = (0, 0, 0, false);
        loop {
            let rest = self.data.get(self.at..).unwrap_or_default();
            self.at += rest.iter().position(|&byte| byte == 0xff).ok_or_else(truncated)?;
            let (code, after) = self.after_fill().ok_or_else(truncated)?;
            if code != 0 {
                return Ok((code, after));
            }
            self.at = after;
        }
    }

    /// The byte at which the data end: that of a marker.
    pub(super) fn end(mut self) -> Result<usize, ImageError> {
        self.next_marker()?;
        Ok(self.at)
    }

    /// Moves past the restart marker that should come next, 0 to 7; whether data follows.
    ///
    /// A missing or doubled marker is handled as libjpeg does (`jpeg_resync_to_restart`): one that is due
    /// soon or is of another kind stays, and what was lost is taken to be empty.
    pub(super) fn restart(&mut self, expected: u8) -> Result<bool, ImageError> {
        loop {
            let (code, after) = self.next_marker()?;
            let ahead = code.wrapping_sub(0xd0 + expected) & 7;
            match code {
                // Not a marker that a picture can hold, or a restart of the past: look on.
                0x01..=0xbf => self.at = after,
                0xd0..=0xd7 if ahead >= 6 => self.at = after,
                0xd0..=0xd7 if ahead == 1 || ahead == 2 => return Ok(false),
                0xd0..=0xd7 => {
                    self.at = after;
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
    }
}

/// Whether any byte of a word is `FF`.
#[inline(always)]
fn has_ff(word: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    // The classic test for a zero byte, on the complement.
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

/// Undoes JPEG's folding of negative numbers: the lower half of the range of `size` bits is negative.
#[inline(always)]
pub(super) fn extend(value: i32, size: u32) -> i32 {
    if value < 1 << (size - 1) { value + 1 - (1 << size) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(data: &[u8], sizes: &[u32]) -> Vec<u32> {
        let mut bits = BitReader::new(data, 0);
        sizes.iter().map(|&size| bits.unsigned(size)).collect()
    }

    #[test]
    fn stuffed_bytes_are_read_as_one() {
        assert_eq!(read_all(&[0xab, 0xff, 0x00, 0xcd, 0xff, 0xd9], &[8, 8, 4, 4]), [0xab, 0xff, 0xc, 0xd]);
        let long: Vec<u8> = (0..64).collect();
        assert_eq!(read_all(&long, &[8; 64]), (0..64).collect::<Vec<u32>>());
    }

    #[test]
    fn any_split_into_sizes_reads_the_same_bits() {
        let data: Vec<u8> = (0..200u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let plain: Vec<u8> = data.iter().map(|&byte| if byte == 0xff { 0xfe } else { byte }).collect();
        let bit = |at: usize| u32::from(plain[at / 8] >> (7 - at % 8) & 1);
        let mut bits = BitReader::new(&plain, 0);
        let mut at = 0;
        for size in (1..=15).cycle().take(180) {
            let expected = (at..at + size).fold(0, |value, at| value << 1 | bit(at));
            assert_eq!(bits.unsigned(size as u32), expected, "at bit {at}");
            at += size;
        }
        assert!(!bits.overran());
    }

    #[test]
    fn the_end_of_the_data_is_noticed_when_it_is_used() {
        let mut bits = BitReader::new(&[0xab, 0xff, 0xd9], 0);
        assert_eq!(bits.unsigned(8), 0xab);
        assert!(!bits.overran() && bits.is_at_marker());
        assert_eq!(bits.unsigned(1), 0);
        assert!(bits.overran());
        for _ in 0..20 {
            assert_eq!(bits.unsigned(15), 0);
        }
        assert!(bits.overran());
        assert_eq!(bits.next_marker().unwrap(), (0xd9, 3));
    }

    #[test]
    fn values_below_half_are_negative() {
        assert_eq!([0, 1].map(|value| extend(value, 1)), [-1, 1]);
        assert_eq!([0, 3, 4, 7].map(|value| extend(value, 3)), [-7, -4, 4, 7]);
    }

    #[test]
    fn restarts_are_found_and_lost_ones_survived() {
        let restart = |data: &[u8], expected| BitReader::new(data, 0).restart(expected).ok();
        assert_eq!(restart(&[0xff, 0xd2], 2), Some(true));
        assert_eq!(restart(&[1, 2, 0xff, 0x00, 0xff, 0xd2], 2), Some(true));
        // One of the past is skipped; one that is due soon stays; the end of the picture stays.
        assert_eq!(restart(&[0xff, 0xd1, 0xff, 0xd2], 2), Some(true));
        assert_eq!(restart(&[0xff, 0xd3], 2), Some(false));
        assert_eq!(restart(&[0xff, 0xd9], 2), Some(false));
        assert_eq!(restart(&[1, 2, 3], 2), None);
    }
}
