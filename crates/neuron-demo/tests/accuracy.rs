//! The committed weights, on pictures that nobody trained on, through the project's own loader and engine.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use neuron_data::{Dataset, DatasetOptions, Loader, LoaderOptions, Preprocessing};
use neuron_demo::{Class, Existing};
use neuron_model::{ChannelsLast, Keep, Network, Weights};

/// Neither the training's seed (1) nor the demo's (2).
const SEED: u64 = 3;
const PER_CLASS: usize = 20;

/// The networks' weights, each in a file that is kept in the repository.
fn weights(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights").join(file)
}

/// The number of the class that the network sees in every picture, with the true one; `classifier` is its last layer.
fn predictions(network: &Network, classifier: &str, folder: &Path) -> Vec<(usize, usize)> {
    let preprocessing = Preprocessing::from_metadata(network.weights().metadata()).unwrap();
    let dataset = Arc::new(Dataset::open(folder, &DatasetOptions::default()).unwrap());
    let options = LoaderOptions::default();
    let mut loader = Loader::new(dataset.clone(), 0..dataset.len(), &preprocessing, &options).unwrap();
    let mut session = network.session(&[network.tap(classifier).unwrap()], Keep::Taps).unwrap();
    let mut pairs = Vec::new();
    while let Some(batch) = loader.next() {
        assert!(batch.skipped.is_empty());
        let mut input = vec![0.0; batch.pixels().len()];
        preprocessing.normalize_into(batch.pixels(), &mut input);
        let images = ChannelsLast::new(&input, preprocessing.crop, preprocessing.crop);
        let mut predicted = vec![0; batch.items.len()];
        let run = session.run(&images, &mut |tapped| {
            for (item, logits) in tapped.map.data.chunks_exact(tapped.map.channels).enumerate() {
                let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
                predicted[tapped.first_item + item] = best.0;
            }
        });
        run.unwrap();
        let class = |item: usize| {
            let name = &dataset.class(item).unwrap().name;
            Class::ALL.iter().position(|class| class.name() == name).unwrap()
        };
        pairs.extend(batch.items.iter().map(|item| class(*item)).zip(predicted));
        loader.recycle(batch);
    }
    pairs
}

#[test]
fn held_out_pictures_are_classified() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = neuron_demo::Dataset { per_class: PER_CLASS, seed: SEED, existing: Existing::Keep };
    pictures.write(folder.path(), &mut |_| ControlFlow::Continue(())).unwrap();

    for (arch, file, classifier) in [
        ("resnet10_demo", "demo.safetensors", "fc"),
        ("densenet_demo", "densenet_demo.safetensors", "classifier"),
    ] {
        let network = Network::open(arch, &weights(file)).unwrap();
        let pairs = predictions(&network, classifier, folder.path());
        assert_eq!(pairs.len(), PER_CLASS * Class::ALL.len());
        for class in Class::ALL {
            let wrong: Vec<&str> = pairs
                .iter()
                .filter(|(truth, found)| *truth == class.number() && truth != found)
                .map(|(_, found)| Class::ALL[*found].name())
                .collect();
            println!("{arch}: {class}: {} of {PER_CLASS} right, else {wrong:?}", PER_CLASS - wrong.len());
        }
        let right = pairs.iter().filter(|(truth, found)| truth == found).count();
        let accuracy = 100.0 * right as f64 / pairs.len() as f64;
        println!("{arch}: accuracy: {accuracy:.2} %");
        assert!(accuracy >= 95.0, "{arch}: {accuracy:.2} % of the pictures are classified correctly");
    }
}

/// What the command embeds fits into the repository, and says everything that preprocessing needs.
#[test]
fn the_weights_say_how_they_are_used() {
    for (file, most_bytes) in [("demo.safetensors", 2_000_000), ("densenet_demo.safetensors", 400_000)] {
        assert!(std::fs::metadata(weights(file)).unwrap().len() <= most_bytes, "{file}");
        let weights = Weights::open(&weights(file)).unwrap();
        let labels: Vec<String> = serde_json::from_str(&weights.metadata()["labels"]).unwrap();
        assert_eq!(labels, Class::ALL.map(Class::name));
        let preprocessing = Preprocessing::from_metadata(weights.metadata()).unwrap();
        assert_eq!((preprocessing.resize, preprocessing.crop), (108, 96));
        assert_eq!((preprocessing.mean, preprocessing.std), ([0.5; 3], [0.25; 3]));
    }
}
