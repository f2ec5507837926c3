//! What a step of an optimisation costs, in forward passes of one image: the ratio holds on any machine.
//!
//! ```sh
//! cargo bench -p neuron-fvis --bench step            # NEURON_WEIGHTS names a ResNet-50, else weights are random
//! cargo bench -p neuron-fvis --bench step -- LRP     # the methods whose names have this word
//! ```
//!
//! The two are timed in turn, so that a busy machine slows both; the table shows medians, and of the fastest of each what
//! undisturbed ones would show. Where the machine has matrix instructions, steps in bf16x3 take their turn as well, and
//! the last column relates them to those in f32.

mod resnet50;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use neuron_fvis::{
    ActivationTerm, FeatureWeighting, LayerWeights, Optimizer, Parametrisation, Settings, Start, Transforms,
    Unit,
};
use neuron_model::{
    ChannelsLast, DeviceEvent, DeviceRequest, Keep, Network, Observer, Precision, RelevanceMethod,
    has_matrix_instructions,
};
use resnet50::{noise, weights};

const SIDE: usize = 224;
const ROUNDS: usize = 9;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    let network = |precision| {
        let device = DeviceRequest::Cpu.open(precision, &silent).expect("the CPU computes in it");
        Network::on(device, "resnet50", weights(), 0).expect("weights of a ResNet-50")
    };
    let exact = network(Precision::F32);
    let fast = has_matrix_instructions().then(|| network(Precision::Bf16x3));
    let pixels: Vec<f32> = noise(3 * SIDE * SIDE).collect();
    let images = ChannelsLast::new(&pixels, SIDE, SIDE);
    let target = exact.tap("layer4.2").expect("a tap of a ResNet-50");
    let mut forward = exact.session(std::slice::from_ref(&target), Keep::Taps).unwrap();

    println!("ResNet-50, {SIDE} x {SIDE}, {} threads, medians (fastest) of {ROUNDS}", exact.threads());
    println!(
        "{:<16} {:>5} {:>17} {:>17} {:>16} {:>17} {:>16}",
        "method", "units", "forward ms", "step ms", "forwards a step", "bf16x3 ms", "of the step"
    );
    let published = |method: FeatureWeighting| Settings { method, ..Settings::default() };
    let nearest = LayerWeights::default().with_nearest(&exact, &target, (1.0, (SIDE, SIDE)));
    let (layer_weights, plain_layer) = nearest.expect("a block below");
    let clear = Settings {
        layer_weights,
        plain_layer,
        parametrisation: Parametrisation::Spectrum,
        activation: ActivationTerm { weight: 1.0, goal: Some(1.4), specificity: 1.0 },
        transforms: Transforms { scale: (0.9, 1.1), rotation_deg: 5.0 },
        method: FeatureWeighting::None,
        learning_rate: 0.1,
        ..Settings::default()
    };
    let cases = [
        ("LRP", published(RelevanceMethod::Lrp.into()), 1),
        ("LRP", published(RelevanceMethod::Lrp.into()), 4),
        ("clear", clear.clone(), 1),
        ("clear", clear.clone(), 4),
        // The last steps of clear.
        ("finish", Settings { method: RelevanceMethod::Lrp.into(), ..clear.clone() }, 1),
        ("finish", Settings { method: RelevanceMethod::Lrp.into(), ..clear }, 4),
        ("LRPRestricted", published(RelevanceMethod::LrpRestricted.into()), 1),
        ("GuidedBackprop", published(RelevanceMethod::GuidedBackprop.into()), 1),
        ("GuidedBackprop", published(RelevanceMethod::GuidedBackprop.into()), 4),
        ("none", published(FeatureWeighting::None), 1),
        ("none", published(FeatureWeighting::None), 4),
    ];
    for (name, settings, units) in cases.into_iter().filter(|case| words.iter().all(|word| case.0 == word)) {
        let optimizer = |network: &Network| {
            let channels = (0..units).map(|unit| Unit { channel: 7 * unit, references: &images }).collect();
            let target = network.tap("layer4.2").expect("a tap of a ResNet-50");
            Optimizer::new(network, &target, channels, settings.clone(), Start::default())
                .expect("sound settings")
        };
        let step = |optimizer: &mut Optimizer| {
            optimizer.step(&mut |_| ControlFlow::Continue(())).expect("a step");
        };
        let (mut exactly, mut quickly) = (optimizer(&exact), fast.as_ref().map(optimizer));
        let mut pass = || forward.run(&images, &mut |_| {}).expect("a forward pass");
        // The first of each packs kernels and measures the references.
        step(&mut exactly);
        quickly.iter_mut().for_each(step);
        pass();
        let (mut passes, mut steps, mut quick_steps) = (Times::default(), Times::default(), Times::default());
        for _ in 0..ROUNDS {
            passes.add(milliseconds(&mut pass));
            steps.add(milliseconds(&mut || step(&mut exactly)));
            quickly.iter_mut().for_each(|quickly| quick_steps.add(milliseconds(&mut || step(quickly))));
        }
        let ratios = |a: &Times, b: &Times, scale: f64| {
            format!("{:.2} ({:.2})", a.median() / b.median() / scale, a.fastest() / b.fastest() / scale)
        };
        let forwards = ratios(&steps, &passes, units as f64);
        print!("{name:<16} {units:>5} {:>17} {:>17} {forwards:>16}", passes.to_string(), steps.to_string());
        match quickly {
            Some(_) => println!(" {:>17} {:>16}", quick_steps.to_string(), ratios(&quick_steps, &steps, 1.0)),
            None => println!(" {:>17}", "no AMX"),
        }
    }
}

#[derive(Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, milliseconds: f64) {
        self.0.push(milliseconds);
        self.0.sort_by(f64::total_cmp);
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    fn fastest(&self) -> f64 {
        self.0[0]
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ({:.1})", self.median(), self.fastest())
    }
}

fn milliseconds(work: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e3
}
