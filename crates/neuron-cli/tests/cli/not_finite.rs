//! Weights and sums that are no numbers: every command names the image, the layer and the channel, writes no result,
//! and leaves nothing that would be in the way of the next run.

use std::fs;
use std::path::{Path, PathBuf};

use neuron_model::Weights;
use neuron_model::weights::WeightTensor;
use serde_json::Value;

use crate::support::{self, ARCH, draw_photos, expecting, neuron, random_weights};

/// A folder with photos, lists, good weights and broken ones.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Self {
        let setup = Self { folder: tempfile::tempdir().unwrap() };
        random_weights(setup.path(""));
        draw_photos(setup.path(""), 2, 3);
        let unit = setup.path("lists").join("3");
        fs::create_dir_all(&unit).unwrap();
        let lines: String = (0..3).map(|photo| format!("photos/class1/photo{photo:03}.png\n")).collect();
        fs::write(unit.join("files_all.txt"), &lines).unwrap();
        fs::write(unit.join("topk_files.txt"), &lines).unwrap();
        setup
    }

    fn path(&self, name: &str) -> &Path {
        // Leaked: the few paths of a test.
        Box::leak(self.folder.path().join(name).into_boxed_path())
    }

    /// Writes a copy of the weights of which tensors are changed.
    fn weights(&self, name: &str, change: impl Fn(&str, &mut [f32])) -> PathBuf {
        let weights = Weights::open(self.path("random.safetensors")).unwrap();
        let tensors = weights.iter().map(|(name, old)| {
            let mut data = old.data.to_vec();
            change(name, &mut data);
            (name.to_owned(), WeightTensor::new(old.shape.clone(), data))
        });
        let path = self.path(name).to_owned();
        Weights::from_tensors(tensors.collect::<Vec<_>>(), weights.metadata().clone()).save(&path).unwrap();
        path
    }

    fn run(&self, code: i32, weights: &str, arguments: &[&str]) -> (String, String) {
        let mut command = neuron(arguments);
        command.args(["--arch", ARCH, "--weights", weights]).current_dir(self.path(""));
        expecting(code, &mut command)
    }
}

/// Every command that computes, with what it writes.
const COMMANDS: [(&[&str], &str); 8] = [
    (&["select-images", "--data", "photos", "--target-layer", "layer4", "--out", "out"], "out"),
    (
        &[
            "extract-patches",
            "--data",
            "photos",
            "--channel",
            "3",
            "--save-dir",
            "lists",
            "--target-layer",
            "layer4",
        ],
        "lists/3/patches.png",
    ),
    (
        &[
            "extract-patches",
            "--channel",
            "3",
            "--save-dir",
            "lists",
            "--target-layer",
            "layer4",
            "--method",
            "receptive-field",
        ],
        "lists/3/patches.png",
    ),
    (
        &[
            "baseline",
            "--data",
            "photos",
            "--chs",
            "3",
            "--target-layer",
            "layer4",
            "--patch-size",
            "32",
            "--out",
            "out",
        ],
        "out",
    ),
    (
        &[
            "fvis",
            "--channel",
            "3",
            "--layer",
            "layer4",
            "--topk-dir",
            "lists",
            "--resolution",
            "64",
            "--epochs",
            "2",
        ],
        "images",
    ),
    (
        &["activations", "photos/class1/photo000.png", "--taps", "layer4", "--out", "a.safetensors"],
        "a.safetensors",
    ),
    (
        &[
            "activations",
            "photos/class1/photo000.png",
            "--taps",
            "layer4",
            "--reduce",
            "mean",
            "--out",
            "a.safetensors",
        ],
        "a.safetensors",
    ),
    (
        &["attribute", "photos/class1/photo000.png", "--layer", "layer4", "--channel", "3", "--out", "out"],
        "out",
    ),
];

#[test]
fn every_command_names_image_layer_channel_and_cause() {
    let setup = Setup::new();
    for (value, name) in [(f32::NAN, "nan.safetensors"), (f32::INFINITY, "inf.safetensors")] {
        setup.weights(name, |tensor, data| {
            if tensor == "layer2.0.conv1.weight" {
                data[7] = value;
            }
        });
        for (arguments, result) in COMMANDS {
            let (_, stderr) = setup.run(1, name, arguments);
            let told = stderr.lines().last().unwrap_or_default();
            for part in ["photo", "layer4", "channel", "layer2.0.conv1.weight"] {
                assert!(told.contains(part), "{name} {arguments:?}: {part} is not in {stderr}");
            }
            assert!(!setup.path(result).is_file(), "{arguments:?} wrote {result}");
            let left: Vec<_> = support::files(setup.path("")).into_keys().collect();
            let odd = left.iter().filter(|path| {
                let path = path.to_string_lossy();
                path.contains("checkpoint") || path.contains("manifest") || path.contains(".part")
            });
            assert_eq!(odd.count(), 0, "{arguments:?} left {left:?}");
        }
    }
    // With sound weights every one of them does its work in the same folder.
    for (arguments, result) in COMMANDS {
        let overwrite = [arguments, &["--overwrite"]].concat();
        setup.run(0, "random.safetensors", &overwrite);
        assert!(setup.path(result).exists(), "{arguments:?} did not write {result}");
    }
}

#[test]
fn a_checkpoint_of_a_scan_that_cannot_end_is_not_left_behind() {
    let setup = Setup::new();
    // The score of fc:0 is one feature times a factor, and a bias: beyond f32 for the image with the largest one alone.
    let arguments = ["--taps", "avgpool", "--top", "128", "--json"];
    let photos: Vec<String> =
        (0..6).map(|at| format!("photos/class{}/photo{:03}.png", at / 3, at % 3)).collect();
    let images: Vec<&str> = photos.iter().map(String::as_str).collect();
    let (stdout, _) =
        setup.run(0, "random.safetensors", &[&["activations"], &images[..], &arguments].concat());
    let said: Value = serde_json::from_str(&stdout).unwrap();
    let feature = |image: usize, channel: usize| -> f64 {
        let top = said["images"][image]["top"]["avgpool"].as_array().unwrap();
        top.iter().find(|strong| strong["channel"] == channel).unwrap()["value"].as_f64().unwrap()
    };
    // A channel of which the largest value is not that of the first images.
    let (channel, strongest, between) = (0..128)
        .find_map(|channel| {
            let mut order: Vec<usize> = (0..6).collect();
            order.sort_by(|a, b| feature(*b, channel).total_cmp(&feature(*a, channel)));
            let (first, second) = (feature(order[0], channel), feature(order[1], channel));
            let found = order[0] >= 3 && second > 0.01 && first > 1.1 * second;
            found.then_some((channel, order[0], (first + second) / 2.0))
        })
        .expect("some channel likes one of the later photos best");
    let largest = f64::from(f32::MAX);
    let factor = largest / 4.0 / between.max(1.0);
    setup.weights("large.safetensors", |tensor, data| match tensor {
        "fc.weight" => {
            data.fill(0.0);
            data[channel] = factor as f32;
        }
        "fc.bias" => data[0] = (largest - between * factor) as f32,
        _ => {}
    });
    let scan =
        ["select-images", "--data", "photos", "--target-layer", "fc", "--channels", "0", "--out", "scan"];
    let often = [&scan[..], &["--batch-size", "1", "--checkpoint-every", "0"]].concat();
    let (_, stderr) = setup.run(1, "large.safetensors", &often);
    assert!(stderr.contains(&photos[strongest]) && stderr.contains("channel 0 of fc is inf"), "{stderr}");
    assert!(stderr.contains("overflows"), "{stderr}");
    assert!(!setup.path("scan").exists(), "nothing is left");
    // Neither --resume nor --overwrite is needed.
    setup.run(0, "random.safetensors", &scan);
}

#[test]
fn a_start_that_is_no_picture_is_named() {
    let setup = Setup::new();
    let mut init = vec![0.0; 3 * 64 * 64];
    init[5] = f32::NAN;
    let tensors = [("init".to_owned(), WeightTensor::new([1, 3, 64, 64], init))];
    Weights::from_tensors(tensors, Default::default()).save(setup.path("start.safetensors")).unwrap();
    let (fvis, _) = COMMANDS[4];
    let (_, stderr) = setup.run(1, "random.safetensors", &[fvis, &["--start", "start.safetensors"]].concat());
    assert!(stderr.contains("--start") && stderr.contains("NaN"), "{stderr}");
    assert!(!setup.path("images").exists());
}

#[test]
fn a_run_that_diverges_leaves_nothing_in_the_way() {
    let setup = Setup::new();
    let (fvis, _) = COMMANDS[4];
    let (_, stderr) =
        setup.run(1, "random.safetensors", &[fvis, &["--tv-l2", "1e308", "--l2", "1e308"]].concat());
    assert!(stderr.contains("layer4:3") && stderr.contains("weight of the loss"), "{stderr}");
    setup.run(0, "random.safetensors", fvis);
}
