//! Parquet files, one column at a time.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::output::{Alone, Files};

/// The values of one column for some neighbouring rows.
pub(crate) enum Column {
    Int(Vec<i32>),
    Float(Vec<f32>),
    Text(Vec<ByteArray>),
    /// Text that may be missing.
    OptionalText(Vec<Option<ByteArray>>),
    /// Numbers that may be missing.
    OptionalFloat(Vec<Option<f32>>),
}

/// Rows that are written together, column by column.
pub(crate) type RowGroup = Vec<Column>;

/// Writes a table atomically.
///
/// `schema` is a Parquet message type (`message rows { required int32 channel; }`); the row groups must hold its
/// columns in order. Equal rows give equal bytes.
pub(crate) fn write(
    files: &impl Files,
    path: &Path,
    schema: &str,
    groups: impl IntoIterator<Item = RowGroup>,
) -> anyhow::Result<()> {
    write_with(files, path, schema, &[], groups.into_iter().map(Ok))
}

/// As [`write()`], alone, with metadata that say more of the table, from rows that may fail to be made: then there is no table.
pub(crate) fn write_described(
    path: &Path,
    schema: &str,
    metadata: &[(&str, &str)],
    groups: impl IntoIterator<Item = anyhow::Result<RowGroup>>,
) -> anyhow::Result<()> {
    write_with(&Alone, path, schema, metadata, groups)
}

fn write_with(
    files: &impl Files,
    path: &Path,
    schema: &str,
    metadata: &[(&str, &str)],
    groups: impl IntoIterator<Item = anyhow::Result<RowGroup>>,
) -> anyhow::Result<()> {
    let schema = Arc::new(parse_message_type(schema).context("the table's schema is not valid")?);
    let metadata: Vec<KeyValue> =
        metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), (*value).to_owned())).collect();
    let properties = WriterProperties::builder()
        .set_created_by(concat!("neuron ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata))
        .build();
    files.write(path, |file| {
        let written = (|| -> anyhow::Result<()> {
            let mut writer: SerializedFileWriter<&mut BufWriter<File>> =
                SerializedFileWriter::new(file, schema, Arc::new(properties))?;
            for group in groups {
                let mut rows = writer.next_row_group()?;
                for column in &group? {
                    let mut column_writer = rows
                        .next_column()?
                        .ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
                    write_column(&mut column_writer, column)?;
                    column_writer.close()?;
                }
                rows.close()?;
            }
            writer.close()?;
            Ok(())
        })();
        written.map_err(io::Error::other)
    })
}

fn write_column(writer: &mut SerializedColumnWriter<'_>, column: &Column) -> Result<(), ParquetError> {
    match column {
        Column::Int(values) => writer.typed::<Int32Type>().write_batch(values, None, None)?,
        Column::Float(values) => writer.typed::<FloatType>().write_batch(values, None, None)?,
        Column::Text(values) => writer.typed::<ByteArrayType>().write_batch(values, None, None)?,
        Column::OptionalText(values) => {
            let writer = writer.typed::<ByteArrayType>();
            let (levels, values) = definitions(values, writer.get_descriptor().max_def_level());
            writer.write_batch(&values, Some(&levels), None)?
        }
        Column::OptionalFloat(values) => {
            let writer = writer.typed::<FloatType>();
            let (levels, values) = definitions(values, writer.get_descriptor().max_def_level());
            writer.write_batch(&values, Some(&levels), None)?
        }
    };
    Ok(())
}

/// How far the path to each value is there, and the values that are: a value that is missing does so in a group that is not.
fn definitions<T: Clone>(values: &[Option<T>], whole: i16) -> (Vec<i16>, Vec<T>) {
    let levels = values.iter().map(|value| whole - i16::from(value.is_none())).collect();
    (levels, values.iter().flatten().cloned().collect())
}
