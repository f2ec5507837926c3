//! `neuron atlas` through the real binary, on what the other commands wrote.

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::{ARCH, assert_same_files, draw_photos, random_weights, run_expecting};

/// A folder with photos and results of a small network.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap() };
        let weights = random_weights(setup.folder.path()).display().to_string();
        let data = draw_photos(setup.folder.path(), 3, 4).display().to_string();
        let network = ["--arch", ARCH, "--weights", &weights, "--data", &data];
        let results = setup.text("results");
        let lists = setup.text(&format!("results/{ARCH}/neuron_layer4"));
        let select = ["select-images", "--topk-images", "6", "--channels", "0-3", "--out", &results];
        run_expecting(0, &[&select[..], &network].concat());
        let extract = ["extract-patches", "--channels", "1", "--topk-patches", "4", "--save-dir", &lists];
        run_expecting(0, &[&extract[..], &network].concat());
        setup
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Runs the command on the results.
    fn atlas(&self, code: i32, out: &str, more: &[&str]) -> (String, String) {
        let (results, out) = (self.text("results"), self.text(out));
        run_expecting(code, &[&["atlas", &results, "--out", &out], more].concat())
    }
}

#[test]
fn results_become_a_site() {
    let setup = Setup::new();
    let (stdout, stderr) = setup.atlas(0, "site", &["--json"]);
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&summary["units"], &summary["skipped"]), (&4.into(), &0.into()));
    assert!(stderr.contains("index.html"), "{stderr}");
    let page = fs::read_to_string(setup.path(&format!("site/units/{ARCH}/layer4/1.html"))).unwrap();
    assert!(page.contains("the best 4 of 4") && page.contains("class0"), "{page}");

    setup.atlas(0, "again", &["--threads", "1", "-q"]);
    assert_same_files(&setup.path("site"), &setup.path("again"));
}

#[test]
fn a_site_is_replaced_only_when_asked() {
    let setup = Setup::new();
    let (plan, _) = setup.atlas(0, "site", &["--dry-run"]);
    assert!(plan.contains("units       4") && plan.contains("patches     4"), "{plan}");
    assert!(!setup.path("site").exists());

    setup.atlas(0, "site", &[]);
    let (_, stderr) = setup.atlas(1, "site", &[]);
    assert!(stderr.contains("--overwrite"), "{stderr}");
    setup.atlas(0, "site", &["--overwrite", "--patches", "2"]);
    let page = fs::read_to_string(setup.path(&format!("site/units/{ARCH}/layer4/1.html"))).unwrap();
    assert!(page.contains("the best 2 of 4"), "{page}");

    let (_, stderr) = setup.atlas(1, "photos", &["--overwrite"]);
    assert!(stderr.contains("not an atlas"), "{stderr}");
    assert!(setup.path("photos/class0").is_dir());
}

#[test]
fn photos_that_are_gone_are_counted() {
    let setup = Setup::new();
    fs::rename(setup.path("photos"), setup.path("moved")).unwrap();
    let (_, stderr) = setup.atlas(3, "site", &[]);
    assert!(stderr.contains("files could not be shown") && stderr.contains("--data"), "{stderr}");
    assert!(setup.path("site/skipped.tsv").is_file());
    setup.atlas(1, "strict", &["--strict"]);
    assert!(!setup.path("strict").exists());
    setup.atlas(0, "found", &["--data", &setup.text("moved")]);

    let (_, stderr) = run_expecting(1, &["atlas", &setup.text("moved"), "--out", &setup.text("none")]);
    assert!(stderr.contains("holds no results"), "{stderr}");
}

#[test]
fn a_broken_result_among_many_is_left_out() {
    let setup = Setup::new();
    let table = setup.path(&format!("results/{ARCH}/neuron_layer4/1/patches.parquet"));
    let whole = fs::read(&table).unwrap();
    fs::write(&table, &whole[..whole.len() / 3]).unwrap();
    let (stdout, stderr) = setup.atlas(3, "site", &["--json"]);
    assert!(stderr.contains("1 file could not be shown"), "{stderr}");
    let summary: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&summary["units"], &summary["skipped"]), (&4.into(), &1.into()));
    let listed = fs::read_to_string(setup.path("site/skipped.tsv")).unwrap();
    assert!(listed.contains("patches.parquet"), "{listed}");

    let (_, stderr) = setup.atlas(1, "strict", &["--strict"]);
    assert!(stderr.contains("patches.parquet") && stderr.contains("--strict"), "{stderr}");
    assert!(!setup.path("strict").exists());
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let setup = Setup::new();
    fs::write(setup.path("file"), "text").unwrap();
    fs::create_dir(setup.path("empty")).unwrap();
    let run = |folder: &str, out: &str| {
        run_expecting(1, &["atlas", &setup.text(folder), "--out", &setup.text(out)]).1
    };
    for (folder, out, parts) in [
        ("empty", "site", &["empty", "holds no results", "neuron select-images"][..]),
        ("none", "site", &["cannot read", "none"]),
        ("file", "site", &["cannot read", "file"]),
        ("results", "file", &["file", "not an atlas", "--out"]),
        ("results", "file/site", &["cannot write", "file"]),
    ] {
        let stderr = run(folder, out);
        for part in parts {
            assert!(stderr.contains(part), "{folder} {out}: {part} is not in {stderr}");
        }
    }
    assert_eq!(fs::read_to_string(setup.path("file")).unwrap(), "text");
}
