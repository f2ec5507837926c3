//! The top 10,000 of 1.28 M images for 2048 channels, on synthetic scores: time and peak memory.
//!
//! ```text
//! cargo bench -p neuron-topk                                                # ImageNet's size, about a minute
//! cargo bench -p neuron-topk -- --images 20000 --channels 256 --keep 500    # a quick look
//! ```
//!
//! Only the order of a channel's scores matters to the structure, so *any* independent, continuous distribution
//! costs what the uniform one costs; the other cases are the extremes. Every case runs in a process of its own,
//! since the kernel keeps one memory peak a process.

use std::{
    env, fs,
    num::NonZeroUsize,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use neuron_topk::TopK;

const BATCH: usize = 512;
/// The score of an image in a channel.
type Score = fn(u32, u32) -> f32;

const CASES: [(&str, Score); 4] = [
    ("uniform", |image, channel| hash(image, channel) as f32 / u32::MAX as f32),
    // Every image beats all before it: everything is accepted.
    ("ascending", |image, _| image as f32),
    // A layer of dead channels: everything ties.
    ("tied", |_, _| 0.0),
    // After a ReLU: nine of ten scores are exactly zero.
    ("sparse", |image, channel| (hash(image, channel) as f32 / u32::MAX as f32 - 0.9).max(0.0)),
];

struct Size {
    images: u32,
    channels: usize,
    keep: NonZeroUsize,
}

fn main() -> ExitCode {
    let mut size =
        Size { images: 1_281_167, channels: 2048, keep: NonZeroUsize::new(10_000).expect("not zero") };
    let mut only = None;
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{flag} needs a value"));
        match flag.as_str() {
            "--images" => size.images = value.parse().expect("--images is a number"),
            "--channels" => size.channels = value.parse().expect("--channels is a number"),
            "--keep" => size.keep = value.parse().expect("--keep is a positive number"),
            "--case" => only = Some(value),
            _ => panic!("unknown flag {flag}: there are --images, --channels, --keep and --case"),
        }
    }
    match only {
        Some(name) => run(&name, &size),
        None => run_each_in_a_process(),
    }
}

fn run_each_in_a_process() -> ExitCode {
    let program = env::current_exe().expect("the path of this program");
    for (name, _) in CASES {
        let status = Command::new(&program).args(env::args().skip(1)).args(["--case", name]).status();
        if !status.expect("a second process").success() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn run(name: &str, size: &Size) -> ExitCode {
    let Some((_, score)) = CASES.into_iter().find(|(case, _)| *case == name) else {
        panic!("unknown case {name}");
    };
    let mut top_k = TopK::new(size.channels, size.keep);
    let absorbing = absorb(&mut top_k, size, score);
    let peak = peak_bytes();
    assert!(peak.is_none_or(|peak| peak <= memory_bound(size)), "the peak exceeds {}", memory_bound(size));
    check(&top_k, size, score);

    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("state");
    let begin = Instant::now();
    top_k.save(&path).expect("saving");
    let saving = begin.elapsed();
    drop(top_k);
    let begin = Instant::now();
    TopK::open(&path).expect("opening");
    let opening = begin.elapsed();

    println!(
        "{name:>9}: {} x {}, best {}: absorbed in {:6.2} s ({:.2} ns a score), peak {}; saved in {:.2} s, opened in {:.2} s",
        size.images,
        size.channels,
        size.keep,
        absorbing.as_secs_f64(),
        absorbing.as_secs_f64() * 1e9 / (f64::from(size.images) * size.channels as f64),
        peak.map_or("unknown".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6)),
        saving.as_secs_f64(),
        opening.as_secs_f64(),
    );
    ExitCode::SUCCESS
}

/// Time in `push_batch` alone, without the making of the scores.
fn absorb(top_k: &mut TopK, size: &Size, score: Score) -> Duration {
    let mut scores = vec![0.0; BATCH * size.channels];
    let mut absorbing = Duration::ZERO;
    for start in (0..size.images).step_by(BATCH) {
        let indices: Vec<u32> = (start..size.images.min(start + BATCH as u32)).collect();
        let scores = &mut scores[..indices.len() * size.channels];
        for (&image, row) in indices.iter().zip(scores.chunks_exact_mut(size.channels)) {
            row.iter_mut().zip(0..).for_each(|(place, channel)| *place = score(image, channel));
        }
        let begin = Instant::now();
        top_k.push_batch(&indices, scores, None).expect("no NaN");
        absorbing += begin.elapsed();
    }
    absorbing
}

/// The promise of [`TopK`]'s documentation, and what the process and its batch of scores take besides.
fn memory_bound(size: &Size) -> u64 {
    let entries = size.channels * (size.keep.get() * 5 / 4 + 256);
    (entries * 12 + BATCH * size.channels * 4 + (16 << 20)) as u64
}

/// One channel against a sort of all its scores.
fn check(top_k: &TopK, size: &Size, score: Score) {
    let channel = size.channels - 1;
    let mut all: Vec<u32> = (0..size.images).collect();
    let score_of = |image: u32| score(image, channel as u32);
    all.sort_by(|&a, &b| score_of(b).total_cmp(&score_of(a)).then(a.cmp(&b)));
    all.truncate(size.keep.get());
    assert!(top_k.channel(channel).iter().map(|entry| entry.index).eq(all), "the lists are wrong");
}

/// A cheap hash of two numbers (the finaliser of MurmurHash3).
fn hash(a: u32, b: u32) -> u32 {
    let mut h = a.wrapping_mul(0x9E37_79B1) ^ b.wrapping_mul(0x85EB_CA77);
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

/// The kernel's high-water mark of this process's resident memory.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
