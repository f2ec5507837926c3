//! Patches of 64 units: one run, which forwards every window once, against 64 runs, and against one that forwards
//! whole images.
//!
//! `cargo bench -p neuron-cli --bench patches`: on the real network and photos where the reference data is, else
//! on a small network of random weights and drawn photos.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../tests/cli/support.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::time::Instant;

use support::{ARCH, draw_photos, expecting, neuron, random_weights};

const UNITS: usize = 64;
/// Images of all lists together.
const IMAGES: usize = 40;
/// Images in a unit's list.
const LISTED: usize = 8;

/// What the runs have in common.
struct Inputs {
    folder: tempfile::TempDir,
    arch: &'static str,
    weights: String,
}

impl Inputs {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (arch, weights, photos) = match std::env::var_os("NEURON_SHARED").map(PathBuf::from) {
            Some(reference) => {
                let weights = reference.join("weights/resnet50-v1.safetensors");
                ("resnet50", weights, photos(&reference.join("imagenet-sample/train")))
            }
            None => {
                let drawn = draw_photos(folder.path(), 1, IMAGES);
                (ARCH, random_weights(folder.path()), photos(&drawn))
            }
        };
        for unit in 0..UNITS {
            let list: String =
                (0..LISTED).map(|at| photos[(5 * unit + at) % IMAGES].clone() + "\n").collect();
            let unit = folder.path().join(unit.to_string());
            std::fs::create_dir(&unit).expect("a new folder");
            std::fs::write(unit.join("files_all.txt"), list).expect("a new file");
        }
        Self { folder, arch, weights: weights.display().to_string() }
    }

    /// Seconds of one run, with everything that a run does.
    fn seconds(&self, channels: &str, more: &[&str]) -> f64 {
        let mut command = neuron(&["extract-patches", "--arch", self.arch, "--weights", &self.weights]);
        command.args(["--overwrite", "--quiet", "--channels", channels, "--save-dir"]);
        command.arg(self.folder.path()).args(more);
        let started = Instant::now();
        expecting(0, &mut command);
        started.elapsed().as_secs_f64()
    }
}

/// The first photos below a folder of class folders.
fn photos(folder: &Path) -> Vec<String> {
    let mut found: Vec<PathBuf> = support::files(folder).into_keys().collect();
    found.sort();
    found.truncate(IMAGES);
    found.into_iter().map(|name| folder.join(name).display().to_string()).collect()
}

fn main() {
    let inputs = Inputs::new();
    println!("{}: {UNITS} units, {LISTED} images each, {IMAGES} different ones, 32 px", inputs.arch);
    let together = inputs.seconds("all", &[]);
    println!("one run                  {together:8.1} s");
    let separate: f64 = (0..UNITS).map(|unit| inputs.seconds(&unit.to_string(), &[])).sum();
    println!("{UNITS} runs                  {separate:8.1} s   {:6.1} times as long", separate / together);
    let fields = inputs.seconds("all", &["--method", "receptive-field"]);
    println!("receptive fields, one run{fields:8.1} s   {:6.1} times faster", together / fields);
}
