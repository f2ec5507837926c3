//! NumPy's file format, version 1.0 (numpy/lib/format.py describes it).

use std::io::{self, Write};

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// What comes before the values is a multiple of this.
const ALIGNMENT: usize = 64;

/// A number as NumPy names and stores it.
pub(super) trait Number: Copy {
    /// Its `dtype.descr`.
    const DESCR: &'static str;

    fn bytes(self) -> impl AsRef<[u8]>;
}

impl Number for u8 {
    const DESCR: &'static str = "|u1";

    fn bytes(self) -> impl AsRef<[u8]> {
        [self]
    }
}

impl Number for i64 {
    const DESCR: &'static str = "<i8";

    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl Number for f32 {
    const DESCR: &'static str = "<f4";

    fn bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

/// Writes what comes before the values of an array in C's order.
pub(super) fn header<T: Number>(to: &mut impl Write, shape: &[usize]) -> io::Result<()> {
    // A tuple of one needs its comma.
    let shape: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let mut text =
        format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", T::DESCR, shape.trim_end());
    let before = MAGIC.len() + size_of::<u16>();
    let filled = (before + text.len() + 1).next_multiple_of(ALIGNMENT);
    text = format!("{text:<width$}\n", width = filled - before - 1);
    let length = u16::try_from(text.len()).map_err(io::Error::other)?;
    to.write_all(MAGIC)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(text.as_bytes())
}

/// Writes an array whose values are at hand.
pub(super) fn write<T: Number>(
    to: &mut impl Write,
    shape: &[usize],
    values: impl IntoIterator<Item = T>,
) -> io::Result<()> {
    header::<T>(to, shape)?;
    values.into_iter().try_for_each(|value| to.write_all(value.bytes().as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_what_numpy_saves() {
        let mut bytes = Vec::new();
        write(&mut bytes, &[2], [1_i64, -2]).unwrap();
        let (header, values) = bytes.split_at(128);
        assert_eq!(&header[..10], b"\x93NUMPY\x01\x00\x76\x00");
        let text = std::str::from_utf8(&header[10..]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }");
        assert!(text.ends_with('\n'));
        assert_eq!(values, [1_i64.to_le_bytes(), (-2_i64).to_le_bytes()].concat());
    }

    #[test]
    fn values_begin_at_a_multiple_of_64_bytes() {
        for sides in 0..12 {
            let mut bytes = Vec::new();
            header::<f32>(&mut bytes, &vec![1_234_567; sides]).unwrap();
            assert_eq!(bytes.len() % 64, 0, "{sides}");
        }
    }
}
