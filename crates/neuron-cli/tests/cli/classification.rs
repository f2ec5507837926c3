//! The whole path from a file to the logits: the real network classifies the sample photos as well as it does
//! behind Pillow and ONNX Runtime.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use neuron_data::{Dataset, DatasetOptions, Loader, LoaderOptions, Preprocessing};
use neuron_model::{ChannelsLast, Keep, Network};

use crate::support;

/// Percent of the 800 photos that Pillow and ONNX Runtime get right with the same weights.
const PEER_TOP1: f64 = 90.88;

/// Index of each class, by its folder's name.
fn class_indices(reference: &Path) -> HashMap<String, usize> {
    let table = std::fs::read_to_string(reference.join("imagenet-sample/classes.tsv")).unwrap();
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let index = fields.next().unwrap().parse().unwrap();
        (fields.next().unwrap().to_owned(), index)
    };
    table.lines().skip(1).map(row).collect()
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_photos_are_classified_as_by_the_peer() {
    let reference = support::reference::folder();
    let network = Network::open("resnet50", &reference.join("weights/resnet50-v1.safetensors")).unwrap();
    let preprocessing = Preprocessing::from_metadata(network.weights().metadata()).unwrap();
    let root = reference.join("imagenet-sample");
    let dataset = Arc::new(Dataset::open(&root, &DatasetOptions::default()).unwrap());
    let indices = class_indices(&reference);
    assert_eq!(dataset.len(), 800);

    let mut session = network.session(&[network.tap("fc").unwrap()], Keep::Taps).unwrap();
    let options = LoaderOptions::default();
    let mut loader = Loader::new(dataset.clone(), 0..dataset.len(), &preprocessing, &options).unwrap();
    let mut right = 0;
    while let Some(batch) = loader.next() {
        assert!(batch.skipped.is_empty());
        let mut input = vec![0.0; batch.pixels().len()];
        preprocessing.normalize_into(batch.pixels(), &mut input);
        let images = ChannelsLast::new(&input, preprocessing.crop, preprocessing.crop);
        let mut predictions = vec![0; batch.items.len()];
        let run = session.run(&images, &mut |tapped| {
            for (item, logits) in tapped.map.data.chunks_exact(tapped.map.channels).enumerate() {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
                predictions[tapped.first_item + item] = best.0;
            }
        });
        run.unwrap();
        let labels = batch.items.iter().map(|item| indices[&dataset.class(*item).unwrap().name]);
        right += labels.zip(predictions).filter(|(label, predicted)| label == predicted).count();
        loader.recycle(batch);
    }
    let top1 = 100.0 * right as f64 / dataset.len() as f64;
    println!("top-1: {top1:.2} %");
    assert!((top1 - PEER_TOP1).abs() <= 0.5, "top-1 {top1:.2} %, the peer's is {PEER_TOP1} %");
}
