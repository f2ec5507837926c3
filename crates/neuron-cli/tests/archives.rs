//! Images in archives give what the same images give in folders, through the real binary.

mod patches;
mod support;

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
use patches::kill_once_saved;
use support::{ARCH, Room, assert_same_files, expecting, files, neuron};

/// A folder with weights, drawn photos, and the same photos packed in some ways.
struct Packed {
    room: Room,
    /// In the order of the folder: class, file name, bytes.
    photos: Vec<(String, String, Vec<u8>)>,
}

impl Packed {
    fn new(classes: usize, per_class: usize) -> Self {
        let room = Room::new(classes, per_class);
        let photos = files(&room.path("photos")).into_iter().map(|(path, bytes)| {
            let part = |part: &std::ffi::OsStr| part.to_str().unwrap().to_owned();
            (part(path.parent().unwrap().as_os_str()), part(path.file_name().unwrap()), bytes)
        });
        Self { photos: photos.collect(), room }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.room.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Samples with classes, in some shards.
    fn write_shards(&self, folder: &str, shards: usize) {
        let each = self.photos.len().div_ceil(shards);
        for (at, photos) in self.photos.chunks(each).enumerate() {
            let members = photos.iter().flat_map(|(class, file, bytes)| {
                let key = format!("{class}-{}", file.strip_suffix(".png").unwrap());
                [(format!("{key}.cls"), class.as_bytes()), (format!("{key}.png"), &**bytes)]
            });
            self.write(&format!("{folder}/s-{at:03}.tar"), &tar(members));
        }
    }

    /// A tar for each class in a tar.
    fn write_nested(&self, name: &str) {
        let classes = self.photos.chunk_by(|a, b| a.0 == b.0);
        let inner: Vec<(String, Vec<u8>)> = classes
            .map(|photos| {
                let members = photos.iter().map(|(_, file, bytes)| (file.clone(), &**bytes));
                (format!("{}.tar", photos[0].0), tar(members))
            })
            .collect();
        self.write(name, &tar(inner.iter().map(|(name, bytes)| (name.clone(), &**bytes))));
    }

    fn write_zip(&self, name: &str) {
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
    fn write_parquet(&self, name: &str) {
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
    fn scan(&self, data: &str, out: &str) -> PathBuf {
        self.room.run(0, &format!("select-images --data {data} --topk-images 4 --channels 0-9 --out {out}"));
        let layer = format!("{out}/{ARCH}/neuron_layer4");
        self.room.run(0, &format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches"));
        self.room.path(&layer)
    }
}

fn tar<'b>(members: impl Iterator<Item = (String, &'b [u8])>) -> Vec<u8> {
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
fn rows(layer: &Path) -> Vec<(i32, i32, i32, String, u32, i32, i32)> {
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
fn pictures(layer: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(layer)
        .into_iter()
        .filter(|(name, _)| name.extension().is_some_and(|ending| ending == "png"))
        .collect()
}

#[test]
fn archives_give_what_folders_give() {
    let packed = Packed::new(3, 4);
    packed.write_shards("shards", 3);
    packed.write_nested("nested.tar");
    packed.write_zip("photos.zip");
    packed.write_parquet("hub/data/train-00000-of-00001.parquet");
    let folder = packed.scan("photos", "folder");
    let (expected, cut) = (rows(&folder), pictures(&folder));
    assert!(expected.len() == 40 && cut.len() > 8, "{} rows, {} pictures", expected.len(), cut.len());
    for (data, first) in [
        ("shards", "shards/s-000.tar::class0-photo000.png"),
        ("shards/s-{000..002}.tar", "shards/s-000.tar::class0-photo000.png"),
        ("nested.tar", "nested.tar::class0.tar/photo000.png"),
        ("photos.zip", "photos.zip::photos/class0/photo000.png"),
        ("hub", "hub/data/train-00000-of-00001.parquet::0"),
    ] {
        let out = data.replace(['/', '{', '}', '.'], "_");
        let layer = packed.scan(data, &out);
        assert!(rows(&layer) == expected, "{data}");
        assert!(pictures(&layer) == cut, "{data}");
        let lists: String = (0..10)
            .map(|channel| fs::read_to_string(layer.join(format!("{channel}/files_all.txt"))).unwrap())
            .collect();
        assert!(lists.lines().any(|line| line == first), "{lists}");
        // What lists name is found where a list is the data, too.
        packed.write("list.txt", lists.as_bytes());
        let said = packed.room.run(0, "select-images --data list.txt --channels 0 --out again --overwrite");
        assert!(said.contains("repeat an earlier one"), "{said}");
    }
}

#[test]
fn shards_that_moved_are_found_and_their_images_are_references() {
    let packed = Packed::new(2, 3);
    packed.write_shards("old", 2);
    let layer = packed.scan("old", "out").display().to_string();
    fs::rename(packed.room.path("old"), packed.room.path("new")).unwrap();
    let said = packed
        .room
        .run(0, &format!("extract-patches --save-dir {layer} --channels 3,7 --data new --overwrite"));
    assert!(said.contains("reading images from new"), "{said}");
    let listed =
        fs::read_to_string(packed.room.path("out").join(ARCH).join("neuron_layer4/3/topk_files.txt"))
            .unwrap();
    assert!(listed.lines().all(|line| line.starts_with("new/s-0")), "{listed}");
    let fvis = "fvis --layer layer4_0 --channels 3 --data new --resolution 64 --num-real-img 2 --epochs 2 --jitter 4";
    packed.room.run(0, &format!("{fvis} --topk-dir {layer} --exp-name x --folder-name pictures"));

    // Paths in the lists start from the folder in which they were made.
    let mut atlas = neuron(&["atlas", "out", "--data", "new", "--out", "site", "--json"]);
    let (stdout, stderr) = expecting(0, atlas.current_dir(packed.room.path("")));
    let summary: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert!(summary["skipped"] == 0 && summary["units"].as_u64() > Some(0), "{stdout}{stderr}");
}

#[test]
fn a_scan_of_shards_that_is_killed_or_divided_comes_to_the_same_bytes() {
    let packed = Packed::new(3, 20);
    packed.write_shards("shards", 4);
    let line = "select-images --data shards --topk-images 4 --batch-size 1 --threads 1 --checkpoint-every 0";
    packed.room.run(0, &format!("{line} --out whole"));
    let resumed = format!("{line} --out killed --resume");
    let checkpoint = packed.room.path("killed").join(ARCH).join("select-images_layer4.checkpoint");
    kill_once_saved(&mut packed.room.command(&resumed), &checkpoint);
    packed.room.run(0, &resumed);
    let whole = packed.room.path("whole");
    assert_same_files(&whole, &packed.room.path("killed"));

    for shard in ["1/2", "2/2"] {
        packed.room.run(0, &format!("{line} --out parts --shard {shard}"));
    }
    packed.room.run(0, "merge merged parts");
    assert_same_files(&whole, &packed.room.path("merged"));
}

#[test]
fn broken_members_are_skipped_and_broken_archives_are_explained() {
    let packed = Packed::new(1, 3);
    let members: Vec<(String, &[u8])> =
        packed.photos.iter().map(|(_, file, bytes)| (format!("a/{file}"), &**bytes)).collect();
    let sound = tar(members
        .into_iter()
        .chain([("a/not.png".to_owned(), &b"<html>"[..]), ("a/x.md".to_owned(), b"?")]));
    packed.write("t.tar", &sound);
    let said = packed.room.run(3, "select-images --data t.tar --channels 0 --out out");
    assert!(
        said.contains("1 member of archives that are no images by their names, such as `t.tar::a/x.md`"),
        "{said}"
    );
    let skipped =
        fs::read_to_string(packed.room.path("out").join(ARCH).join("neuron_layer4/skipped.tsv")).unwrap();
    assert!(skipped.contains("t.tar::a/not.png\tnot an image but an HTML page"), "{skipped}");

    packed.write("cut.tar", &sound[..sound.len() / 2]);
    packed.room.run(3, "select-images --data cut.tar --channels 0 --out cut");
    let skipped =
        fs::read_to_string(packed.room.path("cut").join(ARCH).join("neuron_layer4/skipped.tsv")).unwrap();
    assert!(skipped.contains("ends before this member does"), "{skipped}");

    for (data, expected) in [
        ("random.tar", "cannot be used as a tar"),
        ("random.zip", "cannot be used as a zip"),
        ("t-{0..1}.tar", "there is no folder, list or archive"),
        ("{t,gone}.tar", "gone.tar"),
    ] {
        packed.write("random.tar", &[7; 2000]);
        packed.write("random.zip", &[7; 2000]);
        let said = packed.room.run(1, &format!("select-images --data {data} --channels 0 --out none"));
        assert!(said.contains(expected), "{data}: {said}");
    }
}
