use std::collections::BTreeMap;

use neuron_model::weights::WeightTensor;
use neuron_model::{
    BackwardPass, Composite, Device, GraphBuilder, Images, Keep, Network, NodeId, Operation, Rule, Session,
    Tap, Weights,
};

/// An operation, and what it reads.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Height, width and channels of the image.
    pub(crate) image: [usize; 3],
    pub(crate) operation: Operation,
    /// Makes its inputs of the image.
    pub(crate) inputs: fn(&mut GraphBuilder, NodeId) -> Vec<NodeId>,
    /// What some of its values are no number or have no slope without: applied to each value of the image, which lies
    /// between -1 and 1.
    pub(crate) domain: fn(f32) -> f32,
}

impl Case {
    /// An operation on the image itself.
    pub(crate) fn new(name: &'static str, image: [usize; 3], operation: impl Into<Operation>) -> Self {
        let operation = operation.into();
        Self { name, image, operation, inputs: |_, image| vec![image], domain: |value| value }
    }

    pub(crate) fn with(self, inputs: fn(&mut GraphBuilder, NodeId) -> Vec<NodeId>) -> Self {
        Self { inputs, ..self }
    }

    pub(crate) fn over(self, domain: fn(f32) -> f32) -> Self {
        Self { domain, ..self }
    }

    /// Different values, evenly spread, of which none is 0.
    pub(crate) fn pixels(&self, items: usize) -> Vec<f32> {
        let len = items * self.image.iter().product::<usize>();
        spread(len, 1).into_iter().map(self.domain).collect()
    }
}

/// So many different values between -1 and 1, in no order.
fn spread(len: usize, seed: u64) -> Vec<f32> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by_key(|at| {
        // Of SplitMix64.
        let mixed = (*at as u64 + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb)
    });
    // With an even number of places, none is 0.
    let places = len.next_multiple_of(2) as f32;
    let mut values = vec![0.0; len];
    order.into_iter().enumerate().for_each(|(rank, at)| values[at] = (2 * rank + 1) as f32 / places - 1.0);
    values
}

/// A case as a network that has run.
pub(crate) struct Subject {
    pub(crate) network: Network,
    pub(crate) inputs: Vec<Tap>,
    pub(crate) output: Tap,
    session: Session,
    size: [usize; 3],
}

impl Subject {
    pub(crate) fn new(case: &Case, threads: usize) -> Self {
        Self::weighing(case, threads, |name, len| {
            let values = spread(len, 2).into_iter();
            values.map(|value| if name == "weight" { 1.0 + value / 2.0 } else { value }).collect()
        })
    }

    /// With weights by the last part of their names, and how many they are.
    pub(crate) fn weighing(case: &Case, threads: usize, weigh: impl Fn(&str, usize) -> Vec<f32>) -> Self {
        let (mut graph, image) = GraphBuilder::new(case.image[2]);
        let inputs = (case.inputs)(&mut graph, image);
        inputs.iter().enumerate().for_each(|(index, input)| graph.name(&format!("input.{index}"), *input));
        graph.module("output", case.operation, &inputs);
        let graph = graph.finish().unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
            let data = weigh(name.rsplit('.').next().unwrap_or_default(), shape.iter().product());
            (name, WeightTensor::new(shape, data))
        });
        let weights = Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new());
        let network = Network::from_graph(Device::default(), case.name, graph, weights, threads).unwrap();
        let tap = |name: &str| network.tap(name).unwrap();
        let names = (0..inputs.len()).map(|index| format!("input.{index}"));
        let (inputs, output) = (names.map(|name| tap(&name)).collect::<Vec<_>>(), tap("output"));
        let taps = [&inputs[..], std::slice::from_ref(&output)].concat();
        let session = network.session(&taps, Keep::Relevance).unwrap();
        Self { network, inputs, output, session, size: case.image }
    }

    /// The operation's output for some images.
    pub(crate) fn run(&mut self, pixels: &[f32]) -> Vec<f32> {
        self.session.run(&Pixels { pixels, size: self.size }, &mut |_| {}).unwrap();
        self.value(&self.output)
    }

    /// The output that a device computes which keeps nothing else.
    pub(crate) fn on(&self, device: Device, pixels: &[f32]) -> Vec<f32> {
        let (graph, weights) = ((**self.network.graph()).clone(), self.network.weights().clone());
        let network = Network::from_graph(device, "elsewhere", graph, weights, 2).unwrap();
        let mut session = network.session(&[network.tap("output").unwrap()], Keep::Taps).unwrap();
        let mut output = Vec::new();
        let images = Pixels { pixels, size: self.size };
        session.run(&images, &mut |tapped| output.extend_from_slice(tapped.map.data)).unwrap();
        output
    }

    /// A value of the last run.
    pub(crate) fn value(&self, tap: &Tap) -> Vec<f32> {
        self.session.map(tap).expect("it is kept").data.to_vec()
    }

    /// The signals at some taps for one at the output of the last run.
    pub(crate) fn back(&self, rule: Rule, start: &[f32], at: &[Tap]) -> Vec<Vec<f32>> {
        let mut pass = BackwardPass::new();
        pass.seed(&self.session, &self.output, |signal| signal.copy_from_slice(start));
        pass.run(&self.session, &Composite::of(rule), at).unwrap();
        at.iter().map(|tap| pass.signal(tap).expect("it lies below").to_vec()).collect()
    }

    /// The gradient at the image.
    pub(crate) fn gradient(&self, start: &[f32]) -> Vec<f32> {
        self.back(Rule::Gradient, start, &[self.network.graph().image_tap()]).remove(0)
    }
}

/// `[items, height, width, channels]`
struct Pixels<'a> {
    pixels: &'a [f32],
    size: [usize; 3],
}

impl Images for Pixels<'_> {
    fn count(&self) -> usize {
        self.pixels.len() / self.size.iter().product::<usize>()
    }

    fn size(&self) -> (usize, usize) {
        (self.size[0], self.size[1])
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        pixels.copy_from_slice(&self.pixels[index * pixels.len()..][..pixels.len()]);
    }
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
