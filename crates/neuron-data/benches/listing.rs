//! Lists 200,000 tiny files in 1,000 class folders: time and memory, and what torchvision's way in Python
//! takes.
//!
//! `cargo bench -p neuron-data --bench listing`. Needs `python3`, and 800 MB of temporary space.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use neuron_data::{Dataset, DatasetOptions};

const CLASSES: usize = 1000;
const FILES_OF_A_CLASS: usize = 200;
const ROUNDS: usize = 5;

fn main() {
    let root = tempfile::tempdir().expect("a temporary folder");
    for class in 0..CLASSES {
        let folder = root.path().join(format!("train/n{class:08}"));
        fs::create_dir_all(&folder).expect("folders can be made");
        for file in 0..FILES_OF_A_CLASS {
            fs::write(folder.join(format!("n{class:08}_{file}.JPEG")), b"x").expect("files can be written");
        }
    }

    let before = peak_bytes();
    let mut rows = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let dataset = Dataset::open(root.path(), &DatasetOptions::default()).expect("a data folder");
        let listed = start.elapsed().as_secs_f64();
        assert_eq!(dataset.len(), CLASSES * FILES_OF_A_CLASS);
        let start = Instant::now();
        dataset.fingerprint();
        rows.push([listed, start.elapsed().as_secs_f64(), image_folder_secs(root.path())]);
    }
    let grown = peak_bytes() - before;
    let [listed, hashed, python] = [0, 1, 2].map(|of| median(rows.iter().map(|row| row[of])));
    let ratio = median(rows.iter().map(|row| row[2] / row[0]));
    let files = (CLASSES * FILES_OF_A_CLASS) as f64;
    println!("{files} files in {CLASSES} classes, {ROUNDS} rounds, medians");
    println!("list         {listed:.3} s   {ratio:.1} x os.walk + sort in Python ({python:.3} s)");
    println!("fingerprint  {hashed:.3} s");
    println!("memory       {:.1} MB at its peak, {:.0} bytes a file", grown / 1e6, grown / files);
}

/// Seconds that torchvision's `make_dataset` takes, written out.
fn image_folder_secs(root: &Path) -> f64 {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/peers/listing.py");
    let output = Command::new("python3").arg(script).arg(root.join("train")).output().expect("python3 runs");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the peer answers with seconds")
}

/// Most memory this process has had, as Linux counts it.
fn peak_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("the peak is a number");
    kilobytes * 1024.0
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
