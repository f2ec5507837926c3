//! What the headers of a column's pages ask for, before the crate that decodes takes memory for it.

use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::ChunkReader;

use crate::thrift::{Bytes, NUMBER, STRUCTURE};

/// Most headers are shorter; statistics may hold two values of the column.
const FIRST_READ: u64 = 256;
const LONGEST_HEADER: u64 = 16 << 20;
/// Snappy makes at most 64 bytes of three.
const MOST_UNPACKING: u64 = 22;
/// Every value of a dictionary takes at least so many bytes: a number of 32 bits, or the length of a text.
const SHORTEST_VALUE: u64 = 4;
/// Values as they are, and numbers of values in a dictionary. Others have counts of their own in the data, for which
/// memory is taken.
const ENCODINGS: [u64; 3] = [0, 2, 8];

/// Looks at the pages of a column of one row group, which hold numbers or texts: that none becomes larger than its
/// bytes can, or than `most_bytes`.
///
/// # Errors
/// [`ParquetError::General`] for a page that asks for more, is damaged, or has an encoding that is not read; what
/// `reader` fails with.
pub fn check_pages(reader: &impl ChunkReader, column: &ColumnChunkMetaData, most_bytes: u64) -> Result<()> {
    let sizes =
        [column.dictionary_page_offset().unwrap_or(0), column.data_page_offset(), column.compressed_size()];
    if sizes.iter().any(|size| *size < 0) {
        return Err(wrong("a column lies nowhere"));
    }
    let (mut at, bytes) = column.byte_range();
    let end = at.checked_add(bytes).filter(|end| *end <= reader.len());
    let end = end.ok_or_else(|| wrong("a column ends behind the file"))?;
    while at < end {
        let header = Header::at(reader, at, end)?;
        at = header.check(end - at, column.compression(), most_bytes)? + at;
    }
    Ok(())
}

/// Of the header of a page what decides how much memory is taken.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    /// Its own length.
    length: u64,
    unpacked: u64,
    packed: u64,
    /// Of values in order.
    encoding: Option<u64>,
    /// How many values a dictionary has.
    dictionary: u64,
}

impl Header {
    fn at(reader: &impl ChunkReader, at: u64, end: u64) -> Result<Self> {
        let mut length = FIRST_READ;
        loop {
            let there = length.min(end - at);
            let bytes = reader.get_bytes(at, there as usize)?;
            if let Some(header) = Self::read(&bytes) {
                return Ok(header);
            }
            if there < length || length > LONGEST_HEADER {
                return Err(wrong("the header of a page is damaged"));
            }
            length *= 8;
        }
    }

    /// `None` if it is damaged, or goes on behind `bytes`.
    fn read(all: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(all);
        let mut header = Self::default();
        let mut last = 0;
        let mut field = 0;
        while let Some(kind) = bytes.field(&mut field)? {
            // Readers do not agree on which of two fields with one number counts.
            if field <= std::mem::replace(&mut last, field) {
                return None;
            }
            match (field, kind) {
                (2, NUMBER) => header.unpacked = size(&mut bytes)?,
                (3, NUMBER) => header.packed = size(&mut bytes)?,
                (5, STRUCTURE) => header.encoding = Some(pair(&mut bytes, 2)?.1),
                (7, STRUCTURE) => header.dictionary = pair(&mut bytes, 2)?.0,
                (8, STRUCTURE) => header.encoding = Some(pair(&mut bytes, 4)?.1),
                (2 | 3 | 5 | 7 | 8, _) => return None,
                _ => bytes.pass_field(kind, 0)?,
            }
        }
        header.length = (all.len() - bytes.0.len()) as u64;
        Some(header)
    }

    /// The bytes of header and page, of which so many are left in the column.
    fn check(&self, left: u64, compression: Compression, most_bytes: u64) -> Result<u64> {
        let whole = self.length + self.packed;
        if whole > left {
            return Err(wrong("a page is longer than its column"));
        }
        let unpacked = if compression == Compression::UNCOMPRESSED { self.packed } else { self.unpacked };
        if unpacked > self.packed * MOST_UNPACKING + 64 {
            return Err(wrong("a page has fewer bytes than it says"));
        }
        if unpacked > most_bytes {
            return Err(wrong(&format!("a page has {unpacked} bytes, more than the limit of {most_bytes}")));
        }
        if self.dictionary * SHORTEST_VALUE > unpacked {
            return Err(wrong("a dictionary has fewer values than it says"));
        }
        match self.encoding {
            Some(encoding) if !ENCODINGS.contains(&encoding) => Err(wrong(
                "its values are encoded by differences, which is not supported: write it with plain values",
            )),
            _ => Ok(whole),
        }
    }
}

/// A number that must not be negative.
fn size(bytes: &mut Bytes<'_>) -> Option<u64> {
    let folded = bytes.number()?;
    (folded & 1 == 0 && folded >> 1 <= i32::MAX as u64).then_some(folded >> 1)
}

/// Of a structure its first field, and another; both must be there.
fn pair(bytes: &mut Bytes<'_>, second: i64) -> Option<(u64, u64)> {
    let (mut found, mut last, mut field) = ([None; 2], 0, 0);
    while let Some(kind) = bytes.field(&mut field)? {
        if field <= std::mem::replace(&mut last, field) {
            return None;
        }
        match field {
            _ if field != 1 && field != second => bytes.pass_field(kind, 1)?,
            _ if kind != NUMBER => return None,
            1 => found[0] = Some(size(bytes)?),
            _ => found[1] = Some(size(bytes)?),
        }
    }
    Some((found[0]?, found[1]?))
}

fn wrong(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dictionary of three values: 40 bytes that were packed into 10.
    const DICTIONARY: &[u8] = b"\x15\x04\x15\x50\x15\x14\x4c\x15\x06\x15\0\0\0";
    /// A page of two values, by their numbers in the dictionary.
    const DATA: &[u8] = b"\x15\0\x15\x0a\x15\x0a\x2c\x15\x04\x15\x10\x15\x06\x15\x06\0\0";

    #[test]
    fn headers_are_read() {
        let header = Header::read(DICTIONARY).unwrap();
        let expected = Header { length: 13, unpacked: 40, packed: 10, encoding: None, dictionary: 3 };
        assert_eq!(header, expected);
        assert_eq!(header.check(23, Compression::SNAPPY, 40).unwrap(), 23);
        let header = Header::read(&[DATA, b"data"].concat()).unwrap();
        let expected = Header { length: 17, unpacked: 5, packed: 5, encoding: Some(8), dictionary: 0 };
        assert_eq!(header, expected);
        for end in 0..DATA.len() {
            assert_eq!(Header::read(&DATA[..end]), None, "{end}");
        }
        assert_eq!(Header::read(b"\x25\x02\x05\x04\x02\0"), None, "a field comes twice");
        assert_eq!(Header::read(b"\x25\x01\0"), None, "a size is negative");
    }

    #[test]
    fn pages_that_ask_for_too_much_are_refused() {
        let sound = || Header { length: 13, unpacked: 40, packed: 10, encoding: Some(0), dictionary: 3 };
        assert!(sound().check(23, Compression::SNAPPY, 40).is_ok());
        for (header, left, most, expected) in [
            (sound(), 22, 40, "longer than its column"),
            (sound(), 23, 39, "more than the limit of 39"),
            (Header { unpacked: 2_000_000_000, ..sound() }, 23, u64::MAX, "fewer bytes than it says"),
            (Header { dictionary: 11, ..sound() }, 23, 40, "fewer values than it says"),
            (Header { encoding: Some(6), ..sound() }, 23, 40, "encoded by differences"),
        ] {
            let error = header.check(left, Compression::SNAPPY, most).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
