//! Results of which bytes were changed: whatever they hold, they are shown or told, and nothing panics.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use neuron_atlas::{Atlas, AtlasError};
use proptest::prelude::*;
use support::Tree;

/// Files of every kind that is read, below the results.
const FILES: [&str; 6] = [
    "resnet50/neuron_layer4/topk.parquet",
    "resnet50/neuron_layer4/manifest.json",
    "resnet50/neuron_layer4/1/patches.parquet",
    "resnet50/neuron_layer4/1/manifest.json",
    "images/eye & <b>ear<\u{29f8}b>.json",
    "heat/relevance.safetensors",
];

/// One tree for all cases; a case changes one file in a copy that has only that folder.
fn tree() -> &'static Tree {
    static TREE: OnceLock<Tree> = OnceLock::new();
    TREE.get_or_init(Tree::whole)
}

/// A change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (at(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        let len = bytes.len();
        match change {
            Change::Set(at, byte) => bytes[at.index(len)] = *byte,
            Change::Flip(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Change::Cut(at) => bytes.truncate(at.index(len)),
            Change::Insert(at, inserted) => {
                let at = at.index(len);
                bytes.splice(at..at, inserted.iter().copied());
            }
        }
    }
    bytes
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Reads results of which one file holds other bytes.
fn read(results: &Path, file: &str, bytes: &[u8]) -> Result<Atlas, AtlasError> {
    let path = results.join(file);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let read = Atlas::read(results, &|_: &str, layer: &str| layer.to_owned());
    fs::write(&path, whole).unwrap();
    read
}

/// A copy of the results for a test of its own.
fn results() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    copy(&tree().path("results"), &results);
    (folder, results)
}

#[test]
fn changed_bytes_are_shown_or_told() {
    let (_folder, results) = results();
    let mut runner = proptest::test_runner::TestRunner::default();
    let cases = (prop::sample::select(FILES.to_vec()), prop::collection::vec(change(), 1..5));
    let run = runner.run(&cases, |(file, changes)| {
        let bytes = changed(fs::read(results.join(file)).unwrap(), &changes);
        match read(&results, file, &bytes) {
            // The other results are there whatever this file holds.
            Ok(atlas) => prop_assert!(atlas.units() >= 2, "{}", atlas.units()),
            Err(AtlasError::ListedTwice { .. }) => {}
            Err(other) => prop_assert!(false, "{file}: {other}"),
        }
        Ok(())
    });
    run.unwrap();
}

#[test]
fn files_that_are_nothing_of_the_kind_are_named() {
    let (_folder, results) = results();
    let deep = "[".repeat(100_000);
    let odd: [&[u8]; 7] = [
        b"",
        b"PAR1",
        b"PAR1\xff\xff\xff\x7fPAR1",
        b"\xff\xff\xff\xff\xff\xff\xff\xff{}",
        b"{}",
        b"null",
        deep.as_bytes(),
    ];
    for file in FILES {
        for bytes in odd {
            let atlas = read(&results, file, bytes).unwrap();
            let named = atlas.skipped().iter().all(|skipped| skipped.path.ends_with(file));
            assert!(named && atlas.skipped().len() <= 1, "{file}: {:?}", atlas.skipped());
            let table = file.ends_with(".parquet");
            assert!(!table || atlas.skipped().len() == 1, "{file} was taken for a table");
        }
    }
}
