//! Walking a signal back through a graph after a forward pass: gradients and relevance.
//!
//! Input gradients, guided backpropagation and layer-wise relevance propagation are walks over the same graph;
//! only the [`Rule`] at each operation differs.

mod attribution;
mod gradient;
mod lrp;
mod method;
mod route;
mod rule;

pub use attribution::{Attribution, attribute};
pub use gradient::{Gradient, GuidedBackprop};
pub use lrp::{LrpZPlus, PixelRange};
pub use method::{RelevanceMethod, relevance};
pub use rule::{ConvolutionSite, Rule, Scratch};

use route::Route;

use crate::cpu::{self, Buffer, View};
use crate::graph::{NodeId, Operation, Tap};
use crate::session::Session;

/// The buffers of a walk, used again by the next one.
///
/// A walk starts from one or more [seeds](Reversal::seed) and ends with a signal at every wanted tap.
#[derive(Default)]
pub struct Reversal {
    seeds: Vec<(NodeId, Buffer)>,
    /// Signal at each node's output, while it is on its way.
    signals: Vec<Option<Buffer>>,
    /// Nodes whose signal has passed their ReLU already, inside the step that completed it.
    past_relu: Vec<bool>,
    results: Vec<(NodeId, Buffer)>,
    spare: Vec<Buffer>,
    scratch: Scratch,
}

impl Reversal {
    /// A walk without buffers; they are made by its first run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the next walk (also) at `tap`, with the signal that `fill` writes over zeros.
    ///
    /// # Shapes
    /// * `fill`'s argument: `[batch, height, width, channels]`, the tap's map for the session's last batch
    pub fn seed(&mut self, session: &Session, tap: &Tap, fill: impl FnOnce(&mut [f32])) {
        let mut signal = self.take_buffer(session.map_len(tap.node));
        signal.fill(0.0);
        fill(&mut signal);
        self.seeds.push((tap.node, signal));
    }

    /// Walks from the seeds down to the `wanted` taps, over the values that the session's last run kept.
    ///
    /// # Panics
    /// If the session keeps less than `rule` [needs](Rule::keep).
    pub fn run(&mut self, session: &Session, rule: &dyn Rule, wanted: &[Tap]) {
        let enough = session.plan().keep() >= rule.keep();
        assert!(enough, "the session keeps {:?}, the rule reads {:?}", session.plan().keep(), rule.keep());
        let graph = session.network().graph().clone();
        let starts: Vec<NodeId> = self.seeds.iter().map(|(node, _)| *node).collect();
        let wanted: Vec<NodeId> = wanted.iter().map(|tap| tap.node).collect();
        let route = Route::new(&graph, &starts, &wanted);

        for (_, buffer) in self.results.drain(..) {
            self.spare.push(buffer);
        }
        self.signals.clear();
        self.signals.resize_with(graph.nodes().len(), || None);
        self.past_relu.clear();
        self.past_relu.resize(graph.nodes().len(), false);
        session.network().install(|| {
            for id in graph.ids().rev().filter(|id| route.is_active(*id)) {
                self.pass(session, rule, &route, id);
            }
        });
        let unused = self.seeds.drain(..).map(|(_, buffer)| buffer);
        self.spare.extend(unused);
    }

    /// The signal at a wanted tap; `None` where no seed reaches it.
    ///
    /// # Shapes
    /// * returns: `[batch, height, width, channels]`
    pub fn signal(&self, tap: &Tap) -> Option<&[f32]> {
        self.results.iter().find(|(node, _)| *node == tap.node).map(|(_, signal)| &signal[..])
    }

    /// The signal at a wanted tap, to be changed in place.
    pub(crate) fn signal_mut(&mut self, tap: &Tap) -> Option<&mut [f32]> {
        self.results.iter_mut().find(|(node, _)| *node == tap.node).map(|(_, signal)| &mut signal[..])
    }

    /// Takes the signal at `id` to the inputs of its operation.
    fn pass(&mut self, session: &Session, rule: &dyn Rule, route: &Route, id: NodeId) {
        self.add_seed(id);
        let Some(mut signal) = self.signals[id.0].take() else { return };
        let node = session.network().graph().node(id);
        let goes_on = node.inputs.iter().any(|input| route.is_active(*input));
        if route.is_wanted(id) {
            if !goes_on {
                self.results.push((id, signal));
                return;
            }
            let mut result = self.take_buffer(signal.len());
            cpu::copy(&signal, &mut result);
            self.results.push((id, result));
        }
        if !goes_on {
            self.spare.push(signal);
            return;
        }
        match node.operation {
            Operation::Input { .. } => self.spare.push(signal),
            Operation::Relu => {
                if !self.past_relu[id.0] {
                    rule.relu(session.kept_data(id), &mut signal);
                }
                self.arrive(node.inputs[0], signal);
            }
            Operation::BatchNorm { .. } => match route.folded(id) {
                Some(convolution) => self.convolution(session, rule, route, convolution, Some(id), signal),
                None => {
                    rule.norm(&session.network().kernels().norm(id).scale, &mut signal);
                    self.arrive(node.inputs[0], signal);
                }
            },
            Operation::Convolution(_) | Operation::Linear { .. } => {
                self.convolution(session, rule, route, id, None, signal);
            }
            Operation::Add => self.add(session, rule, route, id, signal),
            Operation::MaxPool(window) => {
                let input = session.kept(node.inputs[0]);
                let mut output = self.take_buffer(session.map_len(node.inputs[0]));
                let site = rule::PoolSite { window, input, argmax: session.kept_argmax(id) };
                let (height, width) = session.map_size(node.inputs[0]);
                rule.max_pool(
                    &site,
                    view(session, id, &signal),
                    (height, width),
                    &mut self.scratch,
                    &mut output,
                );
                self.spare.push(signal);
                self.arrive(node.inputs[0], output);
            }
            Operation::GlobalAveragePool => {
                let input = session.kept(node.inputs[0]);
                let mut output = self.take_buffer(session.map_len(node.inputs[0]));
                rule.global_average_pool(input, view(session, id, &signal), &mut self.scratch, &mut output);
                self.spare.push(signal);
                self.arrive(node.inputs[0], output);
            }
        }
    }

    /// Through a convolution, with the batch norm that is folded into it, and where it completes the signal of
    /// a ReLU through that as well.
    fn convolution(
        &mut self,
        session: &Session,
        rule: &dyn Rule,
        route: &Route,
        id: NodeId,
        norm: Option<NodeId>,
        signal: Buffer,
    ) {
        let network = session.network();
        let input = network.graph().node(id).inputs[0];
        let addend = self.signals[input.0].take();
        let has_seed = self.seeds.iter().any(|(node, _)| *node == input);
        let completes_relu = matches!(network.graph().node(input).operation, Operation::Relu)
            && route.is_last_reader(input, id)
            && !route.is_wanted(input)
            && !has_seed;
        let mut output = self.take_buffer(session.map_len(input));
        let site = ConvolutionSite {
            network,
            convolution: id,
            norm,
            input: session.kept(input),
            input_size: session.map_size(input),
            relu: completes_relu.then(|| session.kept_data(input)),
        };
        let at_output = view(session, id, &signal);
        rule.convolution(&site, at_output, addend.as_deref(), &mut self.scratch, &mut output);
        self.past_relu[input.0] = completes_relu;
        self.spare.push(signal);
        self.spare.extend(addend);
        self.signals[input.0] = Some(output);
    }

    fn add(&mut self, session: &Session, rule: &dyn Rule, route: &Route, id: NodeId, mut signal: Buffer) {
        let inputs = &session.network().graph().node(id).inputs;
        let (main, shortcut) = (inputs[0], inputs[1]);
        let mut rest = self.take_buffer(signal.len());
        rule.add(session.kept(main), session.kept(shortcut), &mut signal, &mut rest);
        for (input, part) in [(main, signal), (shortcut, rest)] {
            if route.is_active(input) { self.arrive(input, part) } else { self.spare.push(part) }
        }
    }

    fn add_seed(&mut self, id: NodeId) {
        while let Some(at) = self.seeds.iter().position(|(node, _)| *node == id) {
            let (_, seed) = self.seeds.swap_remove(at);
            self.arrive(id, seed);
        }
    }

    /// Adds a signal to what has arrived at a node.
    fn arrive(&mut self, id: NodeId, signal: Buffer) {
        match &mut self.signals[id.0] {
            Some(sum) => {
                cpu::update(sum, &signal, |sum, more| sum + more);
                self.spare.push(signal);
            }
            empty => *empty = Some(signal),
        }
    }

    /// A buffer of `len` arbitrary values, the smallest of the spare ones that is large enough.
    fn take_buffer(&mut self, len: usize) -> Buffer {
        let fits = self.spare.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        let best = fits.min_by_key(|(_, buffer)| buffer.capacity()).map(|(index, _)| index);
        let mut buffer = best.map(|index| self.spare.swap_remove(index)).unwrap_or_default();
        buffer.resize(len);
        buffer
    }
}

/// A node's signal with its shape.
fn view<'a>(session: &Session, id: NodeId, signal: &'a [f32]) -> View<'a> {
    let (height, width) = session.map_size(id);
    let channels = session.network().graph().channels(id);
    View::new(session.batch(), height, width, channels, signal)
}
