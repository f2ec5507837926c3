//! As much of a footer as tells how large its schema is: Thrift's compact protocol
//! (`thrift/doc/specs/thrift-compact-protocol.md`), of which everything else is passed over.

/// Field of the footer's structure that holds the schema, as a list.
const SCHEMA: i64 = 2;
/// Structures in structures; a table's have four levels.
const MOST_LEVELS: usize = 32;

const BOOLEANS: std::ops::RangeInclusive<u8> = 1..=2;
const LISTS: std::ops::RangeInclusive<u8> = 9..=10;

/// The number of columns and groups of columns; `None` if the footer is damaged.
pub(crate) fn columns(footer: &[u8]) -> Option<usize> {
    let mut bytes = Bytes(footer);
    let (mut field, mut columns) = (0, None);
    while let Some(kind) = bytes.field(&mut field)? {
        if field == SCHEMA && LISTS.contains(&kind) {
            // Of several the largest: which of them counts is the other reader's affair.
            let mut list = Bytes(bytes.0);
            columns = columns.max(Some(list.list()?.1));
        }
        bytes.pass_field(kind, 0)?;
    }
    columns
}

/// What is left to read.
struct Bytes<'b>(&'b [u8]);

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

    fn number(&mut self) -> Option<u64> {
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
    fn field(&mut self, field: &mut i64) -> Option<Option<u8>> {
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
    fn list(&mut self) -> Option<(u8, usize)> {
        let header = self.byte()?;
        let length = if header >> 4 == 15 { self.length()? } else { usize::from(header >> 4) };
        (length <= self.0.len()).then_some((header & 15, length))
    }

    /// Passes over the value of a field.
    fn pass_field(&mut self, kind: u8, level: usize) -> Option<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_found_behind_and_between_other_fields() {
        // A number, a text, the schema of two structures (one of them with a truth), a list of lists, the end.
        let footer = b"\x15\x02\x08\x0e\x01x\x09\x04\x2c\x11\0\x15\x04\0\x19\x29\x15\x02\x15\x04\0";
        assert_eq!(columns(footer), Some(2));
        // The second schema, of three, in a long header.
        let again = b"\x29\x1c\0\x09\x04\xfc\x03\0\0\0\0";
        assert_eq!(columns(again), Some(3));
        assert_eq!(columns(b"\x15\x02\0"), None, "there is no schema");
    }

    #[test]
    fn damage_is_no_footer_and_takes_no_time() {
        for damaged in [
            &b""[..],
            b"\x29",
            b"\x29\xfc\xff\xff\xff\xff\x0f",
            b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            b"\x15\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x1b\xff\xff\xff\xff\x0f\0",
            b"\x1e\0",
        ] {
            assert_eq!(columns(damaged), None, "{damaged:?}");
        }
        let deep = [&b"\x1c".repeat(1_000_000)[..], &[0]].concat();
        assert_eq!(columns(&deep), None);
    }
}
