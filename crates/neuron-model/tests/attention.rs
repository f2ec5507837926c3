//! Relevance through attention by its definition, and through what makes tokens of a map.

use std::collections::BTreeMap;

use neuron_model::ops::{
    Attention, Enlargement, Linear, PatchMerging, Places, PositionTable, Reach, Similarity, TokenInsertion,
    TokenSelection,
};
use neuron_model::weights::WeightTensor;
use neuron_model::{
    BackwardPass, ChannelsFirst, Composite, Device, GraphBuilder, Keep, Network, OpKind, Rule, Session, Tap,
    View, Weights,
};

/// Channels of tokens, and heads.
const CHANNELS: usize = 4;
const HEADS: usize = 2;
/// Added to divisors.
const EPS: f32 = 1e-5;

fn noise(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|at| ((at * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// Pixels as tokens, a class token, places, one attention, and the class token of the result.
fn network() -> Network {
    let (mut graph, image) = GraphBuilder::new(3);
    let embedded = graph.module("embed", Linear::new(3, CHANNELS), &[image]);
    let class =
        TokenInsertion { channels: CHANNELS, count: 1, at: 0, tensor: "class_token", has_batch: true };
    let tokens = graph.module("tokens", class, &[embedded]);
    let table = PositionTable {
        channels: CHANNELS,
        extra: 1,
        grid: [2, 3],
        tensor: "places",
        has_batch: false,
        enlargement: Enlargement::Never,
    };
    let placed = graph.module("placed", table, &[tokens]);
    let qkv = graph.module("qkv", Linear::new(CHANNELS, 3 * CHANNELS), &[placed]);
    let attention = Attention {
        channels: CHANNELS,
        heads: HEADS,
        reach: Reach::All,
        similarity: Similarity::Dot { factor: 0.7 },
        places: Places::Nothing,
    };
    let mixed = graph.module("attention", attention, &[qkv]);
    graph.module("class", TokenSelection { position: 0 }, &[mixed]);
    let graph = graph.finish().expect("it fits together");
    let tensors = graph.expected_tensors().into_iter().enumerate().map(|(seed, (name, shape))| {
        let data = noise(shape.iter().product(), seed + 1);
        (name, WeightTensor::new(shape, data))
    });
    let weights = Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new());
    Network::from_graph(Device::default(), "tokens", graph, weights, 1).expect("the weights fit")
}

/// A session that has run, its image, and a tap by name.
fn run(network: &Network) -> (Session, [Tap; 4]) {
    let taps = ["placed", "qkv", "attention", "class"].map(|name| network.tap(name).expect("its own tap"));
    let mut session = network.session(&taps, Keep::Relevance).expect("its own taps");
    let image = noise(3 * 2 * 3, 99);
    session.run(&ChannelsFirst::new(&image, 2, 3), &mut |_| {}).expect("the size of the table");
    (session, taps)
}

fn wide(view: View<'_>) -> Vec<f64> {
    view.data.iter().map(|value| f64::from(*value)).collect()
}

/// `[heads, tokens, tokens]` of queries and keys.
fn weights_of(qkv: &[f64], tokens: usize) -> Vec<f64> {
    let width = CHANNELS / HEADS;
    let mut weights = Vec::new();
    for head in 0..HEADS {
        for i in 0..tokens {
            let similarity = |j: usize| {
                let dot = |at: usize| {
                    qkv[i * 3 * CHANNELS + head * width + at]
                        * qkv[j * 3 * CHANNELS + CHANNELS + head * width + at]
                };
                0.7f64 * (0..width).map(dot).sum::<f64>()
            };
            let powers: Vec<f64> = (0..tokens).map(|j| similarity(j).exp()).collect();
            let sum: f64 = powers.iter().sum();
            weights.extend(powers.iter().map(|power| power / sum));
        }
    }
    weights
}

#[test]
fn relevance_follows_values_by_weights_that_count_as_constants() {
    let network = network();
    let (session, [_, qkv, attention, _]) = run(&network);
    let values = wide(session.map(&qkv).unwrap());
    let tokens = values.len() / (3 * CHANNELS);
    let weights = weights_of(&values, tokens);
    let start: Vec<f32> = noise(tokens * CHANNELS, 5).iter().map(|value| value.abs()).collect();
    for (rule, part) in [
        (Rule::ZPlusSigned { eps: EPS }, f64::abs as fn(f64) -> f64),
        (Rule::Epsilon { eps: EPS }, |value| value),
    ] {
        let mut pass = BackwardPass::new();
        pass.seed(&session, &attention, |signal| signal.copy_from_slice(&start));
        let composite = Composite::of(Rule::Gradient).with(OpKind::Attention, rule.clone());
        pass.run(&session, &composite, std::slice::from_ref(&qkv)).unwrap();
        let found = wide(pass.view(&session, &qkv).unwrap());
        let mut expected = vec![0.0; values.len()];
        for channel in 0..CHANNELS {
            let head = channel / (CHANNELS / HEADS);
            let value = |j: usize| part(values[j * 3 * CHANNELS + 2 * CHANNELS + channel]);
            for i in 0..tokens {
                let weight = |j: usize| weights[(head * tokens + i) * tokens + j];
                let z: f64 = (0..tokens).map(|j| weight(j) * value(j)).sum();
                let z = if z < 0.0 { z - f64::from(EPS) } else { z + f64::from(EPS) };
                for j in 0..tokens {
                    let share = weight(j) * value(j) / z * f64::from(start[i * CHANNELS + channel]);
                    expected[j * 3 * CHANNELS + 2 * CHANNELS + channel] += share;
                }
            }
        }
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-4 * expected.abs().max(1.0),
                "{rule:?}: {found}, {expected}"
            );
        }
        let [flown, arrived] =
            [start.iter().map(|value| f64::from(*value)).sum::<f64>(), found.iter().sum::<f64>()];
        assert!((flown - arrived).abs() < 1e-3 * flown, "{rule:?}: {arrived} of {flown}");
    }
}

#[test]
fn signals_pass_tokens_to_the_positions_that_they_are() {
    let network = network();
    let (session, [placed, _, attention, class]) = run(&network);
    let mut pass = BackwardPass::new();
    pass.seed(&session, &class, |signal| signal.copy_from_slice(&[1.0, 2.0, 3.0, 4.0]));
    pass.run(&session, &Composite::gradient(), std::slice::from_ref(&attention)).unwrap();
    let signal = pass.signal(&attention).unwrap();
    assert_eq!(signal[..4], [1.0, 2.0, 3.0, 4.0], "the class token comes first");
    assert!(signal[4..].iter().all(|value| *value == 0.0));

    // The image gets what its tokens got, and the class token keeps its own.
    let below = network.tap("embed").unwrap();
    let mut pass = BackwardPass::new();
    let start = noise(7 * CHANNELS, 3);
    pass.seed(&session, &placed, |signal| signal.copy_from_slice(&start));
    pass.run(&session, &Composite::gradient(), std::slice::from_ref(&below)).unwrap();
    assert_eq!(pass.signal(&below).unwrap(), &start[CHANNELS..]);
}

#[test]
fn a_table_of_another_grid_says_which() {
    let network = network();
    let tap = network.tap("class").unwrap();
    let mut session = network.session(std::slice::from_ref(&tap), Keep::Taps).unwrap();
    let image = noise(3 * 4 * 4, 1);
    let error = session.run(&ChannelsFirst::new(&image, 4, 4), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("2 x 3"), "{error}");
}

#[test]
fn merged_patches_hand_their_signal_back() {
    let (mut graph, image) = GraphBuilder::new(3);
    let embedded = graph.module("embed", Linear::new(3, 2), &[image]);
    graph.module("merged", PatchMerging, &[embedded]);
    let graph = graph.finish().unwrap();
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let data = noise(shape.iter().product(), 1);
        (name, WeightTensor::new(shape, data))
    });
    let weights = Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new());
    let network = Network::from_graph(Device::default(), "patches", graph, weights, 1).unwrap();
    let [embed, merged] = ["embed", "merged"].map(|name| network.tap(name).unwrap());
    let mut session = network.session(&[embed.clone(), merged.clone()], Keep::Gradient).unwrap();
    let image = noise(3 * 3 * 3, 7);
    session.run(&ChannelsFirst::new(&image, 3, 3), &mut |_| {}).unwrap();
    let mut pass = BackwardPass::new();
    let merged_values = session.map(&merged).unwrap().data.to_vec();
    pass.seed(&session, &merged, |signal| signal.copy_from_slice(&merged_values));
    pass.run(&session, &Composite::gradient(), std::slice::from_ref(&embed)).unwrap();
    // Every value comes back to where it was; what lies beyond the edge goes nowhere.
    assert_eq!(pass.signal(&embed).unwrap(), session.map(&embed).unwrap().data);
}
