//! Archives of images: the bytes of an image may be any, as nobody decodes them here.

use std::io::{Cursor, Write};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::Made;

pub(super) fn seeds() -> Vec<Made> {
    let inner = tar(&[("1.JPEG", b"one")]);
    vec![
        ("images_tar", "ok-numbered", tar(&[("1.png", b"one"), ("1.cls", b"7")])),
        ("images_tar", "ok-described", tar(&[("2.json", b"{\"label\":\"a\"}"), ("2.png", b"two")])),
        ("images_tar", "ok-nested", tar(&[("n01443537.tar", &inner)])),
        ("images_tar", "ok-extended", extended()),
        ("images_zip", "ok-classes", zip(&[("a/1.png", &[1; 300]), ("b/2.png", b"two"), ("b/x.txt", b"?")])),
        ("images_parquet", "ok-snappy", table(Compression::SNAPPY)),
        ("images_parquet", "ok-plain", table(Compression::UNCOMPRESSED)),
    ]
}

fn header(bytes: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes as u64);
    header.set_cksum();
    header
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        tar.append_data(&mut header(bytes.len()), name, *bytes).expect("memory takes everything");
    }
    tar.into_inner().expect("memory takes everything")
}

/// A path that is said beside the header.
fn extended() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_pax_extensions([("path", &b"train/a/1.png"[..])]).expect("memory takes everything");
    tar.append(&header(3), &b"one"[..]).expect("memory takes everything");
    tar.into_inner().expect("memory takes everything")
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, bytes)) in members.iter().enumerate() {
        let method = [CompressionMethod::Deflated, CompressionMethod::Stored][at % 2];
        let options = SimpleFileOptions::default().compression_method(method);
        zip.start_file(*name, options).expect("memory takes everything");
        zip.write_all(bytes).expect("memory takes everything");
    }
    zip.finish().expect("memory takes everything").into_inner()
}

/// Two groups of two rows.
fn table(compression: Compression) -> Vec<u8> {
    let schema = "message s { optional group image { optional binary bytes; } optional int64 label; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let features = r#"{"info":{"features":{"image":{"_type":"Image"},"label":{"names":["a","b"],"_type":"ClassLabel"}}}}"#;
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_created_by("seed".into())
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".into(), features.to_owned())]));
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build()))
        .expect("memory takes everything");
    for _ in 0..2 {
        let mut group = writer.next_row_group().expect("a group");
        let images = [ByteArray::from("an image"), ByteArray::from(vec![7; 200])];
        let mut column = group.next_column().expect("a column").expect("the first of two");
        column
            .typed::<ByteArrayType>()
            .write_batch(&images, Some(&[2, 2]), None)
            .expect("memory takes everything");
        column.close().expect("memory takes everything");
        let mut column = group.next_column().expect("a column").expect("the second of two");
        column
            .typed::<Int64Type>()
            .write_batch(&[1, 0], Some(&[1, 1]), None)
            .expect("memory takes everything");
        column.close().expect("memory takes everything");
        group.close().expect("memory takes everything");
    }
    writer.into_inner().expect("memory takes everything")
}
