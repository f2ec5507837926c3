//! Networks on a GPU against the same networks on the CPU.
//!
//! Ignored unless asked for. `scripts/fake-gpu.sh` builds what stands in for a GPU, so that the path to one can be
//! tested anywhere.
#![cfg(feature = "cuda")]

#[allow(dead_code, reason = "the definitions are the CPU's tests'")]
mod definition;

use std::sync::{Arc, Mutex};

use definition::{pixels, random_weights};
use neuron_model::{
    Attributor, BackwardPass, ByteImages, ChannelsLast, Composite, Device, DeviceEvent, DeviceRequest,
    Images, Keep, Network, Observer, Precision, Reduction, RelevanceMethod, Session, Tap,
};

const HEIGHT: usize = 75;
const WIDTH: usize = 62;
/// A basic block, a bottleneck and a grouped convolution.
const NETWORKS: [&str; 3] = ["resnet10_demo", "resnet50", "resnext50_32x4d"];
/// Largest difference of two f32 engines, relative to the largest value; an H100 needed 1e-6.
const TOLERANCE: f32 = 1e-4;

/// The GPUs that a request names.
fn gpus(request: &str, precision: Precision) -> Device {
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    let request: DeviceRequest = request.parse().unwrap();
    request.open(precision, &silent).unwrap_or_else(|error| panic!("{error}"))
}

/// With `NEURON_GPU_QUICK` the tests take little time on what stands in for a GPU (`scripts/fake-gpu.sh`).
fn is_quick() -> bool {
    std::env::var_os("NEURON_GPU_QUICK").is_some()
}

fn networks_to_check() -> &'static [&'static str] {
    if is_quick() { &NETWORKS[..1] } else { &NETWORKS }
}

/// A network of random weights, on a device and on the CPU.
fn networks(device: Device, name: &str) -> (Network, Network) {
    let on = |device| Network::on(device, name, random_weights(name, 3), 2).expect("the weights fit");
    (on(device), on(Device::default()))
}

fn taps(network: &Network, names: &[&str]) -> Vec<Tap> {
    names.iter().map(|name| network.tap(name).expect("the network has it")).collect()
}

/// Each tap's maps, items in order.
fn maps(session: &mut Session, pixels: &[f32]) -> Vec<Vec<f32>> {
    let mut maps = vec![Vec::new(); session.taps().len()];
    let images = ChannelsLast::new(pixels, HEIGHT, WIDTH);
    session.run(&images, &mut |tapped| maps[tapped.tap].extend_from_slice(tapped.map.data)).unwrap();
    maps
}

/// The largest difference, relative to the largest value.
fn error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0f32, |largest, value| largest.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    // A NaN is a difference.
    differences.fold(0f32, |worst, next| if next <= worst { worst } else { next })
        / largest.max(f32::MIN_POSITIVE)
}

/// The length of the difference, relative to the length: of signals, in which a ReLU at its threshold may turn out
/// differently at single places.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |value: f32| f64::from(value).powi(2);
    let difference: f64 = found.iter().zip(expected).map(|(found, expected)| square(found - expected)).sum();
    (difference / expected.iter().map(|value| square(*value)).sum::<f64>()).sqrt()
}

/// Checks the maps of every kind of step: fused, split by a tap, pools, classifier.
fn check_maps(precision: Precision, tolerance: f32) {
    for name in networks_to_check() {
        let device = gpus("cuda", precision);
        let (gpu, cpu) = networks(device, name);
        let names = [
            "conv1",
            "bn1",
            "relu",
            "maxpool",
            "layer1",
            "layer2.0.conv2",
            "layer3",
            "layer4",
            "avgpool",
            "fc",
        ];
        let pixels = pixels(5, HEIGHT, WIDTH, 1);
        for keep in [Keep::Taps, Keep::Relevance] {
            let found = maps(&mut gpu.session(&taps(&gpu, &names), keep).unwrap(), &pixels);
            let expected = maps(&mut cpu.session(&taps(&cpu, &names), keep).unwrap(), &pixels);
            for (name_of_tap, (found, expected)) in names.iter().zip(found.iter().zip(&expected)) {
                let error = error(found, expected);
                println!("{name} {precision} {keep:?} {name_of_tap}: {error:.1e}");
                assert!(error < tolerance, "{name} {name_of_tap}: {error:e}");
            }
        }
    }
}

#[test]
#[ignore = "needs a GPU"]
fn maps_are_those_of_the_cpu() {
    check_maps(Precision::F32, TOLERANCE);
}

#[test]
#[ignore = "needs a GPU"]
fn maps_in_tf32_are_near_those_of_the_cpu() {
    check_maps(Precision::Tf32, 3e-2);
}

#[test]
#[ignore = "needs a GPU"]
fn maps_in_bf16_are_near_those_of_the_cpu() {
    check_maps(Precision::Bf16, 4e-2);
}

/// Images as bytes that a GPU does not get as such.
struct Written<'a>(ByteImages<'a>);

impl Images for Written<'_> {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn size(&self) -> (usize, usize) {
        self.0.size()
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        self.0.write(index, pixels);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn bytes_give_the_bits_of_their_values() {
    let device = gpus("cuda", Precision::F32);
    let (gpu, _) = networks(device, "resnet10_demo");
    let mut session = gpu.session(&taps(&gpu, &["layer4"]), Keep::Taps).unwrap();
    // A session takes either, and another normalisation, from one batch to the next.
    for shift in [0.5, 0.25] {
        let pixels: Vec<u8> = (0..5 * HEIGHT * WIDTH * 3).map(|at| (at * 7919 % 256) as u8).collect();
        let value = |channel: usize, byte: usize| (byte as f32 / 255.0 - shift) * (channel + 1) as f32;
        let lookup = std::array::from_fn(|channel| std::array::from_fn(|byte| value(channel, byte)));
        let photos = ByteImages::new(&pixels, HEIGHT, WIDTH, lookup);
        let mut scores = |photos: &dyn Images| {
            let mut all = Vec::new();
            let absorb = &mut |scored: neuron_model::Scored<'_>| all.extend_from_slice(scored.scores);
            session.scores(photos, Reduction::Mean, absorb).unwrap();
            all
        };
        let by_bytes = scores(&photos);
        assert_eq!(scores(&Written(photos)), by_bytes);
    }
}

#[test]
#[ignore = "needs a GPU"]
fn scores_are_those_of_the_maps() {
    let device = gpus("cuda", Precision::F32);
    let (gpu, _) = networks(device, "resnet10_demo");
    let names = ["conv1", "layer2", "layer4"];
    let pixels = pixels(5, HEIGHT, WIDTH, 2);
    let images = ChannelsLast::new(&pixels, HEIGHT, WIDTH);
    for reduction in [Reduction::Max, Reduction::Mean] {
        // A session that keeps values reduces on the host, one that does not on the GPU.
        let scores = |keep: Keep| {
            let mut all = vec![(Vec::new(), Vec::new()); names.len()];
            let mut session = gpu.session(&taps(&gpu, &names), keep).unwrap();
            let mut absorb = |scored: neuron_model::Scored<'_>| {
                all[scored.tap].0.extend_from_slice(scored.scores);
                all[scored.tap].1.extend_from_slice(scored.positions);
            };
            session.scores(&images, reduction, &mut absorb).unwrap();
            all
        };
        assert_eq!(scores(Keep::Taps), scores(Keep::Gradient), "{reduction:?}");
    }
}

#[test]
#[ignore = "needs a GPU"]
fn the_same_run_gives_the_same_bits() {
    let device = gpus("cuda", Precision::F32);
    let (gpu, _) = networks(device, networks_to_check().last().expect("a network"));
    let pixels = pixels(5, HEIGHT, WIDTH, 3);
    let mut session = gpu.session(&taps(&gpu, &["layer4"]), Keep::Taps).unwrap();
    let all = maps(&mut session, &pixels);
    assert_eq!(maps(&mut session, &pixels), all);
    // The session's blocks stay as large as they were: fewer items come to the same bits.
    let two = maps(&mut session, &pixels[..2 * HEIGHT * WIDTH * 3]);
    assert_eq!(two[0], all[0][..two[0].len()]);
}

#[test]
#[ignore = "needs two GPUs"]
fn two_gpus_give_the_bits_of_one() {
    let (one, two) = (gpus("cuda:0", Precision::F32), gpus("cuda:0,1", Precision::F32));
    // On a real GPU several blocks, one for each; what stands in for one has memory for less.
    let pixels = pixels(if is_quick() { 200 } else { 8000 }, 32, 32, 4);
    let scores = |device: Device| {
        let network = Network::on(device, "resnet10_demo", random_weights("resnet10_demo", 3), 2).unwrap();
        let mut session = network.session(&taps(&network, &["layer4"]), Keep::Taps).unwrap();
        let mut all = Vec::new();
        let images = ChannelsLast::new(&pixels, 32, 32);
        session.scores(&images, Reduction::Max, &mut |scored| all.extend_from_slice(scored.scores)).unwrap();
        all
    };
    assert_eq!(scores(one), scores(two));
}

/// Where the stand-in's memory is limited, to less than the block takes.
#[test]
#[ignore = "needs FAKE_GPU_BYTES"]
fn a_full_memory_halves_the_blocks_and_says_so() {
    assert!(std::env::var_os("FAKE_GPU_BYTES").is_some(), "FAKE_GPU_BYTES is not set");
    let said = Arc::new(Mutex::new(Vec::new()));
    let record = said.clone();
    let observer: Observer =
        Arc::new(move |event: &DeviceEvent| record.lock().unwrap().push(event.to_string()));
    let device = DeviceRequest::Cuda(vec![0]).open(Precision::F32, &observer).unwrap();
    let (gpu, cpu) = networks(device, "resnet10_demo");
    let pixels = pixels(200, 32, 32, 7);
    let images = ChannelsLast::new(&pixels, 32, 32);
    let scores = |network: &Network| {
        let mut all = Vec::new();
        let mut session = network.session(&taps(network, &["layer4"]), Keep::Taps).unwrap();
        let mut absorb = |scored: neuron_model::Scored<'_>| all.extend_from_slice(scored.scores);
        session.scores(&images, Reduction::Max, &mut absorb).unwrap();
        all
    };
    assert!(error(&scores(&gpu), &scores(&cpu)) < TOLERANCE);
    let said = said.lock().unwrap();
    assert!(
        said.first().is_some_and(|line| line.contains("200 images at a time: going on with 100")),
        "{said:?}"
    );
}

/// Where the stand-in's memory is limited: values that just fit leave no room for a pass over them.
#[test]
#[ignore = "needs FAKE_GPU_BYTES"]
fn a_full_memory_leaves_no_seed_for_the_next_pass() {
    assert!(std::env::var_os("FAKE_GPU_BYTES").is_some(), "FAKE_GPU_BYTES is not set");
    let device = gpus("cuda", Precision::F32);
    let (gpu, _) = networks(device, "resnet10_demo");
    let (target, image) = (gpu.tap("layer3").unwrap(), gpu.graph().image_tap());
    let pixels = pixels(200, 32, 32, 9);
    let mut session = gpu.session(std::slice::from_ref(&target), Keep::Gradient).unwrap();
    let run = |session: &mut Session, items: usize| {
        session.run(&ChannelsLast::new(&pixels[..items * 32 * 32 * 3], 32, 32), &mut |_| {})
    };
    let gradient = |session: &Session, pass: &mut BackwardPass| {
        pass.seed(session, &target, |seed| seed.fill(0.5));
        pass.run(session, &Composite::gradient(), std::slice::from_ref(&image))?;
        Ok::<Vec<f32>, neuron_model::ModelError>(pass.signal(&image).unwrap().to_vec())
    };
    let most = (2..=200).rev().find(|items| run(&mut session, *items).is_ok()).expect("some images fit");
    let mut pass = BackwardPass::new();
    assert!(gradient(&session, &mut pass).is_err_and(|error| error.is_out_of_memory()), "{most} images");
    run(&mut session, most / 2).unwrap();
    let expected = gradient(&session, &mut BackwardPass::new()).unwrap();
    assert!(gradient(&session, &mut pass).unwrap() == expected, "{most} images");
    assert!(expected.iter().any(|value| *value != 0.0));
}

/// Signals at taps and at the image, by each method.
#[test]
#[ignore = "needs a GPU"]
fn backward_passes_are_those_of_the_cpu() {
    for name in networks_to_check() {
        let device = gpus("cuda", Precision::F32);
        let (gpu, cpu) = networks(device, name);
        let pixels = pixels(2, HEIGHT, WIDTH, 5);
        for method in RelevanceMethod::ALL {
            for target in ["layer4", "fc", "layer2.0.bn1"] {
                let signals = |network: &Network| signals(network, method, target, &pixels);
                for ((tap, found), (_, expected)) in signals(&gpu).into_iter().zip(signals(&cpu)) {
                    let distance = distance(&found, &expected);
                    println!("{name} {method} from {target} at {tap}: {distance:.1e}");
                    assert!(distance < 1e-2, "{name} {method} from {target} at {tap}: {distance:e}");
                }
            }
        }
    }
}

fn signals(
    network: &Network,
    method: RelevanceMethod,
    target: &str,
    pixels: &[f32],
) -> Vec<(String, Vec<f32>)> {
    let target = network.tap(target).unwrap();
    let mut wanted = taps(network, &["conv1", "maxpool", "layer1", "layer3"]);
    wanted.push(network.graph().image_tap());
    wanted.retain(|tap| network.graph().is_strictly_below(tap, &target));
    let mut attributor = Attributor::new(network, &target, &wanted, method).unwrap();
    let found = attributor.run(&ChannelsLast::new(pixels, HEIGHT, WIDTH), &[3, 7]).unwrap();
    let signal = |tap: &Tap| (tap.name.clone(), found.at(tap).unwrap().data.to_vec());
    wanted.iter().map(signal).collect()
}

#[test]
#[ignore = "needs a GPU"]
fn gradients_from_several_seeds_are_those_of_the_cpu() {
    for name in networks_to_check() {
        let device = gpus("cuda", Precision::F32);
        let (gpu, cpu) = networks(device, name);
        let pixels = pixels(2, HEIGHT, WIDTH, 6);
        let gradient = |network: &Network| {
            let seeds = taps(network, &["conv1", "layer1", "layer3", "layer4"]);
            let mut session = network.session(&seeds, Keep::Gradient).unwrap();
            session.run(&ChannelsLast::new(&pixels, HEIGHT, WIDTH), &mut |_| {}).unwrap();
            let mut pass = BackwardPass::new();
            for tap in &seeds {
                pass.seed(&session, tap, |seed| {
                    seed.iter_mut()
                        .enumerate()
                        .for_each(|(at, value)| *value = (at % 19) as f32 / 10.0 - 0.9);
                });
            }
            let image = network.graph().image_tap();
            pass.run(&session, &Composite::gradient(), std::slice::from_ref(&image)).unwrap();
            pass.signal(&image).unwrap().to_vec()
        };
        let distance = distance(&gradient(&gpu), &gradient(&cpu));
        println!("{name} gradient: {distance:.1e}");
        assert!(distance < 1e-2, "{name}: {distance:e}");
    }
}

#[test]
#[ignore = "needs a GPU"]
fn a_network_that_gpus_have_no_kernels_for_is_computed_on_the_cpu_aloud() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
    let observer: Observer =
        Arc::new(move |event: &DeviceEvent| listener.lock().unwrap().push(event.to_string()));
    let device = DeviceRequest::Cuda(vec![0]).open(Precision::F32, &observer).unwrap();
    let name = "mobilenet_v3_small";
    let network = Network::on(device, name, random_weights(name, 3), 2).expect("the weights fit");
    assert!(network.device().is_cpu());
    let told = told.lock().unwrap().join("; ");
    assert!(told.starts_with("computing mobilenet_v3_small on the CPU, in f32: "), "{told}");
    assert!(told.contains("Gate") && told.contains("Activation"), "{told}");
}
