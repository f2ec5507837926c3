//! Trains the networks of `neuron demo`, from nothing but this repository:
//!
//! ```text
//! cargo run --release -p neuron-demo --example train-demo -- resnet10_demo weights/demo.safetensors
//! cargo run --release -p neuron-demo --example train-demo -- densenet_demo weights/densenet_demo.safetensors
//! ```
//!
//! The same build on the same machine gives the same bytes, whatever the number of threads.

mod densenet;
mod layers;
mod maps;
mod network;
mod pictures;
mod resnet;
mod unfold;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, bail};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss};
use network::Network;
use neuron_data::Preprocessing;
use neuron_demo::{Class, Dice};
use neuron_model::Weights;

/// Seed of the pictures and of the start; the demo and the tests draw with others.
const SEED: u64 = 1;
const BATCH: usize = 40;
const LEARNING_RATE: f64 = 4e-3;
const WEIGHT_DECAY: f64 = 0.05;
/// Weight of the features' mean in the loss: it keeps units silent for most classes.
const SPARSITY: f64 = 0.1;
/// Steps in which the learning rate rises; then it falls by a cosine, to zero.
const WARM_UP: usize = 100;

const USAGE: &str = "usage: train-demo ARCH OUT [STEPS]";

const METADATA: [(&str, &str); 6] = [
    ("crop", "96"),
    ("resize", "108"),
    ("interpolation", "bilinear"),
    ("mean", "0.5,0.5,0.5"),
    ("std", "0.25,0.25,0.25"),
    ("source", "neuron-demo's example train-demo"),
];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (arch, out, steps) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [arch, out] => (arch, out, usual_steps(arch)),
        [arch, out, steps] => (arch, out, steps.parse().context(USAGE)?),
        _ => bail!(USAGE),
    };
    let network = train(arch, steps)?;
    Weights::from_tensors(network.parameters.tensors()?, metadata(arch)?).save(Path::new(out))?;
    println!("{out}");
    Ok(())
}

/// The DenseNet, which has a third of the residual network's parameters, learns more slowly.
fn usual_steps(arch: &str) -> usize {
    if arch == "densenet_demo" { 450 } else { 300 }
}

fn metadata(arch: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let labels = serde_json::to_string(&Class::ALL.map(Class::name))?;
    let own = [("arch", arch), ("labels", &labels)];
    Ok(METADATA.into_iter().chain(own).map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn train(arch: &str, steps: usize) -> anyhow::Result<Network> {
    let preprocessing = Preprocessing::from_metadata(&metadata(arch)?)?;
    let network = Network::new(arch, &mut Dice::new(SEED, u64::MAX))?;
    let settings = ParamsAdamW { weight_decay: WEIGHT_DECAY, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(network.parameters.variables(), settings)?;
    let started = Instant::now();
    for step in 0..steps {
        optimizer.set_learning_rate(learning_rate(step, steps));
        let batch = pictures::batch(SEED, step, BATCH, &preprocessing)?;
        let outputs = network.forward(&batch.images)?;
        let error = loss::cross_entropy(&outputs.logits, &batch.classes)?;
        let total = (&error + (outputs.features.mean_all()? * SPARSITY)?)?;
        optimizer.backward_step(&total)?;
        if step % 50 == 49 {
            let seconds = started.elapsed().as_secs_f64();
            println!("step {}: loss {:.3}, {seconds:.0} s", step + 1, error.to_scalar::<f32>()?);
        }
    }
    Ok(network)
}

fn learning_rate(step: usize, steps: usize) -> f64 {
    let rise = ((step + 1) as f64 / WARM_UP as f64).min(1.0);
    let fall = 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
    LEARNING_RATE * rise * fall
}
