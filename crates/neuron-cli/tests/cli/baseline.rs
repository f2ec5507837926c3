//! `neuron baseline` through the real binary, on a small network and drawn photos.

use std::path::PathBuf;
use std::process::Command;

use crate::patches::{Definition, kill_once_saved, picture_size, rows};
use crate::support::{ARCH, assert_same_files, draw_photos, expecting, files, neuron, random_weights};

/// Windows of 32 pixels, 25 apart, in a crop of 64.
const WINDOWS: usize = 4;

/// A folder with weights and photos, in which commands run.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(classes: usize, per_class: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        random_weights(folder.path());
        draw_photos(folder.path(), classes, per_class);
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, out: &str, more: &[&str]) -> Command {
        let mut command = neuron(&["baseline", "--arch", ARCH, "--weights", "random.safetensors"]);
        command.args([
            "--data",
            "photos",
            "--target-layer",
            "layer4_0",
            "--chs",
            "3,90",
            "--patch-size",
            "32",
        ]);
        command.args(["--topk-patches", "5", "--out", out]).args(more).current_dir(self.folder.path());
        command
    }

    /// Runs the command, which must exit with `code`; returns stdout and stderr.
    fn run(&self, code: i32, out: &str, more: &[&str]) -> (String, String) {
        expecting(code, &mut self.command(out, more))
    }

    fn unit(&self, out: &str, channel: usize) -> PathBuf {
        self.path(out).join(ARCH).join("neuron_layer4_0").join(channel.to_string()).join("top5")
    }
}

#[test]
fn patches_are_the_best_of_distinct_images_by_definition() {
    let setup = Setup::new(2, 4);
    let (stdout, _) = setup.run(0, "out", &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&report["images"], &report["forwards"]), (&8.into(), &(8 * WINDOWS).into()));
    let definition = Definition::new(&setup.path("random.safetensors"));
    for channel in [3, 90] {
        let name = |at: usize| format!("class{}/photo{:03}.png", at / 4, at % 4);
        let best = |at: usize| {
            let photo = setup.path("photos").join(name(at));
            (definition.best_window(&photo, ("layer4.0", channel), (32, 25), true), at)
        };
        let mut expected: Vec<_> = (0..8).map(best).collect();
        expected.sort_by(|a, b| b.0.0.total_cmp(&a.0.0).then(a.1.cmp(&b.1)));
        let unit = setup.unit("out", channel);
        let rows = rows(&unit.join("patches.parquet"));
        assert_eq!(rows.len(), 5);
        for (row, ((score, corner), image)) in rows.iter().zip(expected) {
            assert_eq!((&row.image, row.corner, row.image_score), (&name(image), corner, None));
            assert!((row.score - score).abs() <= 1e-4 * score.abs().max(1e-2), "{} and {score}", row.score);
        }
        let files: Vec<String> = rows.iter().map(|row| format!("photos/{}\n", row.image)).collect();
        for list in ["files.txt", "topk_files.txt"] {
            assert_eq!(std::fs::read_to_string(unit.join(list)).unwrap(), files.concat());
        }
        assert_eq!(picture_size(&unit.join("patches.png")), (36, 2 + 5 * 34));
    }
}

#[test]
fn threads_and_batch_sizes_do_not_change_a_byte() {
    let setup = Setup::new(2, 4);
    setup.run(0, "first", &["--threads", "1", "--batch-size", "1"]);
    setup.run(0, "second", &["--threads", "3", "--batch_size", "5"]);
    assert_same_files(&setup.path("first"), &setup.path("second"));
}

#[test]
fn runs_that_are_killed_go_on_to_the_same_bytes() {
    let setup = Setup::new(2, 20);
    for (rule, more) in [("exact", &[][..]), ("reference", &["--reference-compat"])] {
        let slow = ["--patch-size", "16", "--threads", "1", "--batch-size", "1", "--checkpoint-every", "0"];
        let (whole, killed) = (format!("{rule}-whole"), format!("{rule}-killed"));
        let slow = [&slow[..], more].concat();
        setup.run(0, &whole, &slow);
        let resumed = [&slow[..], &["--resume"]].concat();
        let checkpoint = setup.path(&killed).join(ARCH).join("baseline_layer4_0_3,90.checkpoint");
        for _ in 0..2 {
            kill_once_saved(&mut setup.command(&killed, &resumed), &checkpoint);
        }
        setup.run(0, &killed, &resumed);
        for name in
            files(&setup.path(&killed)).keys().filter(|name| name.to_string_lossy().ends_with(".part"))
        {
            std::fs::remove_file(setup.path(&killed).join(name)).unwrap();
        }
        assert_same_files(&setup.path(&whole), &setup.path(&killed));
    }
}

#[test]
fn shards_merge_to_the_bytes_of_one_run() {
    let setup = Setup::new(3, 3);
    std::fs::write(setup.path("photos/class1/broken.png"), b"").unwrap();
    setup.run(3, "whole", &[]);
    for shard in ["1/3", "2/3", "3/3"] {
        let code = if shard == "2/3" { 3 } else { 0 };
        setup.run(code, "shards", &["--shard", shard]);
    }
    expecting(3, neuron(&["merge", "merged", "shards"]).current_dir(setup.folder.path()));
    assert_same_files(&setup.path("whole"), &setup.path("merged"));
    let skipped = std::fs::read_to_string(setup.unit("merged", 90).join("skipped.tsv")).unwrap();
    assert!(skipped.contains("class1/broken.png"), "{skipped}");
}

#[test]
fn the_reference_loses_patches_and_it_is_said() {
    let setup = Setup::new(1, 6);
    let (_, stderr) = setup.run(0, "out", &["--reference-compat", "--batch-size", "2"]);
    // Chunks of 5 windows, 4 windows an image: after every cut at least one image is there twice.
    let kept = rows(&setup.unit("out", 3).join("patches.parquet"));
    assert!(kept.len() < 5, "{kept:?}");
    let said = format!("channel 3: the reference's rule leaves {} of 5 patches", kept.len());
    assert!(stderr.contains(&said), "{stderr}");
    setup.run(0, "exact", &[]);
    assert_eq!(rows(&setup.unit("exact", 3).join("patches.parquet")).len(), 5);

    let (_, stderr) = setup.run(2, "other", &["--reference-compat", "--shard", "1/2"]);
    assert!(stderr.contains("leave out --shard"), "{stderr}");
}

#[test]
fn mistakes_are_explained() {
    let setup = Setup::new(1, 3);
    for (more, code, expected) in [
        (&["--target-layer", "layer5"][..], 2, "unknown layer layer5"),
        (&["--chs", "128"], 2, "its channels are 0 to 127"),
        (&["--patch-size", "65"], 2, "choose at most 64"),
        (&["--data", "nowhere"], 1, "nowhere"),
    ] {
        let (_, stderr) = setup.run(code, "out", more);
        assert!(stderr.contains(expected), "{more:?}: {stderr}");
    }
    assert!(!setup.path("out").exists(), "nothing was written");
    let (stdout, _) = setup.run(0, "out", &["--dry-run", "--json", "--channels", "all", "--split-n", "2"]);
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&plan["forwards"], &plan["channels"]), (&(2 * WINDOWS).into(), &128.into()));
    assert!(!setup.path("out").exists(), "nothing was written");

    let (_, stderr) = setup.run(0, "out", &["--split_N", "2"]);
    assert!(stderr.contains("the data set has 2 images"), "{stderr}");
    let (_, stderr) = setup.run(1, "out", &["--split_N", "2"]);
    assert!(stderr.contains("--overwrite"), "{stderr}");
}
