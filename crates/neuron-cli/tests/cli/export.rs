//! `neuron export` through the real binary. `python/tests/test_export.py` reads the files as other tools do.

use std::fs;

use serde_json::Value;

use crate::support::{self, ARCH, Room, assert_same_files, run_expecting};

/// Lists of all units of layer4, and patches of two of them.
fn results() -> Room {
    let room = Room::new(3, 4);
    room.run(0, "select-images --data photos --layer layer4 --topk-images 6 --out .");
    let lists = format!("{ARCH}/neuron_layer4");
    room.run(0, &format!("extract-patches --data photos --channels 1,3 --topk-patches 4 --out {lists}"));
    room
}

/// Exports with the flags of a line, from the room's folder.
fn export(room: &Room, code: i32, line: &str) -> (String, String) {
    let mut arguments = vec!["export"];
    arguments.extend(line.split_whitespace());
    support::expecting(code, support::neuron(&arguments).current_dir(room.path("")))
}

/// The shape and type in the header of a NumPy file.
fn header(room: &Room, file: &str) -> String {
    let bytes = fs::read(room.path(file)).unwrap();
    String::from_utf8_lossy(&bytes[10..128]).trim_end().to_owned()
}

#[test]
fn every_format_has_its_files_and_the_same_bytes_again() {
    let room = results();
    for format in ["milan", "crp", "clip-dissect", "hf"] {
        let (stdout, stderr) = export(&room, 0, &format!("--format {format} {ARCH} --out {format} --json"));
        let summary: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(summary["layers"], serde_json::json!(["layer4"]), "{format}");
        assert!(summary["units"].as_u64() >= Some(2) && stderr.contains("units of layer4"), "{stderr}");
        export(&room, 0, &format!("--format {format} {ARCH}/neuron_layer4 --out again -q"));
        assert_same_files(&room.path(format), &room.path("again"));
        fs::remove_dir_all(room.path("again")).unwrap();
    }
    assert!(
        header(&room, "milan/layer4/images.npy")
            .contains("'|u1', 'fortran_order': False, 'shape': (128, 6, 3, 64, 64,)")
    );
    assert!(
        header(&room, "crp/ActMax_max_unnormed/layer4_data.npy")
            .contains("'<i8', 'fortran_order': False, 'shape': (6, 128,)")
    );
}

#[test]
fn files_that_are_there_are_replaced_only_if_asked() {
    let room = results();
    let line = format!("--format clip-dissect {ARCH} --out there");
    export(&room, 0, &line);
    let (_, stderr) = export(&room, 1, &line);
    assert!(stderr.contains("descriptions.csv is there already; pass --overwrite"), "{stderr}");
    export(&room, 0, &format!("{line} --overwrite"));
}

#[test]
fn a_plan_writes_nothing() {
    let room = results();
    let (stdout, _) = export(&room, 0, &format!("--format milan {ARCH} --out plan --dry-run"));
    assert_eq!(stdout, "128 units of layer4: plan\n");
    assert!(!room.path("plan").exists());
}

#[test]
fn what_is_missing_is_told_with_the_way_out() {
    let room = results();
    let lists = format!("{ARCH}/neuron_layer4");
    let told = |line: &str, wanted: &str| {
        let (_, stderr) = export(&room, 1, line);
        assert!(stderr.contains(wanted), "{line}: {stderr}");
    };
    told("--format crp photos --out a", "holds no lists of images: run `neuron select-images` first");
    room.run(0, "select-images --data photos --layer layer3 --channels 2,3 --topk-images 6 --out .");
    told(&format!("--format crp {ARCH} --out a"), "layer3 has no list of unit 0");
    told(&format!("--format hf {ARCH} --out a"), "run `neuron extract-patches` on these lists first");
    fs::rename(room.path("photos"), room.path("moved")).unwrap();
    told(&format!("--format milan {lists} --out a"), "pass --data DIR if the images have moved");
    told(&format!("--format hf {lists} --out a"), "pass --data DIR if the images have moved");
    export(&room, 0, &format!("--format milan {lists} --out a --data moved"));
    fs::remove_file(room.path(&format!("{lists}/manifest.json"))).unwrap();
    told(&format!("--format milan {lists} --out b"), "are not finished: run the same `neuron select-images`");
    let (_, stderr) = run_expecting(2, &["export", "--format", "none", "x", "--out", "y"]);
    assert!(stderr.contains("milan, crp, clip-dissect, hf"), "{stderr}");
}
