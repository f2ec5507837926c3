//! What pictures are optimised towards and made of, on the network that comes with the repository.

mod most_active;
mod stripes;

use std::ops::ControlFlow;
use std::path::Path;

use most_active::most_active;
use neuron_fvis::{
    ActivationTerm, Aim, FeatureWeighting, Finish, LayerWeights, Objective, Optimizer, Parametrisation,
    Phase, Schedule, Settings, Start, Transforms, Unit,
};
use neuron_model::{ChannelsLast, Images, Network};
use stripes::{PIXELS, SIZE, stripes};

const STEPS: usize = 12;

fn network(threads: usize) -> Network {
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/demo.safetensors");
    let weights = neuron_model::Weights::open(&weights).unwrap();
    Network::new("resnet10_demo", weights, threads).unwrap()
}

fn settings(aim: Aim, parametrisation: Parametrisation) -> Settings {
    let phase = |pooling, steps| Phase::new(steps, pooling, 4);
    Settings {
        aim,
        parametrisation,
        activation: ActivationTerm { weight: 0.3, goal: Some(1.2), specificity: 0.5 },
        transforms: Transforms { scale: (0.9, 1.2), rotation_deg: 8.0 },
        schedule: Schedule::new(vec![phase(2, STEPS / 2), phase(1, STEPS / 2)]).unwrap(),
        learning_rate: if parametrisation == Parametrisation::Pixels { 1.0 } else { 0.5 },
        mirror: true,
        copies: 2,
        size: SIZE,
        ..Settings::default()
    }
}

fn start(settings: &Settings) -> Start {
    let pictures =
        (settings.aim == Aim::Accentuation).then(|| stripes(3)[2 * PIXELS..].repeat(settings.copies));
    Start { pictures, ..Start::default() }
}

fn optimizer<'r>(network: &Network, settings: &Settings, references: &'r dyn Images) -> Optimizer<'r> {
    let target = network.tap("layer4").unwrap();
    let units = [5, 40].map(|channel| Unit { channel, references }).to_vec();
    Optimizer::new(network, &target, units, settings.clone(), start(settings)).unwrap()
}

fn take_steps(optimizer: &mut Optimizer<'_>, steps: usize) {
    for _ in 0..steps {
        optimizer.step(&mut |_| ControlFlow::Continue(())).unwrap();
    }
}

/// Plain features, which are weighed by relevance in the last steps.
fn finished(steps: usize) -> Settings {
    let settings = settings(Aim::Vital, Parametrisation::Spectrum);
    let finish = Some(Finish { steps, method: FeatureWeighting::default() });
    Settings { method: FeatureWeighting::None, finish, ..settings }
}

fn all() -> impl Iterator<Item = Settings> {
    let aims = Aim::ALL.into_iter();
    aims.flat_map(|aim| Parametrisation::ALL.map(|made_of| settings(aim, made_of))).chain([finished(5)])
}

/// A unit's own gradient, by differences: the step with a silent feature loss goes along it.
#[test]
fn the_gradient_of_a_unit_is_that_of_its_activation() {
    let network = network(2);
    let picture = stripes(1);
    for layer in ["layer2.0", "layer4", "layer3.0.bn2", "fc"] {
        let target = network.tap(layer).unwrap();
        let unit = most_active(&network, &target, (&picture, SIZE))[0].0;
        let references = ChannelsLast::new(&picture, SIZE.0, SIZE.1);
        let mut objective = Objective::new(&network, &target, &[unit], FeatureWeighting::None, Vec::new())
            .unwrap()
            .with_aim(Aim::Activation, ActivationTerm::default());
        objective.measure(&[&references], 1, &mut |_| ControlFlow::Continue(())).unwrap();
        let found = objective.compare(&picture, SIZE, &[0]).unwrap();
        // On its own references the loss is minus one.
        assert!((found.items[0].weighted + 1.0).abs() < 1e-5, "{layer}: {:?}", found.items);
        let gradient = found.gradient.to_vec();
        let length = gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>();
        // Against the gradient the activation rises, by about the square of its length.
        let step = 1e-2 / length.sqrt() as f32;
        let moved: Vec<f32> = picture.iter().zip(&gradient).map(|(value, g)| value - step * g).collect();
        let rise = -1.0 - objective.compare(&moved, SIZE, &[0]).unwrap().items[0].weighted;
        let expected = f64::from(step) * length;
        assert!((0.5..1.6).contains(&(rise / expected)), "{layer}: {rise}, expected about {expected}");
    }
}

#[test]
fn a_silent_unit_is_found_by_its_own_term() {
    let network = network(2);
    let target = network.tap("layer4").unwrap();
    // Black pictures leave nearly all units silent.
    let black = vec![-2.0; PIXELS];
    let references = stripes(4);
    let unit = most_active(&network, &target, (&references[..PIXELS], SIZE))[0].0;
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let layers = LayerWeights::default().below(&network, &target).unwrap();
    let gradient = |term: ActivationTerm| {
        let mut objective =
            Objective::new(&network, &target, &[unit], FeatureWeighting::default(), layers.clone())
                .unwrap()
                .with_aim(Aim::Vital, term);
        objective.measure(&[&references], 2, &mut |_| ControlFlow::Continue(())).unwrap();
        let found = objective.compare(&black, SIZE, &[0]).unwrap();
        assert_eq!(found.items[0].activation, 0.0, "the unit is silent");
        found.gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>()
    };
    assert_eq!(gradient(ActivationTerm::default()), 0.0);
    assert!(gradient(ActivationTerm { weight: 0.1, goal: Some(1.0), specificity: 1.0 }) > 0.0);
}

#[test]
fn pictures_have_the_same_bits_whatever_the_threads_and_the_company() {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    for settings in all() {
        let pictures = |threads, at_once| {
            let settings = Settings { at_once, ..settings.clone() };
            let network = network(threads);
            let mut optimizer = optimizer(&network, &settings, &references);
            take_steps(&mut optimizer, STEPS);
            assert!(optimizer.is_finished());
            optimizer.items().to_vec()
        };
        let expected = pictures(1, 4);
        let what = format!("{:?} {}", settings.aim, settings.parametrisation);
        assert!(expected.iter().all(|item| item.picture.iter().all(|value| value.is_finite())), "{what}");
        assert!(expected == pictures(3, 1), "{what}");
    }
}

#[test]
fn a_checkpoint_is_continued_to_the_same_bits() {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let network = network(2);
    for settings in all() {
        let what = format!("{:?} {}", settings.aim, settings.parametrisation);
        let mut whole = optimizer(&network, &settings, &references);
        let mut first = optimizer(&network, &settings, &references);
        take_steps(&mut whole, STEPS);
        take_steps(&mut first, STEPS - 3);
        let checkpoint = first.checkpoint("the same");
        let mut second = optimizer(&network, &settings, &references);
        second.restore(&checkpoint, "the same").unwrap();
        assert_eq!(second.checkpoint("the same"), checkpoint, "{what}");
        take_steps(&mut second, 3);
        assert!(whole.items() == second.items(), "{what}");
        // One step less would do it: the phases differ.
        let other = Settings { learning_rate: 0.25, ..settings.clone() };
        assert!(optimizer(&network, &other, &references).restore(&checkpoint, "the same").is_err());
    }
}

#[test]
fn the_last_steps_weigh_features_in_another_way() {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let network = network(2);
    let histories = |settings: &Settings| {
        let mut optimizer = optimizer(&network, settings, &references);
        take_steps(&mut optimizer, STEPS);
        optimizer.items().iter().map(|item| item.history.clone()).collect::<Vec<_>>()
    };
    let finish = finished(5);
    let plain = Settings { finish: None, ..finish.clone() };
    for (finished, plain) in histories(&finish).iter().zip(histories(&plain)) {
        assert_eq!(finished[..STEPS - 5], plain[..STEPS - 5]);
        // The same picture, and another measure of it.
        let (finished, plain) = (&finished[STEPS - 5], &plain[STEPS - 5]);
        assert!(finished.priors == plain.priors && finished.layers != plain.layers, "{finished:?}");
    }
    // A finish as long as all is the method itself.
    let by_relevance = Settings { method: FeatureWeighting::default(), finish: None, ..finish.clone() };
    assert_eq!(histories(&finished(STEPS)), histories(&by_relevance));

    for steps in [0, STEPS + 1] {
        let error = finished(steps).check().unwrap_err().to_string();
        assert!(error.contains("finish_steps"), "{error}");
    }
}

#[test]
fn an_accentuated_picture_stays_near_its_start() {
    let references = stripes(3);
    let references = ChannelsLast::new(&references, SIZE.0, SIZE.1);
    let network = network(2);
    let settings = settings(Aim::Accentuation, Parametrisation::Pixels);
    let mut optimizer = optimizer(&network, &settings, &references);
    take_steps(&mut optimizer, STEPS);
    for item in optimizer.items() {
        // At first the picture is the one that is accentuated, however it is moved; later it strays a little.
        assert_eq!(item.history[0].layers, [0.0; 4]);
        let last = &item.history[STEPS - 1].layers;
        assert!(last.iter().all(|loss| (1e-6..0.5).contains(loss)), "{last:?}");
    }

    let target = network.tap("layer4").unwrap();
    let unit = Unit { channel: 5, references: &references };
    let without = Optimizer::new(&network, &target, vec![unit], settings.clone(), Start::default());
    assert!(without.err().unwrap().to_string().contains("a start picture"));
    let two = Start { pictures: Some(stripes(2)), ..Start::default() };
    let error = Optimizer::new(&network, &target, vec![unit], settings, two).err().unwrap().to_string();
    assert!(error.contains("one start picture for all copies"), "{error}");
}

#[test]
fn settings_of_the_published_method_are_recorded_as_ever() {
    let json = serde_json::to_string(&Settings::default()).unwrap();
    for new in ["aim", "activation", "finish", "parametrisation", "transforms"] {
        assert!(!json.contains(&format!("\"{new}\"")), "{json}");
    }
    let json = serde_json::to_string(&settings(Aim::Activation, Parametrisation::Phases)).unwrap();
    for new in
        ["\"aim\":\"activation\"", "\"parametrisation\":\"phases\"", "\"goal\":1.2", "\"rotation_deg\":8.0"]
    {
        assert!(json.contains(new), "{json}");
    }
}
