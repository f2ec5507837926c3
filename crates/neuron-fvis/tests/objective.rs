//! What pictures are compared with, on the network that comes with the repository.

use std::ops::ControlFlow;
use std::path::Path;

use neuron_fvis::{Distance, LayerWeights, Objective};
use neuron_model::{ChannelsLast, Keep, Network, RelevanceMethod, Tap};

const SIZE: (usize, usize) = (64, 48);
const PIXELS: usize = 3 * SIZE.0 * SIZE.1;

fn network() -> Network {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    Network::open("resnet10_demo", &weights).unwrap()
}

/// Pictures of stripes that are more than noise to the network, each of another width.
fn pictures(count: usize) -> Vec<f32> {
    let pixel = |index: usize| {
        let (item, at) = (index / PIXELS, index % PIXELS);
        let (y, x) = (at / 3 / SIZE.1, at / 3 % SIZE.1);
        (((y + 2 * x) as f32) / (2.0 + item as f32)).sin() * (1.0 + (at % 3) as f32 / 4.0)
    };
    (0..count * PIXELS).map(pixel).collect()
}

/// The channels of a tap that are most active on a picture, and how active they are.
fn most_active(network: &Network, tap: &Tap, picture: &[f32]) -> Vec<(usize, f32)> {
    let mut session = network.session(std::slice::from_ref(tap), Keep::Taps).unwrap();
    let mut maxima = vec![f32::NEG_INFINITY; network.channels(tap)];
    let visit = &mut |tapped: neuron_model::Tapped<'_>| {
        for position in tapped.map.data.chunks_exact(tapped.map.channels) {
            maxima.iter_mut().zip(position).for_each(|(most, value)| *most = most.max(*value));
        }
    };
    session.run(&ChannelsLast::new(picture, SIZE.0, SIZE.1), visit).unwrap();
    let mut channels: Vec<_> = maxima.into_iter().enumerate().collect();
    channels.sort_by(|a, b| b.1.total_cmp(&a.1));
    channels
}

fn objective(network: &Network, target: &Tap, units: &[usize], references: &[f32]) -> Objective {
    let layers = LayerWeights::default().below(network, target).unwrap();
    let mut objective = Objective::new(network, target, units, RelevanceMethod::Lrp, layers).unwrap();
    let references = ChannelsLast::new(references, SIZE.0, SIZE.1);
    let of_each: Vec<_> = units.iter().map(|_| &references as &dyn neuron_model::Images).collect();
    objective.measure(&of_each, 2, &mut |_| ControlFlow::Continue(())).unwrap();
    objective
}

#[test]
fn a_picture_that_is_the_reference_is_at_no_distance() {
    let network = network();
    let target = network.tap("layer4.0").unwrap();
    let references = pictures(2);
    let unit = most_active(&network, &target, &references[..PIXELS])[0].0;
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
    let picture = pictures(1);
    let channels = most_active(&network, &target, &picture);
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
    let (references, picture) = (pictures(3), pictures(4)[3 * PIXELS..].to_vec());
    let unit = most_active(&network, &target, &picture)[0].0;
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
