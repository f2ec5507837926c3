//! Signals back through a network of every design: against PyTorch and the published implementation, and by what must
//! hold of them.

#[allow(dead_code, reason = "other tests use the rest")]
mod rules;

use std::collections::BTreeMap;

use neuron_model::{
    Architecture, Attribution, Attributor, BackwardPass, ChannelsFirst, Composite, Keep, Network, OpKind,
    Operation, Rule, Session, Tap, View, Weights,
};
use rules::designs::representatives;
use rules::golden::Golden;
use serde_json::Value;

fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, value| largest.max(f64::from(value.abs())))
}

/// What the reference data hold of a signal: sum, sum of magnitudes and maximum of every channel of the one item.
fn statistics(signal: View<'_>) -> [(&'static str, Vec<f64>); 3] {
    let mut sum = vec![0.0; signal.channels];
    let mut magnitude = vec![0.0; signal.channels];
    let mut max = vec![f64::NEG_INFINITY; signal.channels];
    for vector in signal.data.chunks_exact(signal.channels) {
        for (channel, value) in vector.iter().map(|value| f64::from(*value)).enumerate() {
            sum[channel] += value;
            magnitude[channel] += value.abs();
            max[channel] = if value <= max[channel] { max[channel] } else { value };
        }
    }
    [("sum", sum), ("abs_sum", magnitude), ("max", max)]
}

/// Maps of some channels, one after the other.
fn maps(signal: View<'_>, channels: &[usize]) -> Vec<f64> {
    let map = |channel: &usize| signal.data.iter().skip(*channel).step_by(signal.channels);
    channels.iter().flat_map(map).map(|value| f64::from(*value)).collect()
}

/// Prints how far a signal at a tap is from the file's, and tells what is further than allowed. Sums are compared on the
/// scale of the magnitudes that they are sums of.
fn compare(golden: &Golden, name: &str, signal: View<'_>, tolerance: f64) -> Vec<String> {
    let mut failures = Vec::new();
    let tensor = |what: &str| golden.tensor(&format!("{name}.{what}"));
    let mut check = |what: &str, error: f64| {
        println!("{} {name}.{what}: {error:.1e}", golden.text("arch"));
        if error.is_nan() || error > tolerance {
            failures.push(format!("{} {name}.{what}: {error:.1e}", golden.text("arch")));
        }
    };
    for (what, found) in statistics(signal) {
        let scale = tensor(if what == "sum" { "abs_sum" } else { what }).largest();
        check(what, tensor(what).error_on(scale, &found));
        println!("M {} {name}.{what}: {:.1e}", golden.text("arch"), tensor(what).mean_error(&found));
    }
    if golden.names().any(|tensor| tensor == format!("{name}.maps")) {
        let info = golden.find::<Value>("info");
        let of_tap =
            info.as_ref().map(|info| &info[name.split_once('.').expect("a method").1]["map_channels"]);
        let channels: Vec<usize> = match of_tap {
            Some(channels) => serde_json::from_value(channels.clone()).expect("channels"),
            None => golden.get("map_channels"),
        };
        check("maps", tensor("maps").error(&maps(signal, &channels)));
    }
    failures
}

/// The network of a file, its first image, and the file on the network itself.
fn subject(golden: &Golden) -> (Network, Vec<f32>, [usize; 2]) {
    let of_network = Golden::open(golden.text("arch"));
    assert_eq!(of_network.text("constant"), golden.text("constant"));
    let size = golden.get("size");
    let hashes: Vec<String> = of_network.get("images_fnv1a64");
    let pixels = of_network.images(size, &hashes[..1]);
    (of_network.network(), pixels, size)
}

/// Gradients of one channel's mean over positions.
fn gradients(arch: &str) -> Vec<String> {
    let golden = Golden::open(&format!("gradients_{arch}"));
    let (network, pixels, [height, width]) = subject(&golden);
    let target = network.tap(golden.text("tap")).expect("the file's tap");
    let channel: usize = golden.get("channel");
    let names: Vec<String> = golden.get("lower");
    let lower: Vec<Tap> = names.iter().map(|name| network.tap(name).expect("the file's taps")).collect();
    let wanted: Vec<Tap> = lower.iter().cloned().chain([network.graph().image_tap()]).collect();
    let taps: Vec<Tap> = lower.iter().cloned().chain([target.clone()]).collect();

    let alg = if std::env::var("X_DIRECT").is_ok() {
        neuron_model::Algorithm::Direct
    } else {
        neuron_model::Algorithm::Auto
    };
    let mut pixels = pixels;
    if let Ok(x) = std::env::var("X_NOISE") {
        let x: f32 = x.parse().unwrap();
        for (i, p) in pixels.iter_mut().enumerate() {
            *p += x * ((i * 7919 % 1000) as f32 / 500.0 - 1.0);
        }
    }
    let mut session = network.session_by(&taps, Keep::Gradient, alg).expect("the taps are the network's");
    session.run(&ChannelsFirst::new(&pixels, height, width), &mut |_| {}).expect("the image is large enough");
    let map = session.map(&target).expect("the session keeps it");
    let (channels, positions) = (map.channels, map.item_len() / map.channels);
    let unit = map.data.iter().skip(channel).step_by(channels).map(|value| f64::from(*value)).sum::<f64>();

    let mut failures = Vec::new();
    let mut pass = BackwardPass::new();
    for (method, composite) in [("gradient", Composite::gradient()), ("guided", Composite::guided_backprop())]
    {
        let mut composite = composite;
        if method == "guided" {
            for id in network.graph().ids() {
                if let Operation::Activation(a) = network.graph().node(id).operation {
                    if format!("{:?}", a.function).contains("igmoid") {
                        composite.at.insert(id, Rule::Gradient);
                    }
                }
            }
        }
        let error = golden.tensor(&format!("{method}.unit")).error(&[unit / positions as f64]);
        assert!(error < 1e-4, "{arch}: the unit itself is {error:.1e} off");
        pass.seed(&session, &target, |signal| {
            signal.iter_mut().skip(channel).step_by(channels).for_each(|to| *to = 1.0 / positions as f32);
        });
        pass.run(&session, &composite, &wanted).expect("the rules are known");
        for (name, tap) in names.iter().map(String::as_str).chain(["image"]).zip(&wanted) {
            let signal = pass.view(&session, tap).expect("it lies below");
            failures.extend(compare(&golden, &format!("{method}.{name}"), signal, 1e-4));
        }
    }
    failures
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_gradients_agree_with_pytorch() {
    let archs = ["vgg16_bn", "densenet121", "mobilenet_v2", "efficientnet_b0", "convnext_tiny"];
    let failures: Vec<String> = archs.into_iter().flat_map(gradients).collect();
    assert!(failures.is_empty(), "{} too far from PyTorch:\n{}", failures.len(), failures.join("\n"));
}

/// The rules of the published implementation: biases stay in divisors; what an average pool passes back is shared
/// alike, and the convolution below it divides by almost nothing more than its sum.
fn published(network: &Network) -> Composite {
    let graph = network.graph();
    let mut composite = Composite { signed: None, ..Composite::z_plus(network.pixel_range()) };
    composite.by_kind.insert(OpKind::AveragePool, Rule::Gradient);
    for id in graph.ids() {
        let node = graph.node(id);
        match node.operation {
            Operation::Convolution(convolution) if convolution.bias => {
                composite.at.insert(id, Rule::ZPlusBias { eps: 1e-5 });
            }
            Operation::AveragePool(_) => {
                composite.at.insert(node.inputs[0], Rule::ZPlus { eps: 1e-12 });
            }
            _ => {}
        }
    }
    composite
}

fn relevance(arch: &str) -> Vec<String> {
    let golden = Golden::open(&format!("lrp_{arch}"));
    let (network, pixels, [height, width]) = subject(&golden);
    let target = network.tap(golden.text("split_at")).expect("the file's tap");
    let channel: usize = golden.get("channel");
    let names: Vec<String> = golden.get("kept");
    let wanted: Vec<Tap> = names.iter().map(|name| network.tap(name).expect("the file's taps")).collect();
    let mut failures = Vec::new();
    for method in [Attribution::LRP, Attribution::LRP_RESTRICTED] {
        let rules = (method, published(&network));
        let mut attributor =
            Attributor::with_composite(&network, &target, &wanted, rules).expect("known rules");
        let images = ChannelsFirst::new(&pixels, height, width);
        let found = attributor.run(&images, &[channel]).expect("the image is large enough");
        let unit = maps(found.map(&target).expect("it is kept"), &[channel]);
        let error = golden.tensor("unit").error(&unit);
        assert!(error < 1e-4, "{arch}: the unit itself is {error:.1e} off");
        for (name, tap) in names.iter().zip(&wanted) {
            let signal = found.at(tap).expect("it lies below");
            failures.extend(compare(&golden, &format!("{method}.{name}"), signal, 1e-3));
        }
    }
    failures
}

#[test]
#[ignore = "needs NEURON_SHARED"]
fn tier2_relevance_of_other_networks_agrees_with_the_published_implementation() {
    let failures: Vec<String> = ["vgg16_bn", "densenet121"].into_iter().flat_map(relevance).collect();
    assert!(failures.is_empty(), "{} too far:\n{}", failures.len(), failures.join("\n"));
}

/// Height and width of small images that every network takes.
const SMALL: [usize; 2] = [96, 80];

/// A network by the rule, without the classifiers that hold most of the weights of the oldest networks, and an image.
fn small(name: &str) -> (Network, Vec<f32>) {
    let graph = Architecture::from_name(name).expect("a known network").graph(&Weights::default());
    // Below 6, activations keep their size in every design.
    let weights = rules::weights(&graph, 4.5, BTreeMap::new());
    let is_huge = |name: &str| {
        weights.names().any(|other| other == "classifier.6.weight") && name.starts_with("classifier.")
    };
    let kept = weights.iter().filter(|(name, _)| !is_huge(name));
    let kept = kept.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect::<Vec<_>>();
    let weights = Weights::from_tensors(kept, BTreeMap::new());
    let network = Network::new(name, weights, 2).unwrap_or_else(|error| panic!("{name}: {error}"));
    let image = rules::image(3, 0, SMALL);
    (network, rules::normalised(&image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
}

/// The last layer with a map, and its channel that responds most.
fn strongest(network: &Network, session: &mut Session, target: &Tap, pixels: &[f32]) -> usize {
    session.run(&ChannelsFirst::new(pixels, SMALL[0], SMALL[1]), &mut |_| {}).expect("large enough");
    let map = session.map(target).expect("the session keeps it");
    let mean = |channel: &usize| {
        map.data.iter().skip(*channel).step_by(map.channels).map(|value| f64::from(*value)).sum::<f64>()
    };
    (0..network.channels(target)).max_by(|a, b| mean(a).total_cmp(&mean(b))).expect("a channel")
}

fn target(network: &Network) -> Tap {
    let architecture = network.architecture().expect("it was made by name");
    network.tap(architecture.target_layer()).expect("its own layer")
}

/// Along parts of the gradient itself the difference of two passes is largest, and rounding counts least.
#[test]
fn gradients_of_every_design_agree_with_finite_differences() {
    for name in representatives() {
        let start = std::time::Instant::now();
        let (network, pixels) = small(name);
        let (target, image) = (target(&network), network.graph().image_tap());
        let mut session = network.session(std::slice::from_ref(&target), Keep::Gradient).unwrap();
        let channel = strongest(&network, &mut session, &target, &pixels);
        let channels = network.channels(&target);
        let positions = session.map(&target).unwrap().item_len() / channels;
        let mut pass = BackwardPass::new();
        pass.seed(&session, &target, |signal| {
            signal.iter_mut().skip(channel).step_by(channels).for_each(|to| *to = 1.0 / positions as f32);
        });
        pass.run(&session, &Composite::gradient(), std::slice::from_ref(&image)).unwrap();
        // Channels last, and images are handed in channels first.
        let gradient = pass.signal(&image).unwrap();
        let plane = SMALL[0] * SMALL[1];
        let gradient: Vec<f64> =
            (0..3 * plane).map(|at| f64::from(gradient[at % plane * 3 + at / plane])).collect();

        let mut response = |pixels: &[f32]| {
            session.run(&ChannelsFirst::new(pixels, SMALL[0], SMALL[1]), &mut |_| {}).unwrap();
            let map = session.map(&target).unwrap();
            let unit = map.data.iter().skip(channel).step_by(channels);
            unit.map(|value| f64::from(*value)).sum::<f64>() / positions as f64
        };
        for part in 0..3u64 {
            let along: Vec<f64> = (0..)
                .zip(&gradient)
                .map(|(at, value)| if rules::splitmix64(1000 * part + at) % 2 == 0 { *value } else { 0.0 })
                .collect();
            let norm = along.iter().map(|value| value * value).sum::<f64>().sqrt();
            for step in [0.01, 0.03, 0.1, 0.3] {
                let mut at = |step: f64| {
                    let moved: Vec<f32> = pixels
                        .iter()
                        .zip(&along)
                        .map(|(pixel, along)| pixel + (step * along / norm) as f32)
                        .collect();
                    response(&moved)
                };
                let slope = (at(step) - at(-step)) / (2.0 * step);
                println!("{name} part {part}, step {step}: {:.2e} (gradient {norm:.2e})", slope / norm - 1.0);
            }
        }
        println!("{name} {:.2} s", start.elapsed().as_secs_f64());
    }
}

/// What flows in must arrive.
#[test]
fn relevance_is_conserved_in_every_design() {
    for name in representatives() {
        let start = std::time::Instant::now();
        let (network, pixels) = small(name);
        let target = target(&network);
        let layers = network.architecture().expect("it was made by name").feature_layers();
        let below = layers.iter().map(|(layer, _)| network.tap(layer).unwrap());
        let wanted: Vec<Tap> = [network.graph().image_tap()]
            .into_iter()
            .chain(below)
            .filter(|tap| tap.node != target.node)
            .collect();
        let mut session = network.session(std::slice::from_ref(&target), Keep::Relevance).unwrap();
        let channel = strongest(&network, &mut session, &target, &pixels);
        let unit = maps(session.map(&target).unwrap(), &[channel]);
        let total: f64 = unit.iter().map(|value| value.max(0.0)).sum();
        let channels = network.channels(&target);
        let mut pass = BackwardPass::new();
        pass.seed(&session, &target, |signal| {
            signal
                .iter_mut()
                .skip(channel)
                .step_by(channels)
                .zip(&unit)
                .for_each(|(to, value)| *to = value.max(0.0) as f32);
        });
        pass.run(&session, &Composite::z_plus(network.pixel_range()), &wanted).unwrap();
        for tap in wanted.iter().rev() {
            let signal = pass.signal(tap).unwrap();
            let sum: f64 = signal.iter().map(|value| f64::from(*value)).sum();
            let least = signal.iter().fold(0.0f64, |least, value| least.min(f64::from(*value)));
            println!(
                "{name} {}: {:.5} of the relevance, least {:.1e}",
                tap.name,
                sum / total,
                least / largest(signal)
            );
        }
        println!("{name} {:.2} s", start.elapsed().as_secs_f64());
    }
}
