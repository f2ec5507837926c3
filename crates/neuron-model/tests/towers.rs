//! The image towers of CLIP and DINOv2, and timm's vision transformers, against what PyTorch computes with the same weights
//! and the same image, both by a rule: `scripts/tower-goldens.py` made the file.

#[allow(dead_code, reason = "other tests use the rest")]
mod rules;

use std::collections::BTreeMap;
use std::path::Path;

use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, ChannelsFirst, Keep, Network, Tap, View, Weights};
use rules::golden::Golden;
use serde::Deserialize;

/// What the file says of a network.
#[derive(Deserialize)]
struct Recorded {
    mean: [f32; 3],
    std: [f32; 3],
    /// Of every tap, how many channels are left out behind each.
    taps: BTreeMap<String, usize>,
}

fn golden() -> Golden {
    Golden::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/towers.safetensors"))
}

/// Greatest value and mean of every `step`-th channel over all positions.
fn reduced(map: View<'_>, step: usize) -> [Vec<f64>; 2] {
    let positions = map.data.len() / map.channels;
    let channels = || (0..map.channels).step_by(step);
    let of = |channel: usize| map.data.iter().skip(channel).step_by(map.channels).map(|v| f64::from(*v));
    let max = channels().map(|channel| of(channel).fold(f64::NEG_INFINITY, f64::max));
    let mean = channels().map(|channel| of(channel).sum::<f64>() / positions as f64);
    [max.collect(), mean.collect()]
}

/// Holds a network against what the file has under a name. `own` is a tap's name here, if it is another.
fn compare(recorded: &str, network: &Network, own: impl Fn(&str) -> String) {
    let golden = golden();
    let networks: BTreeMap<String, Recorded> = golden.get("networks");
    let Recorded { mean, std, taps } = &networks[recorded];
    let size: usize = golden.get("size");
    let pixels = rules::normalised(&rules::image(1, 0, [size; 2]), *mean, *std);
    let found: Vec<Tap> = taps.keys().map(|tap| network.tap(&own(tap)).unwrap()).collect();
    let mut session = network.session(&found, Keep::Taps).unwrap();
    let mut failures = Vec::new();
    let recorded_taps: Vec<(&String, &usize)> = taps.iter().collect();
    session
        .run(&ChannelsFirst::new(&pixels, size, size), &mut |tapped| {
            let (tap, step) = recorded_taps[tapped.tap];
            for (what, found) in ["max", "mean"].into_iter().zip(reduced(tapped.map, *step)) {
                let error = golden.tensor(&format!("{recorded}/{tap}.{what}")).error(&found);
                println!("{recorded} {tap}.{what}: {error:.1e}");
                if error.is_nan() || error > 1e-4 {
                    failures.push(format!("{recorded} {tap}.{what}: relative error {error:.1e}"));
                }
            }
        })
        .unwrap();
    assert!(failures.is_empty(), "too far from PyTorch:\n{}", failures.join("\n"));
}

/// A network with the weights of the rule, by the names of its usual spelling.
fn by_rule(name: &str, metadata: &[(&str, &str)]) -> Weights {
    let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    rules::weights(&graph, 6.0, metadata.collect())
}

fn network(name: &str, weights: Weights) -> Network {
    Network::new(name, weights, 2).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn deit_agrees_with_timm() {
    let name = "deit_tiny_patch16_224";
    compare(name, &network(name, by_rule(name, &[])), str::to_owned);
}

#[test]
#[ignore = "seconds"]
fn sweep_vit_agrees_with_timm() {
    let name = "vit_small_patch16_224";
    compare(name, &network(name, by_rule(name, &[])), str::to_owned);
}
