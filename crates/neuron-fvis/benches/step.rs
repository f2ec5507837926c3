//! What a step of an optimisation costs, in forward passes of one image: the ratio holds on any machine.
//!
//! ```sh
//! cargo bench -p neuron-fvis --bench step            # NEURON_WEIGHTS names a ResNet-50, else weights are random
//! ```
//!
//! The two are timed in turn, so that a busy machine slows both; the table shows medians.

mod resnet50;

use std::ops::ControlFlow;
use std::time::Instant;

use neuron_fvis::{
    ActivationTerm, FeatureWeighting, Optimizer, Parametrisation, Settings, Start, Transforms, Unit,
};
use neuron_model::{ChannelsLast, Keep, Network, RelevanceMethod};
use resnet50::{noise, weights};

const SIDE: usize = 224;
const ROUNDS: usize = 9;

fn main() {
    let network = Network::new("resnet50", weights(), 0).expect("weights of a ResNet-50");
    let target = network.tap("layer4.2").expect("a tap of a ResNet-50");
    let pixels: Vec<f32> = noise(3 * SIDE * SIDE).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let mut forward = network.session(std::slice::from_ref(&target), Keep::Taps).unwrap();

    println!("ResNet-50, {SIDE} x {SIDE}, {} threads, medians of {ROUNDS}", network.threads());
    println!(
        "{:<16} {:>5} {:>12} {:>12} {:>16}",
        "method", "units", "forward ms", "step ms", "forwards a step"
    );
    let published = |method: FeatureWeighting| Settings { method, ..Settings::default() };
    let clear = Settings {
        parametrisation: Parametrisation::Spectrum,
        activation: ActivationTerm { weight: 1.0, goal: Some(1.4), specificity: 1.0 },
        transforms: Transforms { scale: (0.9, 1.1), rotation_deg: 5.0 },
        method: FeatureWeighting::None,
        learning_rate: 0.1,
        ..Settings::default()
    };
    for (name, settings, units) in [
        ("LRP", published(RelevanceMethod::Lrp.into()), 1),
        ("LRP", published(RelevanceMethod::Lrp.into()), 4),
        ("clear", clear.clone(), 1),
        ("clear", clear, 4),
        ("LRPRestricted", published(RelevanceMethod::LrpRestricted.into()), 1),
        ("GuidedBackprop", published(RelevanceMethod::GuidedBackprop.into()), 1),
        ("GuidedBackprop", published(RelevanceMethod::GuidedBackprop.into()), 4),
        ("none", published(FeatureWeighting::None), 1),
        ("none", published(FeatureWeighting::None), 4),
    ] {
        let channels = (0..units).map(|unit| Unit { channel: 7 * unit, references: &images }).collect();
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
        println!("{name:<16} {units:>5} {pass:>12.1} {step:>12.1} {ratio:>16.2}");
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
