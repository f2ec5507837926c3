//! Exported networks through the real binary: `--arch model.pt2` wherever a command takes a network.

use std::fs;
use std::path::{Path, PathBuf};

use neuron_model::Weights;

use crate::support::{self, assert_same_files, draw_photos, neuron};

/// A folder with exported networks and photos.
struct Room(tempfile::TempDir);

const NETWORKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../neuron-import/tests/data");

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        draw_photos(folder.path(), 2, 3);
        for name in ["resnet.pt2", "resnet.onnx", "vit.pt2", "vit.safetensors", "resnet.safetensors"] {
            fs::copy(Path::new(NETWORKS).join(name), folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, code: i32, line: &str) -> (String, String) {
        let mut command = neuron(&line.split_whitespace().collect::<Vec<_>>());
        support::expecting(code, command.current_dir(self.0.path()))
    }
}

#[test]
fn lists_patches_and_pictures_of_an_exported_network() {
    let room = Room::new();
    // Nothing is named but the file: layer and folders follow from it.
    let (_, told) = room.run(0, "select-images --arch resnet.pt2 --data photos --topk-images 4");
    assert!(told.contains("resize, crop by the image with which it was exported"), "{told}");
    assert!(told.contains("resize 32, crop 32"), "{told}");
    assert!(room.at("resnet/neuron_layer2/0/files_all.txt").is_file());
    room.run(
        0,
        "extract-patches --arch resnet.pt2 --data photos --channels 0-1 --patch-size 16 --topk-patches 3",
    );
    assert!(room.at("resnet/neuron_layer2/1").is_dir());
    room.run(0, "fvis --arch resnet.pt2 --data photos --channels 0 --steps 2 --num-real-img 3");
    room.run(
        0,
        "attribute photos/class0/photo000.png --arch resnet.pt2 --layer layer2 --channel 0 --out heat",
    );
    let (lines, _) =
        room.run(0, "activations photos/class0/photo000.png --arch resnet.pt2 --layer output --top 1");
    assert!(lines.contains("output"), "{lines}");
}

/// By relevance a gate is a constant: what lies inside of it has none.
#[test]
fn layers_inside_of_gates_have_no_relevance() {
    let room = Room::new();
    fs::copy(Path::new(NETWORKS).join("mobilenet.pt2"), room.at("gated.pt2")).unwrap();
    let unit = "--arch gated.pt2 --layer features.1 --channel 0";
    room.run(0, &format!("attribute photos/class0/photo000.png {unit} --at all --out heat"));
    let relevance = Weights::open(&room.at("heat/relevance.safetensors")).unwrap();
    let largest = |layer: &str| {
        let values = &relevance.tensor(layer).unwrap_or_else(|| panic!("nothing of {layer}")).data;
        values.iter().fold(0f32, |largest, value| largest.max(value.abs()))
    };
    assert_eq!(largest("features.1.block.2.fc1"), 0.0);
    assert!(largest("features.1.block.1") > 0.0);

    room.run(0, "select-images --arch gated.pt2 --layer features.1 --data photos --topk-images 4");
    room.run(
        0,
        "extract-patches --arch gated.pt2 --layer features.1 --data photos --channels 0 --patch-size 16 --topk-patches 3 \
         --out gated/neuron_features.1",
    );
    room.run(
        0,
        &format!(
            "fvis {unit} --data photos --steps 2 --num-real-img 2 --layers features.1.block.2.fc1,features.0 --topk-dir \
             gated/neuron_features.1"
        ),
    );
}

#[test]
fn pictures_of_a_network_of_grey_images_are_grey() {
    let room = Room::new();
    fs::copy(Path::new(NETWORKS).join("grey.pt2"), room.at("grey.pt2")).unwrap();
    let grey = "--arch grey.pt2 --layer conv2 --data photos --mean 0.5 --std 0.25";
    room.run(0, &format!("select-images {grey} --topk-images 4 --out grey"));
    room.run(
        0,
        &format!("extract-patches {grey} --channels 0,1 --topk-patches 3 --out grey/grey/neuron_conv2"),
    );
    let fvis = "--channels 0,1 --topk-dir grey/grey/neuron_conv2 --num-real-img 3";
    for (preset, steps) in [("published", 2), ("clear", 4)] {
        room.run(0, &format!("fvis {grey} {fvis} --preset {preset} --steps {steps} --exp-name {preset}"));
        for suffix in ["", "_masked"] {
            let picture = image::open(room.at(&format!("images/{preset}_unit0{suffix}.png")));
            let picture = picture.unwrap().to_rgb8();
            assert!(
                picture.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]),
                "{preset}{suffix}"
            );
            assert!(picture.pixels().any(|pixel| pixel != picture.get_pixel(0, 0)), "{preset}{suffix}");
        }
    }
    // What is not said is ImageNet's luminance.
    let (_, told) =
        room.run(0, "activations photos/class0/photo000.png --arch grey.pt2 --layer conv2 --top 1");
    assert!(told.contains("mean 0.458971,0.458971,0.458971, std 0.225609,0.225609,0.225609"), "{told}");
}

#[test]
fn a_file_is_the_same_network_however_its_path_is_spelled() {
    let room = Room::new();
    let select = "--data photos --topk-images 4 --channels 0,1";
    room.run(0, &format!("select-images --arch resnet.pt2 {select}"));
    let (_, told) = room.run(0, &format!("select-images --arch ./resnet.pt2 {select} --resume"));
    assert!(told.contains("already complete"), "{told}");
    let (_, told) = room.run(1, "fvis --arch ./resnet.pt2 --data photos --channels 0 --steps 2");
    assert!(told.contains("extract-patches --arch ./resnet.pt2"), "a command that can be copied: {told}");
    room.run(
        0,
        "extract-patches --arch resnet.pt2 --data photos --channels 0 --patch-size 16 --topk-patches 3",
    );
    room.run(0, "fvis --arch ./resnet.pt2 --data photos --channels 0 --steps 2 --num-real-img 3");
    let (table, _) = room.run(0, "eval images --data photos --arch resnet.pt2 --num-real-img 3");
    assert!(table.contains("rank"), "{table}");
    let (plan, _) = room.run(0, "plan --shards 2 -- select-images --arch resnet.pt2 --data photos");
    assert!(plan.contains("resnet.pt2"), "{plan}");
}

#[test]
fn one_file_without_its_import_gives_the_same_lists() {
    let room = Room::new();
    let flags = "--mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 --resize 36 --crop 32";
    room.run(0, &format!("import resnet.pt2 {flags} --out one.neuron"));
    let select = "--layer layer1,layer2 --data photos --topk-images 4 --reference-compat";
    room.run(0, &format!("select-images --arch resnet.pt2 {select} {flags} --out a"));
    let (_, told) = room.run(0, &format!("select-images --arch one.neuron {select} --out b"));
    assert!(!told.contains("assumed"), "all of the preprocessing is in the file: {told}");
    for layer in ["layer1", "layer2"] {
        for channel in 0..4 {
            let list = |out: &str, name: &str| {
                fs::read_to_string(room.at(&format!("{out}/{name}/neuron_{layer}/{channel}/files_all.txt")))
                    .unwrap()
            };
            assert_eq!(list("a", "resnet"), list("b", "one"), "{layer} {channel}");
        }
    }
}

#[test]
fn a_scan_that_was_cut_off_goes_on_byte_for_byte() {
    let room = Room::new();
    let line = "select-images --arch vit.pt2 --data photos --topk-images 3";
    room.run(0, &format!("{line} --out whole"));
    for shard in ["1/2", "2/2"] {
        room.run(0, &format!("{line} --out parts --shard {shard}"));
    }
    room.run(0, "merge merged parts");
    assert_same_files(&room.at("whole/vit"), &room.at("merged/vit"));
}

#[test]
fn import_describes_checks_and_refuses() {
    let room = Room::new();
    let (text, _) = room.run(0, "import vit.pt2 --check vit.safetensors");
    for part in ["torch.export archive", "takes no other", "outputs: output", "output: differs by"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (json, _) = room.run(0, "import resnet.onnx --json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["format"].as_str(), json["target_layer"].as_str()), (Some("ONNX"), Some("layer2")));
    let (_, told) = room.run(1, "import resnet.pt2 --check vit.safetensors");
    assert!(told.contains("differ") || told.contains("cannot"), "{told}");
    let (_, told) = room.run(2, "import resnet.pt2 --out net.safetensors");
    assert!(told.contains(".neuron"), "{told}");
    room.run(0, "import resnet.pt2 --out net.neuron");
    let (_, told) = room.run(1, "import resnet.pt2 --out net.neuron");
    assert!(told.contains("--overwrite"), "{told}");
    let (_, told) = room.run(1, "import photos/class0/photo000.png");
    assert!(told.contains("neither a torch.export archive"), "{told}");
}

#[test]
fn mistakes_are_told_with_the_way_out() {
    let room = Room::new();
    let (_, told) = room.run(2, "layers --arch resnet.pt2 --weights resnet.safetensors");
    assert!(told.contains("holds its own weights"), "{told}");
    let (_, told) = room.run(1, "layers --arch none.pt2");
    assert!(told.contains("none.pt2"), "{told}");
    let (_, told) = room.run(2, "select-images --arch resnet.pt2 --layer layer4 --data photos");
    assert!(told.contains("unknown layer layer4"), "{told}");
    let (_, told) = room.run(2, "select-images --arch resnet.pt2 --data photos --mean 5,5,5");
    assert!(told.contains("mean"), "{told}");
    // Lists of one network are not taken for another's.
    room.run(0, "select-images --arch resnet.pt2 --data photos --topk-images 4");
    let (_, told) = room.run(2, "extract-patches --arch vit.pt2 --layer encoder --data photos --out resnet/neuron_layer2 --channels 0");
    assert!(told.contains("those of resnet.pt2"), "{told}");
}
