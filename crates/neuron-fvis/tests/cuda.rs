//! Optimisations on a GPU against the same on the CPU, with the network that comes with the repository.
//!
//! Ignored unless asked for.
#![cfg(feature = "cuda")]

mod on_gpu;
mod stripes;

use std::ops::ControlFlow;

use neuron_fvis::{Event, FeatureWeighting, Finish, Optimizer, Phase, Schedule, Settings, Start, Unit};
use neuron_model::{ChannelsLast, Device, Network};
use on_gpu::{gpu, network};
use stripes::{PIXELS, SIZE, stripes};

const STEPS: usize = 3;

/// The loss of every step and unit, and what was said about memory.
fn optimise(
    network: &Network,
    (method, finish): (FeatureWeighting, Option<Finish>),
    at_once: usize,
) -> (Vec<Vec<f64>>, Vec<(usize, usize)>) {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let units = [5, 40, 77].map(|channel| Unit { channel, references: &references });
    let phase = Phase::new(STEPS, 1, 4);
    let schedule = Schedule::new(vec![phase]).unwrap();
    let settings = Settings { method, finish, schedule, size: SIZE, at_once, ..Settings::default() };
    let start = Start { pictures: Some(stripes(4)[3 * PIXELS..].to_vec()), ..Start::default() };
    let target = network.tap("layer4").unwrap();
    let mut optimizer = Optimizer::new(network, &target, units.to_vec(), settings, start).unwrap();
    let mut halved = Vec::new();
    while !optimizer.is_finished() {
        let mut listen = |event: Event<'_>| {
            if let Event::MemoryFull { from, to } = event {
                halved.push((from, to));
            }
            ControlFlow::Continue(())
        };
        optimizer.step(&mut listen).unwrap();
    }
    let losses = |item: &neuron_fvis::Item| item.history.iter().map(|step| step.loss).collect();
    (optimizer.items().iter().map(losses).collect(), halved)
}

fn assert_near(found: &[Vec<f64>], expected: &[Vec<f64>], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.concat().into_iter().zip(expected.concat()) {
        assert!((found - expected).abs() < 1e-3 * expected, "{what}: {found} for {expected}");
    }
}

#[test]
#[ignore = "needs a GPU"]
fn steps_are_those_of_the_cpu() {
    let finish = Finish { steps: 1, method: FeatureWeighting::default() };
    let weightings = FeatureWeighting::all().map(|method| (method, None));
    for weighting in weightings.chain([(FeatureWeighting::None, Some(finish))]) {
        let device = gpu();
        let (expected, _) = optimise(&network(Device::default()), weighting, 4);
        // Together, and in two groups.
        for at_once in [4, 2] {
            let (found, _) = optimise(&network(device.clone()), weighting, at_once);
            assert_near(&found, &expected, &format!("{weighting:?}, {at_once} at once"));
        }
    }
}

/// Where the stand-in's memory is limited, to less than three pictures take.
#[test]
#[ignore = "needs FAKE_GPU_BYTES"]
fn a_full_memory_halves_the_pictures_at_once_and_says_so() {
    assert!(std::env::var_os("FAKE_GPU_BYTES").is_some(), "FAKE_GPU_BYTES is not set");
    let (device, weighting) = (gpu(), (FeatureWeighting::default(), None));
    let (expected, _) = optimise(&network(Device::default()), weighting, 4);
    let (found, halved) = optimise(&network(device), weighting, 8);
    assert_near(&found, &expected, "with less memory");
    assert!(!halved.is_empty() && halved.iter().all(|(from, to)| *to == from / 2), "{halved:?}");
}
