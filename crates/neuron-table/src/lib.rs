#![doc = include_str!("../README.md")]

mod footer;
mod pages;
mod thrift;

use std::fs::File;

use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;
use parquet::file::serialized_reader::{ReadOptions, SerializedFileReader};

pub use pages::check_pages;

/// The end of a table: the length of its footer, and these letters.
const END: &[u8; 4] = b"PAR1";
/// The most columns and groups of columns that a table may have. Every group may lie in another, and the crate that
/// reads them goes down by recursion.
const MOST_COLUMNS: usize = 1024;

/// Opens a table.
///
/// Reading it may still panic, as the crate that decodes trusts some lengths and offsets: catch that.
///
/// # Errors
/// Those of the `parquet` crate; [`ParquetError::General`] for a footer that contradicts itself, or has more than 1024
/// columns.
pub fn open(file: File, options: ReadOptions) -> Result<SerializedFileReader<File>> {
    open_from(file, options)
}

/// As [`open`], for a table that lies elsewhere, or is read by many threads at once, which move a file's one position.
///
/// # Errors
/// As [`open`].
pub fn open_from<R: ChunkReader + 'static>(
    reader: R,
    options: ReadOptions,
) -> Result<SerializedFileReader<R>> {
    check(&reader)?;
    SerializedFileReader::new_with_options(reader, options)
}

/// Looks at the footer before it is read: a stack that overflows could not be caught.
fn check(reader: &impl ChunkReader) -> Result<()> {
    let wrong = |what: &str| ParquetError::General(what.to_owned());
    let before_end = reader.len().checked_sub(8).ok_or_else(|| wrong("it is too short for a table"))?;
    let end = reader.get_bytes(before_end, 8)?;
    let (length, letters) =
        end.split_first_chunk::<4>().ok_or_else(|| wrong("it is too short for a table"))?;
    let length = u64::from(u32::from_le_bytes(*length));
    let start = before_end.checked_sub(length).filter(|_| letters == END);
    let start = start.ok_or_else(|| wrong("it does not end as a table does"))?;
    match footer::columns(&reader.get_bytes(start, length as usize)?) {
        None => Err(wrong("its footer is damaged")),
        Some(columns) if columns > MOST_COLUMNS => Err(wrong("it has more than 1024 columns")),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::Int32Type;
    use parquet::file::properties::WriterProperties;
    use parquet::file::reader::FileReader;
    use parquet::file::serialized_reader::ReadOptionsBuilder;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    fn open_bytes(bytes: &[u8]) -> Result<SerializedFileReader<File>> {
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        open(file, ReadOptionsBuilder::new().build())
    }

    fn table(columns: usize) -> Vec<u8> {
        let columns: String = (0..columns).map(|at| format!("required int32 c{at}; ")).collect();
        let schema = Arc::new(parse_message_type(&format!("message t {{ {columns} }}")).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
        let mut rows = writer.next_row_group().unwrap();
        while let Some(mut column) = rows.next_column().unwrap() {
            column.typed::<Int32Type>().write_batch(&[7, 8], None, None).unwrap();
            column.close().unwrap();
        }
        rows.close().unwrap();
        writer.into_inner().unwrap()
    }

    /// A table without rows whose schema is so many groups, one in the other.
    fn nested(groups: usize) -> Vec<u8> {
        let varint = |mut number: usize| {
            let mut bytes = Vec::new();
            while number > 0x7f {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
            bytes
        };
        let list = [&b"\x15\x02\x19\xfc"[..], &varint(groups + 2)].concat();
        let (root, group) = (b"\x48\x01r\x15\x02\0", b"\x35\0\x18\x01g\x15\x02\0".repeat(groups));
        let (leaf, rest) = (b"\x15\x02\x25\0\x18\x01l\0", b"\x16\0\x19\x0c\0");
        let footer = [&list[..], root, &group, leaf, rest].concat();
        [END, &footer[..], &(footer.len() as u32).to_le_bytes(), END].concat()
    }

    #[test]
    fn tables_are_opened() {
        let opened = open_bytes(&table(14)).unwrap();
        assert_eq!(opened.metadata().file_metadata().num_rows(), 2);
        assert!(open_bytes(&nested(3)).is_ok());
    }

    #[test]
    fn what_would_overflow_the_stack_is_refused() {
        for bytes in [nested(1_000_000), table(1100)] {
            let error = open_bytes(&bytes).err().unwrap();
            assert!(error.to_string().contains("more than 1024 columns"), "{error}");
        }
    }

    #[test]
    fn every_beginning_and_every_changed_footer_is_opened_or_an_error() {
        let sound = table(3);
        for length in 0..sound.len() {
            assert!(open_bytes(&sound[..length]).is_err(), "{length}");
        }
        for at in sound.len() - 8..sound.len() {
            let mut changed = sound.clone();
            changed[at] ^= 0x41;
            assert!(open_bytes(&changed).is_err(), "{at}");
        }
    }
}
