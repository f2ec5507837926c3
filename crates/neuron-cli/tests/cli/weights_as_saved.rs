//! Weights as people save them, through the real binary: prefixes, several networks, other heads, configurations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use neuron_model::Weights;
use neuron_model::weights::WeightTensor;
use tempfile::TempDir;

use crate::support::{self, ARCH, run_expecting};

/// A folder, the tensors of a small network, and its metadata.
fn network() -> (TempDir, BTreeMap<String, WeightTensor>, BTreeMap<String, String>) {
    let folder = tempfile::tempdir().unwrap();
    let weights = Weights::open(&support::random_weights(folder.path())).unwrap();
    let tensors = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    (folder, tensors, weights.metadata().clone())
}

fn save(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, WeightTensor)>,
    metadata: &BTreeMap<String, String>,
) -> PathBuf {
    Weights::from_tensors(tensors, metadata.clone()).save(path).unwrap();
    path.to_owned()
}

fn with_prefix(tensors: &BTreeMap<String, WeightTensor>, prefix: &str) -> Vec<(String, WeightTensor)> {
    tensors.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect()
}

/// What `activations` prints of the classifier, and what it says; with `extra` flags.
fn activations(code: i32, weights: &Path, tap: &str, extra: &[&str]) -> (String, String) {
    let folder = weights.parent().unwrap();
    let photos = support::draw_photos(folder, 1, 1);
    let photo = photos.join("class0/photo000.png");
    let (weights, photo) = (weights.to_str().unwrap(), photo.to_str().unwrap());
    let common = ["activations", photo, "--arch", ARCH, "--weights", weights, "--taps", tap, "--top", "3"];
    run_expecting(code, &[&common[..], extra].concat())
}

#[test]
fn a_prefix_is_dropped_and_said_in_one_line() {
    let (folder, tensors, metadata) = network();
    let plain = save(&folder.path().join("plain.safetensors"), tensors.clone(), &metadata);
    let (expected, silent) = activations(0, &plain, "fc", &[]);
    assert_eq!(silent, "", "nothing to say of a file that is what it should be");
    let path = folder.path().join("ddp.safetensors");
    save(&path, with_prefix(&tensors, "module._orig_mod."), &metadata);
    let (found, said) = activations(0, &path, "fc", &[]);
    assert_eq!(found, expected);
    let shown = path.display();
    assert_eq!(said, format!("{shown}: took the tensors, without module._orig_mod. before their names\n"));
    let (_, quiet) = activations(0, &path, "fc", &["--quiet"]);
    assert_eq!(quiet, "");
}

#[test]
fn of_two_networks_the_flag_takes_one() {
    let (folder, tensors, metadata) = network();
    let mut other = tensors.clone();
    let bias = other.get_mut("fc.bias").unwrap();
    *bias = WeightTensor::new(bias.shape.clone(), vec![1.0; bias.data.len()]);
    let both = [with_prefix(&tensors, "encoder_q."), with_prefix(&other, "encoder_k.")].concat();
    let path = save(&folder.path().join("moco.safetensors"), both, &metadata);
    let (first, said) = activations(0, &path, "fc", &[]);
    assert!(
        said.contains("without encoder_q.") && said.contains("--weights-key selects another: encoder_k"),
        "{said}"
    );
    let (second, _) = activations(0, &path, "fc", &["--weights-key", "encoder_k"]);
    assert_ne!(first, second);
    let (_, error) = activations(2, &path, "fc", &["--weights-key", "teacher"]);
    assert!(error.contains("holds no weights under \"teacher\""), "{error}");
    let (inspected, _) = run_expecting(0, &["weights", "inspect", path.to_str().unwrap()]);
    assert!(inspected.contains("dropped     encoder_q. before every name"), "{inspected}");
    assert!(inspected.contains("also holds  encoder_k"), "{inspected}");
}

#[test]
fn without_its_classifier_a_network_works_below_it() {
    let (folder, mut tensors, metadata) = network();
    let head = tensors.remove("fc.weight").unwrap();
    tensors.remove("fc.bias");
    tensors.insert("head.fc.weight".to_owned(), head);
    let path = save(&folder.path().join("headless.safetensors"), tensors, &metadata);
    let (_, said) = activations(0, &path, "avgpool", &[]);
    assert_eq!(
        said,
        "the weights hold no fc.weight and no fc.bias: layer fc is left out; not used: head.fc.weight\n"
    );
    let (_, error) = activations(2, &path, "fc", &[]);
    assert!(error.contains("layer fc cannot be computed: the weights hold no fc.weight"), "{error}");
    let weights = path.to_str().unwrap();
    let (layers, _) = run_expecting(0, &["layers", "--arch", ARCH, "--weights", weights]);
    assert!(layers.contains("avgpool") && !layers.contains("\nfc "), "{layers}");
}

#[test]
fn what_belongs_to_no_module_is_said_beside_a_classifier_too() {
    let (folder, mut tensors, metadata) = network();
    tensors.insert("criterion.pos_weight".to_owned(), WeightTensor::new([1], vec![1.0]));
    let wrapped = tensors
        .iter()
        .map(|(name, tensor)| (name.replace("layer1.0.", "layer1.0._orig_mod."), tensor.clone()));
    let path = save(&folder.path().join("compiled.safetensors"), wrapped.collect::<Vec<_>>(), &metadata);
    let (_, said) = activations(0, &path, "fc", &[]);
    assert!(said.contains("took the tensors, without _orig_mod inside their names"), "{said}");
    assert!(said.contains("not used: criterion.pos_weight"), "{said}");
}

#[test]
fn somebodys_own_configuration_stops_nothing() {
    let (folder, tensors, _) = network();
    let path = save(&folder.path().join("model.safetensors"), tensors, &BTreeMap::new());
    std::fs::write(folder.path().join("config.json"), r#"{"lr": NaN, "input_size": 224}"#).unwrap();
    let (_, said) = activations(0, &path, "fc", &[]);
    assert!(said.contains("config.json beside it is not one of timm, OpenCLIP or transformers"), "{said}");
}

#[test]
fn the_network_that_weights_belong_to_is_named() {
    let (folder, tensors, metadata) = network();
    let path = save(&folder.path().join("w.safetensors"), tensors, &metadata);
    let (_, error) = run_expecting(1, &["layers", "--arch", "resnet18", "--weights", path.to_str().unwrap()]);
    assert!(error.contains("they are weights of resnet10_demo"), "{error}");
}

#[test]
fn a_configuration_beside_the_weights_is_used_said_and_noted() {
    let (folder, tensors, whole) = network();
    let path = save(&folder.path().join("model.safetensors"), tensors.clone(), &BTreeMap::new());
    let (_, assumed) = activations(0, &path, "fc", &[]);
    assert!(assumed.contains("ImageNet's are assumed"), "{assumed}");

    let configuration = r#"{"pretrained_cfg": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        "input_size": [3, 64, 64], "crop_pct": 0.8888, "interpolation": "bilinear"}}"#;
    std::fs::write(folder.path().join("config.json"), configuration).unwrap();
    let (found, said) = activations(0, &path, "fc", &[]);
    assert!(said.contains("config.json: resize 72, crop 64, bilinear"), "{said}");
    let noted = save(&folder.path().join("noted.safetensors"), tensors, &whole);
    let (expected, _) = activations(0, &noted, "fc", &[]);
    assert_eq!(found, expected);

    let out = folder.path().join("out/converted.safetensors");
    let (_, said) = run_expecting(0, &["weights", "convert", path.to_str().unwrap(), out.to_str().unwrap()]);
    assert!(said.contains("config.json"), "{said}");
    assert_eq!(Weights::open(&out).unwrap().metadata()["crop"], "64");

    std::fs::write(folder.path().join("config.json"), &configuration[..80]).unwrap();
    let (_, error) = activations(1, &path, "fc", &[]);
    assert!(error.contains("config.json is damaged") && error.contains("--metadata"), "{error}");
}
