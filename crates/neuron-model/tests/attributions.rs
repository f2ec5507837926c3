//! Relevance inside the real ResNet-50 against the published implementation, for all methods.

mod shared;

use candle_core::{Device, IndexOp, Tensor};
use neuron_model::{Attributor, ChannelsFirst, Precision, RelevanceMethod, Tap};

/// For maps, relative to the largest value of each, and for their sums. LRP divides by small sums, so that the first is
/// wider than the activations'.
fn tolerances() -> (f32, f32) {
    match shared::precision() {
        Precision::F32 => (1e-3, 1e-4),
        Precision::Tf32 | Precision::Bf16 | Precision::Bf16x3 => (1e-2, 1e-3),
    }
}

fn largest(tensor: &Tensor) -> f32 {
    tensor.abs().and_then(|t| t.flatten_all()).and_then(|t| t.max(0)).and_then(|t| t.to_scalar()).unwrap()
}

fn total(tensor: &Tensor) -> f32 {
    tensor.sum_all().and_then(|t| t.to_scalar()).unwrap()
}

/// The reference's unit is silent on this photo: two of the methods have nothing to hand down, and must not.
fn relative(error: f32, scale: f32) -> f32 {
    if scale == 0.0 { error } else { error / scale }
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_relevance_agrees_with_the_reference() {
    let network = shared::resnet50();
    let (want, images) = (shared::golden("attributions"), shared::golden("preprocess"));
    let (map_tolerance, total_tolerance) = tolerances();
    let load = |name: &str| want.load(name, &Device::Cpu).unwrap();
    // The photo of the reference is the fourth of the crops.
    let image = shared::crops(&images).unwrap().i(3..4).unwrap().flatten_all().unwrap();
    let image = image.to_vec1::<f32>().unwrap();
    let target = network.tap("layer4_2").unwrap();
    let wanted: Vec<Tap> =
        ["layer3", "layer2", "layer1", "conv1"].map(|name| network.tap(name).unwrap()).to_vec();

    for method in RelevanceMethod::ALL {
        let mut attributor = Attributor::new(&network, &target, &wanted, method).unwrap();
        let relevance = attributor.run(&ChannelsFirst::new(&image, 224, 224), &[1935]).unwrap();
        for tap in &wanted {
            let signal = relevance.at(tap).expect("every wanted tap lies below the target");
            let (side, channels) = (signal.height, signal.channels);
            let got = Tensor::from_slice(signal.data, (1, side, side, channels), &Device::Cpu).unwrap();
            let got = got.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
            let flat = got.flatten_from(2).unwrap();
            let name = |what: &str| format!("{method}.{}{what}", tap.name);

            let mut checks = vec![
                (name(".amax"), flat.max(2).unwrap(), map_tolerance),
                (name(".sum"), flat.sum(2).unwrap(), map_tolerance),
            ];
            if tap.name == "layer3" || tap.name == "layer2" {
                checks.push((name(""), got.clone(), map_tolerance));
            } else {
                let index: Vec<u32> = (0..channels as u32).step_by(16).collect();
                let index = Tensor::new(&index[..], &Device::Cpu).unwrap();
                checks.push((name(".every16th"), got.index_select(&index, 1).unwrap(), map_tolerance));
            }
            for (name, got, tolerance) in checks {
                let want = load(&name);
                assert_eq!(want.dims(), got.dims(), "{name}");
                let error = relative(largest(&(&got - &want).unwrap()), largest(&want));
                println!("{name}: {error:.1e}");
                assert!(error < tolerance, "{name}: relative error {error:e}");
            }
            let (got, want) = (total(&got), total(&load(&name(".sum"))));
            let error = relative((got - want).abs(), want.abs());
            assert!(error < total_tolerance, "{}: total {got} instead of {want}", name(""));
        }
    }
}
