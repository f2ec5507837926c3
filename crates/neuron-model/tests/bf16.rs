//! Passes on maps of bf16 numbers, on the CPU: near those of f32, with the same bits whatever runs beside them.

#[allow(dead_code, reason = "the definitions are other tests'")]
mod definition;

use std::sync::{Arc, Mutex};

use definition::{pixels, random_weights};
use neuron_model::{
    Attribution, Attributor, ChannelsLast, Device, DeviceError, DeviceEvent, DeviceRequest, Keep, Network,
    Observer, Precision, Reduction, RelevanceMethod, bf16_is_fast, has_matrix_instructions,
};

const HEIGHT: usize = 70;
const WIDTH: usize = 61;
const PRECISIONS: [Precision; 2] = [Precision::Bf16, Precision::Bf16x3];

fn device(precision: Precision) -> Device {
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    DeviceRequest::Cpu.open(precision, &silent).expect("the CPU computes in it")
}

fn network(name: &str, precision: Precision, threads: usize) -> Network {
    Network::on(device(precision), name, random_weights(name, 5), threads).expect("the weights fit")
}

/// Each tap's maps for `batch` images, items in order.
fn maps(network: &Network, taps: &[&str], batch: usize) -> Vec<Vec<f32>> {
    let taps: Vec<_> = taps.iter().map(|tap| network.tap(tap).expect("the network has it")).collect();
    let pixels = pixels(batch, HEIGHT, WIDTH, 0);
    let mut session = network.session(&taps, Keep::Taps).expect("the taps are the network's");
    let mut maps = vec![Vec::new(); taps.len()];
    let images = ChannelsLast::new(&pixels, HEIGHT, WIDTH);
    session.run(&images, &mut |tapped| maps[tapped.tap].extend_from_slice(tapped.map.data)).expect("a pass");
    maps
}

fn bits(map: &[f32]) -> Vec<u32> {
    map.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn values_are_near_those_of_f32() {
    for name in ["resnet10_demo", "resnet50", "resnext50_32x4d"] {
        let taps =
            ["conv1", "bn1", "maxpool", "layer1", "layer2.0.conv2", "layer3", "layer4", "avgpool", "fc"];
        let want = maps(&network(name, Precision::F32, 2), &taps, 2);
        for (precision, tolerance) in PRECISIONS.into_iter().zip([5e-2, 1e-4]) {
            let found = maps(&network(name, precision, 2), &taps, 2);
            for ((tap, found), want) in taps.iter().zip(&found).zip(&want) {
                assert_eq!(found.len(), want.len(), "{tap}");
                let largest = want.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                let error =
                    found.iter().zip(want).fold(0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
                assert!(error < tolerance, "{name} {precision} {tap}: {error:e}");
                assert!(error > 0.0, "{name} {precision} {tap} is that of f32");
            }
        }
    }
}

/// What other families have: pools behind other convolutions, shortcuts behind gates, groups.
#[test]
fn families_are_near_f32() {
    for (name, tap) in
        [("regnet_y_400mf", "trunk_output"), ("squeezenet1_0", "features"), ("googlenet", "inception3a")]
    {
        let want = maps(&network(name, Precision::F32, 2), &[tap], 2).remove(0);
        for (precision, tolerance) in PRECISIONS.into_iter().zip([5e-2, 2e-4]) {
            let found = maps(&network(name, precision, 2), &[tap], 2).remove(0);
            let largest = want.iter().fold(0f32, |largest, value| largest.max(value.abs()));
            let worst = found.iter().zip(&want).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
            let error = worst / largest;
            assert!(0.0 < error && error < tolerance, "{name} {precision} {tap}: {error:e}");
        }
    }
}

#[test]
fn looking_at_a_value_changes_no_other() {
    for precision in PRECISIONS {
        let network = network("resnet50", precision, 2);
        let alone = maps(&network, &["layer4"], 1).remove(0);
        let beside = [
            "conv1",
            "bn1",
            "relu",
            "maxpool",
            "layer1.0.conv3",
            "layer1.0.bn3",
            "layer1.0.downsample.1",
            "layer1.0",
            "layer2.1.bn2",
            "layer3.5.bn3",
            "layer4",
        ];
        for taps in [&beside[..], &["layer1.0.bn3", "layer4"], &["layer1.0.downsample.1", "layer4"]] {
            let last = maps(&network, taps, 1).pop().expect("one map a tap");
            assert_eq!(bits(&last), bits(&alone), "{precision} beside {taps:?}");
        }
    }
}

#[test]
fn bits_depend_neither_on_the_batch_nor_on_threads() {
    for precision in PRECISIONS {
        let taps = ["layer1", "layer4"];
        let one = maps(&network("resnet10_demo", precision, 1), &taps, 1);
        let many = maps(&network("resnet10_demo", precision, 3), &taps, 11);
        for (one, many) in one.iter().zip(&many) {
            assert_eq!(bits(one), bits(&many[..one.len()]), "{precision}");
        }
    }
}

#[test]
fn scores_are_those_of_the_maps() {
    let network = network("resnet10_demo", Precision::Bf16, 2);
    let tap = network.tap("layer4").expect("the network has it");
    let pixels = pixels(3, HEIGHT, WIDTH, 0);
    let mut session = network.session(std::slice::from_ref(&tap), Keep::Taps).expect("its tap");
    let mut scores = Vec::new();
    let images = ChannelsLast::new(&pixels, HEIGHT, WIDTH);
    let mut collect = |scored: neuron_model::Scored<'_>| scores.extend_from_slice(scored.scores);
    session.scores(&images, Reduction::Max, &mut collect).expect("a pass");
    let map = maps(&network, &["layer4"], 3).remove(0);
    let channels = scores.len() / 3;
    let positions = map.len() / scores.len();
    for (at, score) in scores.iter().enumerate() {
        let values = map[at / channels * positions * channels..][..positions * channels].iter();
        let want = values
            .skip(at % channels)
            .step_by(channels)
            .fold(f32::NEG_INFINITY, |best, value| best.max(*value));
        assert_eq!(*score, want);
    }
}

/// What unit 3 of the deepest map hands down to `below`.
fn handed_down(
    (name, precision, threads): (&str, Precision, usize),
    [target, below]: [&str; 2],
    attribution: Attribution,
) -> Vec<f32> {
    let network = network(name, precision, threads);
    let [target, below] = [target, below].map(|tap| network.tap(tap).expect("a tap"));
    let mut attributor = Attributor::new(&network, &target, std::slice::from_ref(&below), attribution)
        .expect("a composite for this network");
    let pixels = pixels(1, HEIGHT, WIDTH, 0);
    let attributed = attributor.run(&ChannelsLast::new(&pixels, HEIGHT, WIDTH), &[3]).expect("a pass");
    attributed.at(&below).expect("it was asked for").data.to_vec()
}

#[test]
fn backward_passes_in_bf16_are_those_of_f32() {
    let gradient =
        |precision| handed_down(("resnet10_demo", precision, 2), ["layer4", "conv1"], Attribution::Saliency);
    assert_eq!(bits(&gradient(Precision::Bf16)), bits(&gradient(Precision::F32)));
}

/// Convolutions with kernels a channel, gates and smooth activations among them. A gradient jumps where a ReLU's input is nearly
/// 0; the other rules differ by a thousandth at most.
#[test]
fn backward_passes_in_bf16x3_are_nearly_those_of_f32() {
    for (name, taps) in [
        ("resnet50", ["layer4.0", "layer1"]),
        ("mobilenet_v3_large", ["features.9", "features.3"]),
        ("densenet121", ["features.denseblock2", "features.pool0"]),
    ] {
        for attribution in
            [Attribution::Saliency, Attribution::Relevance(RelevanceMethod::GuidedBackprop), Attribution::LRP]
        {
            let [want, found] = [Precision::F32, Precision::Bf16x3]
                .map(|precision| handed_down((name, precision, 2), taps, attribution));
            let squares = |values: &mut dyn Iterator<Item = f32>| -> f64 {
                values.map(|value| f64::from(value).powi(2)).sum()
            };
            let differences = squares(&mut found.iter().zip(&want).map(|(a, b)| a - b));
            let error = (differences / squares(&mut want.iter().copied())).sqrt();
            println!("{name} {attribution:?}: {error:.1e}");
            assert!(error < 2e-2, "{name} {attribution:?}: {error:e}");
            let again = handed_down((name, Precision::Bf16x3, 3), taps, attribution);
            assert_eq!(bits(&again), bits(&found), "{name} {attribution:?} by other threads");
        }
    }
}

#[test]
fn what_a_device_lacks_is_said() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let record = said.clone();
    let observer: Observer =
        Arc::new(move |event: &DeviceEvent| record.lock().unwrap().push(event.to_string()));
    let error = DeviceRequest::Cpu.open(Precision::Tf32, &observer).map(drop).unwrap_err();
    assert!(matches!(error, DeviceError::Precision { .. }), "{error}");
    assert!(error.to_string().contains("f32, bf16 and bf16x3"), "{error}");
    for precision in PRECISIONS {
        said.lock().unwrap().clear();
        let device = DeviceRequest::Cpu.open(precision, &observer).expect("the CPU computes in it");
        let named = device.arithmetic().to_string();
        let names = [format!("cpu {precision}"), format!("cpu-vdpbf16ps {precision}")];
        assert!(names.contains(&named), "{named}");
        let is_fast = if precision == Precision::Bf16 { bf16_is_fast() } else { has_matrix_instructions() };
        let expected = usize::from(!is_fast);
        assert_eq!(said.lock().unwrap().len(), expected, "{:?}", said.lock().unwrap());
    }
}
