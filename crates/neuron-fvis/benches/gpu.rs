//! Forward passes and steps of an optimisation on GPU 0.
//!
//! ```sh
//! cargo bench -p neuron-fvis --features cuda --bench gpu
//! ```
//!
//! `scripts/gpu-check.sh` prints PyTorch's forward passes on the same GPU beside these.

mod resnet50;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use neuron_fvis::{Optimizer, Settings, Start, Unit};
use neuron_model::{
    ByteImages, ChannelsLast, DeviceRequest, Keep, Network, Observer, Precision, Reduction, RelevanceMethod,
};
use resnet50::{noise, weights};

const SIDE: usize = 224;
/// Several blocks, as in a scan.
const BATCH: usize = 512;
const ROUNDS: usize = 7;

fn main() {
    for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
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
        if precision == Precision::Bf16 {
            // Steps keep values for backward passes, in which this is TF32.
            continue;
        }
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
    let pixels: Vec<u8> = noise(BATCH * SIDE * SIDE * 3).map(|value| (64.0 * value) as i8 as u8).collect();
    let value = |byte: usize| byte as f32 / 64.0 - 2.0;
    let photos = ByteImages::new(&pixels, SIDE, SIDE, [std::array::from_fn(value); 3]);
    let mut session = network.session(std::slice::from_ref(&target), Keep::Taps).unwrap();
    let seconds = median(|| session.scores(&photos, Reduction::Max, &mut |_| {}).expect("a forward pass"));
    println!("forward to layer4, b = {BATCH}, {precision}: {:.0} images/s", BATCH as f64 / seconds);
}

/// One step.
fn step(network: &Network, precision: Precision, method: RelevanceMethod, units: usize) {
    let target = network.tap("layer4.2").expect("a tap of a ResNet-50");
    let pixels: Vec<f32> = noise(3 * SIDE * SIDE).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let channels = (0..units).map(|unit| Unit { channel: 7 * unit, references: &images }).collect();
    let settings = Settings { method: method.into(), at_once: units, ..Settings::default() };
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
