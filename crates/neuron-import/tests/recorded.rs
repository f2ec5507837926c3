//! Small networks as PyTorch's exporters wrote them, beside what PyTorch computed (`scripts/export-fixtures.py`).

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use neuron_import::{Difference, Imported};
use neuron_model::{Device, Network, Operation};

/// Rounding in another order.
const CLOSE: f64 = 1e-5;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn network(imported: &Imported) -> Network {
    Network::from_graph(Device::default(), "fixture", imported.graph.clone(), imported.weights.clone(), 1)
        .unwrap()
}

/// Every exported file with its recorded values: those of the network, or of its variant.
fn fixtures() -> Vec<(PathBuf, PathBuf)> {
    let mut files: Vec<PathBuf> = fs::read_dir(data()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let exported = files.into_iter().filter(|path| neuron_import::is_exported(path));
    exported
        .map(|path| {
            let mut name = path.file_stem().unwrap().to_str().unwrap();
            loop {
                let values = data().join(name).with_extension("safetensors");
                if values.is_file() {
                    return (path, values);
                }
                name = name.rsplit_once('-').unwrap_or_else(|| panic!("no values for {}", path.display())).0;
            }
        })
        .collect()
}

#[test]
fn every_layer_of_every_export_has_the_values_that_pytorch_has() {
    let mut compared = 0;
    for (path, values) in fixtures() {
        let imported =
            neuron_import::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(imported.missing.is_empty(), "{}: {:?}", path.display(), imported.missing);
        let found = neuron_import::check(&network(&imported), &values).unwrap();
        for Difference { layer, largest } in &found {
            let largest =
                largest.unwrap_or_else(|| panic!("{}: {layer} is of another shape", path.display()));
            assert!(largest <= CLOSE, "{}: {layer} differs by {largest:e}", path.display());
        }
        assert!(found.iter().any(|found| found.layer.starts_with("output")), "{}", path.display());
        compared += found.len();
    }
    assert!(compared > 200, "{compared} layers were compared");
}

#[test]
fn what_was_imported_comes_back_from_one_file() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["mobilenet.pt2", "vit.pt2", "swin.onnx", "user.onnx"] {
        let imported = neuron_import::open(&data().join(name)).unwrap();
        let path = folder.path().join(name).with_extension("neuron");
        imported.save(&path).unwrap();
        let back = neuron_import::open(&path).unwrap();
        let infos = |imported: &Imported| {
            let [height, width] = imported.size;
            imported.graph.tap_infos(height, width).unwrap()
        };
        assert_eq!(infos(&back), infos(&imported), "{name}");
        assert_eq!((back.size, back.weights.metadata()), (imported.size, imported.weights.metadata()));
        let values = data().join(name).with_extension("safetensors");
        let differences = |imported| neuron_import::check(&network(imported), &values).unwrap();
        assert_eq!(differences(&back), differences(&imported), "{name}: bit for bit");
    }
}

#[test]
fn units_are_the_channels_of_a_tensor_whatever_an_operation_works_along() {
    for file in ["resized.pt2", "resized-script.onnx"] {
        let imported = neuron_import::open(&data().join(file)).unwrap();
        let infos = imported.graph.tap_infos(imported.size[0], imported.size[1]).unwrap();
        for layer in ["larger", "nearest", "corners", "norm", "soft", "hanging"] {
            let channels = infos.iter().find(|info| info.name == layer).map(|info| info.channels);
            assert_eq!(channels, Some(6), "{layer} in {file}");
        }
    }
}

#[test]
fn networks_of_grey_images_read_the_luminance() {
    // Of the last two, what is computed of the image first is no convolution.
    for file in ["grey.pt2", "grey.onnx", "grey-dynamic.pt2", "grey-scaled.pt2", "grey-scaled-script.onnx"] {
        let imported = neuron_import::open(&data().join(file)).unwrap();
        assert!(imported.weights.reads_luminance(), "{file}");
        let layers: Vec<String> = imported.graph.taps().map(|tap| tap.name.clone()).collect();
        assert_eq!(layers, ["conv1", "conv2", "fc", "output"], "{file}");
        let network = network(&imported);
        let value = |image: [f32; 3]| {
            let image = image.iter().flat_map(|colour| vec![*colour; 32 * 32]).collect::<Vec<f32>>();
            let image = Tensor::from_vec(image, (1, 3, 32, 32), &candle_core::Device::Cpu).unwrap();
            let values = network.activations(&image, &["conv1"]).unwrap();
            values[0].flatten_all().unwrap().to_vec1::<f32>().unwrap()
        };
        let (coloured, grey) = (value([1.0, 0.0, -1.0]), value([0.299 - 0.114; 3]));
        for (coloured, grey) in coloured.iter().zip(&grey) {
            assert!((coloured - grey).abs() < 1e-5, "{file}: {coloured} is not {grey}");
        }
    }
    assert!(!neuron_import::open(&data().join("small.pt2")).unwrap().weights.reads_luminance());
}

#[test]
fn pixels_stay_pixels_where_a_network_normalises_them() {
    for file in ["normalised.pt2", "normalised-script.onnx"] {
        let graph = neuron_import::open(&data().join(file)).unwrap().graph;
        let conv = graph.taps().find(|tap| tap.name == "conv").unwrap();
        let below = graph.node(graph.node(conv.node).inputs[0]);
        let Operation::Rescale(rescale) = below.operation else { panic!("{file}: {below:?}") };
        assert_eq!(below.inputs, [graph.input()]);
        for (colour, (mean, std)) in [(0.1, 0.5), (-0.2, 0.8), (0.3, 1.25)].into_iter().enumerate() {
            let factor = 0.5 + colour as f32;
            assert!((rescale.scale[colour] - factor / std).abs() < 1e-6, "{file}: {rescale:?}");
            assert!((rescale.shift[colour] + factor * mean / std + 0.1).abs() < 1e-6, "{file}: {rescale:?}");
        }
        assert_eq!(graph.image_size(), None, "{file}");
    }
}

#[test]
fn class_tokens_stay_apart_behind_attention_that_is_computed_as_written() {
    for file in ["timm-qk-norm.pt2", "timm-qk-norm-script.onnx"] {
        let imported = neuron_import::open(&data().join(file)).unwrap();
        let infos = imported.graph.tap_infos(imported.size[0], imported.size[1]).unwrap();
        let of = |name: &str| infos.iter().find(|info| info.name == name);
        for layer in ["blocks.0", "blocks.0.mlp.fc1", "norm"] {
            let info = of(layer).unwrap_or_else(|| panic!("{file} has no {layer}"));
            assert_eq!((info.extra, info.height, info.width), (1, 4, 4), "{layer} in {file}");
            assert_eq!(info.cell.map(|cell| cell.stride_px), Some([8, 8]), "{layer} in {file}");
        }
        let attention = of("blocks.0.attn.proj").unwrap();
        assert_eq!((attention.extra, attention.height, attention.width), (1, 4, 4), "{file}");
    }
}

#[test]
fn usual_layers_are_found() {
    let usual = |name: &str| neuron_import::open(&data().join(name)).unwrap().graph.usual_layers();
    let resnet = usual("resnet.pt2");
    assert_eq!((resnet.target.as_str(), resnet.target_block.as_str()), ("layer2", "layer2.0"));
    assert!(resnet.features.len() >= 2);
    // As many pixels, other names: a batch norm was folded.
    assert_eq!(usual("resnet.onnx").target, "layer2");
    assert!(usual("vit.pt2").target.starts_with("encoder"));
}

#[test]
fn convolutional_networks_take_other_sizes_and_tables_of_positions_do_not() {
    let size = |name: &str| neuron_import::open(&data().join(name)).unwrap().graph.image_size();
    for name in ["resnet.pt2", "small-dynamic.pt2", "small-dynamic.onnx", "shufflenet.pt2", "densenet.onnx"] {
        assert_eq!(size(name), None, "{name}");
    }
    for name in ["vit.pt2", "timm-vit.pt2", "vit.onnx"] {
        assert_eq!(size(name), Some([32, 32]), "{name}");
    }
}

/// A file that is cut off anywhere, or has a byte changed, is an error or a network, and never a panic.
#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["small.pt2", "small-plain.onnx", "resnet.pt2"] {
        let bytes = fs::read(data().join(name)).unwrap();
        let path = folder.path().join(name);
        for part in 1..40 {
            fs::write(&path, &bytes[..bytes.len() * part / 40]).unwrap();
            let error = neuron_import::open(&path).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        for part in 0..200 {
            let mut changed = bytes.clone();
            let at = bytes.len() * part / 200;
            changed[at] ^= 1 << (part % 8);
            fs::write(&path, &changed).unwrap();
            // Either is right: most bytes are weights.
            let _ = neuron_import::open(&path);
        }
    }
}

#[test]
fn other_files_are_told_what_they_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pt2");
    let told = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        neuron_import::open(&path).map(|_| ()).unwrap_err().to_string()
    };
    assert!(told(b"").contains("torch.export.save"));
    assert!(told(b"hello").contains("neither a torch.export archive"));
    let weights = fs::read(data().join("resnet.safetensors")).unwrap();
    assert!(told(&weights).contains("neither"), "{}", told(&weights));
    let missing = neuron_import::open(&folder.path().join("none.pt2")).map(|_| ()).unwrap_err();
    assert!(missing.to_string().contains("cannot read"));
    assert!(neuron_import::open(folder.path()).is_err());
    // What an ONNX file says to be beside it is not.
    fs::copy(data().join("resnet-external.onnx"), folder.path().join("alone.onnx")).unwrap();
    let alone = neuron_import::open(&folder.path().join("alone.onnx")).map(|_| ()).unwrap_err();
    let alone = format!("{alone}: {:?}", std::error::Error::source(&alone).map(ToString::to_string));
    assert!(alone.contains("resnet-external.onnx.data"), "{alone}");
}
