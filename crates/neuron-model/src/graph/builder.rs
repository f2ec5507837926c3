use neuron_geometry::{ReceptiveField, Window};
use neuron_kernels::ConvGeometry;

use super::{Absent, Graph, Node, tensors};
use crate::error::{GraphError, ShapeError};
use crate::ops::{BatchNorm, Convolution, Input, MaxPool, Operation};
use crate::value::{NodeId, Shape};

/// Builds a [`Graph`] operation by operation; the methods return the new node, to be read by later ones.
///
/// What does not fit is told by [`GraphBuilder::finish`].
#[derive(Debug)]
pub struct GraphBuilder {
    graph: Graph,
    /// Shapes for a large image, by which channels are checked.
    probes: Vec<Option<Shape>>,
    error: Option<GraphError>,
}

/// Side of the image by which channels are checked.
const PROBE: usize = 1 << 10;

/// What torch adds to the variance in a batch norm unless it is told otherwise.
const NORM_EPS: f64 = 1e-5;

impl GraphBuilder {
    /// A graph that so far holds only its input, an image of `channels` channels.
    pub fn new(channels: usize) -> (Self, NodeId) {
        let graph = Graph {
            nodes: Vec::new(),
            modules: Vec::new(),
            fields: Vec::new(),
            cells: Vec::new(),
            channels: Vec::new(),
            non_negative: Vec::new(),
            gated: Vec::new(),
            absent: Vec::new(),
            also: Vec::new(),
            told_size: None,
        };
        let mut builder = Self { graph, probes: Vec::new(), error: None };
        let input = builder.push("input", Input { channels }, &[]);
        (builder, input)
    }

    /// Adds an operation that is no module by itself (an addition, a ReLU that is used several times).
    pub fn push(&mut self, name: &str, operation: impl Into<Operation>, inputs: &[NodeId]) -> NodeId {
        let (id, operation) = (NodeId(self.graph.nodes.len()), operation.into());
        let found = self.check(name, &operation, inputs);
        let Checked { probe, field, cell } = found.unwrap_or_else(|error| {
            self.error.get_or_insert(error);
            Checked::default()
        });
        // A node whose inputs are not there reads none, so that nothing behind it looks for them.
        let inputs: Vec<NodeId> = inputs.iter().copied().filter(|input| *input < id).collect();
        let channels: Vec<usize> = inputs.iter().map(|input| self.channels(*input)).collect();
        let signs: Vec<bool> = inputs.iter().map(|input| self.graph.non_negative[input.0]).collect();
        let gated = operation.op().gate().is_some() || inputs.iter().any(|input| self.graph.gated[input.0]);
        self.graph.channels.push(operation.op().channels(&channels));
        self.graph.non_negative.push(!signs.is_empty() && operation.op().is_non_negative(&signs));
        self.graph.gated.push(gated);
        self.probes.push(probe);
        self.graph.fields.push(field);
        self.graph.cells.push(cell);
        self.graph.nodes.push(Node { name: name.to_owned(), operation, inputs });
        id
    }

    /// Adds an operation that is a module of its own.
    pub fn module(&mut self, name: &str, operation: impl Into<Operation>, inputs: &[NodeId]) -> NodeId {
        let id = self.push(name, operation, inputs);
        self.name(name, id);
        id
    }

    /// Leaves a module out whose tensors the weights do not hold, and notes what it would have needed and what of it
    /// is `missing`.
    pub fn leave_out(&mut self, name: &str, operation: impl Into<Operation>, missing: Vec<String>) {
        let tensors = tensors(name, &operation.into());
        self.graph.absent.push(Absent { name: name.to_owned(), tensors, missing });
    }

    /// Adds a convolution module with a bias.
    pub fn biased_convolution(&mut self, name: &str, geometry: ConvGeometry, input: NodeId) -> NodeId {
        self.module(name, Convolution { geometry, bias: true }, &[input])
    }

    /// Adds a convolution module without bias.
    pub fn convolution(&mut self, name: &str, geometry: ConvGeometry, input: NodeId) -> NodeId {
        self.module(name, Convolution { geometry, bias: false }, &[input])
    }

    /// Adds a batch-norm module with torch's usual epsilon.
    pub fn batch_norm(&mut self, name: &str, input: NodeId) -> NodeId {
        self.batch_norm_by(name, NORM_EPS, input)
    }

    /// Adds a batch-norm module with an epsilon of its own.
    pub fn batch_norm_by(&mut self, name: &str, eps: f64, input: NodeId) -> NodeId {
        self.module(name, BatchNorm { channels: self.channels(input), eps }, &[input])
    }

    /// Adds a max-pool module.
    pub fn max_pool(&mut self, name: &str, window: Window, input: NodeId) -> NodeId {
        self.module(name, MaxPool { window }, &[input])
    }

    /// Gives a value one more module name (a container returns what its last child returns).
    pub fn name(&mut self, name: &str, id: NodeId) {
        self.graph.modules.push((name.to_owned(), id));
    }

    /// Gives a value a name by which it is found, but not listed: that of another author for the same module.
    pub fn also(&mut self, name: &str, id: NodeId) {
        self.graph.also.push((name.to_owned(), id));
    }

    /// Says for which images its tables of positions are, where the positions' cells do not tell: those of padded
    /// convolutions overlap.
    pub fn tables_are_for(&mut self, size: [usize; 2]) {
        self.graph.told_size = Some(size);
    }

    /// Channels of a value.
    pub fn channels(&self, id: NodeId) -> usize {
        self.graph.channels(id)
    }

    /// The finished graph.
    ///
    /// # Errors
    /// [`GraphError`] for the first operation that does not fit.
    pub fn finish(self) -> Result<Graph, GraphError> {
        match self.error {
            Some(error) => Err(error),
            None => Ok(self.graph),
        }
    }

    fn check(&self, name: &str, operation: &Operation, inputs: &[NodeId]) -> Result<Checked, GraphError> {
        let node = name.to_owned();
        if inputs.iter().any(|input| input.0 >= self.graph.nodes.len()) {
            return Err(GraphError::Order { node });
        }
        if let Operation::Input(Input { channels }) = operation {
            let (pixel, probe) = (Some(ReceptiveField::INPUT), Some(Shape::grid(*channels, PROBE, PROBE)));
            return Ok(Checked { probe, field: pixel, cell: pixel });
        }
        let known: Vec<Shape> = inputs.iter().filter_map(|input| self.probes[input.0]).collect();
        let probe = match operation.shape(&known) {
            // Of a network of one image size nothing is known at another; what it needs is told when it runs.
            Err(ShapeError::TooSmall | ShapeError::Grid { .. } | ShapeError::Windows { .. }) => None,
            Err(_) if known.len() < inputs.len() => None,
            shape => Some(shape.map_err(|source| GraphError::Shape { node: node.clone(), source })?),
        };
        let looked_at = inputs.iter().enumerate().filter(|(index, _)| operation.op().looks_at(*index));
        let looked_at: Vec<NodeId> = looked_at.map(|(_, input)| *input).collect();
        let fields = union(looked_at.iter().map(|input| self.graph.fields[input.0]));
        // A position keeps its place beside what has none, as behind attention that is computed in another order.
        let places = looked_at.iter().map(|input| self.graph.cells[input.0]).filter(Option::is_some);
        let cells = union(places);
        let (Some(field), Some(cell)) = (fields, cells) else { return Err(GraphError::Strides { node }) };
        let op = operation.op();
        Ok(Checked {
            probe,
            field: field.and_then(|field| op.field(field)),
            cell: cell.and_then(|cell| op.cell(cell)),
        })
    }
}

/// What is found out about a new node.
#[derive(Default)]
struct Checked {
    /// Its shape for a large image, as far as it is known.
    probe: Option<Shape>,
    field: Option<ReceptiveField>,
    cell: Option<ReceptiveField>,
}

/// What any of some fields sees, if all are known; `None` where they do not meet.
#[expect(clippy::option_option, reason = "no field is an answer, and fields that do not meet are another")]
fn union(mut fields: impl Iterator<Item = Option<ReceptiveField>>) -> Option<Option<ReceptiveField>> {
    let Some(Some(mut joined)) = fields.next() else { return Some(None) };
    for field in fields {
        let Some(field) = field else { return Some(None) };
        joined = joined.union(&field)?;
    }
    Some(Some(joined))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Add, Concatenation, Enlarge, Filling, Interpolation, Pad, PatchMerging, Relu, Scatter};

    fn convolution(in_channels: usize, stride: usize) -> Convolution {
        let window = Window::square(3, stride, 1);
        let geometry = ConvGeometry { in_channels, out_channels: 8, groups: 1, window };
        Convolution { geometry, bias: true }
    }

    /// Whoever asks each of its two inputs again and again never comes to an end here.
    #[test]
    fn a_deep_graph_of_sums_is_built_and_asked_in_time() {
        let (mut graph, mut value) = GraphBuilder::new(3);
        for _ in 0..200 {
            value = graph.push("sum", Add, &[value, value]);
        }
        graph.name("last", value);
        let graph = graph.finish().unwrap();
        assert_eq!(graph.channels(value), 3);
        assert!(!graph.is_non_negative(value));
        assert_eq!(graph.tap_infos(8, 8).unwrap().len(), 1);
    }

    /// As a damaged file may describe them.
    #[test]
    fn sizes_without_end_are_an_error() {
        let built = |operation: Operation, times: usize| {
            let (mut graph, image) = GraphBuilder::new(3);
            let top = (0..times)
                .fold(image, |below, _| graph.push("on", operation, &vec![below; operation.op().arity()]));
            graph.name("top", top);
            graph.finish().map_err(|_| ()).and_then(|graph| graph.tap_infos(8, 8).map(drop).map_err(|_| ()))
        };
        let far = 1 << 24;
        let enlarge = Enlarge { times: [far; 2], interpolation: Interpolation::Nearest };
        let pad = Pad { before: [far; 2], after: [far; 2], filling: Filling::Edge };
        for operation in [
            enlarge.into(),
            pad.into(),
            Scatter { stride: [far; 2], after: [far; 2] }.into(),
            Concatenation { inputs: 2 }.into(),
            PatchMerging.into(),
        ] {
            assert!(built(operation, 90).is_err(), "{operation:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_its_name() {
        let built = |build: &dyn Fn(&mut GraphBuilder, NodeId)| {
            let (mut builder, image) = GraphBuilder::new(3);
            build(&mut builder, image);
            builder.finish().map(|graph| graph.nodes().len())
        };
        let fits = built(&|graph, image| {
            graph.push("a", convolution(3, 1), &[image]);
        });
        assert_eq!(fits, Ok(2));
        let channels = built(&|graph, image| {
            graph.push("a", convolution(4, 1), &[image]);
        });
        let source = ShapeError::Channels { expected: 4, found: 3 };
        assert_eq!(channels, Err(GraphError::Shape { node: "a".into(), source }));
        let grouped = built(&|graph, image| {
            let Convolution { geometry, bias } = convolution(3, 1);
            graph.push("a", Convolution { geometry: ConvGeometry { groups: 2, ..geometry }, bias }, &[image]);
        });
        let source = ShapeError::Groups { groups: 2, channels: 3 };
        assert_eq!(grouped, Err(GraphError::Shape { node: "a".into(), source }));
        let later = built(&|graph, _| {
            graph.push("a", Relu, &[NodeId(7)]);
        });
        assert_eq!(later, Err(GraphError::Order { node: "a".into() }));
        let arity = built(&|graph, image| {
            graph.push("sum", Add, &[image]);
        });
        let source = ShapeError::Arity { expected: 2, found: 1 };
        assert_eq!(arity, Err(GraphError::Shape { node: "sum".into(), source }));
        let shapes = built(&|graph, image| {
            let (fine, coarse) = (convolution(3, 1), convolution(3, 2));
            let terms = [graph.push("fine", fine, &[image]), graph.push("coarse", coarse, &[image])];
            graph.push("sum", Add, &terms);
        });
        assert_eq!(shapes, Err(GraphError::Shape { node: "sum".into(), source: ShapeError::Different }));
    }
}
