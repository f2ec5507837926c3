//! Tier 2: crops against those of Pillow, and a folder of odd and broken files.

#[path = "../../../tests/reference.rs"]
mod reference;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use neuron_data::{CropDecoder, Dataset, DatasetOptions, Limits, Preprocessing};
use safetensors::SafeTensors;

fn crop(path: &Path) -> Result<Vec<u8>, neuron_data::ImageError> {
    let preprocessing = Preprocessing::default();
    let mut pixels = vec![0; preprocessing.crop_bytes()];
    let bytes = fs::read(path).expect("the reference data can be read");
    CropDecoder::new(preprocessing, Limits::default()).decode_crop(&bytes, &mut pixels)?;
    Ok(pixels)
}

/// Every format, and the resize, follow Pillow's arithmetic to the bit: nothing less is expected.
fn assert_identical(name: &str, found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let each = || found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
    let mean = each().map(f64::from).sum::<f64>() / found.len() as f64;
    let largest = each().max().unwrap_or(0);
    assert_eq!(largest, 0, "{name}: mean difference {mean} levels, largest {largest}");
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_crops_are_those_of_pillow() {
    let shared = reference::folder();
    let bytes = fs::read(shared.join("goldens/preprocess.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let files: Vec<String> = serde_json::from_str(&header.metadata().as_ref().unwrap()["files"]).unwrap();
    let goldens = SafeTensors::deserialize(&bytes).unwrap();
    let expected = goldens.tensor("crops_u8").unwrap();
    let each = Preprocessing::default().crop_bytes();
    assert_eq!(expected.data().len(), files.len() * each);
    for (file, expected) in files.iter().zip(expected.data().chunks_exact(each)) {
        let found = crop(&shared.join("imagenet-sample/train").join(file)).unwrap();
        assert_identical(file, &found, expected);
    }
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_odd_images_load_and_broken_ones_are_reported() {
    let shared = reference::folder();
    let bytes = fs::read(shared.join("fixtures/odd_images_expected.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let folder = shared.join("fixtures/odd-images");
    let (mut loaded, mut refused) = (0, BTreeMap::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let start = Instant::now();
        let found = crop(&folder.join(&name));
        assert!(start.elapsed() < Duration::from_secs(2), "{name} took {:?}", start.elapsed());
        match found {
            Ok(found) => {
                assert_identical(&name, &found, expected.tensor(&name).unwrap().data());
                loaded += 1;
            }
            Err(reason) => {
                refused.insert(name, reason.to_string());
            }
        }
    }
    assert_eq!(loaded, expected.len());
    let reasons = [
        ("bad_bomb_50000x50000.png", "more than the limit"),
        ("bad_empty.JPEG", "empty"),
        ("bad_gzip.JPEG", "gzip"),
        ("bad_header_only.JPEG", "truncated"),
        ("bad_html.JPEG", "HTML"),
        ("bad_random.JPEG", ""),
        ("bad_text.JPEG", "text"),
        ("bad_truncated.JPEG", "truncated"),
    ];
    assert_eq!(refused.len(), reasons.len());
    for (name, reason) in reasons {
        assert!(refused[name].contains(reason), "{name}: {}", refused[name]);
    }
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_the_sample_is_listed_with_its_labels() {
    let shared = reference::folder();
    let dataset = Dataset::open(&shared.join("imagenet-sample"), &DatasetOptions::default()).unwrap();
    assert_eq!(dataset.len(), 800);
    assert_eq!(dataset.name(1), "train/n01443537/n01443537_goldfish.JPEG");
    assert_eq!(dataset.class(1).unwrap().label(), "goldfish");
    let image = dataset.read_rgb8(1, &Limits::default()).unwrap();
    assert_eq!(image.pixels.len(), image.height * image.width * 3);
}
