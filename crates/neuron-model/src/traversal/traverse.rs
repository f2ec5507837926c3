use super::route::Route;
use crate::composite::Composite;
use crate::error::ModelError;
use crate::graph::Graph;
use crate::ops::OpKind;
use crate::rule::Rule;
use crate::value::NodeId;

/// What a backward pass does with signals, wherever they are. Methods that take a signal by value may use its memory
/// again.
pub(crate) trait SignalOps: Send {
    /// A map of signals.
    type Signal;

    /// Whether a signal can pass a node by its rule here, given that the operation knows it.
    fn passes(&self, _node: NodeId) -> bool {
        true
    }

    /// The same signal once more; what changes one of the two leaves the other as it is.
    fn copy(&mut self, signal: &Self::Signal) -> Result<Self::Signal, ModelError>;

    /// `sum += more`
    fn add(&mut self, sum: &mut Self::Signal, more: Self::Signal) -> Result<(), ModelError>;

    /// Takes back a signal that nobody needs.
    fn discard(&mut self, signal: Self::Signal);

    /// Passes an operation: returns the signal at each of its inputs. What has arrived at the first input already is
    /// added by [products](crate::ops::Op::sliding).
    fn cross(
        &mut self,
        at: Crossing,
        signal: Self::Signal,
        addend: Option<Self::Signal>,
    ) -> Result<Vec<Self::Signal>, ModelError>;
}

/// An operation that a signal passes, with what it passes in the same call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crossing {
    /// The operation.
    pub(crate) node: NodeId,
    /// The batch norm above it that is folded into it.
    pub(crate) fold: Option<NodeId>,
    /// The ReLU below it, whose signal is complete with this call.
    pub(crate) gate: Option<NodeId>,
}

/// Checks that a signal can go from `start` to the wanted nodes by a composite, where `passes` is what a device computes.
///
/// # Errors
/// [`ModelError::Unsupported`] with every operation on the way that cannot be passed by its rule.
pub(crate) fn check(
    graph: &Graph,
    composite: &Composite,
    start: NodeId,
    wanted: &[NodeId],
    passes: impl Fn(NodeId) -> bool,
) -> Result<(), ModelError> {
    check_route(graph, composite, &Route::new(graph, composite, &[start], wanted), passes)
}

fn check_route(
    graph: &Graph,
    composite: &Composite,
    route: &Route,
    passes: impl Fn(NodeId) -> bool,
) -> Result<(), ModelError> {
    let list = composite.refused(graph, route.crossed(graph), passes);
    if list.is_empty() { Ok(()) } else { Err(ModelError::Unsupported { list }) }
}

/// Passes some seeds down to the wanted nodes: the signals there.
///
/// # Errors
/// [`ModelError::Unsupported`] with every operation on the way that cannot be passed by its rule, before anything is
/// computed.
pub(crate) fn traverse<O: SignalOps>(
    graph: &Graph,
    composite: &Composite,
    ops: &mut O,
    seeds: Vec<(NodeId, O::Signal)>,
    wanted: &[NodeId],
) -> Result<Vec<(NodeId, O::Signal)>, ModelError> {
    let starts: Vec<NodeId> = seeds.iter().map(|(node, _)| *node).collect();
    let route = Route::new(graph, composite, &starts, wanted);
    check_route(graph, composite, &route, |id| ops.passes(id))?;
    let mut signals = Vec::new();
    signals.resize_with(graph.nodes().len(), || None);
    let past_relu = vec![false; graph.nodes().len()];
    let traversal =
        Traversal { graph, composite, route: &route, ops, seeds, signals, past_relu, results: Vec::new() };
    traversal.run()
}

struct Traversal<'a, O: SignalOps> {
    graph: &'a Graph,
    composite: &'a Composite,
    route: &'a Route,
    ops: &'a mut O,
    seeds: Vec<(NodeId, O::Signal)>,
    /// Signal at each node's output, while it is on its way.
    signals: Vec<Option<O::Signal>>,
    /// Nodes whose signal has passed their ReLU already, inside the call that completed it.
    past_relu: Vec<bool>,
    results: Vec<(NodeId, O::Signal)>,
}

impl<O: SignalOps> Traversal<'_, O> {
    fn run(mut self) -> Result<Vec<(NodeId, O::Signal)>, ModelError> {
        for id in self.graph.ids().rev().filter(|id| self.route.is_active(*id)) {
            self.pass(id)?;
        }
        self.seeds.drain(..).for_each(|(_, seed)| self.ops.discard(seed));
        Ok(self.results)
    }

    /// Takes the signal at `id` to the inputs of its operation.
    fn pass(&mut self, id: NodeId) -> Result<(), ModelError> {
        self.add_seeds(id)?;
        let Some(signal) = self.signals[id.0].take() else { return Ok(()) };
        let goes_on = self.route.goes_on(self.graph, id);
        if self.route.is_wanted(id) {
            if !goes_on {
                self.results.push((id, signal));
                return Ok(());
            }
            let result = self.ops.copy(&signal)?;
            self.results.push((id, result));
        }
        if !goes_on {
            self.ops.discard(signal);
            return Ok(());
        }
        match self.route.folded(id) {
            _ if self.past_relu[id.0] => self.arrive(self.graph.node(id).inputs[0], signal),
            Some(product) => self.cross(product, Some(id), signal),
            None => self.cross(id, None, signal),
        }
    }

    /// Through an operation, with the batch norm that is folded into it.
    fn cross(&mut self, id: NodeId, fold: Option<NodeId>, signal: O::Signal) -> Result<(), ModelError> {
        let node = self.graph.node(id);
        if !node.operation.is_product() {
            let at = Crossing { node: id, fold, gate: None };
            let parts = self.ops.cross(at, signal, None)?;
            for (input, part) in node.inputs.iter().zip(parts) {
                if self.route.is_active(*input) {
                    self.arrive(*input, part)?;
                } else {
                    self.ops.discard(part);
                }
            }
            return Ok(());
        }
        // Its call adds what has arrived at its input, and passes the ReLU below where that is all there will be.
        let input = node.inputs[0];
        let addend = self.signals[input.0].take();
        let gate = self.gates(id, input).then_some(input);
        let at = Crossing { node: id, fold, gate };
        self.signals[input.0] = self.ops.cross(at, signal, addend)?.pop();
        self.past_relu[input.0] = gate.is_some();
        Ok(())
    }

    /// Whether `id` completes the signal of a ReLU below it that its call can pass: both by their gradient.
    fn gates(&self, id: NodeId, input: NodeId) -> bool {
        let has_seed = self.seeds.iter().any(|(node, _)| *node == input);
        self.graph.node(input).operation.kind() == OpKind::Relu
            && self.route.is_last_reader(input, id)
            && !self.route.is_wanted(input)
            && !has_seed
            && matches!(*self.composite.rule(self.graph, id), Rule::Gradient)
            && matches!(*self.composite.rule(self.graph, input), Rule::Gradient | Rule::Guided)
    }

    fn add_seeds(&mut self, id: NodeId) -> Result<(), ModelError> {
        while let Some(at) = self.seeds.iter().position(|(node, _)| *node == id) {
            let (_, seed) = self.seeds.swap_remove(at);
            self.arrive(id, seed)?;
        }
        Ok(())
    }

    /// Adds a signal to what has arrived at a node.
    fn arrive(&mut self, id: NodeId, signal: O::Signal) -> Result<(), ModelError> {
        match &mut self.signals[id.0] {
            Some(sum) => self.ops.add(sum, signal),
            empty => {
                *empty = Some(signal);
                Ok(())
            }
        }
    }
}
