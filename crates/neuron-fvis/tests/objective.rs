//! What pictures are compared with, on the network that comes with the repository.

mod most_active;
mod stripes;

use std::ops::ControlFlow;
use std::path::Path;

use most_active::most_active;
use neuron_fvis::{Distance, FeatureWeighting, LayerWeights, Objective};
use neuron_model::{ChannelsLast, Keep, Network, Tap};
use stripes::{PIXELS, SIZE, stripes};

fn network() -> Network {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    Network::open("resnet10_demo", &weights).unwrap()
}

fn objective(network: &Network, target: &Tap, units: &[usize], references: &[f32]) -> Objective {
    weighed_objective(FeatureWeighting::default(), network, (target, units), references)
}

fn weighed_objective(
    weighting: FeatureWeighting,
    network: &Network,
    (target, units): (&Tap, &[usize]),
    references: &[f32],
) -> Objective {
    let layers = LayerWeights::default().below(network, target).unwrap();
    let mut objective = Objective::new(network, target, units, weighting, layers).unwrap();
    let references = ChannelsLast::new(references, SIZE.0, SIZE.1);
    let of_each: Vec<_> = units.iter().map(|_| &references as &dyn neuron_model::Images).collect();
    objective.measure(&of_each, 2, &mut |_| ControlFlow::Continue(())).unwrap();
    objective
}

#[test]
fn the_published_rules_are_the_same_on_a_residual_network() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let pictures = stripes(2);
    let unit = most_active(&network, &target, (&pictures[..PIXELS], SIZE))[0].0;
    let own = FeatureWeighting::default();
    let distances = [own, own.published()].map(|weighting| {
        let mut objective = weighed_objective(weighting, &network, (&target, &[unit]), &pictures[..PIXELS]);
        let Distance { items, gradient } = objective.compare(&pictures, SIZE, &[0, 0]).unwrap();
        (items[1].weighted, gradient.to_vec())
    });
    assert!(distances[0].0 > 0.0);
    assert_eq!(distances[0], distances[1]);
}

#[test]
fn a_picture_that_is_the_reference_is_at_no_distance() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let references = stripes(2);
    let unit = most_active(&network, &target, (&references[..PIXELS], SIZE))[0].0;
    let mut objective = objective(&network, &target, &[unit], &references[..PIXELS]);
    let Distance { items, gradient } = objective.compare(&references, SIZE, &[0, 0]).unwrap();
    let [same, other] = &items[..] else { panic!("a distance for each picture") };
    assert_eq!(same.weighted, 0.0, "{same:?}");
    assert!(other.weighted > 0.0 && other.layers.iter().all(|loss| *loss > 0.0), "{other:?}");
    assert!(gradient[..PIXELS].iter().all(|value| *value == 0.0));
    assert!(gradient[PIXELS..].iter().any(|value| *value != 0.0));
}

#[test]
fn activations_are_those_of_the_units() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let picture = stripes(1);
    let channels = most_active(&network, &target, (&picture, SIZE));
    let (first, last) = (channels[0], channels[channels.len() - 1]);
    assert!(first.1 > 0.0 && last.1 == 0.0, "a unit that speaks and one that is silent: {channels:?}");
    let mut objective = objective(&network, &target, &[last.0, first.0], &picture);
    let twice = [&picture[..], &picture].concat();
    let distance = objective.compare(&twice, SIZE, &[1, 0]).unwrap();
    let activations: Vec<f64> = distance.items.iter().map(|item| item.activation).collect();
    assert_eq!(activations, [f64::from(first.1), 0.0]);
}

#[test]
fn the_gradient_points_where_the_distance_grows() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let (references, picture) = (stripes(3), stripes(4)[3 * PIXELS..].to_vec());
    let unit = most_active(&network, &target, (&picture, SIZE))[0].0;
    let mut objective = objective(&network, &target, &[unit], &references);
    let distance = objective.compare(&picture, SIZE, &[0]).unwrap();
    let (before, gradient) = (distance.items[0].weighted, distance.gradient.to_vec());
    let square: f64 = gradient.iter().map(|value| f64::from(*value).powi(2)).sum();
    // Relevance is a constant in the gradient, so that a step is shorter than the gradient says, but downhill.
    let length = 0.05 * before / square;
    let moved: Vec<f32> = picture
        .iter()
        .zip(&gradient)
        .map(|(value, slope)| value - (length * f64::from(*slope)) as f32)
        .collect();
    let after = objective.compare(&moved, SIZE, &[0]).unwrap().items[0].weighted;
    assert!(after < before, "{before} became {after}");
}

#[test]
fn all_features_of_a_plain_layer_count_alike() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let pictures = stripes(3);
    let unit = most_active(&network, &target, (&pictures[..PIXELS], SIZE))[0].0;
    let references = ChannelsLast::new(&pictures[..PIXELS], SIZE.0, SIZE.1);
    let losses = |weighting: FeatureWeighting, plain: Option<&str>| {
        let layers = LayerWeights::default().below(&network, &target).unwrap();
        let objective = Objective::new(&network, &target, &[unit], weighting, layers).unwrap();
        let mut objective = objective.with_plain_layer(plain.map(|layer| network.tap(layer).unwrap()));
        objective.measure(&[&references], 1, &mut |_| ControlFlow::Continue(())).unwrap();
        objective.compare(&pictures[PIXELS..2 * PIXELS], SIZE, &[0]).unwrap().items[0].layers.clone()
    };
    let [all, relevant] =
        [FeatureWeighting::None, FeatureWeighting::default()].map(|weighting| losses(weighting, None));
    let mixed = losses(FeatureWeighting::default(), Some("layer3"));
    let (layer3, below) = (all.len() - 1, ..all.len() - 1);
    assert_eq!((mixed[layer3], &mixed[below]), (all[layer3], &relevant[below]));
    assert!(relevant[layer3] != all[layer3], "{relevant:?} and {all:?}");
}

/// The features of some pictures at a tap by channel, in ascending order: `[pictures][channels][positions]`.
fn sorted_features(network: &Network, tap: &Tap, pictures: &[f32]) -> Vec<Vec<Vec<f32>>> {
    let mut session = network.session(std::slice::from_ref(tap), Keep::Taps).unwrap();
    let mut found = Vec::new();
    let visit = &mut |tapped: neuron_model::Tapped<'_>| {
        let (channels, item_len) = (tapped.map.channels, tapped.map.item_len());
        for item in tapped.map.data.chunks_exact(item_len) {
            let plane = |channel: usize| {
                let mut plane: Vec<f32> = item.iter().skip(channel).step_by(channels).copied().collect();
                plane.sort_by(f32::total_cmp);
                plane
            };
            found.push((0..channels).map(plane).collect::<Vec<_>>());
        }
    };
    session.run(&ChannelsLast::new(pictures, SIZE.0, SIZE.1), visit).unwrap();
    found
}

#[test]
fn without_relevance_targets_are_means_of_sorted_features() {
    let network = network();
    // The classifier: every layer lies below it.
    let target = network.tap("fc").unwrap();
    let references = stripes(3);
    let objective = weighed_objective(FeatureWeighting::None, &network, (&target, &[2, 7]), &references);
    let layers: Vec<&str> = objective.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(layers, ["conv1", "layer1", "layer2", "layer3"]);
    assert_eq!(objective.targets(0), objective.targets(1), "the unit decides nothing");
    for (layer, target) in objective.layers().iter().zip(objective.targets(0)) {
        assert!(target.importance.iter().all(|importance| *importance == 1.0));
        let sorted = sorted_features(&network, layer, &references);
        let (channels, positions) = (sorted[0].len(), sorted[0][0].len());
        assert_eq!(target.sorted.len(), channels * positions);
        for (at, found) in target.sorted.iter().enumerate() {
            let ranked = |planes: &Vec<Vec<f32>>| f64::from(planes[at / positions][at % positions]);
            let mean = sorted.iter().map(ranked).sum::<f64>() / 3.0;
            assert!((mean - f64::from(*found)).abs() <= 1e-6 * mean.abs(), "{}: {mean}, {found}", layer.name);
        }
    }
}

#[test]
fn without_relevance_the_gradient_is_that_of_finite_differences() {
    let network = network();
    let target = network.tap("fc").unwrap();
    // Stripes repeat themselves, and where values are equal a loss of sorted values bends: so they are roughened.
    let rough = |(at, value): (usize, &f32)| value + ((at * at % 1009) as f32 / 1009.0 - 0.5) * 0.3;
    let picture: Vec<f32> = stripes(4)[3 * PIXELS..].iter().enumerate().map(rough).collect();
    let references = stripes(3);
    let mut objective = weighed_objective(FeatureWeighting::None, &network, (&target, &[5]), &references);
    let distance = objective.compare(&picture, SIZE, &[0]).unwrap();
    let (before, gradient) = (distance.items[0].weighted, distance.gradient.to_vec());
    let square: f64 = gradient.iter().map(|value| f64::from(*value).powi(2)).sum();
    // Along the gradient, nothing is held constant: the loss changes as the gradient says, but for bends of ReLUs.
    let length = 1e-3 * before / square;
    let mut moved = |length: f64| {
        let at = |(value, slope): (&f32, &f32)| value + (length * f64::from(*slope)) as f32;
        let moved: Vec<f32> = picture.iter().zip(&gradient).map(at).collect();
        objective.compare(&moved, SIZE, &[0]).unwrap().items[0].weighted
    };
    let slope = (moved(length) - moved(-length)) / (2.0 * length);
    assert!((slope / square - 1.0).abs() < 0.01, "{slope} instead of {square}");
}

#[test]
fn without_relevance_a_silent_unit_moves_the_picture_all_the_same() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let (references, picture) = (stripes(2), stripes(3)[2 * PIXELS..].to_vec());
    let silent = most_active(&network, &target, (&picture, SIZE)).last().copied().unwrap();
    assert_eq!(silent.1, 0.0);
    for (weighting, moves) in [(FeatureWeighting::default(), false), (FeatureWeighting::None, true)] {
        let mut objective = weighed_objective(weighting, &network, (&target, &[silent.0]), &references);
        let distance = objective.compare(&picture, SIZE, &[0]).unwrap();
        assert_eq!(distance.items[0].activation, 0.0);
        assert_eq!(distance.gradient.iter().any(|value| *value != 0.0), moves, "{weighting}");
    }
}
