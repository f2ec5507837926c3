//! `select-images` from start to end against what it is made of: the loader alone and the forward pass alone, on as many
//! threads, in turns. Together they allow `1 / (1 / loader + 1 / forward)` images a second.
//!
//! `cargo bench -p neuron-cli --bench scan [-- bf16]`: on the real network and photos of the reference data
//! (`NEURON_SHARED`), with two threads.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/cli/support.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use neuron_data::{Dataset, DatasetOptions, Loader, LoaderOptions, Preprocessing};
use neuron_model::{
    ByteImages, DeviceEvent, DeviceRequest, Keep, Network, Observer, Precision, Reduction, Session, Weights,
};
use support::{expecting, neuron};

const ROUNDS: usize = 5;
const THREADS: usize = 2;
/// Images that a scan loads and forwards together.
const TOGETHER: usize = 32;
/// Batches of a measurement of the forward pass.
const BATCHES: usize = 8;

fn main() {
    let Some(reference) = std::env::var_os("NEURON_SHARED").map(PathBuf::from) else {
        println!("left out: no reference data (set NEURON_SHARED)");
        return;
    };
    let bf16 = std::env::args().any(|word| word == "bf16");
    let precision = if bf16 { Precision::Bf16 } else { Precision::F32 };
    let weights = reference.join("weights/resnet50-v1.safetensors");
    let photos = reference.join("imagenet-sample/train");
    let dataset = Arc::new(Dataset::open(&photos, &DatasetOptions::default()).expect("a data folder"));
    let images = dataset.len();
    let mut forward = Forward::new(&weights, precision, &dataset);
    // Nothing is removed before the end: many file systems make new files slowly where others were just removed.
    let results = tempfile::tempdir().expect("a temporary folder");

    // The first round warms the page cache and is thrown away.
    let rounds: Vec<[f64; 3]> = (0..=ROUNDS)
        .map(|round| {
            let out = results.path().join(round.to_string());
            let loader = images as f64 / load(&dataset);
            let forward = forward.images_per_second();
            [loader, forward, images as f64 / scan((&weights, &photos), &out, precision)]
        })
        .skip(1)
        .collect();
    let allowed = |[loader, forward, _]: &[f64; 3]| 1.0 / (1.0 / loader + 1.0 / forward);
    println!("{images} images, {THREADS} threads, {precision}: images/s, medians of {ROUNDS}");
    for (place, name) in
        ["the loader alone", "the forward pass alone", "select-images"].into_iter().enumerate()
    {
        println!("{name:24} {:8.1}", median(rounds.iter().map(|round| round[place])));
    }
    println!("{:24} {:8.1}", "both allow", median(rounds.iter().map(allowed)));
    println!("{:24} {:8.2}", "share", median(rounds.iter().map(|round| round[2] / allowed(round))));
}

/// Seconds to load all images.
fn load(dataset: &Arc<Dataset>) -> f64 {
    let start = Instant::now();
    let mut loader = loader(dataset, dataset.len());
    while let Some(batch) = loader.next() {
        loader.recycle(batch);
    }
    start.elapsed().as_secs_f64()
}

fn loader(dataset: &Arc<Dataset>, images: usize) -> Loader {
    let options = LoaderOptions { threads: THREADS, batch_size: TOGETHER, ..LoaderOptions::default() };
    Loader::new(Arc::clone(dataset), 0..images, &Preprocessing::default(), &options).expect("threads")
}

/// The forward pass of crops that are there, to the greatest value of each channel.
struct Forward {
    session: Session,
    preprocessing: Preprocessing,
    pixels: Vec<u8>,
}

impl Forward {
    fn new(weights: &Path, precision: Precision, dataset: &Arc<Dataset>) -> Self {
        let silent: Observer = Arc::new(|_: &DeviceEvent| {});
        let device = DeviceRequest::Cpu.open(precision, &silent).expect("the CPU computes in it");
        let weights = Weights::open(weights).expect("weights");
        let network = Network::on(device, "resnet50", weights, THREADS).expect("a network");
        let tap = network.tap("layer4").expect("a layer");
        let session = network.session(&[tap], Keep::Taps).expect("a session");
        let pixels = loader(dataset, TOGETHER).next().expect("a batch").pixels().to_vec();
        Self { session, preprocessing: Preprocessing::default(), pixels }
    }

    fn images_per_second(&mut self) -> f64 {
        let start = Instant::now();
        for _ in 0..BATCHES {
            let Preprocessing { crop, .. } = self.preprocessing;
            let images = ByteImages::new(&self.pixels, crop, crop, self.preprocessing.lookup_table());
            self.session.scores(&images, Reduction::Max, &mut |_| {}).expect("finite scores");
        }
        (BATCHES * TOGETHER) as f64 / start.elapsed().as_secs_f64()
    }
}

/// Seconds of the command, with everything that it reads and writes.
fn scan((weights, photos): (&Path, &Path), out: &Path, precision: Precision) -> f64 {
    let mut command =
        neuron(&["select-images", "--arch", "resnet50", "--layer", "layer4", "--quiet", "--threads"]);
    command.arg(THREADS.to_string()).args(["--precision", &precision.to_string()]);
    command.arg("--weights").arg(weights).arg("--data").arg(photos).arg("--out").arg(out);
    let start = Instant::now();
    expecting(0, &mut command);
    start.elapsed().as_secs_f64()
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
