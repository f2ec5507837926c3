//! The loader against Pillow: the same files, one core each, runs alternated; then one thread against two.
//!
//! `cargo bench -p neuron-data --bench loader [-- DATA_FOLDER]`. Needs `python3` with Pillow and numpy.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use neuron_data::{Dataset, DatasetOptions, Loader, LoaderOptions, Preprocessing};

const ROUNDS: usize = 7;
const IMAGES: usize = 400;

fn main() {
    let Some(folder) = data_folder() else {
        println!("left out: no photos (set NEURON_SHARED, or give a data folder)");
        return;
    };
    let dataset = Arc::new(Dataset::open(&folder, &DatasetOptions::default()).expect("a data folder"));
    let images = dataset.len().min(IMAGES);
    let mut pillow = Pillow::start(&dataset, images);

    // The first round warms the page cache and is thrown away.
    let mut rows = Vec::new();
    for _ in 0..=ROUNDS {
        rows.push([pillow.secs(), load(&dataset, images, 1), load(&dataset, images, 2)]);
    }
    let rate = |of: usize| images as f64 / median(rows[1..].iter().map(|row| row[of]));
    let ratio = |a: usize, b: usize| median(rows[1..].iter().map(|row| row[a] / row[b]));
    println!("{images} images of {}, {ROUNDS} rounds, medians", folder.display());
    println!("Pillow, 1 core        {:7.1} images/s", rate(0));
    println!("neuron-data, 1 thread {:7.1} images/s   {:.2} x Pillow", rate(1), ratio(0, 1));
    println!("neuron-data, 2 threads{:7.1} images/s   {:.2} x 1 thread", rate(2), ratio(1, 2));
}

/// The first argument that is no option, else the sample of the reference data.
fn data_folder() -> Option<PathBuf> {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let sample =
        || std::env::var_os("NEURON_SHARED").map_or_else(beside, PathBuf::from).join("imagenet-sample");
    let folder = given.map_or_else(sample, PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// Seconds to load the first `images` images.
fn load(dataset: &Arc<Dataset>, images: usize, threads: usize) -> f64 {
    let start = Instant::now();
    let options = LoaderOptions { threads, ..LoaderOptions::default() };
    let mut loader =
        Loader::new(Arc::clone(dataset), 0..images, &Preprocessing::default(), &options).expect("threads");
    let mut loaded = 0;
    while let Some(batch) = loader.next() {
        loaded += batch.items.len() + batch.skipped.len();
        loader.recycle(batch);
    }
    assert_eq!(loaded, images);
    start.elapsed().as_secs_f64()
}

/// The Python process that does the same with Pillow.
struct Pillow {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pillow {
    fn start(dataset: &Dataset, images: usize) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/peers/loader.py");
        let mut command = Command::new("python3");
        let mut process =
            command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 runs");
        let mut orders = process.stdin.take().expect("stdin is piped");
        for index in 0..images {
            writeln!(orders, "{}", dataset.entry(index)).expect("the peer listens");
        }
        writeln!(orders).expect("the peer listens");
        let answers = BufReader::new(process.stdout.take().expect("stdout is piped"));
        Self { process, orders, answers }
    }

    fn secs(&mut self) -> f64 {
        writeln!(self.orders, "go").expect("the peer listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the peer answers");
        answer.trim().parse().expect("the peer answers with seconds")
    }
}

impl Drop for Pillow {
    fn drop(&mut self) {
        // The end of the bench: the peer waits for orders that do not come.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
