//! Values that are no numbers: no kernel hides them, and the error says where they are and where they come from.

use std::collections::BTreeMap;

use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Cause, ChannelsLast, Keep, ModelError, Network, Reduction, Weights};

const ARCH: &str = "resnet10_demo";
const SIDE: usize = 40;

/// Weights of small numbers, with one value of a tensor replaced.
fn network(broken: Option<(&str, f32)>) -> Network {
    let graph = Architecture::from_name(ARCH).unwrap().graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = if shape.len() == 1 { 0.5 } else { (12.0 / (len / shape[0]) as f32).sqrt() };
        let mut data: Vec<f32> = (0..len)
            .map(|at| scale * ((at * 7919 % 101) as f32 / 100.0 - if shape.len() == 1 { 0.0 } else { 0.5 }))
            .collect();
        if let Some((_, value)) = broken.filter(|(tensor, _)| *tensor == name) {
            data[len / 2] = value;
        }
        (name, WeightTensor::new(shape, data))
    });
    Network::new(ARCH, Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new()), 1).unwrap()
}

fn pixels(items: usize) -> Vec<f32> {
    (0..items * SIDE * SIDE * 3).map(|at| (at * 2_654_435_761 % 1000) as f32 / 500.0 - 1.0).collect()
}

fn scores(network: &Network, tap: &str, reduction: Reduction, pixels: &[f32]) -> Result<usize, ModelError> {
    let tap = network.tap(tap).unwrap();
    let mut shown = 0;
    let mut session = network.session(&[tap], Keep::Taps).unwrap();
    session.scores(&ChannelsLast::new(pixels, SIDE, SIDE), reduction, &mut |scored| {
        assert!(scored.scores.iter().all(|score| score.is_finite()));
        shown += scored.scores.len();
    })?;
    Ok(shown)
}

#[test]
fn one_nan_anywhere_in_the_weights_reaches_the_end_and_is_named() {
    let pixels = pixels(1);
    let whole = network(None);
    assert_eq!(scores(&whole, "fc", Reduction::Max, &pixels).unwrap(), 1000);
    for (tensor, _) in whole.graph().expected_tensors() {
        let broken = network(Some((&tensor, f32::NAN)));
        for reduction in [Reduction::Max, Reduction::Mean] {
            match scores(&broken, "fc", reduction, &pixels).unwrap_err() {
                ModelError::NotFinite {
                    item: 0,
                    tap,
                    value,
                    cause: Cause::Weight { tensor: found, .. },
                    ..
                } => {
                    assert_eq!((tap.as_str(), &found), ("fc", &tensor));
                    assert!(value.is_nan());
                }
                other => panic!("{tensor}: {other}"),
            }
        }
    }
}

#[test]
fn infinite_weights_and_variances_below_zero_are_named() {
    let pixels = pixels(1);
    for (tensor, value) in [("layer2.0.conv1.weight", f32::INFINITY), ("bn1.running_var", -1.0)] {
        let error = scores(&network(Some((tensor, value))), "layer4", Reduction::Max, &pixels).unwrap_err();
        assert!(error.to_string().contains(tensor), "{error}");
    }
    // Above the tap, nothing of it is computed.
    scores(&network(Some(("fc.weight", f32::NAN))), "layer4", Reduction::Max, &pixels).unwrap();
}

#[test]
fn the_image_and_the_channel_are_named() {
    let network = network(None);
    let mut pixels = pixels(11);
    let item_len = SIDE * SIDE * 3;
    assert_eq!(scores(&network, "bn1", Reduction::Mean, &pixels).unwrap(), 11 * 16);
    for (item, value) in [(10, f32::MAX), (9, f32::NAN)] {
        pixels[item * item_len + 300] = value;
        match scores(&network, "layer2", Reduction::Max, &pixels).unwrap_err() {
            ModelError::NotFinite { item: found, tap, channel, cause: Cause::Overflow, .. } => {
                assert_eq!((found, tap.as_str()), (item, "layer2"));
                assert!(channel < 32);
            }
            other => panic!("{other}"),
        }
    }
}
