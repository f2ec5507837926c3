//! Every tap of the real ResNet-50 against what the published implementation computes.

mod shared;

use candle_core::{Device, IndexOp, Tensor};
use neuron_model::Precision;
use shared::crops;

/// The largest difference that is allowed, relative to a tensor's largest value.
fn tolerance() -> f32 {
    match shared::precision() {
        // Rounding differs between summation orders (and Winograd's transforms); measured: 7e-6.
        Precision::F32 => 1e-4,
        Precision::Tf32 => 1e-2,
        Precision::Bf16 => 5e-2,
        // Measured: 2.2e-5 at layer4.
        Precision::Bf16x3 => 1e-4,
    }
}

fn largest(tensor: &Tensor) -> f32 {
    tensor.abs().and_then(|t| t.flatten_all()).and_then(|t| t.max(0)).and_then(|t| t.to_scalar()).unwrap()
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_every_tap_agrees_with_the_reference() {
    let network = shared::resnet50();
    let (want, images) = (shared::golden("activations"), shared::golden("preprocess"));
    let names: Vec<String> = want.tensors().into_iter().map(|(name, _)| name).collect();
    let taps: Vec<&str> = names.iter().filter_map(|name| name.strip_suffix(".max")).chain(["fc"]).collect();
    assert_eq!(taps.len(), 29);

    let maps = network.activations(&crops(&images).unwrap(), &taps).unwrap();
    for (tap, map) in taps.iter().zip(&maps) {
        let mut checks = vec![];
        if *tap == "fc" {
            checks.push(("fc".to_owned(), map.flatten_from(1).unwrap()));
        } else {
            let flat = map.flatten_from(2).unwrap();
            checks.push((format!("{tap}.max"), flat.max(2).unwrap()));
            checks.push((format!("{tap}.mean"), flat.mean(2).unwrap()));
        }
        let full = format!("full.{tap}");
        if names.contains(&full) {
            let items = want.load(&full, &Device::Cpu).unwrap().dims()[0];
            checks.push((full, map.i(..items).unwrap()));
        }
        for (name, got) in checks {
            let want = want.load(&name, &Device::Cpu).unwrap();
            assert_eq!(want.dims(), got.dims(), "{name}");
            let error = largest(&(&got - &want).unwrap()) / largest(&want);
            println!("{name}: {error:.1e}");
            assert!(error < tolerance(), "{name}: relative error {error:e}");
        }
    }
}
