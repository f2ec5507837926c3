//! The files that `select-images` writes for the real network, against the scores of the published implementation.

use std::collections::HashMap;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use safetensors::SafeTensors;

use crate::support;

/// Of so many recorded images one is scored: all of them take minutes, and are classified by another test.
const STRIDE: usize = 5;
/// Images of each channel that are compared.
const TOP: usize = 20;

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_top_images_are_those_of_the_reference() {
    let reference = support::reference::folder();
    let out = tempfile::tempdir().unwrap();
    let path = |name: &str| reference.join(name).display().to_string();
    let out_text = out.path().display().to_string();
    let bytes = std::fs::read(reference.join("goldens/scores.safetensors")).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let recorded: Vec<String> =
        serde_json::from_str(&metadata.metadata().as_ref().unwrap()["files"]).unwrap();
    let photo = |file: &String| path(&format!("imagenet-sample/train/{file}"));
    let photos: Vec<String> = recorded.iter().step_by(STRIDE).map(photo).collect();
    let list = out.path().join("photos.txt");
    std::fs::write(&list, photos.join("\n")).unwrap();
    support::run_expecting(
        0,
        &[
            "select-images",
            "--weights",
            &path("weights/resnet50-v1.safetensors"),
            "--data",
            &list.display().to_string(),
            "--target_layer",
            "layer3,layer4",
            "--topk_images",
            &TOP.to_string(),
            "--out",
            &out_text,
        ],
    );
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for layer in ["layer3", "layer4"] {
        let scores = tensors.tensor(&format!("{layer}.max")).unwrap();
        let channels = scores.shape()[1];
        let values: Vec<f32> = scores
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        let table = out.path().join("resnet50").join(format!("neuron_{layer}")).join("topk.parquet");
        let reader = SerializedFileReader::new(std::fs::File::open(table).unwrap()).unwrap();
        let mut found: HashMap<usize, Vec<(usize, f32)>> = HashMap::new();
        for row in reader.get_row_iter(None).unwrap().map(Result::unwrap) {
            let index = row.get_int(4).unwrap() as usize;
            assert_eq!(*row.get_string(3).unwrap(), photos[index]);
            let entry = (index, row.get_float(6).unwrap());
            found.entry(row.get_int(1).unwrap() as usize).or_default().push(entry);
        }
        assert_eq!(found.len(), channels);

        let mut shared = 0;
        for (channel, found) in &found {
            let score = |image: usize| values[image * STRIDE * channels + channel];
            let mut order: Vec<usize> = (0..photos.len()).collect();
            order.sort_by(|a, b| score(*b).total_cmp(&score(*a)).then(a.cmp(b)));
            let last = score(order[TOP - 1]);
            for (image, got) in found {
                if order[..TOP].contains(image) {
                    shared += 1;
                } else {
                    let gap = (last - score(*image)).abs();
                    assert!(
                        gap <= 0.01 * last.abs(),
                        "{layer} {channel}: {image} scores {got}, floor {last}"
                    );
                }
            }
        }
        let overlap = shared as f64 / (TOP * channels) as f64;
        println!("{layer}: overlap {overlap:.4}");
        assert!(overlap >= 0.97, "{layer}: overlap {overlap}");
    }
}
