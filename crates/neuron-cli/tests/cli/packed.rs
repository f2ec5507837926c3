//! Photos in a folder, and packed in other ways.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::SerializedFileReader;
use parquet::file::writer::SerializedFileWriter;
use parquet::record::RowAccessor;
use parquet::schema::parser::parse_message_type;

use crate::support::{ARCH, Room, files};

/// A folder with weights, drawn photos, and the same photos packed in some ways.
pub(crate) struct Packed {
    pub(crate) room: Room,
    /// In the order of the folder: class, file name, bytes.
    pub(crate) photos: Vec<(String, String, Vec<u8>)>,
}

impl Packed {
    pub(crate) fn new(classes: usize, per_class: usize) -> Self {
        Self::of(Room::new(classes, per_class))
    }

    /// The photos of a room.
    pub(crate) fn of(room: Room) -> Self {
        let photos = files(&room.path("photos")).into_iter().map(|(path, bytes)| {
            let part = |part: &std::ffi::OsStr| part.to_str().unwrap().to_owned();
            (part(path.parent().unwrap().as_os_str()), part(path.file_name().unwrap()), bytes)
        });
        Self { photos: photos.collect(), room }
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.room.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Samples with classes, in some shards.
    pub(crate) fn write_shards(&self, folder: &str, shards: usize) {
        let each = self.photos.len().div_ceil(shards);
        for (at, photos) in self.photos.chunks(each).enumerate() {
            let members = photos.iter().flat_map(|(class, file, bytes)| {
                let (stem, _) = file.split_once('.').unwrap();
                [(format!("{class}-{stem}.cls"), class.as_bytes()), (format!("{class}-{file}"), &**bytes)]
            });
            self.write(&format!("{folder}/s-{at:03}.tar"), &tar(members));
        }
    }

    /// A tar for each class in a tar.
    pub(crate) fn write_nested(&self, name: &str) {
        let classes = self.photos.chunk_by(|a, b| a.0 == b.0);
        let inner: Vec<(String, Vec<u8>)> = classes
            .map(|photos| {
                let members = photos.iter().map(|(_, file, bytes)| (file.clone(), &**bytes));
                (format!("{}.tar", photos[0].0), tar(members))
            })
            .collect();
        self.write(name, &tar(inner.iter().map(|(name, bytes)| (name.clone(), &**bytes))));
    }

    pub(crate) fn write_zip(&self, name: &str) {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (at, (class, file, bytes)) in self.photos.iter().enumerate() {
            let method = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][at % 2];
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            zip.start_file(format!("photos/{class}/{file}"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        self.write(name, &zip.finish().unwrap().into_inner());
    }

    /// Rows of an image and a class, as the Hub keeps them.
    pub(crate) fn write_parquet(&self, name: &str) {
        let schema = "message schema {
            optional group image { optional binary bytes; optional binary path (UTF8); }
            optional int64 label;
        }";
        let mut classes: Vec<&String> = self.photos.iter().map(|(class, ..)| class).collect();
        classes.dedup();
        let features = serde_json::json!({ "info": { "features": {
            "image": { "_type": "Image" },
            "label": { "names": classes, "_type": "ClassLabel" },
        } } });
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".into(), features.to_string())]))
            .build();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut table = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        for photos in self.photos.chunks(5) {
            let mut group = table.next_row_group().unwrap();
            let bytes: Vec<ByteArray> = photos.iter().map(|(.., bytes)| bytes.clone().into()).collect();
            let paths: Vec<ByteArray> = photos.iter().map(|(_, file, _)| (&**file).into()).collect();
            for texts in [bytes, paths] {
                let mut column = group.next_column().unwrap().unwrap();
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, Some(&vec![2; texts.len()]), None)
                    .unwrap();
                column.close().unwrap();
            }
            let number = |class| classes.iter().position(|known| *known == class).unwrap() as i64;
            let labels: Vec<i64> = photos.iter().map(|(class, ..)| number(class)).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&labels, Some(&vec![1; labels.len()]), None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        self.write(name, &table.into_inner().unwrap());
    }

    /// Scans some data and cuts patches from what was found; returns the folder of the layer.
    pub(crate) fn scan(&self, data: &str, out: &str) -> PathBuf {
        self.room.run(0, &format!("select-images --data {data} --topk-images 4 --channels 0-9 --out {out}"));
        let layer = format!("{out}/{ARCH}/neuron_layer4");
        self.room.run(0, &format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches"));
        self.room.path(&layer)
    }
}

pub(crate) fn tar<'b>(members: impl Iterator<Item = (String, &'b [u8])>) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Rows of a table without the names of images: channel, rank, index, class, score, y, x.
pub(crate) fn rows(layer: &Path) -> Vec<(i32, i32, i32, String, u32, i32, i32)> {
    let table = fs::File::open(layer.join("topk.parquet")).unwrap();
    let rows = SerializedFileReader::new(table).unwrap().into_iter().map(Result::unwrap);
    rows.map(|row| {
        let int = |column: usize| row.get_int(column).unwrap();
        let (class, score) = (row.get_string(5).unwrap().clone(), row.get_float(6).unwrap());
        (int(1), int(2), int(4), class, score.to_bits(), int(7), int(8))
    })
    .collect()
}

/// The pictures that a run has cut and drawn.
pub(crate) fn pictures(layer: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(layer)
        .into_iter()
        .filter(|(name, _)| name.extension().is_some_and(|ending| ending == "png"))
        .collect()
}

/// The lists of the first ten channels, one after another.
pub(crate) fn lists(layer: &Path) -> String {
    (0..10)
        .map(|channel| fs::read_to_string(layer.join(format!("{channel}/files_all.txt"))).unwrap())
        .collect()
}
