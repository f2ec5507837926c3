//! Maps with class tokens before their grid: which positions are scored, and which images the network takes.

#[allow(dead_code, reason = "other tests use more of it")]
mod rules;

use std::collections::BTreeMap;

use neuron_model::{
    Architecture, Attribution, Attributor, ChannelsLast, Composite, Keep, ModelError, Network, Positions,
    Reduction, Scoring, Weights,
};

const SIDE: usize = 64;
const LAYER: &str = "encoder.layers.encoder_layer_1";
const ITEMS: usize = 5;

fn network(threads: usize) -> Network {
    let graph = Architecture::from_name("vit_demo").unwrap().graph(&Weights::default());
    Network::new("vit_demo", rules::weights(&graph, 12.0, BTreeMap::new()), threads).unwrap()
}

fn pixels() -> Vec<f32> {
    (0..ITEMS * SIDE * SIDE * 3).map(|at| (at * 2_654_435_761 % 1000) as f32 / 500.0 - 1.0).collect()
}

/// Scores and positions, `[items, channels]`.
fn scores(network: &Network, scoring: Scoring, pixels: &[f32]) -> Result<(Vec<f32>, Vec<u32>), ModelError> {
    let mut session = network.session(&[network.tap(LAYER)?], Keep::Taps)?;
    let (mut scores, mut positions) = (Vec::new(), Vec::new());
    session.scores(&ChannelsLast::new(pixels, SIDE, SIDE), scoring, &mut |scored| {
        scores.extend_from_slice(scored.scores);
        positions.extend_from_slice(scored.positions);
    })?;
    Ok((scores, positions))
}

#[test]
fn scores_are_of_the_positions_that_are_asked_for() {
    let (network, pixels) = (network(2), pixels());
    let tap = network.tap(LAYER).unwrap();
    let shape = network.graph().shape(&tap, (SIDE, SIDE)).unwrap();
    assert_eq!((shape.channels, shape.extra, shape.height, shape.width), (64, 1, 8, 8));
    let mut maps = Vec::new();
    let mut session = network.session(&[tap], Keep::Taps).unwrap();
    let mut collect = |tapped: neuron_model::Tapped<'_>| {
        assert_eq!(tapped.extra, 1);
        maps.extend_from_slice(tapped.map.data);
    };
    session.run(&ChannelsLast::new(&pixels, SIDE, SIDE), &mut collect).unwrap();
    for (positions, range) in [(Positions::All, 0..65), (Positions::Grid, 1..65), (Positions::Class, 0..1)] {
        let of = |reduction| scores(&network, Scoring { reduction, positions }, &pixels).unwrap();
        let ((greatest, places), (means, _)) = (of(Reduction::Max), of(Reduction::Mean));
        for (at, place) in places.iter().enumerate() {
            let (item, channel) = (at / 64, at % 64);
            let value = |position: usize| maps[(item * 65 + position) * 64 + channel];
            let first = range.clone().rev().max_by(|a, b| value(*a).total_cmp(&value(*b))).unwrap();
            assert_eq!((greatest[at], *place as usize), (value(first), first), "{positions:?}");
            assert_eq!(shape.place(first).is_none(), first == 0);
            let mean = range.clone().map(|position| f64::from(value(position))).sum::<f64>();
            assert!((f64::from(means[at]) - mean / range.len() as f64).abs() < 1e-5, "{positions:?}");
        }
    }
}

/// A gradient that starts with the unit's own values is that of the class token plus that of the grid.
#[test]
fn an_attribution_is_of_the_positions_that_are_asked_for() {
    let (network, pixels) = (network(2), pixels());
    let (tap, image) = (network.tap(LAYER).unwrap(), network.graph().image_tap());
    let of = |positions| {
        let rules = (Attribution::LRP, Composite::gradient());
        let wanted = std::slice::from_ref(&image);
        let attributor = Attributor::with_composite(&network, &tap, wanted, rules).unwrap();
        let mut attributor = attributor.at_positions(positions);
        let found = attributor.run(&ChannelsLast::new(&pixels, SIDE, SIDE), &[3; ITEMS]).unwrap();
        found.at(&image).unwrap().data.to_vec()
    };
    let [all, grid, class] = [Positions::All, Positions::Grid, Positions::Class].map(of);
    let largest = all.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert!(class.iter().any(|value| value.abs() > 1e-3 * largest), "the class token sees the image");
    for ((all, grid), class) in all.iter().zip(&grid).zip(&class) {
        assert!((all - grid - class).abs() <= 1e-5 * largest, "{all} is not {grid} + {class}");
    }
    let without = Attributor::new(&network, &network.tap("conv_proj").unwrap(), &[image], Attribution::LRP);
    let mut without = without.unwrap().at_positions(Positions::Class);
    let error = without.run(&ChannelsLast::new(&pixels, SIDE, SIDE), &[3; ITEMS]).err().unwrap();
    assert!(matches!(error, ModelError::NoClassToken { .. }), "{error}");
}

#[test]
fn scores_of_an_item_do_not_depend_on_those_beside_it() {
    let pixels = pixels();
    let scoring = Scoring { reduction: Reduction::Mean, positions: Positions::Grid };
    let (together, _) = scores(&network(2), scoring, &pixels).unwrap();
    let alone = network(1);
    for (item, pixels) in pixels.chunks_exact(SIDE * SIDE * 3).enumerate() {
        let (of_item, _) = scores(&alone, scoring, pixels).unwrap();
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&of_item), bits(&together[item * 64..][..64]));
    }
}

#[test]
fn a_table_of_positions_leaves_one_size() {
    let network = network(1);
    let graph = network.graph();
    let node = |tap: &str| network.tap(tap).unwrap().node;
    assert_eq!(graph.fixed_size(node("conv_proj")), None);
    assert_eq!((graph.fixed_size(node(LAYER)), graph.image_size()), (Some([64; 2]), Some([64; 2])));
    // As many patches fit into 71 pixels as into 64, and the rest would be left out without a word.
    let told = network.tap_infos(71, 71).unwrap_err().to_string();
    assert!(told.starts_with("the network takes images of 64 x 64 pixels only"), "{told}");
    let conv = network.tap("conv_proj").unwrap();
    assert_eq!(graph.shape(&conv, (71, 80)).unwrap().width, 10);
    let huge = Architecture::from_name("vit_h_14").unwrap().graph(&Weights::default());
    assert_eq!(huge.image_size(), Some([518; 2]));
}

#[test]
fn layers_without_a_class_token_say_so() {
    let network = network(1);
    for layer in ["conv_proj", "heads.head"] {
        let tap = network.tap(layer).unwrap();
        let mut session = network.session(&[tap], Keep::Taps).unwrap();
        let scoring = Scoring { reduction: Reduction::Max, positions: Positions::Class };
        let refused = session.scores(&ChannelsLast::new(&pixels(), SIDE, SIDE), scoring, &mut |_| {});
        assert!(matches!(refused, Err(ModelError::NoClassToken { tap }) if tap == layer));
    }
}
