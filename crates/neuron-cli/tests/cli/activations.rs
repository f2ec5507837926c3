//! `neuron layers` and `neuron activations` through the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};
use neuron_data::{ImagenetClass, Limits, Preprocessing, read_rgb8};
use neuron_model::weights::WeightTensor;
use neuron_model::{Network, Weights};
use serde_json::Value;
use tempfile::TempDir;

use crate::support;

fn neuron(folder: &Path, arguments: &[&str]) -> Output {
    support::neuron(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A folder with weights, two pictures and a file that is none.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    support::random_weights(folder.path());
    let wide = |x: u32, y: u32| Rgb([(x * 3) as u8, (y * 2) as u8, (x ^ y) as u8]);
    let tall = |x: u32, y: u32| Rgb([(x * y) as u8, 200, (255 - y) as u8]);
    RgbImage::from_fn(90, 75, wide).save(file("wide.png")).unwrap();
    RgbImage::from_fn(80, 130, tall).save(file("tall.png")).unwrap();
    fs::write(file("broken.png"), b"\x89PNG\r\n\x1a\nnothing").unwrap();
    folder
}

fn tensor<'a>(file: &'a Weights, name: &str, shape: &[usize]) -> &'a [f32] {
    let tensor = file.tensor(name).unwrap();
    assert_eq!(tensor.shape, shape, "{name}");
    &tensor.data
}

#[test]
fn every_layer_is_listed_with_its_geometry() {
    let folder = tempfile::tempdir().unwrap();
    let table = stdout(&neuron(folder.path(), &["layers", "--arch", "resnet18"]), 0);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "resnet18 on 224 x 224 pixels");
    assert_eq!(lines[1], "layer                  channels  map        stride  receptive field");
    for line in [
        "conv1                        64  112 x 112    2 px             7 px",
        "layer4                      512  7 x 7       32 px           435 px",
        "fc                         1000  1 x 1           -                -",
    ] {
        assert!(lines.contains(&line), "{table}");
    }
}

#[test]
fn the_list_of_layers_follows_the_weights() {
    let folder = folder();
    let path = folder.path().join("random.safetensors");
    let weights = Weights::open(&path).unwrap();
    let of_three = [("fc.weight", vec![3, 128]), ("fc.bias", vec![3])].map(|(name, shape)| {
        let count = shape.iter().product();
        (name.to_owned(), WeightTensor::new(shape, vec![0.0; count]))
    });
    let tensors = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).chain(of_three);
    Weights::from_tensors(tensors.collect::<Vec<_>>(), weights.metadata().clone()).save(&path).unwrap();

    let arguments = ["layers", "--arch", support::ARCH, "--weights", "random.safetensors", "--json"];
    let value: Value = serde_json::from_str(&stdout(&neuron(folder.path(), &arguments), 0)).unwrap();
    assert_eq!((&value["arch"], &value["input_px"]), (&support::ARCH.into(), &64.into()));
    let layers = value["layers"].as_array().unwrap();
    let layer = |name: &str| layers.iter().find(|layer| layer["name"] == name).unwrap();
    assert_eq!(layer("fc")["channels"], 3);
    let conv = layer("layer2.0.conv1");
    assert_eq!((&conv["height"], &conv["stride_px"]), (&8.into(), &8.into()));
    assert_eq!(
        (&layer("layer4.0")["same_as"], &layer("layer4")["same_as"]),
        (&"layer4".into(), &Value::Null)
    );
}

/// The map of a layer as the library computes it.
fn by_the_library(folder: &Path, image: &str, layer: &str) -> Vec<f32> {
    let network = Network::open(support::ARCH, &folder.join("random.safetensors")).unwrap();
    let preprocessing = Preprocessing::from_metadata(network.weights().metadata()).unwrap();
    let picture = read_rgb8(&folder.join(image), &Limits::default()).unwrap();
    let mut pixels = vec![0; preprocessing.crop_bytes()];
    preprocessing.crop_into(&picture, &mut pixels);
    let mut input = vec![0.0; pixels.len()];
    preprocessing.normalize_into(&pixels, &mut input);
    let side = preprocessing.crop;
    let input = Tensor::from_vec(input, (1, side, side, 3), &Device::Cpu).unwrap();
    let input = input.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
    let map = network.activations(&input, &[layer]).unwrap().remove(0);
    map.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn maps_and_their_reductions_agree() {
    let folder = folder();
    let run = |reduce: &str, out: &str| {
        let arguments = [
            "activations",
            "wide.png",
            "tall.png",
            "--arch",
            support::ARCH,
            "--weights",
            "random.safetensors",
        ];
        let rest = ["--taps", "layer4,layer1_0_conv1,fc", "--reduce", reduce, "--out", out];
        stdout(&neuron(folder.path(), &[&arguments[..], &rest[..]].concat()), 0);
        Weights::open(&folder.path().join(out)).unwrap()
    };
    let (maps, max, mean) = (run("none", "maps.st"), run("max", "new/max.st"), run("mean", "mean.st"));
    assert_eq!(maps.metadata()["images"], r#"["wide.png","tall.png"]"#);
    assert_eq!(maps.metadata()["arch"], support::ARCH);
    assert!(maps.names().eq(["fc", "layer1.0.conv1", "layer4"]));
    assert_eq!(tensor(&maps, "fc", &[2, 1000]), tensor(&max, "fc", &[2, 1000]));
    for (name, channels, side) in [("layer4", 128, 2), ("layer1.0.conv1", 16, 16)] {
        let full = tensor(&maps, name, &[2, channels, side, side]);
        let (max, mean) = (tensor(&max, name, &[2, channels]), tensor(&mean, name, &[2, channels]));
        let one = channels * side * side;
        assert_eq!(full[..one], by_the_library(folder.path(), "wide.png", name));
        assert_eq!(full[one..], by_the_library(folder.path(), "tall.png", name));
        for (at, map) in full.chunks_exact(side * side).enumerate() {
            assert_eq!(map.iter().copied().fold(f32::NEG_INFINITY, f32::max), max[at]);
            let exact = map.iter().map(|&value| f64::from(value)).sum::<f64>() / map.len() as f64;
            assert_eq!(exact as f32, mean[at]);
        }
    }
}

#[test]
fn the_strongest_channels_are_printed_with_their_classes() {
    let folder = folder();
    let arguments = [
        "activations",
        "wide.png",
        "--arch",
        support::ARCH,
        "--weights",
        "random.safetensors",
        "--taps",
        "fc,layer4",
        "--top",
        "2",
    ];
    let value = stdout(&neuron(folder.path(), &[&arguments[..], &["--json"]].concat()), 0);
    let value: Value = serde_json::from_str(&value).unwrap();
    let fc = value["images"][0]["top"]["fc"].as_array().unwrap();
    assert_eq!(fc.len(), 2);
    assert!(fc[0]["value"].as_f64() >= fc[1]["value"].as_f64());
    let channel = fc[0]["channel"].as_u64().unwrap() as usize;
    assert_eq!(fc[0]["class"], ImagenetClass::all()[channel].label);
    assert!(value["images"][0]["top"]["layer4"][0].get("class").is_none());

    let table = stdout(&neuron(folder.path(), &arguments), 0);
    assert!(table.starts_with("wide.png\n  fc\n"), "{table}");
    assert_eq!(table.lines().count(), 1 + 2 * 3);
}

#[test]
fn a_broken_image_is_skipped_and_reported() {
    let folder = folder();
    let arguments = [
        "activations",
        "broken.png",
        "tall.png",
        "--arch",
        support::ARCH,
        "--weights",
        "random.safetensors",
        "--taps",
        "fc",
        "--out",
        "a.st",
    ];
    let output = neuron(folder.path(), &arguments);
    stdout(&output, 3);
    assert!(stderr(&output).contains("skipped broken.png: "), "{}", stderr(&output));
    let file = Weights::open(&folder.path().join("a.st")).unwrap();
    assert_eq!(file.metadata()["images"], r#"["tall.png"]"#);
    tensor(&file, "fc", &[1, 1000]);

    let strict = neuron(folder.path(), &[&arguments[..], &["--strict", "--overwrite"]].concat());
    assert_eq!(strict.status.code(), Some(1));
    assert!(stderr(&strict).contains("broken.png: "), "{}", stderr(&strict));
}

#[test]
fn images_none_of_which_can_be_read_are_an_error() {
    let folder = folder();
    let arguments = ["activations", "broken.png", "--arch", support::ARCH, "--weights", "random.safetensors"];
    let output = neuron(folder.path(), &[&arguments[..], &["--taps", "fc", "--out", "a.st"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("none of the images can be read"), "{}", stderr(&output));
    assert!(stderr(&output).contains("broken.png"), "{}", stderr(&output));
    assert!(!folder.path().join("a.st").exists());
}

#[test]
fn the_strongest_channels_are_the_same_with_maps_and_without() {
    let folder = folder();
    let run = |more: &[&str]| {
        let arguments =
            ["activations", "wide.png", "tall.png", "--arch", support::ARCH, "--json", "--top", "3"];
        let rest = ["--weights", "random.safetensors", "--taps", "layer4,layer1_0_conv1"];
        let text = stdout(&neuron(folder.path(), &[&arguments[..], &rest, more].concat()), 0);
        serde_json::from_str::<Value>(&text).unwrap()["images"].clone()
    };
    let alone = run(&[]);
    assert_eq!(alone[0]["top"]["layer4"].as_array().unwrap().len(), 3);
    assert_eq!(run(&["--out", "maps.st"]), alone);
    assert_eq!(run(&["--out", "max.st", "--reduce", "max"]), alone);
    assert_ne!(run(&["--reduce", "mean"]), alone);
}

#[test]
fn mistakes_are_named() {
    let folder = folder();
    let run = |rest: &[&str]| {
        let output = neuron(
            folder.path(),
            &[&["activations", "--arch", support::ARCH, "--weights", "random.safetensors"], rest].concat(),
        );
        (output.status.code(), stderr(&output))
    };
    let (code, message) = run(&["absent.png", "--taps", "fc", "--top", "1"]);
    assert_eq!(code, Some(1));
    assert!(message.starts_with("error: cannot read absent.png: No such file"), "{message}");
    let (code, message) = run(&["wide.png", "--taps", "layer5", "--top", "1"]);
    assert_eq!(
        (code, message.lines().next()),
        (
            Some(2),
            Some(
                "error: unknown layer layer5; the nearest names are layer1, layer2, layer3, layer4; `neuron layers` lists all"
            )
        )
    );
    for (arguments, expected) in [
        (&[".", "--taps", "fc", "--top", "1"][..], "error: . is a folder; name the images in it\n"),
        (
            &["wide.png", "--taps", "fc", "--out", "."],
            "error: cannot write .: it is a folder; name a file in it\n",
        ),
    ] {
        assert_eq!(run(arguments), (Some(1), expected.to_owned()));
    }
    let attribute = |image: &str, out: &str| {
        let arguments = ["attribute", image, "--arch", support::ARCH, "--weights", "random.safetensors"];
        let unit = ["--layer", "layer4", "--channel", "3", "--out", out];
        let output = neuron(folder.path(), &[&arguments[..], &unit].concat());
        (output.status.code(), stderr(&output))
    };
    let (code, message) = attribute(".", "new");
    assert_eq!((code, message.as_str()), (Some(1), "error: . is a folder; name one image in it\n"));
    let (code, message) = attribute("wide.png", "tall.png");
    assert_eq!(code, Some(1));
    assert!(message.contains("tall.png is a file; name a folder"), "{message}");
    let (code, message) = run(&["wide.png", "--taps", "fc"]);
    assert_eq!(code, Some(2));
    assert!(message.contains("--out"), "{message}");
    let (code, message) = run(&["wide.png", "--taps", "fc", "--out", "wide.png"]);
    assert_eq!(
        (code, message.as_str()),
        (Some(1), "error: wide.png already exists; pass --overwrite to replace it\n")
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = folder();
    let arguments = [
        "activations",
        "wide.png",
        "--arch",
        support::ARCH,
        "--weights",
        "random.safetensors",
        "--taps",
        "layer4",
        "--out",
        "a.st",
        "--dry-run",
    ];
    let output = neuron(folder.path(), &arguments);
    let plan = "images      1\nforward     1 pass\nlayers      1\ndisk        about 0.0 MB\n";
    assert_eq!((&*stdout(&output, 0), &*stderr(&output)), (plan, ""));
    assert!(!folder.path().join("a.st").exists());
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_the_classes_of_photos_are_recognised() {
    let shared = support::reference::folder();
    let paths = |folder: &Path| -> Vec<PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let classes = paths(&shared.join("imagenet-sample/train"));
    let photos: Vec<_> =
        classes.iter().step_by(80).map(|class| paths(class)[0].display().to_string()).collect();
    let weights = shared.join("weights/resnet50-v1.safetensors").display().to_string();
    let mut arguments = vec!["activations", "--weights", &weights, "--taps", "fc", "--top", "1", "--json"];
    arguments.extend(photos.iter().map(String::as_str));
    let folder = tempfile::tempdir().unwrap();
    let value: Value = serde_json::from_str(&stdout(&neuron(folder.path(), &arguments), 0)).unwrap();
    let is_right = |image: &&Value| {
        let class = Path::new(image["image"].as_str().unwrap()).parent().and_then(Path::file_name).unwrap();
        let class = ImagenetClass::of(class.to_str().unwrap()).unwrap();
        let best = &image["top"]["fc"][0];
        best["channel"] == class.index && best["class"] == class.label
    };
    let images = value["images"].as_array().unwrap();
    let right = images.iter().filter(is_right).count();
    assert_eq!(images.len(), 10);
    // These weights name 90.9 % of all the photos rightly.
    assert!(right >= 8, "{right} of 10");
}
