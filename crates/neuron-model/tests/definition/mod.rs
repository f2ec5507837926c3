//! Networks as their definitions read, in f64 and without a thought for speed: what sessions and backward passes are tested
//! against.

use std::collections::{BTreeMap, HashMap};

use neuron_geometry::Window;
use neuron_model::ops::{Convolution, Linear, MaxPool};
use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, Graph, Network, NodeId, Operation, Tap, Weights};

/// Weights that keep activations of about one size, the same for every run.
pub(crate) fn random_weights(name: &str, seed: u64) -> Weights {
    weights_of(&Architecture::from_name(name).expect("a known network").graph(&Weights::default()), seed)
}

/// Those of a ResNet-50 with its strides in the pointwise convolutions, as it was first published.
pub(crate) fn random_weights_v1(seed: u64) -> Weights {
    let metadata = BTreeMap::from([("stride_in_1x1".to_owned(), "true".to_owned())]);
    let graph = Architecture::from_name("resnet50").expect("a known network").graph(&Weights::default());
    Weights::from_tensors(tensors(&graph, seed), metadata)
}

/// As [`random_weights`], for any graph.
pub(crate) fn weights_of(graph: &Graph, seed: u64) -> Weights {
    Weights::from_tensors(tensors(graph, seed), BTreeMap::new())
}

fn tensors(graph: &Graph, seed: u64) -> Vec<(String, WeightTensor)> {
    let mut state = seed | 1;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (12.0 / (len / shape[0]) as f32).sqrt();
        let value = |noise: f32| match name.rsplit('.').next() {
            Some("running_var") => 0.5 + noise,
            Some("weight") if shape.len() == 1 => 0.5 + noise,
            Some("weight") => (noise - 0.5) * scale,
            _ => (noise - 0.5) * 0.2,
        };
        let data: Vec<f32> = (0..len).map(|_| value(noise())).collect();
        (name, WeightTensor::new(shape, data))
    });
    tensors.collect()
}

/// A network of random weights on two threads.
pub(crate) fn random_network(name: &str, seed: u64) -> Network {
    Network::new(name, random_weights(name, seed), 2).expect("the weights were made for the network")
}

/// Pixels that look random, `[items, height, width, 3]`.
pub(crate) fn pixels(items: usize, height: usize, width: usize, seed: usize) -> Vec<f32> {
    (0..items * height * width * 3)
        .map(|at| ((at + 31 * seed) * 2_654_435_761 % 1000) as f32 / 250.0 - 2.0)
        .collect()
}

/// One item's map, `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Map {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) data: Vec<f64>,
}

impl Map {
    fn zeros(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, data: vec![0.0; height * width * channels] }
    }

    /// A map of this one's shape.
    pub(crate) fn like(&self) -> Self {
        Self::zeros(self.height, self.width, self.channels)
    }

    pub(crate) fn at(&self, y: usize, x: usize, c: usize) -> usize {
        (y * self.width + x) * self.channels + c
    }

    pub(crate) fn with(&self, change: impl Fn(usize, f64) -> f64) -> Self {
        let data = self.data.iter().enumerate().map(|(at, value)| change(at, *value)).collect();
        Self { data, ..*self }
    }
}

/// How a signal goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    Gradient,
    Guided,
    /// The z+ rule, with `eps` = 1e-5; z-B is tested by itself.
    Relevance,
}

const EPS: f64 = 1e-5;

/// A network and what it computes for one image.
pub(crate) struct Definition {
    graph: std::sync::Arc<Graph>,
    weights: Weights,
    maps: HashMap<NodeId, Map>,
}

impl Definition {
    /// Computes every value that `target` needs.
    pub(crate) fn new(network: &Network, image: &Map, target: &Tap) -> Self {
        let (graph, weights) = (network.graph().clone(), network.weights().clone());
        let mut definition = Self { graph, weights, maps: HashMap::new() };
        for id in definition.graph.clone().ids() {
            let map = definition.forward(id, image);
            definition.maps.insert(id, map);
            if id == target.node {
                break;
            }
        }
        definition
    }

    pub(crate) fn map(&self, tap: &Tap) -> &Map {
        &self.maps[&tap.node]
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What a node reads.
    pub(crate) fn input(&self, id: NodeId, index: usize) -> &Map {
        &self.maps[&self.graph.node(id).inputs[index]]
    }

    pub(crate) fn tensor(&self, name: &str) -> Vec<f64> {
        let tensor = self.weights.tensor(name).expect("the network has this tensor");
        tensor.data.iter().map(|value| f64::from(*value)).collect()
    }

    fn scale_and_shift(&self, name: &str) -> (Vec<f64>, Vec<f64>) {
        let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"]
            .map(|tensor| self.tensor(&format!("{name}.{tensor}")));
        let scale: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w / (v + 1e-5).sqrt()).collect();
        let shift = (0..scale.len()).map(|c| bias[c] - mean[c] * scale[c]).collect();
        (scale, shift)
    }

    fn forward(&self, id: NodeId, image: &Map) -> Map {
        let node = self.graph.node(id);
        let input = |index: usize| &self.maps[&node.inputs[index]];
        match node.operation {
            Operation::Input(_) => image.clone(),
            Operation::Convolution(_) | Operation::Linear(_) => {
                let sums = self.convolve(id, input(0), |weight| weight);
                let bias = self.weights.tensor(&format!("{}.bias", node.name));
                let bias = |at: usize| bias.map_or(0.0, |bias| f64::from(bias.data[at % sums.channels]));
                sums.with(|at, value| value + bias(at))
            }
            Operation::BatchNorm(_) => {
                let (scale, shift) = self.scale_and_shift(&node.name);
                input(0).with(|at, value| value * scale[at % scale.len()] + shift[at % scale.len()])
            }
            Operation::Relu(_) => input(0).with(|_, value| value.max(0.0)),
            Operation::Add(_) => input(0).with(|at, value| value + input(1).data[at]),
            Operation::MaxPool(_) => {
                let (map, places) = self.pooled(id);
                map.with(|at, _| input(0).data[places[at]])
            }
            Operation::GlobalAveragePool(_) => {
                let input = input(0);
                let positions = (input.height * input.width) as f64;
                let mut mean = Map::zeros(1, 1, input.channels);
                input
                    .data
                    .iter()
                    .enumerate()
                    .for_each(|(at, v)| mean.data[at % input.channels] += v / positions);
                mean
            }
            other => panic!("{other:?} has no definition here"),
        }
    }

    /// Visits every product of a convolution: index of the output, of the input, and the weight.
    pub(crate) fn products(&self, id: NodeId, input: &Map, visit: &mut dyn FnMut(usize, usize, f64)) -> Map {
        let node = self.graph.node(id);
        let weight = self.tensor(&format!("{}.weight", node.name));
        let (out_channels, window, groups) = match node.operation {
            Operation::Convolution(Convolution { geometry: g, .. }) => (g.out_channels, g.window, g.groups),
            Operation::Linear(Linear { out_features, .. }) => (out_features, Window::square(1, 1, 0), 1),
            other => panic!("{other:?} has no products"),
        };
        let Window { kernel, stride, padding, dilation, .. } = window;
        let positions = |axis: usize, len: usize| {
            (len + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis] + 1
        };
        let output = Map::zeros(positions(0, input.height), positions(1, input.width), out_channels);
        let group_in = input.channels / groups;
        for y in 0..output.height {
            for x in 0..output.width {
                for o in 0..out_channels {
                    let first = o / (out_channels / groups) * group_in;
                    for (i, ky, kx) in (0..group_in).flat_map(|i| {
                        (0..kernel[0]).flat_map(move |ky| (0..kernel[1]).map(move |kx| (i, ky, kx)))
                    }) {
                        let (row, column) =
                            (y * stride[0] + ky * dilation[0], x * stride[1] + kx * dilation[1]);
                        if row < padding[0] || column < padding[1] {
                            continue;
                        }
                        let (row, column) = (row - padding[0], column - padding[1]);
                        if row < input.height && column < input.width {
                            let weight = weight[((o * group_in + i) * kernel[0] + ky) * kernel[1] + kx];
                            visit(output.at(y, x, o), input.at(row, column, first + i), weight);
                        }
                    }
                }
            }
        }
        output
    }

    fn convolve(&self, id: NodeId, input: &Map, part: impl Fn(f64) -> f64) -> Map {
        let mut output = Map::zeros(0, 0, 0);
        let mut sums: HashMap<usize, f64> = HashMap::new();
        let shape = self.products(id, input, &mut |out, from, weight| {
            *sums.entry(out).or_default() += input.data[from] * part(weight);
        });
        output.clone_from(&shape);
        sums.into_iter().for_each(|(at, sum)| output.data[at] = sum);
        output
    }

    /// The output's shape of a max-pool, and where in the input each (first) maximum lies.
    fn pooled(&self, id: NodeId) -> (Map, Vec<usize>) {
        let node = self.graph.node(id);
        let Operation::MaxPool(MaxPool { window }) = node.operation else {
            panic!("{} is no max-pool", node.name)
        };
        let input = &self.maps[&node.inputs[0]];
        let [height, width] = window.positions([input.height, input.width]);
        let output = Map::zeros(height, width, input.channels);
        let inside = |axis: usize, index: usize, len: usize| {
            let start = index * window.stride[axis];
            (0..window.kernel[axis])
                .filter_map(move |place| {
                    (start + place * window.dilation[axis]).checked_sub(window.padding[axis])
                })
                .filter(move |at| *at < len)
        };
        let mut places = Vec::new();
        for y in 0..output.height {
            for x in 0..output.width {
                for c in 0..output.channels {
                    let cells = inside(0, y, input.height)
                        .flat_map(|row| inside(1, x, input.width).map(move |column| (row, column)));
                    let places_of = cells.map(|(row, column)| input.at(row, column, c));
                    let best = places_of.reduce(|a, b| if input.data[b] > input.data[a] { b } else { a });
                    places.push(best.expect("every window holds something"));
                }
            }
        }
        (output, places)
    }

    /// The signal at every value for one that starts at `target`.
    pub(crate) fn back(&self, how: Back, target: &Tap, start: Map) -> HashMap<NodeId, Map> {
        self.back_by(target, start, &|id, signal| self.through(how, id, signal))
    }

    /// As [`Definition::back`], by what `through` says of each node.
    pub(crate) fn back_by(
        &self,
        target: &Tap,
        start: Map,
        through: &dyn Fn(NodeId, &Map) -> Vec<Map>,
    ) -> HashMap<NodeId, Map> {
        let mut signals = HashMap::from([(target.node, start)]);
        for id in self.graph.ids().rev() {
            let Some(signal) = signals.get(&id).cloned() else { continue };
            let inputs = self.graph.node(id).inputs.clone();
            for (input, part) in inputs.into_iter().zip(through(id, &signal)) {
                let sum = signals.entry(input).or_insert_with(|| self.maps[&input].like());
                sum.data.iter_mut().zip(&part.data).for_each(|(sum, part)| *sum += part);
            }
        }
        signals
    }

    /// The signal at each input of a node.
    pub(crate) fn through(&self, how: Back, id: NodeId, signal: &Map) -> Vec<Map> {
        let node = self.graph.node(id);
        let input = |index: usize| &self.maps[&node.inputs[index]];
        let relevance = how == Back::Relevance;
        match node.operation {
            Operation::Input(_) => Vec::new(),
            Operation::BatchNorm(_) | Operation::Relu(_) if relevance => vec![signal.clone()],
            Operation::BatchNorm(_) => {
                let (scale, _) = self.scale_and_shift(&node.name);
                vec![signal.with(|at, value| value * scale[at % scale.len()])]
            }
            Operation::Relu(_) => {
                let open = |at: usize| self.maps[&id].data[at] > 0.0;
                let passed = |value: f64| if how == Back::Guided { value.max(0.0) } else { value };
                vec![signal.with(|at, value| if open(at) { passed(value) } else { 0.0 })]
            }
            Operation::Add(_) if relevance => {
                let share = |at: usize| {
                    let (main, shortcut) = (input(0).data[at].abs(), input(1).data[at].abs());
                    if main + shortcut == 0.0 { 0.5 } else { main / (main + shortcut) }
                };
                vec![
                    signal.with(|at, value| share(at) * value),
                    signal.with(|at, value| (1.0 - share(at)) * value),
                ]
            }
            Operation::Add(_) => vec![signal.clone(), signal.clone()],
            Operation::Convolution(_) | Operation::Linear(_) if relevance => {
                let z = self.convolve(id, input(0), |weight| weight.max(0.0));
                let mut output = input(0).like();
                self.products(id, input(0), &mut |out, from, weight| {
                    let quotient = signal.data[out] / (z.data[out] + EPS);
                    output.data[from] += input(0).data[from] * weight.max(0.0) * quotient;
                });
                vec![output]
            }
            Operation::Convolution(_) | Operation::Linear(_) => {
                let mut output = input(0).like();
                self.products(id, input(0), &mut |out, from, weight| {
                    output.data[from] += weight * signal.data[out];
                });
                vec![output]
            }
            Operation::MaxPool(MaxPool { window }) if relevance => {
                vec![averaged(input(0), signal, window.stride[0])]
            }
            Operation::MaxPool(_) => {
                let mut output = input(0).like();
                let (_, places) = self.pooled(id);
                places.iter().zip(&signal.data).for_each(|(place, value)| output.data[*place] += value);
                vec![output]
            }
            Operation::GlobalAveragePool(_) => {
                let input = input(0);
                let positions = (input.height * input.width) as f64;
                let spread = |at: usize| {
                    let channel = at % input.channels;
                    let mean = self.maps[&id].data[channel];
                    let share = if relevance { input.data[at] / (mean + EPS) } else { 1.0 };
                    signal.data[channel] * share / positions
                };
                vec![input.with(|at, _| spread(at))]
            }
            other => panic!("{other:?} has no definition here"),
        }
    }
}

/// The relevance below an average pool of `side x side` cells; cells that hang over the border average what they hold.
fn averaged(input: &Map, signal: &Map, side: usize) -> Map {
    let mut output = input.like();
    for y in 0..signal.height {
        for x in 0..signal.width {
            for c in 0..signal.channels {
                let rows = y * side..input.height.min((y + 1) * side);
                let columns = x * side..input.width.min((x + 1) * side);
                let cells: Vec<usize> = rows
                    .flat_map(|row| columns.clone().map(move |column| (row, column)))
                    .map(|(row, column)| input.at(row, column, c))
                    .collect();
                let mean = cells.iter().map(|at| input.data[*at]).sum::<f64>() / cells.len() as f64;
                let quotient = signal.data[signal.at(y, x, c)] / (mean + EPS) / cells.len() as f64;
                cells.iter().for_each(|at| output.data[*at] += input.data[*at] * quotient);
            }
        }
    }
    output
}
