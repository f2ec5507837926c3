//! A network as a graph of named operations: what a user lists and taps, and what plans are made from.

mod builder;
mod nearest_layer;
mod record;
mod sign;
mod tap;
mod usual;

pub use builder::GraphBuilder;
pub use record::GraphRecord;
pub use tap::{CellInfo, Tap, TapInfo};
pub use usual::UsualLayers;

use neuron_geometry::ReceptiveField;

use crate::error::{ModelError, ShapeError};
use crate::ops::{Linear, Operation, Stored};
use crate::prepared::{Fold, Owner, tensor_name};
use crate::value::{NodeId, Positions, Shape};

/// Side of the largest image that is tried to name one that works: no network of today needs one as large.
const LARGEST_TRIED: usize = 4096;

/// One operation and where its inputs come from.
#[derive(Clone, Debug)]
pub struct Node {
    /// Prefix of the operation's tensors in the weights (`layer1.0.conv1`); for operations without weights, a
    /// name for messages.
    pub name: String,
    /// What is computed.
    pub operation: Operation,
    /// The values it reads, all earlier in the graph.
    pub inputs: Vec<NodeId>,
}

/// A network: nodes in topological order, and the module names under which their outputs can be tapped.
#[derive(Clone, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
    modules: Vec<(String, NodeId)>,
    fields: Vec<Option<ReceptiveField>>,
    cells: Vec<Option<ReceptiveField>>,
    channels: Vec<usize>,
    /// Whether no value of a node can be below 0.
    non_negative: Vec<bool>,
    /// Whether factors of whole channels lie below a node.
    gated: Vec<bool>,
    absent: Vec<Absent>,
    /// Names that are not listed.
    also: Vec<(String, NodeId)>,
    /// Height and width of the images that a table in it is for, where they were told.
    told_size: Option<[usize; 2]>,
}

/// A module that the network would have, but whose tensors the weights do not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// The module's name.
    pub name: String,
    /// Names and shapes of the tensors it would need.
    pub tensors: Vec<(String, Vec<usize>)>,
    /// Names of those that are not there; `fitting` stands before the name of one that is there in another shape.
    pub missing: Vec<String>,
}

impl Graph {
    /// The modules at the end that are left out because the weights do not hold their tensors.
    pub fn absent(&self) -> &[Absent] {
        &self.absent
    }

    /// Every node, inputs before their readers; the first is the image.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node.
    ///
    /// # Panics
    /// As all methods that take an index: if it is that of a larger graph.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The image.
    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// Every node's index, inputs before their readers.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// Marks the nodes that `targets` depend on, the targets included.
    pub(crate) fn ancestors(&self, targets: impl IntoIterator<Item = NodeId>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for target in targets {
            needed[target.0] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                self.nodes[index].inputs.iter().for_each(|input| needed[input.0] = true);
            }
        }
        needed
    }

    /// The shape of every node's map for images of `height x width`; `None` for nodes that are not `needed`.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] where a window does not fit even once; it says the smallest size that works.
    /// [`ModelError::OnlySize`] where a table of positions is for another size; [`ModelError::Shape`] where values do not
    /// fit together at that size.
    pub(crate) fn shapes(
        &self,
        needed: &[bool],
        height: usize,
        width: usize,
    ) -> Result<Vec<Option<Shape>>, ModelError> {
        // A patch more or less at the edge would be left out without a word.
        if let Some(only) = self.only_size(needed).filter(|only| *only != [height, width]) {
            return Err(ModelError::OnlySize { only, height, width });
        }
        self.try_shapes(needed, height, width).map_err(|(id, source)| {
            let layer = self.node(id).name.clone();
            match source {
                ShapeError::TooSmall => {
                    let smallest = self.smallest_image(needed);
                    ModelError::ImageTooSmall { layer, height, width, smallest }
                }
                source => ModelError::Shape { layer, height, width, source },
            }
        })
    }

    /// As [`Graph::shapes`], with the node that does not fit as the error.
    fn try_shapes(
        &self,
        needed: &[bool],
        height: usize,
        width: usize,
    ) -> Result<Vec<Option<Shape>>, (NodeId, ShapeError)> {
        let image = Shape::grid(0, height, width);
        let mut shapes: Vec<Option<Shape>> = vec![None; self.nodes.len()];
        for id in self.ids().filter(|id| needed[id.0]) {
            let node = self.node(id);
            let inputs: Vec<Shape> = node.inputs.iter().filter_map(|input| shapes[input.0]).collect();
            let shape = match node.operation {
                Operation::Input(_) => node.operation.op().shape(&[image]),
                operation => operation.shape(&inputs),
            };
            shapes[id.0] = Some(shape.map_err(|error| (id, error))?);
        }
        Ok(shapes)
    }

    /// Side of the smallest square image for which every needed map has at least one position, if one of at most
    /// [`LARGEST_TRIED`] has.
    fn smallest_image(&self, needed: &[bool]) -> Option<usize> {
        (1..=LARGEST_TRIED).find(|side| self.try_shapes(needed, *side, *side).is_ok())
    }

    /// Height and width of the images that a node can be computed for, where a table of positions below it leaves only one
    /// size.
    pub fn fixed_size(&self, id: NodeId) -> Option<[usize; 2]> {
        self.only_size(&self.ancestors([id]))
    }

    /// The size of the images that it was described with, where somebody told it
    /// ([`GraphBuilder::tables_are_for`]).
    pub fn told_size(&self) -> Option<[usize; 2]> {
        self.told_size
    }

    /// As [`Graph::fixed_size`], for the network as a whole.
    pub fn image_size(&self) -> Option<[usize; 2]> {
        self.only_size(&vec![true; self.nodes.len()])
    }

    /// As [`Graph::fixed_size`], for all of some nodes: by the first table among them.
    fn only_size(&self, needed: &[bool]) -> Option<[usize; 2]> {
        self.ids().filter(|id| needed[id.0]).find_map(|id| {
            let grid = self.node(id).operation.op().only_grid()?;
            let cell = self.cell(*self.node(id).inputs.first()?)?;
            if self.told_size.is_some() {
                return self.told_size;
            }
            // What the cells cover, without the padding on both sides.
            let side = |axis: usize| {
                let steps = (grid[axis].max(1) - 1).saturating_mul(cell.stride_px[axis]);
                let covered = steps.saturating_add(cell.size_px[axis]);
                covered.saturating_add_signed(2 * cell.start_px[axis] as isize)
            };
            Some([side(0), side(1)])
        })
    }

    /// The shape of a tap's map for images of a size.
    ///
    /// # Errors
    /// Those of [`Graph::tap_infos`], for what lies below the tap.
    pub fn shape(&self, tap: &Tap, (height, width): (usize, usize)) -> Result<Shape, ModelError> {
        self.check_taps([tap])?;
        let shapes = self.shapes(&self.ancestors([tap.node]), height, width)?;
        Ok(shapes[tap.node.0].expect("a node is one of its ancestors"))
    }

    /// Checks that taps have the positions that are wanted of them.
    ///
    /// # Errors
    /// [`ModelError::NoClassToken`] for the first that has not; those of [`Graph::tap_infos`].
    pub fn check_positions(
        &self,
        taps: &[Tap],
        positions: Positions,
        (height, width): (usize, usize),
    ) -> Result<(), ModelError> {
        if positions != Positions::Class {
            return Ok(());
        }
        let shapes = self.shapes(&self.ancestors(taps.iter().map(|tap| tap.node)), height, width)?;
        match taps.iter().find(|tap| shapes[tap.node.0].is_none_or(|shape| shape.extra == 0)) {
            None => Ok(()),
            Some(tap) => Err(ModelError::NoClassToken { tap: tap.name.clone() }),
        }
    }

    /// The receptive field of a node's positions; `None` if each position sees the whole image. Factors of whole channels
    /// are left out of it ([`Graph::is_gated`]).
    pub fn receptive_field(&self, id: NodeId) -> Option<ReceptiveField> {
        self.fields[id.0]
    }

    /// The cell of the image that belongs to each position of a node's grid: its receptive field, and behind attention that
    /// of what it was before, for positions keep their places there. `None` where they have none.
    pub fn cell(&self, id: NodeId) -> Option<ReceptiveField> {
        self.cells[id.0]
    }

    /// Whether a factor of whole channels (squeeze-and-excitation) lies below a node. By it each position sees the whole
    /// image; [`Graph::receptive_field`] is the field without it.
    pub fn is_gated(&self, id: NodeId) -> bool {
        self.gated[id.0]
    }

    /// Channels of a node's map; known before the image size is.
    pub fn channels(&self, id: NodeId) -> usize {
        self.channels[id.0]
    }

    /// Names and shapes of the tensors that the weights of this network hold.
    pub fn expected_tensors(&self) -> Vec<(String, Vec<usize>)> {
        self.nodes.iter().flat_map(|node| tensors(&node.name, &node.operation)).collect()
    }

    /// A node as the owner of its weights.
    pub(crate) fn owner(&self, node: NodeId) -> Owner<'_> {
        let node_of_graph = self.node(node);
        let transposed = match node_of_graph.operation {
            Operation::Linear(Linear { stored: Stored::Transposed(suffix), .. }) => Some(suffix),
            _ => None,
        };
        Owner { node, name: &node_of_graph.name, transposed }
    }

    /// A batch norm that is folded into the operation below it; `None` for any other node.
    pub(crate) fn fold(&self, norm: NodeId) -> Option<Fold<'_>> {
        let Operation::BatchNorm(operation) = self.node(norm).operation else { return None };
        Some(Fold { norm: self.owner(norm), eps: operation.eps })
    }
}

/// Names and shapes of an operation's tensors.
fn tensors(name: &str, operation: &Operation) -> Vec<(String, Vec<usize>)> {
    let named = |spec: crate::ops::TensorSpec| (tensor_name(name, spec.suffix), spec.shape);
    operation.op().tensors().into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use neuron_geometry::Window;
    use neuron_kernels::ConvGeometry;

    use super::*;

    /// What a network of one convolution says to an image of 1 x 1.
    fn too_small(kernel: usize) -> String {
        let (mut graph, image) = GraphBuilder::new(3);
        let window = Window::square(kernel, 1, 0);
        let geometry = ConvGeometry { in_channels: 3, out_channels: 1, groups: 1, window };
        graph.convolution("conv", geometry, image);
        graph.finish().unwrap().tap_infos(1, 1).unwrap_err().to_string()
    }

    #[test]
    fn the_search_for_the_smallest_image_ends() {
        assert_eq!(
            too_small(4096),
            "an image of 1 x 1 pixels is too small at conv; the smallest is 4096 x 4096"
        );
        assert_eq!(
            too_small(4097),
            "an image of 1 x 1 pixels is too small at conv; no square image of a usual size works"
        );
    }
}
