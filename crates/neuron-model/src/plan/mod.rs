//! What has to be computed for some taps, in which order, and where each value lives.
//!
//! A [`Plan`] turns the part of a graph below its taps into *steps*. A convolution takes the gate before it, and the
//! batch norm, the residual addition and the activation that follow it, into one step wherever nobody looks at the values in
//! between; asking for an intermediate value splits the step at that place, or computes it once more by itself, and changes
//! no bit of any other value. Some operations one behind the other are a single step, too, computed a band of lines at a
//! time.

mod chain;
mod fuse;
mod layout;
mod means;
mod pooled;
mod step;
mod unread;

pub(crate) use layout::Layout;
pub(crate) use step::{Shortcut, Step};

use std::sync::Arc;

use crate::graph::{Graph, Tap};
use crate::ops::Thinning;
use crate::value::{Keep, NodeId};
use neuron_kernels::Algorithm;

/// What runs a plan, as far as it matters for what is computed in one call, or at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The CPU, in f32.
    F32,
    /// The CPU, in bf16 numbers.
    Bf16,
    /// GPUs.
    Gpu,
}

impl Engine {
    /// Whether it multiplies the gate of a map while the convolution above reads it. The others round a map before they
    /// multiply it, or are not limited by memory.
    fn takes_gates(self) -> bool {
        self == Self::F32
    }

    /// Whether convolutions one behind the other are computed a band of lines at a time.
    fn takes_chains(self, algorithm: Algorithm) -> bool {
        // Products of bf16 numbers read whole maps.
        self == Self::F32 && algorithm != Algorithm::Bf16x3
    }

    /// Whether a max-pool is computed with the convolution below it.
    fn takes_pools(self) -> bool {
        self == Self::Bf16
    }

    /// Whether two convolutions whose results are added are one of both maps. In f32, the sum of both is that of two chains.
    fn takes_shortcuts(self) -> bool {
        self == Self::Bf16
    }

    /// Whether a convolution may write its result over what it adds. In f32, the output holds the sums meanwhile.
    fn adds_in_place(self) -> bool {
        self == Self::Bf16
    }
}

/// The steps that lead to some taps of a graph.
#[derive(Clone, Debug)]
pub struct Plan {
    graph: Arc<Graph>,
    taps: Vec<Tap>,
    keep: Keep,
    algorithm: Algorithm,
    engine: Engine,
    needed: Vec<bool>,
    retained: Vec<bool>,
    kept_apart: Vec<bool>,
    steps: Vec<Step>,
    every: Vec<usize>,
    of_means: Vec<bool>,
}

impl Plan {
    /// Plans a forward pass to `taps` that stops at the deepest.
    pub(crate) fn new(
        graph: Arc<Graph>,
        taps: Vec<Tap>,
        keep: Keep,
        algorithm: Algorithm,
        engine: Engine,
    ) -> Self {
        let needed = graph.ancestors(taps.iter().map(|tap| tap.node));
        let retained = retained(&graph, &needed, keep);
        let mut visible = retained.clone();
        taps.iter().for_each(|tap| visible[tap.node.0] = true);
        let kept_apart = fuse::kept_apart(&graph, &needed, &visible, engine);
        let steps = fuse::steps(&graph, &needed, &visible, engine);
        let every = match keep {
            Keep::Taps => unread::every(&graph, &steps, &visible, engine),
            Keep::Gradient | Keep::Relevance => vec![1; needed.len()],
        };
        let steps = match keep {
            Keep::Taps if engine.takes_chains(algorithm) => chain::chained(&graph, steps, &visible),
            Keep::Taps if engine.takes_pools() => pooled::pooled(&graph, steps, &visible),
            _ => steps,
        };
        let of_means = means::convolutions(&graph);
        Self { graph, taps, keep, algorithm, engine, needed, retained, kept_apart, steps, every, of_means }
    }

    /// The taps, in the order in which they were asked for.
    pub fn taps(&self) -> &[Tap] {
        &self.taps
    }

    /// What the pass remembers.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// How the sums of convolutions are arranged.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// How the sums of a step are arranged.
    pub(crate) fn algorithm_of(&self, step: &Step) -> Algorithm {
        if self.of_means[step.node.0] { Algorithm::Wide } else { self.algorithm }
    }

    /// Whether a step may write its result over what it adds.
    pub(crate) fn adds_in_place(&self) -> bool {
        self.engine.adds_in_place()
    }

    /// The graph that is run.
    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Nodes below (and at) the taps.
    pub(crate) fn needed(&self) -> &[bool] {
        &self.needed
    }

    /// Nodes whose values outlive the pass.
    pub(crate) fn retained(&self) -> &[bool] {
        &self.retained
    }

    /// Nodes that would be computed in the step of their reader if nobody looked at them.
    pub(crate) fn kept_apart(&self) -> &[bool] {
        &self.kept_apart
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The n of which every n-th line and column of a node's map is computed: nobody reads the others. 1 for all of them.
    pub(crate) fn every(&self, id: NodeId) -> usize {
        self.every[id.0]
    }

    /// Which positions a step finds and computes.
    pub(crate) fn thinning(&self, step: &Step) -> Thinning {
        Thinning { input: self.every(step.inputs[0]), output: self.every(step.output) }
    }
}

/// The nodes whose values a backward pass through the graph reads.
fn retained(graph: &Graph, needed: &[bool], keep: Keep) -> Vec<bool> {
    let mut retained = vec![false; needed.len()];
    for id in graph.ids().filter(|id| needed[id.0]) {
        let node = graph.node(id);
        let saves = node.operation.op().saves(keep);
        retained[id.0] |= saves.output;
        if saves.inputs {
            node.inputs.iter().for_each(|input| retained[input.0] = true);
        }
    }
    retained
}
