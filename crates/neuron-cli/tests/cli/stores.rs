//! Images in object stores give what the same images give in folders, through the real binary; faults are survived,
//! or said.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use neuron_test_stores::{Fault, Server, environment, hub, s3, web};

use crate::packed::{Packed, lists, pictures, rows};
use crate::patches::kill_once_saved;
use crate::support::{self, ARCH, Room, assert_same_files, expecting, files};

/// Photos in a folder, and in a bucket in every form.
struct Stored {
    packed: Packed,
    server: Server,
}

impl Stored {
    fn new(classes: usize, per_class: usize) -> Self {
        Self::of(Packed::new(classes, per_class))
    }

    fn of(packed: Packed) -> Self {
        fs::create_dir_all(packed.room.path("stores/bucket")).unwrap();
        let server = s3(&packed.room.path("stores"));
        let stored = Self { packed, server };
        for (class, file, bytes) in &stored.packed.photos {
            stored.write(&format!("photos/{class}/{file}"), bytes);
        }
        stored
    }

    /// Puts an object into the bucket.
    fn write(&self, key: &str, bytes: &[u8]) {
        self.packed.write(&format!("stores/bucket/{key}"), bytes);
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.packed.room.command(line);
        command.envs(environment(&self.server));
        command
    }

    fn run(&self, code: i32, line: &str) -> String {
        expecting(code, &mut self.command(line)).1
    }

    /// As [`Packed::scan`].
    fn scan(&self, data: &str, out: &str) -> PathBuf {
        self.run(0, &format!("select-images --data {data} --topk-images 4 --channels 0-9 --out {out}"));
        let layer = format!("{out}/{ARCH}/neuron_layer4");
        self.run(0, &format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches"));
        self.packed.room.path(&layer)
    }

    fn skipped(&self, out: &str) -> String {
        fs::read_to_string(self.packed.room.path(out).join(ARCH).join("neuron_layer4/skipped.tsv")).unwrap()
    }
}

#[test]
fn stores_give_what_folders_give() {
    let stored = Stored::new(3, 4);
    let packed = &stored.packed;
    packed.write_shards("stores/bucket/shards", 3);
    packed.write_nested("stores/bucket/nested.tar");
    packed.write_zip("stores/bucket/photos.zip");
    packed.write_parquet("stores/bucket/hub/data/train-00000-of-00001.parquet");
    packed.write_shards("stores/owner/name/data", 3);
    let folder = packed.scan("photos", "folder");
    let (expected, cut) = (rows(&folder), pictures(&folder));
    let (files, data_sets) = (web(&packed.room.path("stores/bucket")), hub(&packed.room.path("stores")));
    for (at, (data, first)) in [
        ("s3://bucket/photos".to_owned(), "s3://bucket/photos/class0/photo000.png".to_owned()),
        ("s3://bucket/photos/".to_owned(), "s3://bucket/photos/class0/photo000.png".to_owned()),
        ("s3://bucket/shards".to_owned(), "s3://bucket/shards/s-000.tar::class0-photo000.png".to_owned()),
        (
            "s3://bucket/shards/s-{000..002}.tar".to_owned(),
            "s3://bucket/shards/s-000.tar::class0-photo000.png".to_owned(),
        ),
        ("s3://bucket/nested.tar".to_owned(), "s3://bucket/nested.tar::class0.tar/photo000.png".to_owned()),
        (
            "s3://bucket/photos.zip".to_owned(),
            "s3://bucket/photos.zip::photos/class0/photo000.png".to_owned(),
        ),
        ("s3://bucket/hub".to_owned(), "s3://bucket/hub/data/train-00000-of-00001.parquet::0".to_owned()),
        (
            format!("{}/shards/s-{{000..002}}.tar", files.address()),
            format!("{}/shards/s-000.tar::class0-photo000.png", files.address()),
        ),
        (
            "hf://datasets/owner/name".to_owned(),
            "hf://datasets/owner/name/data/s-000.tar::class0-photo000.png".to_owned(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out{at}");
        let scan = |line: &str| {
            let mut command = stored.command(line);
            expecting(0, command.env("HF_ENDPOINT", data_sets.address())).1
        };
        scan(&format!("select-images --data {data} --topk-images 4 --channels 0-9 --out {out}"));
        let layer = format!("{out}/{ARCH}/neuron_layer4");
        scan(&format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches"));
        let layer = packed.room.path(&layer);
        assert!(rows(&layer) == expected, "{data}");
        assert!(pictures(&layer) == cut, "{data}");
        let lists = lists(&layer);
        assert!(lists.lines().any(|line| line == first), "{lists}");
        // What lists name is found where a list is the data, too.
        packed.write("list.txt", lists.as_bytes());
        let said = scan("select-images --data list.txt --channels 0 --out again --overwrite");
        assert!(said.contains("repeat an earlier one"), "{said}");
    }
}

/// A scan leaves what tells where images lie; nothing else of an archive is read for those of a few units.
#[test]
fn archives_are_gone_through_once() {
    let stored = Stored::new(2, 40);
    stored.packed.write_shards("stores/bucket/shards", 2);
    stored.packed.write_zip("stores/bucket/zips/photos.zip");
    stored.packed.write_parquet("stores/bucket/hub/data/train-00000-of-00001.parquet");
    for data in ["shards", "zips", "hub"] {
        let layer = stored.scan(&format!("s3://bucket/{data}"), data);
        let index = stored.packed.room.path(data).join(ARCH).join("archives.index");
        let (names, kept): (Vec<_>, Vec<_>) = files(&index).into_iter().unzip();
        assert_eq!(names.len(), if data == "shards" { 2 } else { 1 });
        let line = format!("extract-patches --save-dir {} --channels 3 --overwrite", layer.display());
        // As it is, damaged, and gone: results are the same, and what was lost is made again.
        stored.run(0, &line);
        let cut = pictures(&layer);
        fs::write(index.join(&names[0]), &kept[0][..kept[0].len() - 9]).unwrap();
        stored.run(0, &line);
        fs::remove_dir_all(&index).unwrap();
        stored.run(0, &format!("{line} --dry-run"));
        assert!(!index.exists(), "a plan writes nothing");
        stored.run(0, &line);
        assert!(files(&index).into_values().eq(kept), "{data}");
        assert!(pictures(&layer) == cut);
    }
}

#[test]
fn splits_and_classes_are_those_of_folders() {
    let stored = Stored::new(2, 2);
    let packed = &stored.packed;
    for (at, (class, file, bytes)) in packed.photos.iter().enumerate() {
        let split = ["train", "val"][at % 2];
        for root in ["stores/bucket/set", "set"] {
            packed.write(&format!("{root}/{split}/{class}/{file}"), bytes);
            packed.write(&format!("{root}/{split}/{class}-more/below/{file}"), bytes);
            packed.write(&format!("{root}/{split}/loose.png"), bytes);
            packed.write(&format!("{root}/.hidden/{file}"), bytes);
            packed.write(&format!("{root}/README.md"), bytes);
        }
    }
    for split in ["", "--split val"] {
        let run = |data: &str, out: &str| {
            stored.run(
                0,
                &format!("select-images --data {data} --channels 0-9 --out {out} --overwrite {split}"),
            )
        };
        let said = run("s3://bucket/set", "stored");
        run("set", "folder");
        let layer = |out: &str| packed.room.path(out).join(ARCH).join("neuron_layer4");
        assert_eq!(rows(&layer("stored")), rows(&layer("folder")), "{split}");
        assert!(said.contains("loose.png"), "{said}");
    }
}

#[test]
fn lists_go_from_folders_to_stores_and_back() {
    let stored = Stored::new(2, 3);
    let layer = stored.packed.scan("photos", "out").display().to_string();
    let cut = pictures(&stored.packed.room.path(&layer));
    fs::rename(stored.packed.room.path("photos"), stored.packed.room.path("moved")).unwrap();
    let again = |data: &str| {
        stored.run(
            0,
            &format!(
                "extract-patches --save-dir {layer} --channels 3,7 --save-patches --overwrite --data {data}"
            ),
        )
    };
    let said = again("s3://bucket/photos");
    assert!(said.contains("reading images from s3://bucket/photos"), "{said}");
    assert!(pictures(&stored.packed.room.path(&layer)) == cut);

    let layer = stored.scan("s3://bucket/photos", "stored").display().to_string();
    let before = stored.server.faults().requests("GET /bucket/photos");
    let said = stored.run(
        0,
        &format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches --overwrite --data moved"),
    );
    assert!(said.contains("reading images from moved, and not from s3://bucket/photos"), "{said}");
    assert!(pictures(&stored.packed.room.path(&layer)) == cut);
    assert_eq!(stored.server.faults().requests("GET /bucket/photos"), before);
}

#[test]
fn a_scan_of_a_store_that_is_killed_or_divided_comes_to_the_same_bytes() {
    let stored = Stored::new(3, 20);
    stored.packed.write_shards("stores/bucket/shards", 4);
    let line = "select-images --data s3://bucket/shards --topk-images 4 --batch-size 1 --threads 1 --checkpoint-every 0";
    stored.run(0, &format!("{line} --out whole"));
    let resumed = format!("{line} --out killed --resume");
    let checkpoint = stored.packed.room.path("killed").join(ARCH).join("select-images_layer4.checkpoint");
    kill_once_saved(&mut stored.command(&resumed), &checkpoint);
    stored.run(0, &resumed);
    let whole = stored.packed.room.path("whole");
    assert_same_files(&whole, &stored.packed.room.path("killed"));

    for shard in ["1/4", "2/4", "3/4", "4/4"] {
        stored.run(0, &format!("{line} --out parts --shard {shard}"));
    }
    stored.run(0, "merge merged parts");
    assert_same_files(&whole, &stored.packed.room.path("merged"));
}

#[test]
fn what_fails_in_passing_leaves_no_trace() {
    let stored = Stored::new(2, 4);
    stored.packed.write_shards("stores/bucket/shards", 2);
    for (at, (data, part)) in
        [("shards", "GET /bucket/shards/s-001.tar"), ("photos", "class1/photo002.png")].iter().enumerate()
    {
        let line = format!("select-images --data s3://bucket/{data} --channels 0-9");
        stored.run(0, &format!("{line} --out sound{at}"));
        for (fault, times) in [
            (Fault::Status(500), 2),
            (Fault::Status(503), 2),
            (Fault::Cut(700), 2),
            (Fault::Slow(Duration::from_millis(200)), 2),
            (Fault::Stall(Duration::from_secs(60)), 1),
        ] {
            stored.server.faults().add(part, fault, times);
            let started = Instant::now();
            stored.run(0, &format!("{line} --out again{at} --overwrite"));
            assert!(started.elapsed() < Duration::from_secs(40), "{fault:?} holds up {data}");
            assert_same_files(
                &stored.packed.room.path(&format!("sound{at}")),
                &stored.packed.room.path(&format!("again{at}")),
            );
            stored.server.faults().clear();
        }
    }
}

#[test]
fn what_is_gone_is_listed_and_a_store_that_is_down_stops_the_scan() {
    let stored = Stored::new(3, 8);
    stored.packed.write_shards("stores/bucket/shards", 2);
    stored.packed.write_zip("stores/bucket/photos.zip");
    stored.packed.write_parquet("stores/bucket/hub/data/train-00000-of-00001.parquet");
    let line = "select-images --data s3://bucket/photos --channels 0-9 --batch-size 4";
    stored.run(0, &format!("{line} --out sound"));
    // One vanishes after it was listed, one fails for good.
    stored.server.faults().add("GET /bucket/photos/class1/photo002.png", Fault::Status(404), usize::MAX);
    stored.server.faults().add("GET /bucket/photos/class2/photo001.png", Fault::Status(500), usize::MAX);
    stored.run(3, &format!("{line} --out some"));
    let skipped = stored.skipped("some");
    assert!(skipped.contains("photo002.png` is not there"), "{skipped}");
    assert!(skipped.contains("photo001.png` cannot be read") && skipped.lines().count() == 3, "{skipped}");
    // What a store does not hand out of an archive is no damage of the archive.
    for data in ["shards", "photos.zip", "hub"] {
        stored.server.faults().add(&format!("GET /bucket/{data}"), Fault::Status(500), usize::MAX);
        let line = format!("select-images --data s3://bucket/{data} --channels 0 --out none");
        let said = stored.run(1, &line);
        assert!(said.contains("cannot be read: "), "{said}");
        stored.server.faults().clear();
    }
    stored.server.faults().add("GET /bucket/photos/class1/photo002.png", Fault::Status(404), usize::MAX);
    let said = stored.run(1, &format!("{line} --out strict --strict"));
    assert!(said.contains("leave out --strict"), "{said}");
    stored.server.faults().clear();

    stored.server.faults().add("GET /bucket/photos/class2", Fault::Status(503), usize::MAX);
    let said = stored.run(1, &format!("{line} --out down"));
    assert!(said.contains("does not answer any more") && said.contains("add --resume"), "{said}");
    stored.server.faults().clear();
    stored.run(0, &format!("{line} --out down --resume"));
    assert_same_files(&stored.packed.room.path("sound"), &stored.packed.room.path("down"));
}

#[test]
fn mistakes_are_explained() {
    let stored = Stored::new(1, 2);
    stored.write("cut.tar", &[7; 2000]);
    for (data, expected) in [
        ("s3://bucket/gone", "no images under"),
        ("s3://bucket/gone.tar", "is not there"),
        ("s3://bucket/cut.tar", "cannot be used as a tar"),
        ("s3://other/photos", "s3://other"),
        ("ftp://bucket/photos", "stores are named by s3://, gs://"),
        ("https://127.0.0.1:9/photos", "a web server does not say what lies under"),
        ("https://127.0.0.1:9/x.tar?sig=1", "signed"),
        ("hf://owner/name", "hf://datasets/owner/name/path"),
        ("http://127.0.0.1:9/x.tar", "cannot be read"),
    ] {
        let said = stored.run(1, &format!("select-images --data {data} --channels 0 --out none"));
        assert!(said.contains(expected), "{data}: {said}");
    }
    let mut command = stored.command("select-images --data s3://bucket/photos --channels 0 --out none");
    let said = expecting(1, command.env("AWS_SECRET_ACCESS_KEY", "wrong")).1;
    assert!(said.contains("may not be read") && said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
}

/// Photos of the reference data, in every form: every fourth, or all that `NEURON_TEST_PHOTOS=all` asks for. The S3 server
/// reads an object whole for each part of it, and takes minutes for all.
#[test]
#[ignore = "needs the reference data"]
fn tier2_photos_are_the_same_wherever_they_lie() {
    let sample = support::reference::folder().join("imagenet-sample/train");
    let room = Room::new(0, 0);
    let step = if std::env::var("NEURON_TEST_PHOTOS").is_ok_and(|photos| photos == "all") { 1 } else { 4 };
    for (name, bytes) in files(&sample).into_iter().step_by(step) {
        let path = room.path("photos").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let stored = Stored::of(Packed::of(room));
    let packed = &stored.packed;
    for root in ["", "stores/bucket/"] {
        packed.write_shards(&format!("{root}shards"), 6);
        packed.write_nested(&format!("{root}nested.tar"));
        packed.write_zip(&format!("{root}photos.zip"));
        packed.write_parquet(&format!("{root}hub/data/train-00000-of-00001.parquet"));
    }
    let scan = |data: &str, out: &str, flags: &str| {
        let line =
            format!("select-images --data {data} --topk-images 20 --checkpoint-every 0 --out {out} {flags}");
        stored.command(&line)
    };
    let cut = |out: &str| {
        let layer = format!("{out}/{ARCH}/neuron_layer4");
        stored.run(0, &format!("extract-patches --save-dir {layer} --channels 3,7 --save-patches"));
        let layer = packed.room.path(&layer);
        (rows(&layer), pictures(&layer))
    };
    expecting(0, &mut scan("photos", "folder", ""));
    let expected = cut("folder");
    assert_eq!(expected.0.len(), 20 * 128);
    for data in ["photos", "shards", "nested.tar", "photos.zip", "hub"] {
        for data in [data.to_owned(), format!("s3://bucket/{data}")] {
            let out = data.replace([':', '/', '.'], "_");
            let checkpoint = packed.room.path(&out).join(ARCH).join("select-images_layer4.checkpoint");
            kill_once_saved(&mut scan(&data, &out, "--resume"), &checkpoint);
            expecting(0, &mut scan(&data, &out, "--resume"));
            assert!(cut(&out) == expected, "{data}, killed and resumed");
            for shard in 1..=4 {
                expecting(0, &mut scan(&data, &format!("{out}_parts"), &format!("--shard {shard}/4")));
            }
            stored.run(0, &format!("merge {out}_merged {out}_parts"));
            assert!(cut(&format!("{out}_merged")) == expected, "{data}, in four shards");
        }
    }
}
