//! What a step of an optimisation costs, in forward passes of one image: the ratio holds on any machine.
//!
//! ```sh
//! cargo bench -p neuron-fvis --bench step            # NEURON_WEIGHTS names a ResNet-50, else weights are random
//! ```
//!
//! The two are timed in turn, so that a busy machine slows both; the table shows medians.

use std::ops::ControlFlow;
use std::time::Instant;

use neuron_fvis::{Optimizer, Settings, Start, Unit};
use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, ChannelsLast, Keep, Network, RelevanceMethod, Weights};

const SIDE: usize = 224;
const ROUNDS: usize = 9;

fn main() {
    let network = Network::new("resnet50", weights(), 0).expect("weights of a ResNet-50");
    let target = network.tap("layer4.2").expect("a tap of a ResNet-50");
    let pixels: Vec<f32> = noise(3 * SIDE * SIDE).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let mut forward = network.session(std::slice::from_ref(&target), Keep::Taps);

    println!("ResNet-50, {SIDE} x {SIDE}, {} threads, medians of {ROUNDS}", network.threads());
    println!(
        "{:<16} {:>5} {:>12} {:>12} {:>16}",
        "method", "units", "forward ms", "step ms", "forwards a step"
    );
    for (method, units) in [
        (RelevanceMethod::Lrp, 1),
        (RelevanceMethod::Lrp, 4),
        (RelevanceMethod::LrpRestricted, 1),
        (RelevanceMethod::GuidedBackprop, 1),
        (RelevanceMethod::GuidedBackprop, 4),
    ] {
        let channels = (0..units).map(|unit| Unit { channel: 7 * unit, references: &images }).collect();
        let settings = Settings { method, ..Settings::default() };
        let mut optimizer =
            Optimizer::new(&network, &target, channels, settings, Start::default()).expect("sound settings");
        let mut step = || optimizer.step(&mut |_| ControlFlow::Continue(())).expect("a step");
        let mut pass = || forward.run(&images, &mut |_| {}).expect("a forward pass");
        // The first of each packs kernels and measures the references.
        step();
        pass();
        let (mut steps, mut passes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            passes.push(milliseconds(&mut pass));
            steps.push(milliseconds(&mut step));
        }
        let (pass, step) = (median(passes), median(steps));
        let ratio = step / pass / units as f64;
        println!("{:<16} {units:>5} {pass:>12.1} {step:>12.1} {ratio:>16.2}", method.to_string());
    }
}

fn milliseconds(work: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The weights that `NEURON_WEIGHTS` names, else random ones of the scale at which activations neither fade nor grow.
fn weights() -> Weights {
    if let Some(path) = std::env::var_os("NEURON_WEIGHTS") {
        return Weights::open(path.as_ref()).expect("a weights file");
    }
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
