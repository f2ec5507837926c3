//! Seeds and some hundred changes of them for every target; and that a target which fails is seen to.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use neuron_fuzz::memory::Counting;
use neuron_fuzz::trial::{self, Fault};
use neuron_fuzz::{Mutator, TARGETS, corpus, seeds};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Changed seeds for each target; `scripts/fuzz.sh` tries as many as there is time for.
const CHANGED: usize = 300;

/// Memory is counted for the whole process, and panics are noted for it: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn sound_seeds_are_taken_and_no_seed_does_harm() {
    let _alone = alone();
    for (name, target) in TARGETS {
        for seed in corpus::seeds(name).unwrap() {
            let what = format!("{name}/{}", seed.name);
            let cost = trial::run(*target, &seed.bytes).unwrap_or_else(|fault| panic!("{what}: {fault}"));
            assert!(cost.taken || !seed.is_sound(), "{what} is not taken");
        }
    }
}

#[test]
fn changed_seeds_do_no_harm() {
    let _alone = alone();
    for (name, target) in TARGETS {
        let seeds: Vec<Vec<u8>> = corpus::seeds(name).unwrap().into_iter().map(|seed| seed.bytes).collect();
        let mut mutator = Mutator::new(1, corpus::dictionary(name).unwrap());
        for run in 0..CHANGED {
            let input = mutator.mutate(&seeds);
            if let Err(fault) = trial::run(*target, &input) {
                let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{run}"));
                std::fs::write(&kept, &input).unwrap();
                panic!("{name}: {fault}; the input is {}", kept.display());
            }
        }
    }
}

#[test]
fn the_seeds_are_those_that_are_made() {
    for (target, name, bytes) in seeds::all() {
        let kept = corpus::seeds(target).unwrap().into_iter().find(|seed| seed.name == name);
        let same = kept.is_some_and(|kept| kept.bytes == bytes);
        assert!(same, "{target}/{name}: run `cargo run -p neuron-fuzz -- --write-seeds`");
    }
}

#[test]
fn seeds_are_small() {
    let mut total = 0;
    for (target, _) in TARGETS {
        for seed in corpus::seeds(target).unwrap() {
            assert!(seed.bytes.len() < 4096, "{target}/{}", seed.name);
            total += seed.bytes.len();
        }
    }
    assert!(total < 150_000, "{total} bytes");
}

#[test]
fn panics_and_memory_are_noticed() {
    let _alone = alone();
    let panicking = trial::run(|bytes| bytes[3] == 0, b"abc").unwrap_err();
    assert!(matches!(panicking, Fault::Panicked(_)), "{panicking}");
    let hog = trial::run(|_| std::hint::black_box(vec![0u8; 65 << 20]).is_empty(), b"").unwrap_err();
    assert!(matches!(hog, Fault::Memory { .. }), "{hog}");
    // Whoever gets more bytes may take more.
    let large = vec![0; 64 << 10];
    let cost = trial::run(|_| std::hint::black_box(vec![0u8; 65 << 20]).is_empty(), &large).unwrap();
    assert!(cost.peak_bytes >= 65 << 20 && cost.elapsed < Duration::from_secs(5));
}
