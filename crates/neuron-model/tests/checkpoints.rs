//! Checkpoints that torch saved: every form of them holds the same tensors, and damaged ones fail cleanly.

#[allow(dead_code, reason = "every test file uses its own part of it")]
mod shared;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use neuron_model::weights::TorchError;
use neuron_model::{ModelError, Weights};

fn folder() -> PathBuf {
    shared::folder().join("fixtures/checkpoints")
}

/// Everything is equal; `tolerance` is relative to each tensor's largest value.
fn assert_same(found: &Weights, expected: &Weights, tolerance: f32, what: &str) {
    assert!(found.names().eq(expected.names()), "{what}: {:?}", found.names().collect::<Vec<_>>());
    assert!(found.names().count() >= 8, "{what} holds tensors");
    assert!(found.left_out().eq([("bn1.num_batches_tracked", "a tensor of I64")]), "{what}");
    for name in expected.names() {
        let (found, expected) = (found.tensor(name).unwrap(), expected.tensor(name).unwrap());
        assert_eq!(found.shape, expected.shape, "{what}: {name}");
        let largest = expected.data.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (found, expected) in found.data.iter().zip(&*expected.data) {
            assert!((found - expected).abs() <= tolerance * largest, "{what}: {name}: {found} {expected}");
        }
    }
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_every_form_holds_the_expected_tensors() {
    let folder = folder();
    let open = |name: &str| Weights::open(&folder.join(name)).unwrap();
    let expected = open("expected.safetensors");
    for name in ["zip.pth", "legacy.pth", "wrapped.pth"] {
        assert_same(&open(name), &expected, 0.0, name);
    }
    assert_same(&open("strided.pth"), &open("expected_strided.safetensors"), 0.0, "strided.pth");
    // Half a unit in the last of 11 and 8 bits.
    assert_same(&open("half.pth"), &expected, 2.0f32.powi(-11), "half.pth");
    assert_same(&open("bfloat16.pth"), &expected, 2.0f32.powi(-8), "bfloat16.pth");
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_a_converted_checkpoint_is_the_same_and_its_bytes_are_fixed() {
    let folder = folder();
    let out = tempfile::tempdir().unwrap();
    let weights = Weights::open(&folder.join("wrapped.pth")).unwrap();
    let paths = ["a.safetensors", "b.safetensors"].map(|name| out.path().join(name));
    for path in &paths {
        weights.save(path).unwrap();
    }
    assert_eq!(std::fs::read(&paths[0]).unwrap(), std::fs::read(&paths[1]).unwrap());
    let again = Weights::open(&paths[0]).unwrap();
    assert!(again.names().all(|name| again.tensor(name) == weights.tensor(name)));
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_damaged_and_hostile_files_fail_quickly_and_run_nothing() {
    let folder = folder();
    let evidence = Path::new("/tmp/neuron-pickle-was-executed");
    assert!(!evidence.exists(), "remove {} first", evidence.display());
    let start = Instant::now();
    let fail = |name: &str| Weights::open(&folder.join(name)).unwrap_err();

    let evil = fail("bad_evil.pth");
    let ModelError::Torch { source: TorchError::UnknownGlobal { global }, .. } = &evil else {
        panic!("{evil}")
    };
    assert_eq!(global, "posix.system");
    assert!(!evidence.exists(), "the checkpoint's code was run");

    let html = fail("bad_html.pth");
    assert!(matches!(html, ModelError::NotWeights { .. }), "{html}");
    assert!(html.to_string().contains("a web page"), "{html}");

    let truncated = fail("bad_truncated.pth");
    assert!(matches!(truncated, ModelError::Torch { source: TorchError::Zip { .. }, .. }), "{truncated}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_every_truncation_of_a_checkpoint_is_an_error() {
    let folder = folder();
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("cut.pth");
    for name in ["zip.pth", "legacy.pth"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for length in (0..bytes.len()).step_by(7) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert!(Weights::open(&path).is_err(), "the first {length} bytes of {name}");
        }
    }
}
