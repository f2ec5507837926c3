use super::*;
use std::fs;

const MANIFEST: &str = r#"{"channels": 1, "scan": {"command": "baseline", "neuron_version": "0.1.0"}}"#;
const RECORD: &str = r#"{"neuron_version": "0.1.0", "references_are": "images", "loss": [1, 2]}"#;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn marks(files: &[(&str, &[u8])]) -> Marks {
    let mut marks = Marks::default();
    files.iter().for_each(|(name, _)| marks.note(name));
    marks
}

fn is_whole(files: &[(&str, &[u8])]) -> bool {
    marks(files).whole_folder(folder(files).path())
}

/// The pictures among the files that are taken for results.
fn written(files: &[(&str, &[u8])]) -> (Vec<String>, Written) {
    let images: Vec<&str> =
        files.iter().map(|(name, _)| *name).filter(|name| name.ends_with(".png")).collect();
    let has = |name: &str| images.contains(&name);
    let written = marks(files).written(folder(files).path(), images.iter().copied(), has);
    (written.pictures.iter().cloned().collect(), written)
}

/// A Parquet file as far as it matters: its footer begins with the schema.
fn table(columns: &str) -> Vec<u8> {
    let footer = [b"\x15\x02\x19schema", columns.as_bytes()].concat();
    let length = (footer.len() as u32).to_le_bytes();
    [b"PAR1 rows", &footer[..], &length, b"PAR1"].concat()
}

#[test]
fn a_folder_of_results_is_known_by_what_its_files_say() {
    assert!(is_whole(&[("manifest.json", MANIFEST.as_bytes())]));
    assert!(is_whole(&[("atlas.json", br#"{"neuron_version": "1", "units": 3, "images": 4}"#)]));
    assert!(is_whole(&[("neuron-demo.json", br#"{"drawn_by": "neuron-demo"}"#)]));
    assert!(is_whole(&[("topk.parquet", &table("layer channel rank image index score"))]));
    assert!(is_whole(&[("patches.parquet", &table("channel rank source_x"))]));
}

#[test]
fn files_of_strangers_hide_nothing() {
    for (name, bytes) in [
        ("manifest.json", &br#"{"name": "my page", "icons": []}"#[..]),
        ("manifest.json", br#"{"scan": {"command": "nmap"}}"#),
        ("manifest.json", br#"{"scan": "lidar", "neuron_version": 3}"#),
        ("manifest.json", br#"[1, 2]"#),
        ("neuron-demo.json", br#"{"drawn_by": "me"}"#),
        ("manifest.json", b""),
        ("atlas.json", br#"{"frames": []}"#),
        ("topk.parquet", b"PAR1"),
        ("topk.parquet", b""),
        ("topk.parquet", b"\xff\xff\xff\xffPAR1"),
        ("patches.parquet", &table("x y label")),
        ("other.json", MANIFEST.as_bytes()),
    ] {
        assert!(!is_whole(&[(name, bytes)]), "{name} {:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn pictures_of_units_are_known_by_their_record() {
    let (found, _) = written(&[
        ("x.json", RECORD.as_bytes()),
        ("x.png", b""),
        ("x_masked.png", b""),
        ("x_step20.png", b""),
        ("x_step.png", b""),
        ("xy.png", b""),
        ("photo.png", b""),
        // A photo with a description of somebody else's.
        ("photo.json", br#"{"label": "cat"}"#),
        ("photo_masked.png", b""),
    ]);
    assert_eq!(found, ["x.png", "x_masked.png", "x_step20.png"]);
}

#[test]
fn pictures_of_facets_and_of_copies_are_known_by_the_records_of_others() {
    let (found, _) = written(&[
        ("x_facet0_copy1.json", RECORD.as_bytes()),
        ("x_facet0_copy1.png", b""),
        ("x_facet0_copy1_masked.png", b""),
        ("x_facets.png", b""),
        ("my_facets.png", b""),
        // Of several copies the best is kept, and was not known before the end.
        ("y.json", RECORD.as_bytes()),
        ("y_copy0_step5.png", b""),
        ("y_copyright.png", b""),
    ]);
    assert_eq!(
        found,
        ["x_facet0_copy1.png", "x_facet0_copy1_masked.png", "x_facets.png", "y_copy0_step5.png"]
    );
}

#[test]
fn pictures_of_unfinished_runs_are_known_by_their_state() {
    let state = b"\x80\0\0\0\0\0\0\0{\"__metadata__\":{\"neuron-fvis-checkpoint-2\":\"{}\"}}";
    let (found, _) = written(&[
        ("x.checkpoint", state),
        ("x.png", b""),
        ("x_step3.png", b""),
        ("y.checkpoint", b"torch"),
        ("y.png", b""),
    ]);
    assert_eq!(found, ["x.png", "x_step3.png"]);
}

#[test]
fn grids_and_heat_maps_are_known_by_what_lies_beside_them() {
    for list in LISTS {
        let (found, written) = written(&[(list, b"a.png\n"), ("patches.png", b""), ("a.png", b"")]);
        assert_eq!(found, ["patches.png"]);
        assert!(written.holds_folder("patches") && !written.holds_folder("neuron_layer4"));
    }
    assert_eq!(written(&[("relevance.safetensors", b""), ("heatmap.png", b"")]).0, ["heatmap.png"]);
    let of_layer = [("relevance.safetensors", &b""[..]), ("heatmap.png", b""), ("heatmap_a.b.png", b"")];
    assert_eq!(written(&of_layer).0, ["heatmap.png", "heatmap_a.b.png"]);
    let alone = [("patches.png", &b""[..]), ("heatmap.png", b""), ("notes.txt", b"")];
    assert!(written(&alone).0.is_empty());
}

#[test]
fn an_unfinished_scan_owns_its_folders() {
    for name in ["baseline_layer4_0.checkpoint", "select-images_layer4.shard-1-of-2"] {
        let (_, of_scan) = written(&[(name, b"neurscan\x01\0\0\0"), ("a.png", b"")]);
        assert!(of_scan.holds_folder("neuron_layer4") && !of_scan.holds_folder("cats"));
        let (_, of_stranger) = written(&[(name, b"else")]);
        assert!(!of_stranger.holds_folder("neuron_layer4"));
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_mark_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("manifest.json");
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    let mut marks = Marks::default();
    marks.note("manifest.json");
    assert!(!marks.whole_folder(folder.path()));
}

#[test]
fn pictures_of_a_run_that_was_killed_early_are_known_by_its_first_record() {
    let record = br#"{"neuron_version": "0.1.0", "references_are": "images", "steps": 0, "finished": false}"#;
    let (found, _) = written(&[
        ("x_unit3.json", record),
        ("x_unit3_step20.png", b""),
        ("x_unit4_step20.png", b""),
        // The frames of somebody's film.
        ("film.json", br#"{"fps": 25}"#),
        ("film_step1.png", b""),
    ]);
    assert_eq!(found, ["x_unit3_step20.png"]);
}
