//! As much of a footer as tells how large its schema is.

use crate::thrift::{Bytes, LISTS};

/// Field of the footer's structure that holds the schema, as a list.
const SCHEMA: i64 = 2;
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
