use std::fs;

use ::parquet::data_type::{ByteArrayType, Int64Type};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;
use crate::classes::Class;
use crate::dataset::Dataset;
use crate::options::{DatasetOptions, Split};

const SCHEMA: &str = "message schema {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";
const FEATURES: &str = r#"{"info": {"features": {"image": {"_type": "Image"},
    "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}"#;

/// A file of rows of an image, if there is one, and a class, so many of them a group.
fn table(rows: &[(Option<Vec<u8>>, i64)], per_group: usize) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_data_page_row_count_limit(2)
        .set_write_batch_size(2)
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".into(), FEATURES.to_owned())]));
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties.build())).unwrap();
    for group in rows.chunks(per_group) {
        let levels: Vec<i16> = group.iter().map(|(image, _)| if image.is_some() { 2 } else { 1 }).collect();
        let images: Vec<ByteArray> =
            group.iter().filter_map(|(image, _)| image.clone().map(ByteArray::from)).collect();
        let classes: Vec<i64> = group.iter().map(|(_, class)| *class).collect();
        let mut next = writer.next_row_group().unwrap();
        let mut column = next.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&images, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = next.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![0; group.len()]), None).unwrap();
        column.close().unwrap();
        let mut column = next.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&classes, Some(&vec![1; group.len()]), None).unwrap();
        column.close().unwrap();
        next.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn images(count: usize) -> Vec<(Option<Vec<u8>>, i64)> {
    (0..count).map(|at| (Some(vec![at as u8; 40 + at]), (at % 2) as i64)).collect()
}

fn opened(bytes: &[u8]) -> std::result::Result<(tempfile::TempDir, Dataset), String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.parquet"), bytes).unwrap();
    let dataset = Dataset::open(&folder.path().join("a.parquet"), &DatasetOptions::default());
    dataset.map(|dataset| (folder, dataset)).map_err(|error| error.to_string())
}

#[test]
fn rows_are_images_with_classes_whatever_the_order_they_are_read_in() {
    let mut rows = images(11);
    rows[4] = (None, -1);
    let (_folder, dataset) = opened(&table(&rows, 5)).unwrap();
    assert_eq!((dataset.len(), dataset.name(10)), (11, "a.parquet::10"));
    let class = |index| dataset.class(index).map(Class::label);
    assert_eq!([class(0), class(1), class(4)], [Some("cat"), Some("dog"), None]);
    let mut buffer = Vec::new();
    for index in (0..11).rev().chain([3, 9, 0]).filter(|index| *index != 4) {
        let read = dataset.read(index, &Limits::default(), &mut buffer).unwrap();
        assert_eq!(Some(read.to_vec()), rows[index].0, "{index}");
    }
    let error =
        |index, limits: Limits| dataset.read(index, &limits, &mut Vec::new()).unwrap_err().to_string();
    assert!(error(4, Limits::default()).contains("a row without the bytes of an image"));
    let small = Limits { max_file_bytes: 45, ..Limits::default() };
    assert!(error(9, small).contains("49 bytes, more than the limit of 45"));
    assert_eq!(dataset.fingerprint().len(), 64);
}

#[test]
fn a_part_of_a_group_is_decoded_alone() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a.parquet");
    let rows = images(9);
    fs::write(&place, table(&rows, 9)).unwrap();
    let (_, of_file) = list(Arc::new(ArchiveFile::open(&place).unwrap())).unwrap();
    for part in [0..9, 0..1, 3..7, 8..9] {
        let decoded = of_file.decode(0, part.clone(), u64::MAX).unwrap();
        let expected: Vec<_> =
            rows[part].iter().map(|(image, _)| image.clone().map(ByteArray::from)).collect();
        assert_eq!(decoded, expected);
    }
}

#[test]
fn folders_of_the_hub_have_splits_by_name() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    for (name, count) in
        [("train-00000-of-00002", 3), ("train-00001-of-00002", 2), ("validation-00000-of-00001", 4)]
    {
        fs::write(folder.path().join(format!("data/{name}.parquet")), table(&images(count), 2)).unwrap();
    }
    let options = |split| DatasetOptions { split, split_n: None };
    let train = Dataset::open(folder.path(), &options(None)).unwrap();
    assert_eq!((train.len(), train.name(3)), (5, "data/train-00001-of-00002.parquet::0"));
    let val = Dataset::open(folder.path(), &options(Some(Split::Val))).unwrap();
    assert_eq!((val.len(), val.notices().len()), (4, 0));
}

#[test]
fn other_tables_and_other_files_are_explained() {
    for (bytes, expected) in [(b"PAR1".to_vec(), "too short"), (vec![7; 100], "does not end as a table does")]
    {
        let error = opened(&bytes).unwrap_err();
        assert!(error.contains(expected) && error.contains("a.parquet` cannot be used as"), "{error}");
    }
    let schema = Arc::new(parse_message_type("message m { required int64 image; }").unwrap());
    let writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::builder().build()));
    let error = opened(&writer.unwrap().into_inner().unwrap()).unwrap_err();
    assert!(error.contains("no column `image` with the bytes of images"), "{error}");
}

#[test]
fn damage_anywhere_is_an_error_of_the_file_or_of_an_image() {
    let sound = table(&images(5), 3);
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a.parquet");
    let open = |bytes: &[u8]| {
        fs::write(&place, bytes).unwrap();
        Dataset::open(&place, &DatasetOptions::default())
    };
    for at in (0..sound.len()).step_by(4) {
        let mut damaged = sound.clone();
        damaged[at] ^= [0x01, 0x80, 0xff][at % 3];
        let Ok(dataset) = open(&damaged) else { continue };
        for index in 0..dataset.len().min(8) {
            let _ = dataset.read(index, &Limits::default(), &mut Vec::new());
        }
    }
    for length in (0..sound.len()).step_by(7) {
        assert!(open(&sound[..length]).is_err(), "{length}");
    }
}

#[test]
fn a_page_takes_no_more_memory_than_its_bytes_can_fill() {
    let mut bytes = table(&images(2), 2);
    // The first header: kind 2 of a dictionary, then the size when it is unpacked, which is one of two bytes.
    let sound = &bytes[4..8];
    assert!(sound[..3] == [0x15, 0x04, 0x15] && sound[3] & 0x80 != 0, "{sound:?}");
    bytes[8] = 0x7f;
    let (_folder, dataset) = opened(&bytes).unwrap();
    let error = dataset.read(0, &Limits::default(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.contains("a page has fewer bytes than it says"), "{error}");
}
