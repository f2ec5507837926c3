//! Images in archives give what the same images give in folders, through the real binary.

use std::fs;

use crate::packed::{Packed, lists, pictures, rows, tar};
use crate::patches::kill_once_saved;
use crate::support::{ARCH, assert_same_files, expecting, neuron};

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
        let lists = lists(&layer);
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
