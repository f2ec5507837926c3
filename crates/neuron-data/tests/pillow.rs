//! Small pictures in many formats: the same pixels as Pillow's, to the bit (see `data/generate.py`).

use std::fs;
use std::path::{Path, PathBuf};

use neuron_data::{CropDecoder, Interpolation, Limits, Preprocessing, Rgb8Image, decode_rgb8, resize_rgb8};
use sha2::{Digest, Sha256};

/// A row of `expected.tsv`.
struct Case {
    operation: String,
    file: String,
    parameters: String,
    hash: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn cases(operation: &str) -> Vec<Case> {
    let table = fs::read_to_string(folder().join("expected.tsv")).unwrap();
    let case = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut field = || fields.next().unwrap();
        Case { operation: field(), file: field(), parameters: field(), hash: field() }
    };
    let found: Vec<_> = table.lines().map(case).filter(|case| case.operation == operation).collect();
    assert!(!found.is_empty());
    found
}

fn decode(file: &str) -> Rgb8Image {
    let bytes = fs::read(folder().join(file)).unwrap();
    decode_rgb8(&bytes, &Limits::default()).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn hash(pixels: &[u8]) -> String {
    Sha256::digest(pixels).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn interpolation(name: &str) -> Interpolation {
    Interpolation::parse(name).unwrap()
}

#[test]
fn every_format_decodes_to_the_same_pixels() {
    for case in cases("decode") {
        let image = decode(&case.file);
        assert_eq!(format!("{}x{}", image.height, image.width), case.parameters, "{}", case.file);
        assert_eq!(hash(&image.pixels), case.hash, "{}", case.file);
    }
}

#[test]
fn resizes_are_the_same() {
    for case in cases("resize") {
        let (size, filter) = case.parameters.split_once(' ').unwrap();
        let (height, width) = size.split_once('x').unwrap();
        let (height, width) = (height.parse().unwrap(), width.parse().unwrap());
        let found = resize_rgb8(&decode(&case.file), height, width, interpolation(filter));
        assert_eq!(hash(&found.pixels), case.hash, "{} {}", case.file, case.parameters);
    }
}

#[test]
fn crops_are_the_same_whether_decoded_in_part_or_whole() {
    for case in cases("crop") {
        let parameters: Vec<&str> = case.parameters.split(' ').collect();
        let preprocessing = Preprocessing {
            resize: parameters[0].parse().unwrap(),
            crop: parameters[1].parse().unwrap(),
            interpolation: interpolation(parameters[2]),
            ..Preprocessing::default()
        };
        let mut crop = vec![0; preprocessing.crop_bytes()];
        let of_whole = preprocessing.crop_into(&decode(&case.file), &mut crop);
        assert_eq!(hash(&crop), case.hash, "{} {}", case.file, case.parameters);

        crop.fill(0);
        let bytes = fs::read(folder().join(&case.file)).unwrap();
        let mut decoder = CropDecoder::new(preprocessing, Limits::default());
        let of_part = decoder.decode_crop(&bytes, &mut crop).unwrap();
        assert_eq!(hash(&crop), case.hash, "{} {}, in part", case.file, case.parameters);
        assert_eq!(of_part, of_whole);
    }
}

#[test]
fn one_decoder_takes_files_of_all_kinds_in_turn() {
    // What a picture leaves in the decoder's memory must not show in the next one.
    let files: Vec<_> = cases("decode").into_iter().map(|case| case.file).collect();
    let preprocessing = Preprocessing { resize: 20, crop: 16, ..Preprocessing::default() };
    let mut shared = CropDecoder::new(preprocessing.clone(), Limits::default());
    for file in files.iter().chain(files.iter().rev()) {
        let bytes = fs::read(folder().join(file)).unwrap();
        let (mut found, mut expected) =
            (vec![0; preprocessing.crop_bytes()], vec![0; preprocessing.crop_bytes()]);
        shared.decode_crop(&bytes, &mut found).unwrap();
        CropDecoder::new(preprocessing.clone(), Limits::default())
            .decode_crop(&bytes, &mut expected)
            .unwrap();
        assert!(found == expected, "{file}");
    }
}
