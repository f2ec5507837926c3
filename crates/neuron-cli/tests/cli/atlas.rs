//! `neuron atlas` through the real binary, on what the other commands wrote.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{ARCH, Room, assert_same_files, run_expecting};

/// A folder with photos and results of a small network.
struct Setup(Room);

impl Setup {
    fn new() -> Self {
        let room = Room::new(3, 4);
        let (results, data) = (room.text("results"), room.text("photos"));
        room.run(0, &format!("select-images --data {data} --topk-images 6 --channels 0-3 --out {results}"));
        let lists = room.text(&format!("results/{ARCH}/neuron_layer4"));
        room.run(0, &format!("extract-patches --data {data} --channels 1 --topk-patches 4 --out {lists}"));
        Self(room)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    fn text(&self, name: &str) -> String {
        self.0.text(name)
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

/// The command lines on a page, as a shell reads them.
fn lines(page: &str) -> Vec<Vec<String>> {
    let lines = page.split("<pre><code>").skip(1).map(|rest| rest.split("</code>").next().unwrap());
    let plain = lines.map(|line| line.replace("&#39;", "'").replace("&#38;", "&"));
    plain.map(|line| shlex::split(&line).unwrap()).collect()
}

/// A command line says all that decides a result: run again, it finds its results complete.
#[test]
fn the_command_lines_on_a_page_are_those_of_its_results() {
    let setup = Setup::new();
    let (weights, data) = (setup.text("random.safetensors"), setup.text("photos"));
    let network = ["--arch", ARCH, "--weights", &weights, "--data", &data];
    let (results, pictures) = (setup.text("results"), setup.text("pictures of units"));
    let baseline =
        ["baseline", "--layer", "layer4", "--channels", "1", "--topk-patches", "2", "--out", &results];
    run_expecting(0, &[&baseline[..], &network, &["--captions", "--split-n", "2"]].concat());
    let lists = setup.text(&format!("results/{ARCH}/neuron_layer4"));
    let fvis = ["fvis", "--layer", "layer4", "--channels", "1", "--topk-dir", &lists, "--out", &pictures];
    let small =
        ["--steps", "2", "--resolution", "64", "--jitter", "4", "--num-real-img", "3", "--tv-l1", "1e-6"];
    run_expecting(0, &[&fvis[..], &network, &small].concat());
    fs::rename(setup.path("pictures of units"), setup.path("results/pictures of units")).unwrap();

    setup.atlas(0, "site", &[]);
    let page = fs::read_to_string(setup.path(&format!("site/units/{ARCH}/layer4/1.html"))).unwrap();
    let found = lines(&page);
    let mut commands: Vec<&str> = found.iter().map(|line| line[1].as_str()).collect();
    commands.sort_unstable();
    assert_eq!(commands, ["baseline", "extract-patches", "fvis", "select-images"], "{page}");
    for line in &found {
        let mut again: Vec<&str> = line[1..].iter().map(String::as_str).collect();
        again.extend(["--weights", &weights, "--resume"]);
        if line[1] == "fvis" {
            again.extend(["--data", &data, "--topk-dir", &lists]);
        }
        let (_, stderr) = run_expecting(0, &again);
        assert!(stderr.contains("already complete"), "{line:?}\n{stderr}");
    }
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
