//! Every step on networks that are not residual, through the real binary.

use std::fs;

use serde_json::Value;

use crate::support::{self, draw_photos, neuron, random_weights_of};

/// Selects images, cuts patches both ways, scans windows, draws a picture and a heat map, and makes an atlas of it all.
fn every_step(arch: &str, layer: &str, weights_kept: fn(&str) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    random_weights_of(arch, 6.0, weights_kept, folder.path());
    draw_photos(folder.path(), 2, 3);
    let run = |line: &str| {
        let mut command = neuron(&line.split(' ').collect::<Vec<_>>());
        command.current_dir(folder.path()).env("NEURON_WEIGHTS", "random.safetensors");
        support::expecting(0, &mut command)
    };
    let at = |name: &str| folder.path().join(name);
    let network = format!("--arch {arch} --layer {layer}");
    let data = "--data photos --batch-size 4";
    let lists = format!("results/{arch}/neuron_{layer}");

    run(&format!("select-images {network} {data} --channels 0-3 --topk-images 4 --out results"));
    assert_eq!(fs::read_to_string(at(&lists).join("2/files_all.txt")).unwrap().lines().count(), 4);
    run(&format!("extract-patches {network} {data} --channel 2 --topk-patches 3 --out {lists}"));
    let field = format!("extract-patches {network} {data} --channel 3 --topk-patches 3 --out {lists}");
    run(&format!("{field} --method receptive-field"));
    assert!(at(&lists).join("3/patches.png").is_file());
    run(&format!("baseline {network} {data} --channels 1 --patch-size 48 --topk-patches 2 --out results"));

    let (small, more) = ("--steps 2 --resolution 64 --jitter 4 --num-real-img 2", "--method LRP");
    run(&format!(
        "fvis {network} --data photos --channels 2 --topk-dir {lists} {small} {more} --out pictures"
    ));
    assert!(at("pictures").read_dir().unwrap().next().is_some());

    let photo = fs::read_to_string(at(&lists).join("2/files_all.txt")).unwrap();
    let photo = format!("photos/{}", photo.lines().next().unwrap().trim_start_matches("photos/"));
    for method in ["LRP", "GuidedBackprop", "Saliency"] {
        let out = format!("heat/{method}");
        run(&format!("attribute {network} --channel 2 --method {method} --out {out} {photo}"));
        assert!(at(&out).join("heatmap.png").is_file());
    }
    run("atlas results --out site");
    assert!(at(&format!("site/units/{arch}/{layer}/2.html")).is_file());

    let (listed, _) = run(&format!("layers --arch {arch} --json"));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert!(listed.to_string().contains(layer), "{listed}");
}

#[test]
fn mobilenet_v2_from_images_to_an_atlas() {
    every_step("mobilenet_v2", "features.13", |_| true);
}

#[test]
fn vit_demo_from_images_to_an_atlas() {
    every_step("vit_demo", "encoder.layers.encoder_layer_1", |_| true);
}

#[test]
fn densenet121_from_images_to_an_atlas() {
    every_step("densenet121", "features.denseblock3", |_| true);
}

/// Without its classifier, which holds nine tenths of its weights.
#[test]
fn vgg16_bn_from_images_to_an_atlas() {
    every_step("vgg16_bn", "features.32", |name| name.starts_with("features"));
}

#[test]
fn convnext_tiny_from_images_to_an_atlas() {
    every_step("convnext_tiny", "features.3", |_| true);
}

#[test]
fn efficientnet_b0_from_images_to_an_atlas() {
    every_step("efficientnet_b0", "features.5", |_| true);
}
