//! `neuron weights convert` and `inspect` through the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use neuron_model::Weights;
use neuron_model::weights::WeightTensor;
use tempfile::TempDir;

use crate::support;

fn neuron(folder: &Path, arguments: &[&str]) -> Output {
    support::neuron(&["weights"]).args(arguments).current_dir(folder).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What is said of a file without any metadata on its preprocessing.
const ASSUMED: &str = "preprocessing of in.safetensors: resize, crop, interpolation, mean, std not known, so \
                       ImageNet's are assumed (to set them: --resize, --crop, --interpolation, --mean, --std): resize 256, \
                       crop 224, bilinear, mean 0.485,0.456,0.406, std 0.229,0.224,0.225";

/// A folder with `in.safetensors`: two tensors.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let tensors = [("fc.weight", vec![2, 3]), ("fc.bias", vec![2])].map(|(name, shape)| {
        let count = shape.iter().product();
        (name.to_owned(), WeightTensor::new(shape, vec![0.5; count]))
    });
    let path = folder.path().join("in.safetensors");
    let metadata = [("note".to_owned(), "a\u{1b}[2Jb".to_owned())].into();
    Weights::from_tensors(tensors, metadata).save(&path).unwrap();
    (folder, path)
}

#[test]
fn inspect_lists_tensors_and_metadata_without_their_control_characters() {
    let (folder, path) = folder();
    let text = stdout(&neuron(folder.path(), &["inspect", "in.safetensors"]));
    let sha256 = Weights::open(&path).unwrap().sha256().unwrap().to_owned();
    let expected = format!(
        "in.safetensors\n\
         fits        no known architecture\n\
         tensors     2 (8 parameters)\n\
         sha256      {sha256}\n\
         note        {ASSUMED}\n\
         metadata    note = a\\u{{1b}}[2Jb\n  \
         fc.bias    2\n  \
         fc.weight  2 x 3\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn inspect_as_json() {
    let (folder, _) = folder();
    let text = stdout(&neuron(folder.path(), &["inspect", "in.safetensors", "--json"]));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["parameters"], 8);
    assert_eq!(value["tensors"][1], serde_json::json!({"name": "fc.weight", "shape": [2, 3]}));
}

#[test]
fn weights_for_grey_images_are_known() {
    let (folder, _) = folder();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    let demo = Weights::open(&demo).unwrap();
    let grey = demo.iter().map(|(name, tensor)| {
        let tensor = match (name, &tensor.shape[..]) {
            // One colour in the place of three.
            ("conv1.weight", &[out, 3, height, width]) => {
                let of_one = tensor.data.chunks(height * width).step_by(3).flatten().copied();
                WeightTensor::new([out, 1, height, width], of_one.collect::<Vec<f32>>())
            }
            _ => tensor.clone(),
        };
        (name.to_owned(), tensor)
    });
    Weights::from_tensors(grey, Default::default()).save(&folder.path().join("grey.safetensors")).unwrap();
    let told = stdout(&neuron(folder.path(), &["inspect", "grey.safetensors"]));
    assert!(told.contains("resnet10_demo") && told.contains(", for grey images\n"), "{told}");
    assert!(told.contains("mean 0.458971,0.458971,0.458971"), "{told}");
    stdout(&neuron(
        folder.path(),
        &["convert", "grey.safetensors", "out.safetensors", "--arch", "resnet10_demo"],
    ));
    let written = Weights::open(&folder.path().join("out.safetensors")).unwrap();
    assert_eq!((written.tensor("conv1.weight").unwrap().shape[1], written.reads_luminance()), (3, true));
}

#[test]
fn convert_writes_metadata_and_keeps_what_is_there_already() {
    let (folder, path) = folder();
    let convert = ["convert", "in.safetensors", "new/out.safetensors", "--metadata", "stride_in_1x1=true"];
    stdout(&neuron(folder.path(), &convert));
    let written = Weights::open(&folder.path().join("new/out.safetensors")).unwrap();
    assert_eq!(written.metadata()["stride_in_1x1"], "true");
    assert!(written.iter().eq(Weights::open(&path).unwrap().iter()));

    let message = failure(&neuron(folder.path(), &convert));
    assert_eq!(message, "error: new/out.safetensors already exists; pass --overwrite to replace it\n");
    let overwrite = [&convert[..], &["--overwrite"]].concat();
    stdout(&neuron(folder.path(), &overwrite));
}

#[test]
fn convert_checks_the_architecture_before_it_writes() {
    let (folder, _) = folder();
    let convert = ["convert", "in.safetensors", "out.safetensors", "--arch", "resnet18"];
    let message = failure(&neuron(folder.path(), &convert));
    assert!(message.contains("missing: conv1.weight [64, 3, 7, 7]"), "{message}");
    assert!(!folder.path().join("out.safetensors").exists());
}

#[test]
fn a_dry_run_writes_nothing() {
    let (folder, _) = folder();
    let output = neuron(folder.path(), &["convert", "in.safetensors", "out.safetensors", "--dry-run"]);
    assert_eq!(stdout(&output), "would write 2 tensors to out.safetensors\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{ASSUMED}\n"));
    assert!(!folder.path().join("out.safetensors").exists());
}

#[test]
fn what_is_no_weights_file_is_named_once() {
    let (folder, _) = folder();
    fs::write(folder.path().join("page.pth"), "<!DOCTYPE html>").unwrap();
    let message = failure(&neuron(folder.path(), &["inspect", "page.pth"]));
    assert_eq!(
        message,
        "error: page.pth is not a weights file: it holds a web page, perhaps an error page that was saved in its \
         place; expected safetensors or a torch checkpoint (.pth)\n"
    );
    let message = failure(&neuron(folder.path(), &["inspect", "absent.pth"]));
    assert!(message.starts_with("error: cannot read the weights file absent.pth: No such file"), "{message}");
    assert_eq!(message.matches("No such file").count(), 1, "{message}");
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_a_hostile_checkpoint_is_refused_by_name() {
    let shared = support::reference::folder();
    let (folder, _) = folder();
    let evil = shared.join("fixtures/checkpoints/bad_evil.pth");
    let message = failure(&neuron(folder.path(), &["convert", evil.to_str().unwrap(), "out.safetensors"]));
    assert!(message.contains("asks for the Python object posix.system"), "{message}");
    assert!(!folder.path().join("out.safetensors").exists());
}

#[test]
fn every_help_shows_an_example() {
    for action in ["convert", "inspect", "fetch"] {
        let (help, _) = support::run_expecting(0, &["weights", action, "--help"]);
        assert!(help.contains(&format!("Example:\n  neuron weights {action} ")), "{help}");
    }
}
