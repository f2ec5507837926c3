//! `neuron select-images` and `neuron merge` through the real binary, on a small network and drawn photos.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use neuron_model::{DeviceEvent, DeviceRequest, Observer, Precision};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use crate::support::{ARCH, assert_same_files, draw_photos, files, neuron, random_weights, run_expecting};

/// A folder with weights and photos, and the flags that name them.
struct Setup {
    folder: tempfile::TempDir,
    weights: String,
    data: String,
}

impl Setup {
    fn new(classes: usize, per_class: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let weights = random_weights(folder.path()).display().to_string();
        let data = draw_photos(folder.path(), classes, per_class).display().to_string();
        Self { folder, weights, data }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments<'a>(&'a self, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let fixed = ["select-images", "--arch", ARCH, "--weights", &self.weights, "--data", &self.data];
        [&fixed[..], &["--topk-images", "5", "--target-layer", "layer2,layer4", "--out", out], more].concat()
    }

    /// A complete run into a new folder.
    fn run(&self, name: &str, more: &[&str]) -> PathBuf {
        let out = self.out(name);
        run_expecting(0, &self.arguments(out.to_str().unwrap(), more));
        out
    }
}

/// One row of a table: channel, rank, image, index, class, score, y, x.
type Row = (i32, i32, String, i32, String, f32, i32, i32);

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
    rows.map(|row| {
        (
            row.get_int(1).unwrap(),
            row.get_int(2).unwrap(),
            row.get_string(3).unwrap().clone(),
            row.get_int(4).unwrap(),
            row.get_string(5).unwrap().clone(),
            row.get_float(6).unwrap(),
            row.get_int(7).unwrap(),
            row.get_int(8).unwrap(),
        )
    })
    .collect()
}

#[test]
fn the_table_and_the_lists_say_the_same() {
    let setup = Setup::new(3, 4);
    let out = setup.run("out", &[]);
    let layer = out.join(ARCH).join("neuron_layer4");
    let mut listed: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    let mut last: Option<(i32, f32, i32)> = None;
    for (channel, rank, image, index, class, score, y, x) in rows(&layer.join("topk.parquet")) {
        let list = listed.entry(channel).or_default();
        assert_eq!(rank as usize, list.len(), "ranks count from 0");
        list.push(format!("{}/{image}", setup.data));
        assert!(image.starts_with(&format!("{class}/photo")), "{image} of {class}");
        assert!((0..2).contains(&y) && (0..2).contains(&x), "a map of 64 pixels has 2 x 2 positions");
        if let Some((previous, better, before)) = last.filter(|(previous, ..)| *previous == channel) {
            let ordered = better > score || (better == score && before < index);
            assert!(ordered, "channel {previous}: {better} ({before}) before {score} ({index})");
        }
        last = Some((channel, score, index));
    }
    assert_eq!(listed.len(), 128, "layer4 of this network has 128 channels");
    for (channel, images) in listed {
        let text = std::fs::read_to_string(layer.join(channel.to_string()).join("files_all.txt")).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), images, "channel {channel}");
    }
}

#[test]
fn threads_batch_sizes_and_spellings_do_not_change_a_byte() {
    let setup = Setup::new(3, 5);
    let first = setup.run("first", &["--threads", "1", "--batch-size", "1"]);
    for (name, more) in [
        ("second", &["--threads", "2", "--batch-size", "7"][..]),
        ("third", &["--threads", "4", "--batch_size", "512", "--topk_images", "5"]),
    ] {
        assert_same_files(&first, &setup.run(name, more));
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let setup = Setup::new(4, 40);
    let whole = setup.run("whole", &[]);
    for (attempt, wait_ms) in [20, 45, 80, 130, 200, 300].into_iter().enumerate() {
        let out = setup.out(&format!("killed{attempt}"));
        let more = ["--checkpoint-every", "0", "--batch-size", "1", "--resume"];
        let arguments = setup.arguments(out.to_str().unwrap(), &more);
        // Killed twice at moments that move, then left to end.
        for _ in 0..2 {
            let mut child = neuron(&arguments).stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(wait_ms));
            let _ = child.kill();
            child.wait().unwrap();
        }
        run_expecting(0, &arguments);
        // What a killed process leaves of a file that it was writing is hidden and harmless.
        for name in files(&out).keys().filter(|name| name.to_string_lossy().ends_with(".part")) {
            std::fs::remove_file(out.join(name)).unwrap();
        }
        assert_same_files(&whole, &out);
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_and_exits_with_130() {
    let setup = Setup::new(4, 150);
    let out = setup.out("out");
    let more = ["--batch-size", "1", "--threads", "1", "--checkpoint-every", "0"];
    let arguments = setup.arguments(out.to_str().unwrap(), &more);
    let child = neuron(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let checkpoint = out.join(ARCH).join("select-images_layer2+layer4.checkpoint");
    while !checkpoint.exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.contains("--resume"), "{stderr}");

    let (_, stderr) = run_expecting(1, &arguments);
    assert!(stderr.contains("an unfinished run is at") && stderr.contains("--resume"), "{stderr}");
    let (_, stderr) = run_expecting(1, &[&arguments[..], &["--resume", "--topk-images", "6"]].concat());
    assert!(stderr.contains("settings.topk_images: 5 -> 6"), "{stderr}");
    run_expecting(0, &[&arguments[..], &["--resume"]].concat());
    assert_same_files(&setup.run("whole", &[]), &out);
}

#[test]
fn shards_merge_to_the_bytes_of_one_run() {
    let setup = Setup::new(4, 5);
    let whole = setup.run("whole", &[]);
    let shards = setup.out("shards");
    for shard in ["1/3", "2/3", "3/3"] {
        run_expecting(0, &setup.arguments(shards.to_str().unwrap(), &["--shard", shard]));
    }
    let merged = setup.out("merged");
    let (merged_text, shards_text) = (merged.to_str().unwrap(), shards.to_str().unwrap());
    run_expecting(0, &["merge", merged_text, shards_text]);
    assert_same_files(&whole, &merged);

    let file = |name: &str| shards.join(ARCH).join(format!("select-images_layer2+layer4.shard-{name}-of-3"));
    let (first, second) = (file("1"), file("2"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let (_, stderr) = run_expecting(1, &["merge", merged_text, first, second]);
    assert!(stderr.contains("3/3 is missing"), "{stderr}");
    let (_, stderr) = run_expecting(1, &["merge", merged_text, first, second, first]);
    assert!(stderr.contains("shard 1/3 was given twice"), "{stderr}");
}

#[test]
fn results_are_not_replaced_unless_asked() {
    let setup = Setup::new(2, 3);
    let out = setup.run("out", &[]);
    let out_text = out.to_str().unwrap();
    let (_, stderr) = run_expecting(1, &setup.arguments(out_text, &[]));
    assert!(stderr.contains("--overwrite"), "{stderr}");
    let (_, stderr) = run_expecting(0, &setup.arguments(out_text, &["--resume"]));
    assert!(stderr.contains("already complete"), "{stderr}");
    run_expecting(0, &setup.arguments(out_text, &["--overwrite", "--topk-images", "2"]));
    let list = out.join(ARCH).join("neuron_layer4/0/files_all.txt");
    assert_eq!(std::fs::read_to_string(list).unwrap().lines().count(), 2);
}

#[test]
fn files_that_cannot_be_read_are_skipped_and_reported() {
    let setup = Setup::new(2, 3);
    std::fs::write(Path::new(&setup.data).join("class1/broken.jpeg"), b"<html>not found</html>").unwrap();
    let out = setup.out("out");
    let arguments = setup.arguments(out.to_str().unwrap(), &["--json"]);
    let (stdout, _) = run_expecting(3, &arguments);
    assert!(stdout.contains("\"images\": 7") && stdout.contains("class1/broken.jpeg"), "{stdout}");
    let skipped = std::fs::read_to_string(out.join(ARCH).join("neuron_layer4/skipped.tsv")).unwrap();
    assert!(skipped.lines().count() == 2 && skipped.contains("class1/broken.jpeg"), "{skipped}");
    // Schedulers take whatever is not 0 for a failure.
    let accepted = setup.out("accepted");
    run_expecting(0, &setup.arguments(accepted.to_str().unwrap(), &["--accept-skipped"]));
    assert_same_files(&out, &accepted);

    let (_, stderr) = run_expecting(1, &[&arguments[..], &["--strict", "--overwrite"]].concat());
    assert!(stderr.contains("broken.jpeg") && stderr.contains("--strict"), "{stderr}");
}

#[test]
fn mistakes_are_explained() {
    let setup = Setup::new(2, 2);
    let out = setup.out("out");
    let out = out.to_str().unwrap();
    for (more, code, expected) in [
        (&["--target-layer", "layer5"][..], 2, "layer4"),
        (&["--channels", "0-5000"], 2, "its channels are 0 to 31"),
        (&["--arch", "resnet51"], 2, "resnet50"),
        (&["--shard", "0/3"], 2, "numbered from 1"),
        (&["--weights", "nowhere.safetensors"], 1, "nowhere.safetensors"),
        (&["--data", "nowhere"], 1, "nowhere"),
        (&["--device", "cuda:4096"], 2, "--device cpu"),
        (&["--device", "cpu", "--precision", "tf32"], 2, "--precision tf32: the CPU has no tf32"),
        (&["--precision", "f16"], 2, "bf16x3"),
        (&["--target-layer", "layer4,layer4"], 2, "twice"),
    ] {
        let (_, stderr) = run_expecting(code, &setup.arguments(out, more));
        assert!(stderr.contains(expected), "{more:?}: {stderr}");
    }
    assert!(!Path::new(out).exists(), "nothing was written");
}

#[test]
fn scans_in_bf16_are_near_those_in_f32_and_name_their_arithmetic() {
    let setup = Setup::new(3, 4);
    let (exact, rounded) =
        (setup.run("f32", &[]), setup.run("bf16", &["--device", "cpu", "--precision", "bf16"]));
    let tables = |out: &Path| -> Vec<Row> {
        let tables =
            files(out).into_iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "parquet"));
        tables.flat_map(|(path, _)| rows(&out.join(path))).collect()
    };
    let (exact, rounded, again) = (
        tables(&exact),
        tables(&rounded),
        tables(&setup.run("again", &["--precision", "bf16", "--threads", "1"])),
    );
    assert!(!exact.is_empty() && exact.len() == rounded.len());
    assert_eq!(rounded, again, "one thread gives the same");
    let scores = |rows: &[Row]| rows.iter().map(|row| row.5).collect::<Vec<f32>>();
    let largest = scores(&exact).into_iter().fold(0f32, |largest, score| largest.max(score.abs()));
    for (exact, rounded) in scores(&exact).into_iter().zip(scores(&rounded)) {
        assert!((exact - rounded).abs() < 5e-2 * largest, "{exact} and {rounded}");
    }
    assert_ne!(scores(&exact), scores(&rounded), "it rounds");
    let device = DeviceRequest::Cpu.open(Precision::Bf16, &(Arc::new(|_: &DeviceEvent| ()) as Observer));
    let arithmetic = device.expect("the CPU computes in it").arithmetic().to_string();
    let named = files(&setup.out("bf16")).into_iter().any(|(path, bytes)| {
        path.extension().is_some_and(|end| end == "json")
            && String::from_utf8_lossy(&bytes).contains(&arithmetic)
    });
    assert!(named, "no file names the arithmetic");
    let out = setup.out("bf16");
    let (_, stderr) = run_expecting(1, &setup.arguments(out.to_str().unwrap(), &["--resume"]));
    assert!(stderr.contains(&arithmetic), "{stderr}");
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let setup = Setup::new(2, 3);
    let out = setup.out("out");
    let (stdout, _) = run_expecting(0, &setup.arguments(out.to_str().unwrap(), &["--dry-run", "--json"]));
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((plan["images"].as_u64(), plan["channels"].as_u64()), (Some(6), Some(32 + 128)));
    assert!(!out.exists());
}
