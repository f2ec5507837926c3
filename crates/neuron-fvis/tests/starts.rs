//! Where pictures start, on the network that comes with the repository.

mod stripes;

use std::path::Path;

use neuron_fvis::{FvisError, Magnitudes, Optimizer, Parametrisation, Settings, Start, StartFrom, Unit};
use neuron_model::{ChannelsLast, Network, PixelRange};
use stripes::{PIXELS, SIZE, stripes};

/// The pictures of two units, two copies each, before any step; the references of the second are those of the first from the
/// other end.
fn starts(settings: Settings, start: Start) -> Result<Vec<Vec<f32>>, FvisError> {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    let network = Network::new("resnet10_demo", neuron_model::Weights::open(&weights).unwrap(), 1).unwrap();
    let target = network.tap("layer4").unwrap();
    let references = stripes(3);
    let turned: Vec<f32> = references.chunks_exact(PIXELS).rev().flatten().copied().collect();
    let references = [&references, &turned].map(|images| ChannelsLast::new(images, SIZE.0, SIZE.1));
    let units = [5, 40].into_iter().zip(&references);
    let units = units.map(|(channel, references)| Unit { channel, references }).collect();
    let settings = Settings { copies: 2, size: SIZE, ..settings };
    let optimizer = Optimizer::new(&network, &target, units, settings, start)?;
    Ok(optimizer.items().iter().map(|item| item.picture.clone()).collect())
}

fn from(start_from: StartFrom, parametrisation: Parametrisation) -> Vec<Vec<f32>> {
    starts(Settings { start_from, parametrisation, ..Settings::default() }, Start::default()).unwrap()
}

fn deviation(picture: &[f32]) -> f64 {
    let mean = picture.iter().map(|v| f64::from(*v)).sum::<f64>() / picture.len() as f64;
    (picture.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / picture.len() as f64).sqrt()
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let (of_a, of_b) = (mean(a), mean(b));
    let both = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - of_a) * (f64::from(*b) - of_b)).sum::<f64>();
    both / (a.len() as f64 * deviation(a) * deviation(b))
}

#[test]
fn natural_noise_has_the_contrast_of_photos_and_differs_by_copy() {
    for parametrisation in Parametrisation::ALL {
        let pictures = from(StartFrom::Natural, parametrisation);
        assert!(pictures[0] == pictures[2] && pictures[0] != pictures[1], "the same of all units");
        let deviation = deviation(&pictures[0]);
        assert!((0.3..2.0).contains(&deviation), "{parametrisation}: {deviation}");
    }
    // Next to grey.
    assert!(deviation(&from(StartFrom::Noise, Parametrisation::Spectrum)[0]) < 0.3);
}

#[test]
fn a_blurred_reference_is_the_unit_s_own_and_the_copy_s() {
    let references = stripes(3);
    let reference = |at: usize| &references[at * PIXELS..][..PIXELS];
    let pictures = from(StartFrom::Reference, Parametrisation::Pixels);
    // Units and copies: their references are 0, 1 and 2, 1.
    for (picture, own) in pictures.iter().zip([0, 1, 2, 1]) {
        let likeness = |at| correlation(picture, reference(at));
        let best = (0..3).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap();
        assert_eq!(best, own, "{:?}", [0, 1, 2].map(likeness));
        assert!(deviation(picture) < 0.8 * deviation(reference(own)), "it is not blurred");
    }
    assert!(pictures[1] == pictures[3]);
}

#[test]
fn phases_keep_the_magnitudes_that_are_given() {
    let photos = stripes(2);
    let photos = ChannelsLast::new(&photos, SIZE.0, SIZE.1);
    let magnitudes = Magnitudes::of(&photos, PixelRange::default()).unwrap();
    let settings = || Settings { parametrisation: Parametrisation::Phases, ..Settings::default() };
    let start = Start { magnitudes: Some(magnitudes.clone()), ..Start::default() };
    let drawn = starts(settings(), start).unwrap();
    let own = Magnitudes::of(&ChannelsLast::new(&drawn[0], SIZE.0, SIZE.1), PixelRange::default()).unwrap();
    let falling = starts(settings(), Start::default()).unwrap();
    let other =
        Magnitudes::of(&ChannelsLast::new(&falling[0], SIZE.0, SIZE.1), PixelRange::default()).unwrap();
    let distance = |found: &Magnitudes| {
        let pairs = magnitudes.values().iter().zip(found.values());
        pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
    };
    assert!(distance(&own) < 0.5 * distance(&other), "{} and {}", distance(&own), distance(&other));

    let wrong = Start { magnitudes: Some(Magnitudes::falling((9, 8))), ..Start::default() };
    let error = starts(settings(), wrong).unwrap_err().to_string();
    assert!(error.contains("magnitudes") && error.contains(&format!("expected {PIXELS}")), "{error}");
}
