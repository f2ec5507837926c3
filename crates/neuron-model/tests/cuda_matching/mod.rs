//! Matching features on a GPU against its own values and backward passes, with the host's sorting between them.

use neuron_model::{
    Attributor, BackwardPass, ChannelsLast, Composite, Distribution, Matching, Precision, RANKS_TOGETHER,
    RelevanceMethod, Tap,
};

use super::definition::pixels;
use super::{HEIGHT, WIDTH, gpus, networks, networks_to_check, taps};

/// What a matcher finds, step by step: the GPU's own values and backward passes, with the host's sorting between them.
#[test]
#[ignore = "needs a GPU"]
fn features_are_matched_as_on_the_host() {
    for name in networks_to_check() {
        let device = gpus("cuda", Precision::F32);
        let (gpu, _) = networks(device, name);
        let pixels = pixels(2, HEIGHT, WIDTH, 8);
        let images = ChannelsLast::new(&pixels, HEIGHT, WIDTH);
        let (target, layers) = (gpu.tap("layer4.0").unwrap(), taps(&gpu, &["conv1", "layer1", "layer3"]));
        let channels = [3, 7];
        for method in RelevanceMethod::ALL {
            let mut attributor = Attributor::new(&gpu, &target, &layers, method).unwrap();
            attributor.run(&images, &channels).unwrap();
            let found = attributor.last();

            let unit = |unit: usize| -> Vec<(Vec<f32>, Vec<f32>)> {
                let layer = |tap: &Tap| {
                    let map = found.map(tap).unwrap();
                    let positions = map.item_len() / map.channels;
                    let sorted = (0..map.item_len()).map(|at| (at % positions) as f32 / positions as f32);
                    let scale =
                        (0..map.channels).map(|channel| (channel + unit) as f32 / map.channels as f32);
                    (sorted.collect(), scale.collect())
                };
                layers.iter().map(layer).collect()
            };
            let units = [unit(0), unit(1)];
            let order = [1, 0];
            let mut gradient = BackwardPass::new();
            let mut sums = Vec::new();
            for (index, layer) in layers.iter().enumerate() {
                let (map, signal) = (found.map(layer).unwrap(), found.at(layer).unwrap().data);
                let mut of_layer = Vec::new();
                gradient.seed(attributor.session(), layer, |seed| {
                    for (item, unit) in order.into_iter().enumerate() {
                        let part = item * map.item_len()..(item + 1) * map.item_len();
                        let (features, relevance) = (&map.data[part.clone()], &signal[part.clone()]);
                        for channel in 0..map.channels {
                            let (sorted, scale) = &units[unit][index];
                            let sorted = &sorted[channel * features.len() / map.channels..];
                            let by = (channel, map.channels);
                            let seed = &mut seed[part.clone()];
                            of_layer.push(match_channel(
                                by,
                                features,
                                relevance,
                                (sorted, scale[channel]),
                                seed,
                            ));
                        }
                    }
                });
                sums.push(of_layer);
            }
            let image = gpu.graph().image_tap();
            let composite = Composite::gradient();
            gradient.run(attributor.session(), &composite, std::slice::from_ref(&image)).unwrap();
            let map = found.map(&target).unwrap();
            let activations: Vec<f32> = map
                .data
                .chunks_exact(map.item_len())
                .zip(channels)
                .map(|(item, channel)| {
                    item.iter().skip(channel).step_by(map.channels).copied().fold(f32::MIN, f32::max)
                })
                .collect();

            let distributions = units.each_ref().map(|unit| {
                let layers = unit.iter();
                layers.map(|(sorted, scale)| Distribution { sorted, scale: scale.clone() }).collect()
            });
            let matcher = attributor.session_mut().matcher().expect("the session is on a GPU");
            matcher.set_distributions(&distributions).unwrap();
            let matching = Matching {
                images: &images,
                target: &target,
                channels: &channels,
                units: &order,
                method,
                layers: &layers,
            };
            // Twice: memory that is used again changes nothing.
            for _ in 0..2 {
                let matched = matcher.compare(&matching).unwrap();
                assert_eq!(matched.sums, sums, "{name} {method}");
                assert_eq!(matched.activations, activations, "{name} {method}");
                assert_eq!(matched.gradient, gradient.signal(&image).unwrap(), "{name} {method}");
                assert!(matched.gradient.iter().any(|value| *value != 0.0), "{name} {method}");
            }
        }
    }
}

/// The sum of the squared differences of a channel of one item; writes its gradient times a factor.
fn match_channel(
    (channel, channels): (usize, usize),
    features: &[f32],
    relevance: &[f32],
    (sorted, scale): (&[f32], f32),
    gradient: &mut [f32],
) -> f64 {
    let places: Vec<usize> = (channel..features.len()).step_by(channels).collect();
    let lowest = places.iter().map(|at| relevance[*at]).fold(f32::INFINITY, f32::min);
    let highest = places.iter().map(|at| relevance[*at]).fold(f32::NEG_INFINITY, f32::max);
    let attention = |at: usize| (relevance[at] - lowest) / (highest - lowest + 1e-6);
    let mut order = places;
    order.sort_by(|a, b| {
        (attention(*a) * features[*a]).partial_cmp(&(attention(*b) * features[*b])).expect("no NaN")
    });
    let mut sum = 0.0;
    for (order, sorted) in order.chunks(RANKS_TOGETHER).zip(sorted.chunks(RANKS_TOGETHER)) {
        let mut part = 0.0;
        for (at, target) in order.iter().zip(sorted) {
            let difference = attention(*at) * features[*at] - target;
            part += f64::from(difference) * f64::from(difference);
            gradient[*at] = scale * 2.0 * difference * attention(*at);
        }
        sum += part;
    }
    sum
}
