//! What every operation promises: its bits depend on nothing but an item, and no value that is no number is lost.

use std::sync::Arc;

use neuron_model::ops::{Function, GlobalMaxPool, Pointwise, Relu, Softmax};
use neuron_model::{
    Composite, DeviceEvent, DeviceRequest, GraphBuilder, GraphError, NodeId, Observer, Operation, Precision,
    Rule,
};

use super::cases::cases;
use super::subject::{Subject, bits};

/// Start of a signal: of both signs, and nowhere 0.
pub(crate) fn start(len: usize) -> Vec<f32> {
    (0..len).map(|at| (at * 37 % 19) as f32 / 10.0 - 0.87).collect()
}

#[test]
fn an_item_does_not_depend_on_its_batch_or_on_threads() {
    const ITEMS: usize = 5;
    for case in cases() {
        let (pixels, mut together, mut alone) =
            (case.pixels(ITEMS), Subject::new(&case, 3), Subject::new(&case, 1));
        let output = together.run(&pixels);
        let start = start(output.len());
        let gradient = together.gradient(&start);
        let [len, out] = [&pixels, &output].map(|values| values.len() / ITEMS);
        for (item, pixels) in pixels.chunks_exact(len).enumerate() {
            let range = item * out..(item + 1) * out;
            assert_eq!(bits(&alone.run(pixels)), bits(&output[range.clone()]), "{}", case.name);
            let of_item = alone.gradient(&start[range]);
            assert_eq!(bits(&of_item), bits(&gradient[item * len..][..len]), "{}", case.name);
        }
    }
}

/// What is not a number before an operation is none behind it.
#[test]
fn no_operation_hides_a_nan() {
    for case in cases() {
        let mut subject = Subject::new(&case, 1);
        let pixels = case.pixels(1);
        for at in [0, pixels.len() / 2, pixels.len() - 1] {
            let mut pixels = pixels.clone();
            pixels[at] = f32::NAN;
            let output = subject.run(&pixels);
            // Of one input the shape alone is read; and what is not chosen is not read.
            let read = match case.name {
                "choice" => &subject.inputs[..1],
                name if name.starts_with("spread") => &subject.inputs[1..],
                _ => &subject.inputs[..],
            };
            let read = read.iter();
            let is_read =
                read.map(|tap| subject.value(tap)).any(|input| input.iter().any(|value| value.is_nan()));
            let is_there = output.iter().any(|value| value.is_nan());
            if case.name == "choice" && !is_read {
                continue;
            }
            assert_eq!(is_there, is_read, "{}: a NaN at {at}", case.name);
        }
    }
}

/// The rules of what reads it depend on that.
#[test]
fn what_cannot_be_negative_is_not() {
    for case in cases() {
        let mut subject = Subject::new(&case, 1);
        // Inputs of both signs, and those that are known to have one.
        let lowest = subject.run(&case.pixels(2)).into_iter().fold(f32::INFINITY, f32::min);
        let said = subject.network.graph().is_non_negative(subject.output.node);
        assert!(!said || lowest >= 0.0, "{}: {lowest}", case.name);
        let operation = case.operation.op();
        let said = operation.is_non_negative(&vec![true; operation.arity()]);
        let magnitudes: Vec<f32> = case.pixels(2).into_iter().map(f32::abs).collect();
        let lowest = subject.run(&magnitudes).into_iter().fold(f32::INFINITY, f32::min);
        let has_tokens = case.name.contains("token");
        assert!(!said || has_tokens || lowest >= 0.0, "{} of what is not: {lowest}", case.name);
    }
}

/// Whatever a graph is made of, mistakes are errors.
#[test]
fn too_few_inputs_are_an_error() {
    for case in cases() {
        let (mut graph, image) = GraphBuilder::new(case.image[2]);
        let far = (0..99).fold(image, |_, _| graph.push("on", Relu, &[image]));
        let absent = |node: NodeId| {
            let (mut other, _) = GraphBuilder::new(case.image[2]);
            let inputs = vec![node; case.operation.op().arity()];
            other.push("operation", case.operation, &inputs);
            other.finish()
        };
        assert!(matches!(absent(far), Err(GraphError::Order { .. })), "{}", case.name);
        let (mut other, image) = GraphBuilder::new(case.image[2]);
        let inputs = vec![image; case.operation.op().arity() - 1];
        other.push("operation", case.operation, &inputs);
        assert!(matches!(other.finish(), Err(GraphError::Shape { .. })), "{}", case.name);
    }
}

#[test]
fn gradients_pass_everything() {
    for case in cases() {
        assert!(case.operation.knows(&Rule::Gradient), "{}", case.name);
    }
}

#[test]
fn scans_in_bf16_are_near_those_in_f32() {
    let silent: Observer = Arc::new(|_: &DeviceEvent| {});
    for case in cases() {
        let (pixels, mut exact) = (case.pixels(2), Subject::new(&case, 2));
        let expected = exact.run(&pixels);
        let largest = expected.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (precision, tolerance) in [(Precision::Bf16, 2e-2), (Precision::Bf16x3, 5e-5)] {
            let device = DeviceRequest::Cpu.open(precision, &silent).unwrap();
            let found = exact.on(device, &pixels);
            assert_eq!(found.len(), expected.len(), "{}", case.name);
            let error =
                found.iter().zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / largest;
            assert!(error < tolerance, "{} in {precision}: {error:e}", case.name);
        }
    }
}

/// What is never negative by itself is not silent where a ReLU below it is.
#[test]
fn a_unit_is_silent_by_what_rectifies_it() {
    let identities = |operations: &[Operation]| {
        let (mut graph, image) = GraphBuilder::new(4);
        let top = operations.iter().fold(image, |below, operation| graph.push("on", *operation, &[below]));
        graph.name("top", top);
        let graph = graph.finish().unwrap();
        Composite::gradient_before_relu(&graph, &graph.tap("top").unwrap()).at.len()
    };
    let clamp = |low| Operation::from(Pointwise { function: Function::Clamp { low, high: 6.0 } });
    let square = Operation::from(Pointwise { function: Function::Square });
    assert_eq!(identities(&[Relu.into()]), 1);
    assert_eq!(identities(&[clamp(0.0)]), 1);
    assert_eq!(identities(&[Relu.into(), GlobalMaxPool.into()]), 1);
    for last in [Softmax { apart: 1 }.into(), square, clamp(0.5)] {
        assert_eq!(identities(&[Relu.into(), last]), 0, "{last:?}");
    }
}
