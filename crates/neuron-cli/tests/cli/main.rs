//! The command from end to end: every test runs the real binary. One program for all of them: each that is linked takes
//! its time.

mod activations;
mod archives;
mod arithmetic;
mod atlas;
mod baseline;
mod classes;
mod classification;
mod data_sets;
mod demo;
mod documents;
mod eval;
mod export;
mod exported;
mod extract_patches;
mod fvis;
mod hostile;
mod kills;
mod merge;
mod mistakes;
mod networks;
mod not_finite;
mod packed;
mod patches;
mod places;
mod plan;
#[path = "../../../../tests/readme_chain.rs"]
mod readme_chain;
mod reference_patches;
mod reference_scores;
mod select_images;
mod server;
#[cfg(feature = "cloud")]
mod stores;
mod support;
mod tokens;
mod weights;
mod weights_as_saved;
mod weights_fetch;
mod weights_fetch_torchvision;

/// A file that is not named above is no test.
#[test]
fn every_file_is_named() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(include_str!("main.rs").contains(&format!("mod {name};")) || name == "main", "{name}");
    }
}
