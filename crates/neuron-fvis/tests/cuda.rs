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

fn settings(method: FeatureWeighting) -> Settings {
    let schedule = Schedule::new(vec![Phase::new(STEPS, 1, 4)]).unwrap();
    Settings { method, schedule, size: SIZE, ..Settings::default() }
}

/// The loss of every step and unit, and what was said about memory.
fn optimise(network: &Network, settings: &Settings) -> (Vec<Vec<f64>>, Vec<(usize, usize)>) {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let units = [5, 40, 77].map(|channel| Unit { channel, references: &references });
    let start = Start { pictures: Some(stripes(4)[3 * PIXELS..].to_vec()), ..Start::default() };
    let target = network.tap("layer4").unwrap();
    let mut optimizer = Optimizer::new(network, &target, units.to_vec(), settings.clone(), start).unwrap();
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
    // Plain features have small gradients where rounding decides the direction, and relevance would show that: they hardly
    // move here.
    let finish = Some(Finish { steps: 1, method: FeatureWeighting::default() });
    let finished = Settings { finish, learning_rate: 0.01, ..settings(FeatureWeighting::None) };
    for settings in FeatureWeighting::all().map(settings).chain([finished]) {
        let device = gpu();
        let (expected, _) = optimise(&network(Device::default()), &settings);
        // Together, and in two groups.
        for at_once in [4, 2] {
            let settings = Settings { at_once, ..settings.clone() };
            let (found, _) = optimise(&network(device.clone()), &settings);
            let Settings { method, finish, .. } = settings;
            assert_near(&found, &expected, &format!("{method}, {finish:?}, {at_once} at once"));
        }
    }
}

/// Where the stand-in's memory is limited, to less than three pictures take.
#[test]
#[ignore = "needs FAKE_GPU_BYTES"]
fn a_full_memory_halves_the_pictures_at_once_and_says_so() {
    assert!(std::env::var_os("FAKE_GPU_BYTES").is_some(), "FAKE_GPU_BYTES is not set");
    let (device, settings) = (gpu(), settings(FeatureWeighting::default()));
    let (expected, _) = optimise(&network(Device::default()), &settings);
    let (found, halved) = optimise(&network(device), &Settings { at_once: 8, ..settings });
    assert_near(&found, &expected, "with less memory");
    assert!(!halved.is_empty() && halved.iter().all(|(from, to)| *to == from / 2), "{halved:?}");
}
