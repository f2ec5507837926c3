//! Forward passes and steps of an optimisation on GPU 0.
//!
//! ```sh
//! cargo bench -p neuron-fvis --features cuda --bench gpu
//! ```
//!
//! `scripts/gpu-check.sh` prints PyTorch's forward passes on the same GPU beside these.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use neuron_fvis::{Optimizer, Settings, Start, Unit};
use neuron_model::weights::WeightTensor;
use neuron_model::{
    Architecture, ChannelsLast, DeviceRequest, Keep, Network, Observer, Precision, Reduction,
    RelevanceMethod, Weights,
};

const SIDE: usize = 224;
const BATCH: usize = 256;
const ROUNDS: usize = 7;

fn main() {
    for precision in [Precision::F32, Precision::Tf32] {
        let observer: Observer = Arc::new(|event| println!("{event}"));
        let device = match DeviceRequest::Cuda(vec![0]).open(precision, &observer) {
            Ok(device) => device,
            Err(error) => {
                eprintln!("no GPU to measure: {error}");
                std::process::exit(1);
            }
        };
        let network = Network::on(device, "resnet50", weights(), 0).expect("weights of a ResNet-50");
        forward(&network, precision);
        for (method, units) in
            [(RelevanceMethod::Lrp, 1), (RelevanceMethod::Lrp, 16), (RelevanceMethod::GuidedBackprop, 1)]
        {
            step(&network, precision, method, units);
        }
    }
}

/// Images from the host to scores on the host, as in a scan.
fn forward(network: &Network, precision: Precision) {
    let target = network.tap("layer4").expect("a tap of a ResNet-50");
    let pixels: Vec<f32> = noise(BATCH * SIDE * SIDE * 3).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let mut session = network.session(std::slice::from_ref(&target), Keep::Taps);
    let seconds = median(|| session.scores(&images, Reduction::Max, &mut |_| {}).expect("a forward pass"));
    println!("forward to layer4, b = {BATCH}, {precision}: {:.0} images/s", BATCH as f64 / seconds);
}

/// One step, with the matching of features on the CPU.
fn step(network: &Network, precision: Precision, method: RelevanceMethod, units: usize) {
    let target = network.tap("layer4.2").expect("a tap of a ResNet-50");
    let pixels: Vec<f32> = noise(3 * SIDE * SIDE).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let channels = (0..units).map(|unit| Unit { channel: 7 * unit, references: &images }).collect();
    let settings = Settings { method, ..Settings::default() };
    let mut optimizer =
        Optimizer::new(network, &target, channels, settings, Start::default()).expect("sound settings");
    let seconds = median(|| optimizer.step(&mut |_| ControlFlow::Continue(())).map(drop).expect("a step"));
    println!("fvis, {method}, {units} units, {precision}: {:.1} unit-steps/s", units as f64 / seconds);
}

/// Seconds, after two runs that are not counted: the first one of each kind finds algorithms and takes memory.
fn median(mut work: impl FnMut()) -> f64 {
    (0..2).for_each(|_| work());
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            work();
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
}

/// Random weights of the scale at which activations neither fade nor grow.
fn weights() -> Weights {
    let graph = Architecture::from_name("resnet50").expect("a known network").graph(&Weights::default());
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (6.0 * shape[0] as f32 / len as f32).sqrt();
        let data: Vec<f32> = match name.rsplit('.').next() {
            Some("running_var") => vec![1.0; len],
            Some("weight") if shape.len() == 1 => vec![1.0; len],
            Some("weight") => noise(len).map(|value| value * scale).collect(),
            _ => vec![0.0; len],
        };
        (name, WeightTensor::new(shape, data))
    });
    Weights::from_tensors(tensors.collect::<Vec<_>>(), [].into())
}

/// Numbers in -1..1 that look random.
fn noise(len: usize) -> impl Iterator<Item = f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    (0..len).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}
