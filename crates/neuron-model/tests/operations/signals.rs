//! Gradients against finite differences, and relevance that is conserved.

use neuron_model::ops::{Attention, ChannelSlice, CrossAttention, Filling, Pad, Places, Reach, Similarity};
use neuron_model::{GraphBuilder, NodeId, Operation, Rule};

use super::cases::cases;
use super::promises::start;
use super::subject::{Case, Subject};

#[test]
fn gradients_are_finite_differences() {
    // Less than the distance of any two values of an image, and exact in f32.
    let step = 1.0 / 512.0;
    for case in cases() {
        let mut subject = Subject::new(&case, 2);
        let pixels = case.pixels(2);
        let output = subject.run(&pixels);
        let start = start(output.len());
        let gradient = subject.gradient(&start);
        let largest = gradient.iter().fold(0.0f64, |largest, slope| largest.max(f64::from(slope.abs())));
        assert!(largest > 0.0, "{}", case.name);
        let mut at = |pixel: usize, step: f32| {
            let mut pixels = pixels.clone();
            pixels[pixel] += step;
            let output = subject.run(&pixels);
            output.iter().zip(&start).map(|(value, by)| f64::from(*value) * f64::from(*by)).sum::<f64>()
        };
        for (pixel, found) in gradient.iter().enumerate() {
            let expected = (at(pixel, step) - at(pixel, -step)) / f64::from(2.0 * step);
            let error = (f64::from(*found) - expected).abs() / largest;
            assert!(error < 1e-3, "{} at {pixel}: {found} instead of {expected}", case.name);
        }
    }
}

/// The rules of relevance, whatever they are called at other operations.
fn rules() -> [Rule; 5] {
    let eps = 1e-6;
    [Rule::Identity, Rule::ZPlus { eps }, Rule::ZPlusSigned { eps }, Rule::Epsilon { eps }, Rule::ByMagnitude]
}

#[test]
fn relevance_is_conserved() {
    let mut count = 0;
    for case in cases() {
        let mut subject = Subject::new(&case, 2);
        let output = subject.run(&case.pixels(2));
        // What was added around a map, or between its positions, takes its share away.
        let is_added = |value: f32| match case.operation {
            Operation::Pad(Pad { filling: Filling::Value(filling), .. }) => value == filling,
            Operation::Scatter(_) => value == 0.0,
            _ => false,
        };
        let start: Vec<f32> = start(output.len()).into_iter().map(f32::abs).collect();
        let flown = start.iter().zip(&output).filter(|(_, value)| !is_added(**value));
        let flown: f64 = flown.map(|(signal, _)| f64::from(*signal)).sum();
        let mut inputs = subject.inputs.clone();
        inputs.dedup_by_key(|tap| tap.node);
        for rule in rules().into_iter().filter(|rule| case.operation.knows(rule)) {
            let signals = subject.back(rule.clone(), &start, &inputs);
            let arrived: f64 = signals.iter().flatten().map(|signal| f64::from(*signal)).sum();
            let name = case.name;
            assert!((arrived - flown).abs() < 1e-3 * flown, "{name} by {rule:?}: {arrived} of {flown}");
            count += 1;
        }
    }
    assert!(count > 90, "{count} rules");
}

/// The first input's and the second's.
fn parts(name: &str, rule: Rule) -> (Vec<f32>, [Vec<f32>; 2]) {
    let case = cases().into_iter().find(|case| case.name == name).expect("a case");
    let mut subject = Subject::new(&case, 1);
    let start = start(subject.run(&case.pixels(1)).len());
    let parts = subject.back(rule, &start, &subject.inputs.clone());
    (start, parts.try_into().expect("two inputs"))
}

#[test]
fn relevance_of_a_product_belongs_to_both_and_that_of_what_a_gate_lets_through_to_it() {
    let (start, [map, gate]) = parts("product with a gate", Rule::Identity);
    assert_eq!(map, start);
    assert!(gate.iter().all(|signal| *signal == 0.0));
    let (start, both) = parts("product", Rule::Identity);
    let half: Vec<f32> = start.iter().map(|signal| signal / 2.0).collect();
    assert_eq!(both, [half.clone(), half]);
}

#[test]
fn a_map_of_which_the_shape_alone_was_read_gets_nothing() {
    for rule in [Rule::Gradient, Rule::Identity] {
        let (_, [map, _]) = parts("spread a channel", rule);
        assert!(map.iter().all(|signal| *signal == 0.0));
    }
}

/// Of terms of both signs: `a R / (z +- eps)`, and in proportion to magnitudes.
fn assert_shares(name: &str, rule: &Rule, eps: f64, terms: &[f64], signal: f32, found: &[f32]) {
    let part = if matches!(rule, Rule::Epsilon { .. }) { |value| value } else { f64::abs };
    let z: f64 = terms.iter().copied().map(part).sum();
    let z = if z < 0.0 { z - eps } else { z + eps };
    for (term, found) in terms.iter().zip(found) {
        let (found, expected) = (f64::from(*found), part(*term) / z * f64::from(signal));
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error < 1e-4, "{name} by {rule:?}: {found} instead of {expected}");
    }
}

/// With an epsilon that cannot be overlooked.
fn shared(eps: f32) -> [Rule; 3] {
    [Rule::Epsilon { eps }, Rule::ZPlusSigned { eps }, Rule::ZPlus { eps }]
}

#[test]
fn relevance_of_a_reduction_follows_its_formulas() {
    for (name, count) in [("mean of channels", 4.0), ("sum of channels", 1.0)] {
        let case = cases().into_iter().find(|case| case.name == name).expect("a case");
        let mut subject = Subject::new(&case, 1);
        let pixels = case.pixels(2);
        let start = start(subject.run(&pixels).len());
        for rule in shared(1e-3) {
            let found = subject.back(rule.clone(), &start, &subject.inputs).remove(0);
            let positions = pixels.chunks_exact(4).zip(found.chunks_exact(4));
            for ((values, found), signal) in positions.zip(&start) {
                let terms: Vec<f64> = values.iter().map(|value| f64::from(*value) / count).collect();
                assert_shares(name, &rule, 1e-3, &terms, *signal, found);
            }
        }
    }
}

#[test]
fn relevance_of_a_sum_over_positions_follows_its_formulas() {
    let case = cases().into_iter().find(|case| case.name == "global sum").expect("a case");
    let mut subject = Subject::new(&case, 1);
    let pixels = case.pixels(2);
    let start = start(subject.run(&pixels).len());
    for rule in shared(1e-3) {
        let found = subject.back(rule.clone(), &start, &subject.inputs).remove(0);
        for (at, signal) in start.iter().enumerate() {
            let of = |values: &[f32]| -> Vec<f32> {
                values[at / 4 * 60..][..60].iter().skip(at % 4).step_by(4).copied().collect()
            };
            let terms: Vec<f64> = of(&pixels).into_iter().map(f64::from).collect();
            assert_shares(case.name, &rule, 1e-3, &terms, *signal, &of(&found));
        }
    }
}

/// Two ways to write the same attention pass the same relevance.
#[test]
fn relevance_between_maps_is_that_within_one() {
    let relevance = |operation: Operation, inputs: fn(&mut GraphBuilder, NodeId) -> Vec<NodeId>| {
        let case = Case::new("attention", [2, 3, 12], operation).with(inputs);
        let mut subject = Subject::new(&case, 1);
        let start = start(subject.run(&case.pixels(2)).len());
        let image = [subject.network.graph().image_tap()];
        shared(1e-3).map(|rule| subject.back(rule, &start, &image).remove(0))
    };
    let (similarity, places) = (Similarity::Dot { factor: 0.7 }, Places::Nothing);
    let within = Attention { channels: 4, heads: 2, reach: Reach::All, similarity, places };
    let between =
        CrossAttention { heads: 2, key_heads: 2, width: 2, value_width: 2, factor: 0.7, places: None };
    let expected = relevance(within.into(), |_, image| vec![image]);
    let found = relevance(between.into(), |graph, image| {
        [0, 4, 8].map(|first| graph.push("third", ChannelSlice { first, count: 4 }, &[image])).to_vec()
    });
    for (found, expected) in found.iter().zip(&expected) {
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-3 * expected.abs().max(1.0),
                "{found} instead of {expected}"
            );
        }
    }
}

/// By its functions' values, guided backpropagation stops what is negative behind them; deconvolution looks at nothing else.
#[test]
fn functions_are_passed_as_activations_are() {
    let case = cases().into_iter().find(|case| case.name == "leaky relu").expect("a case");
    let mut subject = Subject::new(&case, 1);
    let pixels = case.pixels(1);
    let start = start(subject.run(&pixels).len());
    let by = |rule| subject.back(rule, &start, &subject.inputs).remove(0);
    let (gradient, guided, passed) = (by(Rule::Gradient), by(Rule::Guided), by(Rule::Deconvolution));
    for at in 0..start.len() {
        let slope = if pixels[at] > 0.0 { 1.0 } else { 0.1 };
        assert!((gradient[at] - slope * start[at]).abs() < 1e-6);
        assert_eq!((guided[at], passed[at]), (gradient[at].max(0.0), start[at].max(0.0)));
    }
    assert_eq!(by(Rule::Identity), start);
}

/// Where several are the greatest, the first gets it all.
#[test]
fn ties_go_to_the_first() {
    for (name, of_first) in [("global max pool", 4), ("maximum of channels", 15)] {
        let case = cases().into_iter().find(|case| case.name == name).expect("a case");
        let mut subject = Subject::new(&case, 1);
        let output = subject.run(&[0.25; 60]);
        let signal = subject.gradient(&vec![1.0; output.len()]);
        let got: Vec<usize> = (0..60).filter(|at| signal[*at] != 0.0).collect();
        let expected: Vec<usize> =
            if name.starts_with("global") { (0..4).collect() } else { (0..60).step_by(4).collect() };
        assert_eq!((got.len(), &got), (of_first, &expected), "{name}");
    }
}
