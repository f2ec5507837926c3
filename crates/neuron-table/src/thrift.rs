//! Thrift's compact protocol (`thrift/doc/specs/thrift-compact-protocol.md`), as far as passing over what is there.

/// Structures in structures; a table's have four levels.
const MOST_LEVELS: usize = 32;

const BOOLEANS: std::ops::RangeInclusive<u8> = 1..=2;
pub(crate) const LISTS: std::ops::RangeInclusive<u8> = 9..=10;

/// Types of numbers of 32 bits, and of structures.
pub(crate) const NUMBER: u8 = 5;
pub(crate) const STRUCTURE: u8 = 12;

/// What is left to read.
pub(crate) struct Bytes<'b>(pub(crate) &'b [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn pass(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// The next field's type, and its number; the inner `None` at the end of the structure.
    pub(crate) fn field(&mut self, field: &mut i64) -> Option<Option<u8>> {
        let header = self.byte()?;
        let (step, kind) = (i64::from(header >> 4), header & 15);
        if kind == 0 {
            return Some(None);
        }
        *field = if step > 0 {
            field.checked_add(step)?
        } else {
            let folded = self.number()?;
            (folded >> 1) as i64 ^ -((folded & 1) as i64)
        };
        Some(Some(kind))
    }

    /// The type of a list's elements, and their number, which is at most that of the bytes that are left.
    pub(crate) fn list(&mut self) -> Option<(u8, usize)> {
        let header = self.byte()?;
        let length = if header >> 4 == 15 { self.length()? } else { usize::from(header >> 4) };
        (length <= self.0.len()).then_some((header & 15, length))
    }

    /// Passes over the value of a field.
    pub(crate) fn pass_field(&mut self, kind: u8, level: usize) -> Option<()> {
        // A field's truth is its type.
        if BOOLEANS.contains(&kind) { Some(()) } else { self.pass_value(kind, level) }
    }

    fn pass_value(&mut self, kind: u8, level: usize) -> Option<()> {
        if level > MOST_LEVELS {
            return None;
        }
        match kind {
            1..=3 => self.pass(1),
            4..=6 => self.number().map(|_| ()),
            7 => self.pass(8),
            8 => self.length().and_then(|length| self.pass(length)),
            9 | 10 => {
                let (kind, length) = self.list()?;
                (0..length).try_for_each(|_| self.pass_value(kind, level + 1))
            }
            11 => {
                let length = self.length()?;
                let kinds = if length > 0 { self.byte()? } else { 0 };
                (0..length).try_for_each(|_| {
                    self.pass_value(kinds >> 4, level + 1)?;
                    self.pass_value(kinds & 15, level + 1)
                })
            }
            12 => {
                let mut field = 0;
                while let Some(kind) = self.field(&mut field)? {
                    self.pass_field(kind, level + 1)?;
                }
                Some(())
            }
            13 => self.pass(16),
            _ => None,
        }
    }
}
