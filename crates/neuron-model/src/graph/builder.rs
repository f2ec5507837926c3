use neuron_geometry::{ReceptiveField, Window};

use super::{Absent, Graph, Node, NodeId, Operation};
use neuron_kernels::ConvGeometry;

/// Builds a [`Graph`] operation by operation; the methods return the new node, to be read by later ones.
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
}

impl GraphBuilder {
    /// A graph that so far holds only its input, an image of `channels` channels.
    pub fn new(channels: usize) -> (Self, NodeId) {
        let graph = Graph { nodes: Vec::new(), modules: Vec::new(), fields: Vec::new(), absent: Vec::new() };
        let mut builder = Self { graph };
        let input = builder.push("input", Operation::Input { channels }, &[]);
        (builder, input)
    }

    /// Adds an operation that is no module by itself (an addition, a ReLU that is used several times).
    ///
    /// # Panics
    /// If an input comes after the node, or the inputs' maps have different strides: no position of one is a position of
    /// the other.
    pub fn push(&mut self, name: &str, operation: Operation, inputs: &[NodeId]) -> NodeId {
        let id = NodeId(self.graph.nodes.len());
        assert!(inputs.iter().all(|input| *input < id), "inputs come before their readers");
        self.graph.fields.push(self.field(&operation, inputs));
        self.graph.nodes.push(Node { name: name.to_owned(), operation, inputs: inputs.to_vec() });
        id
    }

    /// Adds an operation that is a module of its own.
    pub fn module(&mut self, name: &str, operation: Operation, inputs: &[NodeId]) -> NodeId {
        let id = self.push(name, operation, inputs);
        self.name(name, id);
        id
    }

    /// Leaves a module out whose tensors the weights do not hold, and notes what it would have needed and what of it
    /// is `missing`.
    pub fn leave_out(&mut self, name: &str, operation: &Operation, missing: Vec<String>) {
        let tensors = operation.tensors(name);
        self.graph.absent.push(Absent { name: name.to_owned(), tensors, missing });
    }

    /// Adds a convolution module without bias.
    pub fn convolution(&mut self, name: &str, geometry: ConvGeometry, input: NodeId) -> NodeId {
        self.module(name, Operation::Convolution(geometry), &[input])
    }

    /// Adds a batch-norm module.
    pub fn batch_norm(&mut self, name: &str, input: NodeId) -> NodeId {
        self.module(name, Operation::BatchNorm { channels: self.channels(input) }, &[input])
    }

    /// Adds a max-pool module.
    pub fn max_pool(&mut self, name: &str, window: Window, input: NodeId) -> NodeId {
        self.module(name, Operation::MaxPool(window), &[input])
    }

    /// Gives a value one more module name (a container returns what its last child returns).
    pub fn name(&mut self, name: &str, id: NodeId) {
        self.graph.modules.push((name.to_owned(), id));
    }

    /// Channels of a value.
    pub fn channels(&self, id: NodeId) -> usize {
        self.graph.channels(id)
    }

    /// The finished graph.
    pub fn finish(self) -> Graph {
        self.graph
    }

    /// The receptive field of a new node.
    fn field(&self, operation: &Operation, inputs: &[NodeId]) -> Option<ReceptiveField> {
        let mut fields = inputs.iter().map(|input| self.graph.fields[input.0]);
        let first = fields.next().unwrap_or(Some(ReceptiveField::INPUT))?;
        let joined = fields.try_fold(first, |joined, field| {
            Some(joined.union(&field?).expect("branches that meet have maps of one size"))
        })?;
        operation.receptive_field(joined)
    }
}
