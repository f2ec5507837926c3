//! Signals back through a network of every design: against PyTorch and the published implementation, and by what must
//! hold of them.

#[allow(dead_code, reason = "other tests use the rest")]
mod rules;

use neuron_model::{
    Attribution, Attributor, BackwardPass, ChannelsFirst, Composite, Graph, Keep, Network, OpKind,
    Operation, Rule, Session, Tap, View,
};
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
    }
    if golden.names().any(|tensor| tensor == format!("{name}.maps")) {
        let info = golden.find::<Value>("info");
        let of_tap = info.as_ref().map(|info| &info[name.split_once('.').expect("a method").1]["map_channels"]);
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

    let alg = if std::env::var("X_DIRECT").is_ok() { neuron_model::Algorithm::Direct } else { neuron_model::Algorithm::Auto };
    let mut pixels = pixels;
    if let Ok(x) = std::env::var("X_NOISE") { let x: f32 = x.parse().unwrap(); for (i, p) in pixels.iter_mut().enumerate() { *p += x * ((i * 7919 % 1000) as f32 / 500.0 - 1.0); } }
    let mut session = network.session_by(&taps, Keep::Gradient, alg).expect("the taps are the network's");
    session.run(&ChannelsFirst::new(&pixels, height, width), &mut |_| {}).expect("the image is large enough");
    let map = session.map(&target).expect("the session keeps it");
    let (channels, positions) = (map.channels, map.item_len() / map.channels);
    let unit = map.data.iter().skip(channel).step_by(channels).map(|value| f64::from(*value)).sum::<f64>();

    let mut failures = Vec::new();
    let mut pass = BackwardPass::new();
    for (method, composite) in
        [("gradient", Composite::gradient()), ("guided", Composite::guided_backprop())]
    {
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
        let mut attributor = Attributor::with_composite(&network, &target, &wanted, rules).expect("known rules");
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
