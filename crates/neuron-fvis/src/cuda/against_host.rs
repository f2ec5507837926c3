//! Pictures compared on a GPU against its own values and backward passes, with the host's sorting between them: the same
//! bits. Ignored unless asked for.

#[path = "../../tests/on_gpu/mod.rs"]
mod on_gpu;

use std::ops::ControlFlow;

use neuron_model::{ChannelsLast, Images, Tap};
use on_gpu::{gpu, network};

use crate::{ActivationTerm, Aim, FeatureWeighting, Objective};

const SIZE: (usize, usize) = (75, 62);

/// Pictures of waves, each of another length.
fn waves(count: usize, seed: usize) -> Vec<f32> {
    let len = 3 * SIZE.0 * SIZE.1;
    let pixel = |at: usize| ((at % len) as f32 / (5.0 + (at / len + seed) as f32)).sin() * 1.5;
    (0..count * len).map(pixel).collect()
}

#[test]
#[ignore = "needs a GPU"]
fn features_are_matched_as_on_the_host() {
    let references = waves(3, 4);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let pictures = waves(3, 0);
    let (channels, units) = ([3, 7], [1, 0, 1]);
    let pushed = |specificity| ActivationTerm { weight: 0.3, goal: Some(1.0), specificity };
    let published = FeatureWeighting::all().map(|method| (method, Aim::Vital, ActivationTerm::default()));
    let with_units = [
        (FeatureWeighting::default(), Aim::Vital, pushed(0.0)),
        (FeatureWeighting::default(), Aim::Vital, pushed(2.0)),
        (FeatureWeighting::None, Aim::Activation, ActivationTerm::default()),
        (FeatureWeighting::None, Aim::Activation, pushed(1.0)),
    ];
    let all = published.chain(with_units).map(|(method, aim, term)| (method, aim, term, None));
    let plain = (FeatureWeighting::default(), Aim::Vital, pushed(1.0), Some("layer3"));
    for (method, aim, term, plain) in all.chain([plain]) {
        let network = network(gpu());
        let target = network.tap("layer4.0").unwrap();
        let layer = |name: &&str| -> (Tap, f64) { (network.tap(name).unwrap(), 0.5 + name.len() as f64) };
        let names = if aim == Aim::Activation { &[][..] } else { &["conv1", "layer1", "layer3"] };
        let layers = names.iter().map(layer).collect();
        let objective = Objective::new(&network, &target, &channels, method, layers).unwrap();
        let plain = plain.map(|layer| network.tap(layer).unwrap());
        let mut objective = objective.with_aim(aim, term).with_plain_layer(plain);
        let of_units: [&dyn Images; 2] = [&references, &references];
        objective.measure(&of_units, 2, &mut |_| ControlFlow::Continue(())).unwrap();

        let images = ChannelsLast::new(&pictures, SIZE.0, SIZE.1);
        let of_pictures = units.map(|unit| channels[unit]);
        let here = objective.compare_here(&images, &of_pictures, &units).unwrap();
        let (items, gradient) = (here.items, here.gradient.to_vec());
        assert!(gradient.iter().any(|value| *value != 0.0), "{method} {aim:?} {term:?}");
        // Twice: memory that is used again changes nothing.
        for _ in 0..2 {
            let there = objective.compare(&pictures, SIZE, &units).unwrap();
            assert_eq!(there.items, items, "{method} {aim:?} {term:?}");
            assert_eq!(there.gradient, gradient, "{method} {aim:?} {term:?}");
        }
    }
}
