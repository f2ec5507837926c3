//! Parquet files as the Hugging Face Hub keeps data sets of images: a row each, with the bytes in `image.bytes`.
//!
//! Rows have no place in the file by themselves: those of a block are decoded together, and the blocks that were used
//! last are kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, Type};
use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use ::parquet::file::reader::{ChunkReader, FileReader, Length};
use ::parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use bytes::Bytes;

use super::blocks::{self, Block};
use super::contents::{Contents, Listing, Members};
use super::features::Features;
use super::reading::{ArchiveFile, Part};
use crate::error::{DataError, ImageError};
use crate::limits::Limits;

/// What is read of a column at once.
const WINDOW: usize = 64 << 10;
/// The size of what is decoded together, if it can be chosen.
const BLOCK_BYTES: u64 = 32 << 20;
/// Rows that are decoded before the next look at how much they hold.
const STEP: usize = 16;
/// The size of a page of labels.
const LABEL_PAGE_BYTES: u64 = 64 << 20;
/// Labels that are decoded together: texts may be long, and many rows may share one.
const LABEL_STEP: usize = 1024;

pub(super) fn open(place: &Path) -> std::result::Result<Contents, DataError> {
    let file = Arc::new(ArchiveFile::open(place)?);
    // The crate that decodes trusts some lengths and offsets, and panics where they contradict each other.
    let opened = catch_unwind(AssertUnwindSafe(|| list(Arc::clone(&file))));
    file.listed()?;
    let opened = opened.unwrap_or_else(|_| Err(general("its lengths contradict each other")));
    let (listing, rows) = opened.map_err(|error| DataError::Archive {
        path: place.into(),
        kind: "a Parquet file of images",
        reason: format!("{}; copy it again, or name another file", said(error)),
    })?;
    Ok(listing.finish(place.into(), Box::new(rows)))
}

fn list(file: Arc<ArchiveFile>) -> Result<(Listing, Rows)> {
    let bytes = file.bytes();
    let reader = neuron_table::open_from(Chunks(Arc::clone(&file)), ReadOptionsBuilder::new().build())?;
    let about = reader.metadata();
    let columns = Columns::of(about)?;
    let (mut listing, mut groups) = (Listing::default(), Vec::new());
    for (at, group) in about.row_groups().iter().enumerate() {
        let column = group.column(columns.image.at);
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        // An image takes a byte at least, so that nothing is made of numbers alone.
        if rows.saturating_add(listing.len() as u64) > bytes {
            return Err(general("it has fewer bytes than rows"));
        }
        if !matches!(column.compression(), Compression::UNCOMPRESSED | Compression::SNAPPY) {
            let what = column.compression();
            return Err(general(&format!(
                "its images are compressed by {what}, which is not supported: write it with snappy"
            )));
        }
        let unpacked = u64::try_from(column.uncompressed_size()).unwrap_or(0);
        let block_rows = rows.div_ceil(unpacked.div_ceil(BLOCK_BYTES).max(1)).max(1) as usize;
        let first = listing.len();
        groups.push(Group { first, rows: rows as usize, block_rows });
        // Their own sizes are in the column; that of the group changes with them.
        let packed = u64::try_from(column.compressed_size()).unwrap_or(u64::MAX);
        for row in first..first + rows as usize {
            listing.push(&row.to_string(), packed);
        }
        if let Some(label) = &columns.label {
            check_pages(&file, group.column(label.at), LABEL_PAGE_BYTES)?;
            read_labels(&reader, at, label, (&columns.features, first), &mut listing)?;
        }
    }
    Ok((listing, Rows { reader, file, image: columns.image, groups }))
}

/// A column, and the level of definition of its values that are there.
#[derive(Clone, Copy, Debug)]
struct Column {
    at: usize,
    defined: i16,
}

/// The columns that are read.
struct Columns {
    image: Column,
    label: Option<Column>,
    features: Features,
}

impl Columns {
    fn of(about: &ParquetMetaData) -> Result<Self> {
        let file = about.file_metadata();
        let said = file.key_value_metadata().into_iter().flatten().find(|said| said.key == "huggingface");
        let features = Features::of(said.and_then(|said| said.value.as_deref()).unwrap_or_default());
        let schema = file.schema_descr();
        let flat = |kinds: &[Type], path: &[&str]| {
            let at = schema.columns().iter().position(|column| {
                column.path().parts() == path
                    && column.max_rep_level() == 0
                    && kinds.contains(&column.physical_type())
            })?;
            Some(Column { at, defined: schema.column(at).max_def_level() })
        };
        let image = features.images.iter().map(String::as_str).chain(["image", "img"]).find_map(|name| {
            flat(&[Type::BYTE_ARRAY], &[name, "bytes"]).or_else(|| flat(&[Type::BYTE_ARRAY], &[name]))
        });
        let image = image.ok_or_else(|| general("it has no column `image` with the bytes of images"))?;
        let kinds = [Type::INT64, Type::INT32, Type::BYTE_ARRAY];
        let label =
            features.label.iter().map(String::as_str).chain(["label"]).find_map(|name| flat(&kinds, &[name]));
        Ok(Self { image, label, features })
    }
}

/// Says of the rows of a group what they show.
fn read_labels(
    reader: &SerializedFileReader<Chunks>,
    group: usize,
    label: &Column,
    (features, first): (&Features, usize),
    listing: &mut Listing,
) -> Result<()> {
    let rows = listing.len() - first;
    let mut say = |row: usize, name: &str| {
        // Rows without a class have -1.
        if !name.is_empty() {
            listing.label(first + row..first + row + 1, name);
        }
    };
    match reader.get_row_group(group)?.get_column_reader(label.at)? {
        ColumnReader::Int64ColumnReader(column) => {
            each_value(column, rows, label, |row, value| say(row, &features.name(*value)))
        }
        ColumnReader::Int32ColumnReader(column) => {
            each_value(column, rows, label, |row, value| say(row, &features.name((*value).into())))
        }
        ColumnReader::ByteArrayColumnReader(column) => each_value(column, rows, label, |row, value| {
            say(row, &value.as_utf8().map(super::features::plain).unwrap_or_default());
        }),
        _ => Ok(()),
    }
}

/// Goes through the values of a column that are there, by row.
fn each_value<T: DataType>(
    mut column: ColumnReaderImpl<T>,
    rows: usize,
    about: &Column,
    mut say: impl FnMut(usize, &T::T),
) -> Result<()> {
    let mut first = 0;
    while first < rows {
        let (mut levels, mut values) = (Vec::new(), Vec::new());
        let (read, _, _) =
            column.read_records(LABEL_STEP.min(rows - first), Some(&mut levels), None, &mut values)?;
        if read == 0 {
            return Err(general("a group has fewer labels than rows"));
        }
        let is_there = |row: &usize| about.defined == 0 || levels.get(*row) == Some(&about.defined);
        (0..read).filter(is_there).zip(&values).for_each(|(row, value)| say(first + row, value));
        first += read;
    }
    Ok(())
}

/// A row group.
#[derive(Debug)]
struct Group {
    /// Its first row.
    first: usize,
    rows: usize,
    /// Rows of a block.
    block_rows: usize,
}

/// The rows of a file.
struct Rows {
    reader: SerializedFileReader<Chunks>,
    file: Arc<ArchiveFile>,
    image: Column,
    groups: Vec<Group>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows")
            .field("image", &self.image)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}

impl Members for Rows {
    fn read(
        &self,
        index: usize,
        _: u64,
        limits: &Limits,
        buffer: &mut Vec<u8>,
    ) -> std::result::Result<(), ImageError> {
        let at = self.groups.partition_point(|group| group.first + group.rows <= index);
        let group = &self.groups[at];
        let block = (index - group.first) / group.block_rows;
        let start = block * group.block_rows;
        let decode = || {
            let rows = start..group.rows.min(start + group.block_rows);
            let decoded = catch_unwind(AssertUnwindSafe(|| self.decode(at, rows, limits.max_file_bytes)));
            decoded.unwrap_or_else(|_| Err(general("its lengths contradict each other"))).map_err(said)
        };
        let block = blocks::get((self.file.number(), group.first + start), decode);
        let damaged = |problem: String| ImageError::DamagedArchive { problem };
        let images = block
            .as_ref()
            .as_ref()
            .map_err(|problem| damaged(format!("the rows of this image cannot be decoded ({problem})")))?;
        let image = images.get(index - group.first - start).and_then(Option::as_ref);
        let Some(image) = image else {
            return Err(ImageError::UnsupportedMember { what: "a row without the bytes of an image".into() });
        };
        limits.check_file(image.len() as u64)?;
        buffer.clear();
        buffer.extend_from_slice(image.data());
        Ok(())
    }
}

impl Rows {
    /// The images of some rows of a group.
    fn decode(&self, at: usize, rows: std::ops::Range<usize>, limit: u64) -> Result<Block> {
        let most_bytes = limit.max(8 * BLOCK_BYTES);
        check_pages(&self.file, self.reader.metadata().row_group(at).column(self.image.at), most_bytes)?;
        let group = self.reader.get_row_group(at)?;
        let ColumnReader::ByteArrayColumnReader(mut column) = group.get_column_reader(self.image.at)? else {
            return Err(general("its images are no bytes"));
        };
        if column.skip_records(rows.start)? < rows.start {
            return Err(general("a group has fewer rows than it says"));
        }
        // A value is a part of its page: what does not fill the group is copied, so that the rest of a page can go.
        let is_whole = rows.len() == self.groups[at].rows;
        let mut images = Vec::new();
        let mut bytes = 0u64;
        while images.len() < rows.len() {
            let (mut levels, mut values) = (Vec::new(), Vec::<ByteArray>::new());
            let step = STEP.min(rows.len() - images.len());
            let (read, _, _) = column.read_records(step, Some(&mut levels), None, &mut values)?;
            if read == 0 {
                return Err(general("a group has fewer rows than it says"));
            }
            bytes += values.iter().map(|value| value.len() as u64).sum::<u64>();
            if bytes > most_bytes {
                return Err(general("a few rows have more bytes than the limit"));
            }
            let mut values = values.into_iter();
            images.extend((0..read).map(|row| {
                let is_there = self.image.defined == 0 || levels.get(row) == Some(&self.image.defined);
                let value = is_there.then(|| values.next()).flatten()?;
                Some(if is_whole { value } else { ByteArray::from(value.data().to_vec()) })
            }));
        }
        Ok(images)
    }
}

fn general(what: &str) -> ParquetError {
    ParquetError::General(what.to_owned())
}

/// An error without the name of its kind.
fn said(error: ParquetError) -> String {
    match error {
        ParquetError::General(what) | ParquetError::EOF(what) => what,
        other => other.to_string(),
    }
}

/// Whether the pages of a column take as much memory as their bytes can.
fn check_pages(file: &Arc<ArchiveFile>, column: &ColumnChunkMetaData, most_bytes: u64) -> Result<()> {
    neuron_table::check_pages(&Chunks(Arc::clone(file)), column, most_bytes)
}

/// A file for the crate that decodes, which reads at any place without moving another reader's.
struct Chunks(Arc<ArchiveFile>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.bytes()
    }
}

impl ChunkReader for Chunks {
    type T = Part;

    fn get_read(&self, start: u64) -> Result<Part> {
        Ok(Part::of(&self.0, start, u64::MAX, WINDOW)?)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let mut bytes = Vec::new();
        self.0.read_into(start, length as u64, &mut bytes)?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests;
