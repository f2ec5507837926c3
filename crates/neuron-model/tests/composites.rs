//! Rules and composites on a network of biases, norms and a residual sum, against the formulas of the papers in f64.

#[allow(dead_code, reason = "other tests use the rest")]
mod definition;

use std::collections::BTreeMap;
use std::sync::Arc;

use definition::{Back, Definition, Map, pixels, weights_of};
use neuron_geometry::Window;
use neuron_model::ops::{Add, BatchNorm, Convolution, GlobalAveragePool, Linear, MaxPool, Relu};
use neuron_model::weights::WeightTensor;
use neuron_model::{
    Attribution, Attributor, BackwardPass, ChannelsLast, Composite, ConvGeometry, CustomRule, Device, Graph,
    GraphBuilder, Keep, ModelError, Network, NodeId, OpKind, Part, PixelRange, Rule, Site, Tap, View,
    Weights,
};

const HEIGHT: usize = 13;
const WIDTH: usize = 10;
const TOLERANCE: f64 = 1e-4;

/// `conv1, relu, maxpool, conv2 (+ bn2), relu, conv3 + shortcut, mean, fc`: inputs of both signs at `conv1`, biases
/// at three of four products. `merged`: `conv2` is what it and its norm are together.
fn graph(merged: bool) -> Graph {
    let convolution = |in_channels, out_channels, side: usize, bias| {
        let window = Window::square(side, 1, side / 2);
        Convolution { geometry: ConvGeometry { in_channels, out_channels, groups: 1, window }, bias }
    };
    let (mut graph, image) = GraphBuilder::new(3);
    let x = graph.module("conv1", convolution(3, 6, 3, true), &[image]);
    let x = graph.module("relu1", Relu, &[x]);
    let x = graph.module("maxpool", MaxPool { window: Window::square(2, 2, 0) }, &[x]);
    let mut x = graph.module("conv2", convolution(6, 8, 3, merged), &[x]);
    if !merged {
        x = graph.module("bn2", BatchNorm { channels: 8, eps: 1e-5 }, &[x]);
    }
    let shortcut = graph.module("relu2", Relu, &[x]);
    let x = graph.module("conv3", convolution(8, 8, 1, true), &[shortcut]);
    let x = graph.module("sum", Add, &[x, shortcut]);
    let x = graph.module("mean", GlobalAveragePool, &[x]);
    graph.module("fc", Linear::new(8, 5), &[x]);
    graph.finish().expect("the operations fit")
}

fn network(graph: Graph, weights: &Weights) -> Network {
    Network::from_graph(Device::default(), "small", graph, weights.clone(), 2).expect("the weights fit")
}

/// The network with a norm, and the same with the norm in the convolution's weights.
fn networks() -> (Network, Network) {
    let weights = weights_of(&graph(false), 21);
    let value = |name: &str| weights.tensor(name).expect("a tensor of the network").data.to_vec();
    let [gamma, beta, mean, variance] =
        ["weight", "bias", "running_mean", "running_var"].map(|name| value(&format!("bn2.{name}")));
    let scale: Vec<f32> = gamma.iter().zip(&variance).map(|(gamma, v)| gamma / (v + 1e-5).sqrt()).collect();
    let weight = value("conv2.weight");
    let rows = weight.chunks_exact(weight.len() / 8).zip(&scale);
    let weight: Vec<f32> = rows.flat_map(|(row, scale)| row.iter().map(move |w| w * scale)).collect();
    let bias: Vec<f32> = (0..8).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let others = weights.iter().filter(|(name, _)| !name.starts_with("bn2") && *name != "conv2.weight");
    let mut tensors: Vec<(String, WeightTensor)> =
        others.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    tensors.push(("conv2.weight".into(), WeightTensor::new([8, 6, 3, 3], weight)));
    tensors.push(("conv2.bias".into(), WeightTensor::new([8], bias)));
    let merged = Weights::from_tensors(tensors, BTreeMap::new());
    (network(graph(false), &weights), network(graph(true), &merged))
}

fn z_and_back(values: impl Fn(f64) -> f64, weights: impl Fn(f64) -> f64) -> impl Fn(f64, f64) -> f64 {
    move |value, weight| values(value) * weights(weight)
}

/// One sum of products: what each pair of an input and a weight gives, which part of the bias is in the divisor, a
/// factor, and where the output must lie.
struct Branch {
    term: Box<dyn Fn(usize, f64, f64) -> f64>,
    bias: Box<dyn Fn(f64) -> f64>,
    factor: f64,
    holds: fn(f64) -> bool,
    eps: f64,
}

fn branch(
    term: impl Fn(usize, f64, f64) -> f64 + 'static,
    bias: impl Fn(f64) -> f64 + 'static,
    factor: f64,
    eps: f64,
) -> Branch {
    Branch { term: Box::new(term), bias: Box::new(bias), factor, holds: |_| true, eps }
}

fn positive(value: f64) -> f64 {
    value.max(0.0)
}

fn negative(value: f64) -> f64 {
    value.min(0.0)
}

/// The formulas of the rules for products.
fn branches(rule: &Rule) -> Vec<Branch> {
    // Positive inputs meet one part of the weights, negative ones another.
    let by_sign = |above: fn(f64) -> f64, below: fn(f64) -> f64| {
        let (a, b) = (z_and_back(positive, above), z_and_back(negative, below));
        move |_: usize, value: f64, weight: f64| a(value, weight) + b(value, weight)
    };
    match *rule {
        Rule::Epsilon { eps } => vec![branch(|_, a, w| a * w, |b| b, 1.0, f64::from(eps))],
        Rule::WSquare { eps } => vec![branch(|_, _, w| w * w, |b| b * b, 1.0, f64::from(eps))],
        Rule::Flat { eps } => vec![branch(|_, _, _| 1.0, |_| 0.0, 1.0, f64::from(eps))],
        Rule::AlphaBeta { alpha, beta, eps } => vec![
            branch(by_sign(positive, negative), positive, f64::from(alpha), f64::from(eps)),
            branch(by_sign(negative, positive), negative, -f64::from(beta), f64::from(eps)),
        ],
        Rule::Gamma { gamma, eps } => {
            assert_eq!(gamma, 0.25);
            let favoured = |w: f64| w + 0.25 * w.max(0.0);
            let opposed = |w: f64| w + 0.25 * w.min(0.0);
            let above = branch(by_sign(favoured, opposed), favoured, 1.0, f64::from(eps));
            let below = branch(by_sign(opposed, favoured), opposed, 1.0, f64::from(eps));
            vec![Branch { holds: |z| z > 0.0, ..above }, Branch { holds: |z| z < 0.0, ..below }]
        }
        Rule::ZBox { pixels, eps } => {
            let term = move |at: usize, a: f64, w: f64| {
                let (low, high) = (pixels.lowest[at % 3], pixels.highest[at % 3]);
                a * w - f64::from(low) * w.max(0.0) - f64::from(high) * w.min(0.0)
            };
            vec![branch(term, |_| 0.0, 1.0, f64::from(eps))]
        }
        ref other => panic!("{other:?} has no formula here"),
    }
}

fn stabilised(z: f64, eps: f64) -> f64 {
    if z < 0.0 { z - eps } else { z + eps }
}

/// The signal at each input of a node by a rule.
fn through(definition: &Definition, composite: &Composite, id: NodeId, signal: &Map) -> Vec<Map> {
    let (node, rule) = (definition.graph().node(id), composite.rule(definition.graph(), id));
    match (node.operation.kind(), &*rule) {
        (_, Rule::Gradient) => definition.through(Back::Gradient, id, signal),
        (_, Rule::Identity) => vec![signal.clone()],
        (OpKind::Add, Rule::Epsilon { eps }) => {
            let (a, b) = (definition.input(id, 0), definition.input(id, 1));
            let quotient = |at: usize| signal.data[at] / stabilised(a.data[at] + b.data[at], f64::from(*eps));
            vec![a.with(|at, a| a * quotient(at)), b.with(|at, b| b * quotient(at))]
        }
        (OpKind::GlobalAveragePool, Rule::Epsilon { eps }) => {
            let input = definition.input(id, 0);
            let positions = (input.height * input.width) as f64;
            let mean = |channel: usize| {
                input.data.iter().skip(channel).step_by(input.channels).sum::<f64>() / positions
            };
            let means: Vec<f64> = (0..input.channels).map(mean).collect();
            vec![input.with(|at, value| {
                let channel = at % input.channels;
                value / positions * signal.data[channel] / stabilised(means[channel], f64::from(*eps))
            })]
        }
        (OpKind::Convolution | OpKind::Linear, rule) => {
            let input = definition.input(id, 0);
            let bias = definition.tensor(&format!("{}.bias", node.name));
            let bias = |out: usize| bias[out % bias.len()];
            let mut output = input.like();
            for branch in branches(rule) {
                let mut z = signal.with(|out, _| (branch.bias)(bias(out)));
                let mut whole = signal.with(|out, _| bias(out));
                definition.products(id, input, &mut |out, from, weight| {
                    z.data[out] += (branch.term)(from, input.data[from], weight);
                    whole.data[out] += input.data[from] * weight;
                });
                definition.products(id, input, &mut |out, from, weight| {
                    if (branch.holds)(whole.data[out]) {
                        let quotient = branch.factor * signal.data[out] / stabilised(z.data[out], branch.eps);
                        output.data[from] += (branch.term)(from, input.data[from], weight) * quotient;
                    }
                });
            }
            vec![output]
        }
        other => panic!("{other:?} has no definition here"),
    }
}

/// Signals from one class at taps and pixels.
fn signals(network: &Network, composite: &Composite, pixels: &[f32]) -> Result<Vec<Vec<f32>>, ModelError> {
    let (target, wanted) = (network.tap("fc")?, wanted(network));
    let mut session = network.session(std::slice::from_ref(&target), Keep::Relevance)?;
    session.run(&ChannelsLast::new(pixels, HEIGHT, WIDTH), &mut |_| {})?;
    session.check(composite, &target, &wanted)?;
    let mut pass = BackwardPass::new();
    pass.seed(&session, &target, |signal| signal[3] = 1.0);
    pass.run(&session, composite, &wanted)?;
    Ok(wanted.iter().map(|tap| pass.signal(tap).expect("it lies below").to_vec()).collect())
}

fn wanted(network: &Network) -> Vec<Tap> {
    let taps = ["sum", "relu2", "maxpool", "conv1"].map(|name| network.tap(name).expect("a tap"));
    taps.into_iter().chain([network.graph().image_tap()]).collect()
}

/// Pixels of a normalised image.
fn image_pixels() -> Vec<f32> {
    let range = PixelRange::default();
    let share = pixels(1, HEIGHT, WIDTH, 4).into_iter().map(|value| (value + 2.0) / 4.0);
    let at = |(at, share): (usize, f32)| {
        range.lowest[at % 3] + share * (range.highest[at % 3] - range.lowest[at % 3])
    };
    share.enumerate().map(at).collect()
}

fn error(found: &[f32], want: &[f64]) -> f64 {
    assert_eq!(found.len(), want.len());
    let largest = want.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "something flows");
    let differences = found.iter().zip(want).map(|(found, want)| (f64::from(*found) - want).abs());
    differences.fold(0.0, f64::max) / largest
}

#[test]
fn composites_are_what_their_formulas_say() {
    let (with_norm, merged) = networks();
    let pixels = image_pixels();
    let map = Map {
        height: HEIGHT,
        width: WIDTH,
        channels: 3,
        data: pixels.iter().map(|v| f64::from(*v)).collect(),
    };
    let target = merged.tap("fc").unwrap();
    let definition = Definition::new(&merged, &map, &target);
    let eps = 1e-6;
    let composites = [
        ("epsilon plus", Composite::epsilon_plus()),
        ("epsilon plus flat", Composite::epsilon_plus_flat()),
        ("epsilon alpha2 beta1", Composite::epsilon_alpha2_beta1()),
        ("epsilon alpha2 beta1 flat", Composite::epsilon_alpha2_beta1_flat()),
        ("epsilon gamma box", Composite::epsilon_gamma_box(PixelRange::default())),
        ("w-square", Composite { first: Some(Rule::WSquare { eps }), ..Composite::epsilon_plus() }),
        (
            "gamma everywhere",
            Composite::epsilon_plus().with(OpKind::Convolution, Rule::Gamma { gamma: 0.25, eps }),
        ),
        ("gradient", Composite::gradient()),
    ];
    for (name, composite) in composites {
        let mut start = definition.map(&target).like();
        start.data[3] = 1.0;
        let want =
            definition.back_by(&target, start, &|id, signal| through(&definition, &composite, id, signal));
        for network in [&merged, &with_norm] {
            let found = signals(network, &composite, &pixels).unwrap();
            for ((tap, of_merged), found) in wanted(network).iter().zip(wanted(&merged)).zip(&found) {
                let error = error(found, &want[&of_merged.node].data);
                assert!(error < TOLERANCE, "{name} at {}: {error:e}", tap.name);
            }
        }
    }
}

/// What an embedder would write for the epsilon rule without bias.
#[derive(Debug)]
struct OwnEpsilon;

impl CustomRule for OwnEpsilon {
    fn keep(&self) -> Keep {
        Keep::Relevance
    }

    fn pass(&self, at: &Site<'_>, signal: View<'_>, outputs: &mut [&mut [f32]]) {
        let input = at.inputs[0].expect("relevance keeps inputs");
        let z = at.forward(Part::Raw, input).expect("a product");
        let quotient: Vec<f32> = z
            .iter()
            .zip(signal.data)
            .map(|(z, signal)| signal / if *z < 0.0 { z - 1e-6 } else { z + 1e-6 })
            .collect();
        let back = at.transpose(Part::Raw, View { data: &quotient, ..signal }).expect("a product");
        outputs[0]
            .iter_mut()
            .zip(back)
            .zip(input.data)
            .for_each(|((output, back), input)| *output = back * input);
    }
}

#[test]
fn a_rule_of_ones_own_does_what_the_same_rule_here_does() {
    let (network, _) = networks();
    let pixels = image_pixels();
    let with = |rule: Rule| {
        let composite =
            Composite::epsilon_plus().with(OpKind::Convolution, rule.clone()).with(OpKind::Linear, rule);
        signals(&network, &composite, &pixels).unwrap()
    };
    let (own, ours) = (with(Rule::Custom(Arc::new(OwnEpsilon))), with(Rule::Epsilon { eps: 1e-6 }));
    for (own, ours) in own.iter().zip(&ours) {
        let ours: Vec<f64> = ours.iter().map(|value| f64::from(*value)).collect();
        assert!(error(own, &ours) < 1e-5);
    }
}

#[test]
fn an_override_holds_at_its_node_alone() {
    let (network, _) = networks();
    let (pixels, node) = (image_pixels(), network.tap("conv3").unwrap().node);
    let plain = signals(&network, &Composite::epsilon_plus(), &pixels).unwrap();
    let mut composite = Composite::epsilon_plus();
    composite.at.insert(node, Rule::Epsilon { eps: 1e-6 });
    let found = signals(&network, &composite, &pixels).unwrap();
    assert_eq!(found[0], plain[0], "above it nothing changes");
    assert_ne!(found[1], plain[1], "below it everything does");
}

#[test]
fn every_operation_that_does_not_know_its_rule_is_named_at_once() {
    let (network, _) = networks();
    let composite = Composite::of(Rule::ByMagnitude).with(OpKind::Relu, Rule::Flat { eps: 1e-6 });
    let refused = signals(&network, &composite, &image_pixels()).unwrap_err();
    let ModelError::Unsupported { list } = &refused else { panic!("{refused}") };
    let mut names: Vec<&str> = list.iter().map(|refused| refused.node.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["bn2", "conv1", "conv2", "conv3", "fc", "maxpool", "mean", "relu1", "relu2"]);
    assert!(refused.to_string().contains("relu1 (Relu): rule Flat"), "{refused}");
}

/// Whatever is asked of the wrong network, too early or at the wrong place is an error that names it.
#[test]
fn misuse_is_an_error() {
    let (network, _) = networks();
    let other = definition::random_network("resnet10_demo", 3);
    let (foreign, fc, conv1) =
        (other.tap("layer4").unwrap(), network.tap("fc").unwrap(), network.tap("conv1").unwrap());
    let is_foreign = |error: ModelError| matches!(error, ModelError::ForeignTap { .. });
    assert!(network.session(std::slice::from_ref(&foreign), Keep::Taps).is_err_and(is_foreign));
    assert!(network.check_channels(&foreign, &[0]).is_err_and(is_foreign));
    assert!(!network.graph().is_strictly_below(&foreign, &fc));

    let mut session = network.session(std::slice::from_ref(&conv1), Keep::Gradient).unwrap();
    let (mut pass, composite) = (BackwardPass::new(), Composite::gradient());
    let image = [network.graph().image_tap()];
    pass.seed(&session, &conv1, |signal| signal.fill(1.0));
    let early = pass.run(&session, &composite, &image).unwrap_err();
    assert!(matches!(early, ModelError::NotTapped { .. }), "{early}");

    session.run(&ChannelsLast::new(&image_pixels(), HEIGHT, WIDTH), &mut |_| {}).unwrap();
    pass.seed(&session, &fc, |signal| signal.fill(1.0));
    let above = pass.run(&session, &composite, &image).unwrap_err();
    assert!(matches!(&above, ModelError::NotTapped { tap } if tap == "fc"), "{above}");

    pass.seed(&session, &conv1, |signal| signal.fill(1.0));
    assert!(pass.run(&session, &composite, std::slice::from_ref(&foreign)).is_err_and(is_foreign));
    pass.seed(&session, &foreign, |_| {});
    assert!(pass.run(&session, &composite, &image).is_err_and(is_foreign));
    assert!(session.map(&foreign).is_none() && pass.view(&session, &foreign).is_none());

    let mut lrp = Attributor::new(&network, &fc, &image, Attribution::LRP).unwrap();
    let pixels = image_pixels();
    let images = ChannelsLast::new(&pixels, HEIGHT, WIDTH);
    assert!(matches!(lrp.run(&images, &[0, 1]), Err(ModelError::Items { expected: 1, found: 2 })));
    assert!(matches!(lrp.run(&images, &[5]), Err(ModelError::UnknownChannel { .. })));
    assert!(Attributor::new(&network, &foreign, &image, Attribution::LRP).is_err_and(is_foreign));
}

#[test]
fn a_session_that_keeps_too_little_says_so() {
    let (network, _) = networks();
    let target = network.tap("fc").unwrap();
    let mut session = network.session(std::slice::from_ref(&target), Keep::Gradient).unwrap();
    session.run(&ChannelsLast::new(&image_pixels(), HEIGHT, WIDTH), &mut |_| {}).unwrap();
    let mut pass = BackwardPass::new();
    pass.seed(&session, &target, |signal| signal.fill(1.0));
    let refused = pass.run(&session, &Composite::epsilon_plus(), &wanted(&network)).unwrap_err();
    assert!(matches!(refused, ModelError::NotKept { .. }), "{refused}");
}
