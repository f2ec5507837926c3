use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::Made;

pub(super) fn seeds() -> Vec<Made> {
    let (snappy, plain) = (Compression::SNAPPY, Compression::UNCOMPRESSED);
    vec![
        ("top_k_table", "ok-snappy", top_k(snappy)),
        ("top_k_table", "ok-plain", top_k(plain)),
        ("top_k_table", "of-patches", patches(plain)),
        ("patches_table", "ok-snappy", patches(snappy)),
        ("patches_table", "ok-plain", patches(plain)),
        ("patches_table", "of-images", top_k(plain)),
    ]
}

enum Column {
    Int(i32),
    Float(f32),
    OptionalFloat(f32),
    Text(&'static str),
    OptionalText(&'static str),
}

/// The table of `select-images`.
fn top_k(compression: Compression) -> Vec<u8> {
    use Column::{Float, Int, OptionalText, Text};
    let columns = [
        ("layer", Text("layer4")),
        ("channel", Int(1)),
        ("rank", Int(0)),
        ("image", Text("train/cat/1.png")),
        ("index", Int(7)),
        ("class", OptionalText("cat")),
        ("score", Float(2.5)),
        ("y", Int(0)),
        ("x", Int(3)),
    ];
    table(&columns, compression)
}

/// The table of `extract-patches`.
fn patches(compression: Compression) -> Vec<u8> {
    use Column::{Float, Int, OptionalFloat, Text};
    let columns = [
        ("channel", Int(1)),
        ("rank", Int(0)),
        ("image", Text("train/cat/1.png")),
        ("x", Int(3)),
        ("y", Int(4)),
        ("size", Int(16)),
        ("score", Float(2.5)),
        ("image_score", OptionalFloat(1.0)),
        ("source_x", Int(10)),
        ("source_y", Int(20)),
        ("source_width", Int(24)),
        ("source_height", Int(18)),
        ("image_width", Int(80)),
        ("image_height", Int(60)),
    ];
    table(&columns, compression)
}

/// Two rows with these values.
fn table(columns: &[(&str, Column)], compression: Compression) -> Vec<u8> {
    let mut schema = String::from("message rows {");
    for (name, column) in columns {
        let kind = match column {
            Column::Int(_) => "required int32",
            Column::Float(_) => "required float",
            Column::OptionalFloat(_) => "optional float",
            Column::Text(_) => "required binary",
            Column::OptionalText(_) => "optional binary",
        };
        let text = if kind.ends_with("binary") { " (UTF8)" } else { "" };
        schema += &format!(" {kind} {name}{text};");
    }
    let write = || -> parquet::errors::Result<Vec<u8>> {
        let schema = Arc::new(parse_message_type(&(schema + " }"))?);
        let properties = WriterProperties::builder().set_compression(compression).build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        let mut rows = writer.next_row_group()?;
        for (_, column) in columns {
            let Some(mut writer) = rows.next_column()? else { break };
            let levels = Some(&[1, 1][..]);
            match column {
                Column::Int(value) => {
                    writer.typed::<Int32Type>().write_batch(&[*value, value + 1], None, None)?
                }
                Column::Float(value) => writer.typed::<FloatType>().write_batch(&[*value; 2], None, None)?,
                Column::OptionalFloat(value) => {
                    writer.typed::<FloatType>().write_batch(&[*value; 2], levels, None)?
                }
                Column::Text(text) => writer.typed::<ByteArrayType>().write_batch(
                    &[ByteArray::from(*text), ByteArray::from(*text)],
                    None,
                    None,
                )?,
                Column::OptionalText(text) => writer.typed::<ByteArrayType>().write_batch(
                    &[ByteArray::from(*text), ByteArray::from(*text)],
                    levels,
                    None,
                )?,
            };
            writer.close()?;
        }
        rows.close()?;
        writer.into_inner()
    };
    write().expect("a table is written to memory")
}
