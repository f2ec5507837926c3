//! The first directory of a TIFF file, as far as it has to be known before a decoder is let at it.

use std::borrow::Cow;
use std::ops::Range;

/// A file, and how its numbers are written.
#[derive(Clone, Copy)]
struct Directory<'b> {
    bytes: &'b [u8],
    big_endian: bool,
    /// BigTIFF has wider numbers.
    wide: bool,
}

/// A line of the directory.
struct Entry {
    tag: usize,
    /// Bytes of all its values.
    length: usize,
    /// Where their number stands.
    count: Range<usize>,
    /// Where they stand, or where they begin if they are too long for that.
    value: Range<usize>,
}

impl<'b> Directory<'b> {
    fn of(bytes: &'b [u8]) -> Self {
        let narrow = Self { bytes, big_endian: bytes.starts_with(b"MM"), wide: false };
        Self { wide: narrow.number(2..4) == Some(43), ..narrow }
    }

    /// `None` beyond the end of the file.
    fn number(&self, at: Range<usize>) -> Option<usize> {
        let field = self.bytes.get(at)?.iter();
        let push = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
        Some(if self.big_endian { field.fold(0, push) } else { field.rev().fold(0, push) })
    }

    /// The lines that the file holds.
    fn entries(self) -> impl Iterator<Item = Entry> + use<'b> {
        let (first, count, line) = if self.wide { (8..16, 8, 20) } else { (4..8, 2, 12) };
        let lines = self.number(first).and_then(|first| {
            let start = first.checked_add(count)?;
            Some((start, self.number(first..start)?))
        });
        let (start, count) = lines.unwrap_or((0, 0));
        (0..count).map_while(move |index| self.entry(start.checked_add(index.checked_mul(line)?)?))
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let width = if self.wide { 8 } else { 4 };
        let value = at.checked_add(4 + width)?;
        self.bytes.get(at..value.checked_add(width)?)?;
        let count = at + 4..value;
        let of_one = match self.number(at + 2..at + 4)? {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16..=18 => 8,
            _ => 0,
        };
        let length = self.number(count.clone())?.saturating_mul(of_one);
        Some(Entry { tag: self.number(at..at + 2)?, length, count, value: value..value + width })
    }

    /// Whether the file ends before the values of a line do.
    fn ends_before(&self, entry: &Entry) -> bool {
        let start = self.number(entry.value.clone());
        let end = start.and_then(|start| start.checked_add(entry.length));
        entry.length > entry.value.len() && end.is_none_or(|end| end > self.bytes.len())
    }
}

/// The file without the values that it does not hold: the decoder makes room for them before it looks.
///
/// The lines stay, with no values. Borrowed is a file that holds everything it speaks of.
pub(in crate::decode) fn without_missing(bytes: &[u8]) -> Cow<'_, [u8]> {
    let directory = Directory::of(bytes);
    let mut held = Cow::Borrowed(bytes);
    for entry in directory.entries().filter(|entry| directory.ends_before(entry)) {
        held.to_mut()[entry.count].fill(0);
    }
    held
}

/// The place of a value of two bytes, which stands in the directory itself.
pub(super) fn short_at(bytes: &[u8], tag: u16) -> Option<Range<usize>> {
    let mut entries = Directory::of(bytes).entries();
    let value = entries.find(|entry| entry.tag == usize::from(tag))?.value;
    Some(value.start..value.start + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of lines (tag, type, count, value) in little-endian order, then as many bytes.
    fn file(lines: &[(u16, u16, u32, u32)], rest: usize) -> Vec<u8> {
        let mut bytes = b"II\x2a\0\x08\0\0\0".to_vec();
        bytes.extend((lines.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in lines {
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.resize(bytes.len() + rest, 7);
        bytes
    }

    #[test]
    fn values_that_the_file_does_not_hold_are_none() {
        let held = (273, 4, 4, 22);
        let sound = file(&[held], 16);
        assert!(matches!(without_missing(&sound), Cow::Borrowed(_)));
        for missing in [(279, 4, 5, 34), (279, 2, 0xffff_ffff, 0), (279, 12, 0x7fff_ffff, 0xffff_fff0)] {
            let found = without_missing(&file(&[held, missing], 16)).into_owned();
            let (tag, kind, _, value) = missing;
            assert_eq!(found, file(&[held, (tag, kind, 0, value)], 16), "{missing:?}");
        }
    }

    #[test]
    fn few_values_stand_in_the_line_itself() {
        let bytes = file(&[(258, 3, 2, 0xffff_ffff), (262, 3, 1, 3)], 0);
        assert!(matches!(without_missing(&bytes), Cow::Borrowed(_)));
        assert_eq!(short_at(&bytes, 262), Some(30..32));
        assert_eq!(short_at(&bytes, 263), None);
    }

    #[test]
    fn any_beginning_of_a_file_has_the_lines_that_it_holds() {
        let whole = file(&[(262, 3, 1, 3), (263, 3, 9, 0)], 0);
        for length in 0..=whole.len() {
            assert_eq!(short_at(&whole[..length], 262).is_some(), length >= 22, "{length}");
        }
        for big in [&b"MM\0\x2b\0\x08\0\0\xff\xff\xff\xff\xff\xff\xff\xff"[..], b"MM\0\x2a\xff\xff\xff\xff"] {
            assert_eq!(short_at(big, 262), None);
        }
    }
}
