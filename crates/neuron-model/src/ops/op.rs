//! What an operation is, whoever computes it.

use std::fmt;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{Activation, ConvGeometry};

use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// What an operation is; knows nothing of execution.
pub trait Op: fmt::Debug {
    /// Shape of the output.
    ///
    /// # Errors
    /// [`ShapeError`] if the inputs do not fit, or nothing comes out.
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError>;

    /// Channels of the output for those of the inputs; known before the size of the image is.
    fn channels(&self, inputs: &[usize]) -> usize {
        inputs.first().copied().unwrap_or(0)
    }

    /// Number of inputs.
    fn arity(&self) -> usize {
        1
    }

    /// The tensors that it reads from the weights.
    fn tensors(&self) -> Vec<TensorSpec> {
        Vec::new()
    }

    /// The receptive field of the output for that of the input; `None` once a position sees the whole image.
    fn field(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input)
    }

    /// The cell of the image that belongs to a position of the output, for that of the input: its receptive field, but where
    /// positions exchange what they see without losing their places; `None` where they have none.
    fn cell(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        self.field(input)
    }

    /// Whether no value of the output can be below 0, given that of each input.
    fn is_non_negative(&self, inputs: &[bool]) -> bool;

    /// What outlives a forward pass that keeps so much.
    fn saves(&self, keep: Keep) -> Saves;

    /// Whether a signal can pass it by this rule; rules of an embedder's own are not asked about.
    fn knows(&self, rule: &Rule) -> bool;

    /// The function that it applies to every value by itself, if it does nothing else: the step below takes it along.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// Which of its inputs is a factor of whole channels, without positions: that says nothing of where a position
    /// looks, and is left out of its receptive field.
    fn gate(&self) -> Option<usize> {
        None
    }

    /// Whether an input says where the output's positions look: not a gate, and not a map of other positions.
    fn looks_at(&self, input: usize) -> bool {
        self.gate() != Some(input)
    }

    /// Height and width of the only grid that it takes, if there is but one: then so is the size of the image.
    fn only_grid(&self) -> Option<[usize; 2]> {
        None
    }

    /// How its weights slide over the input, if it is a product of both. The backward call of a product adds what has
    /// arrived at its input already, and can pass the ReLU below.
    fn sliding(&self) -> Option<ConvGeometry> {
        None
    }
}

/// Channels, height and width of a map that is a grid and nothing else.
///
/// # Errors
/// [`ShapeError::Extra`] if it has positions outside of the grid.
pub(super) fn grid_of(shape: Shape) -> Result<(usize, [usize; 2]), ShapeError> {
    let Shape { channels, height, width, extra } = shape;
    if extra == 0 { Ok((channels, [height, width])) } else { Err(ShapeError::Extra { extra }) }
}

/// A tensor of an operation: `<name of the node>.<suffix>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The last part of its name.
    pub suffix: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
}

/// Values that a backward pass reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saves {
    /// All inputs.
    pub inputs: bool,
    /// The output.
    pub output: bool,
    /// One byte for each value of the output that only this operation understands, such as the place of a maximum.
    pub beside: bool,
}
