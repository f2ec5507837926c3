use neuron_geometry::Window;

use super::route::Route;
use crate::error::ModelError;
use crate::graph::{Graph, NodeId, Operation};

/// What a walk does with signals, wherever they are. Methods that take a signal by value may use its memory again.
pub(crate) trait Passes<S>: Send {
    /// The same signal once more; what changes one of the two leaves the other as it is.
    fn copy(&mut self, signal: &S) -> Result<S, ModelError>;

    /// `sum += more`
    fn add(&mut self, sum: &mut S, more: S) -> Result<(), ModelError>;

    /// Takes back a signal that nobody needs.
    fn discard(&mut self, signal: S);

    /// Through a batch norm by itself, in place.
    fn norm(&mut self, norm: NodeId, signal: &mut S) -> Result<(), ModelError>;

    /// Through a ReLU, in place.
    fn relu(&mut self, relu: NodeId, signal: &mut S) -> Result<(), ModelError>;

    /// Through an addition: `signal` becomes the main path's; returns the shortcut's.
    fn split(&mut self, addition: NodeId, signal: &mut S) -> Result<S, ModelError>;

    /// Through a convolution or a fully connected layer, adding what has arrived at its input already.
    fn convolution(&mut self, at: Convolved, signal: S, addend: Option<S>) -> Result<S, ModelError>;

    /// Through a max-pool.
    fn max_pool(&mut self, pool: NodeId, window: Window, signal: S) -> Result<S, ModelError>;

    /// Through the mean over all positions.
    fn global_average_pool(&mut self, pool: NodeId, signal: S) -> Result<S, ModelError>;
}

/// A convolution that a signal passes, with what it passes in the same step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolved {
    pub(crate) convolution: NodeId,
    /// The batch norm above it that is folded into it.
    pub(crate) norm: Option<NodeId>,
    /// Its input.
    pub(crate) input: NodeId,
    /// Whether its input is the output of a ReLU whose signal is complete with this step, and passes it too.
    pub(crate) through_relu: bool,
}

/// One walk from some seeds down to the wanted nodes.
pub(crate) struct Walk<'a, S> {
    graph: &'a Graph,
    route: &'a Route,
    passes: &'a mut dyn Passes<S>,
    seeds: Vec<(NodeId, S)>,
    /// Signal at each node's output, while it is on its way.
    signals: Vec<Option<S>>,
    /// Nodes whose signal has passed their ReLU already, inside the step that completed it.
    past_relu: Vec<bool>,
    results: Vec<(NodeId, S)>,
}

impl<'a, S> Walk<'a, S> {
    pub(crate) fn new(
        graph: &'a Graph,
        route: &'a Route,
        passes: &'a mut dyn Passes<S>,
        seeds: Vec<(NodeId, S)>,
    ) -> Self {
        let len = graph.nodes().len();
        let mut signals = Vec::new();
        signals.resize_with(len, || None);
        Self { graph, route, passes, seeds, signals, past_relu: vec![false; len], results: Vec::new() }
    }

    /// The signals at the wanted nodes.
    pub(crate) fn run(mut self) -> Result<Vec<(NodeId, S)>, ModelError> {
        for id in self.graph.ids().rev().filter(|id| self.route.is_active(*id)) {
            self.pass(id)?;
        }
        self.seeds.drain(..).for_each(|(_, seed)| self.passes.discard(seed));
        Ok(self.results)
    }

    /// Takes the signal at `id` to the inputs of its operation.
    fn pass(&mut self, id: NodeId) -> Result<(), ModelError> {
        self.add_seeds(id)?;
        let Some(mut signal) = self.signals[id.0].take() else { return Ok(()) };
        let node = self.graph.node(id);
        let goes_on = node.inputs.iter().any(|input| self.route.is_active(*input));
        if self.route.is_wanted(id) {
            if !goes_on {
                self.results.push((id, signal));
                return Ok(());
            }
            let result = self.passes.copy(&signal)?;
            self.results.push((id, result));
        }
        if !goes_on {
            self.passes.discard(signal);
            return Ok(());
        }
        match node.operation {
            Operation::Input { .. } => self.passes.discard(signal),
            Operation::Relu => {
                if !self.past_relu[id.0] {
                    self.passes.relu(id, &mut signal)?;
                }
                self.arrive(node.inputs[0], signal)?;
            }
            Operation::BatchNorm { .. } => match self.route.folded(id) {
                Some(convolution) => self.convolution(convolution, Some(id), signal)?,
                None => {
                    self.passes.norm(id, &mut signal)?;
                    self.arrive(node.inputs[0], signal)?;
                }
            },
            Operation::Convolution(_) | Operation::Linear { .. } => self.convolution(id, None, signal)?,
            Operation::Add => {
                let rest = self.passes.split(id, &mut signal)?;
                for (input, part) in [(node.inputs[0], signal), (node.inputs[1], rest)] {
                    if self.route.is_active(input) {
                        self.arrive(input, part)?;
                    } else {
                        self.passes.discard(part);
                    }
                }
            }
            Operation::MaxPool(window) => {
                let output = self.passes.max_pool(id, window, signal)?;
                self.arrive(node.inputs[0], output)?;
            }
            Operation::GlobalAveragePool => {
                let output = self.passes.global_average_pool(id, signal)?;
                self.arrive(node.inputs[0], output)?;
            }
        }
        Ok(())
    }

    /// Through a convolution, with the batch norm that is folded into it, and where it completes the signal of
    /// a ReLU through that as well.
    fn convolution(&mut self, id: NodeId, norm: Option<NodeId>, signal: S) -> Result<(), ModelError> {
        let input = self.graph.node(id).inputs[0];
        let addend = self.signals[input.0].take();
        let has_seed = self.seeds.iter().any(|(node, _)| *node == input);
        let through_relu = matches!(self.graph.node(input).operation, Operation::Relu)
            && self.route.is_last_reader(input, id)
            && !self.route.is_wanted(input)
            && !has_seed;
        let at = Convolved { convolution: id, norm, input, through_relu };
        self.signals[input.0] = Some(self.passes.convolution(at, signal, addend)?);
        self.past_relu[input.0] = through_relu;
        Ok(())
    }

    fn add_seeds(&mut self, id: NodeId) -> Result<(), ModelError> {
        while let Some(at) = self.seeds.iter().position(|(node, _)| *node == id) {
            let (_, seed) = self.seeds.swap_remove(at);
            self.arrive(id, seed)?;
        }
        Ok(())
    }

    /// Adds a signal to what has arrived at a node.
    fn arrive(&mut self, id: NodeId, signal: S) -> Result<(), ModelError> {
        match &mut self.signals[id.0] {
            Some(sum) => self.passes.add(sum, signal),
            empty => {
                *empty = Some(signal);
                Ok(())
            }
        }
    }
}
