use super::map::Map;
use super::scores::Scores;
use crate::constant::Constant;
use crate::program::ValueId;

/// What is known of a value of the program.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing yet, or what nobody reads.
    Unknown,
    /// It depends on an operator that is not supported.
    Gone,
    /// A tensor of the file that was not read yet.
    Parameter(ValueId),
    /// It does not depend on the image.
    Constant(Constant),
    /// Elements of a node's map.
    Map(Map),
    /// How alike positions are.
    Scores(Box<Scores>),
    /// The lengths of vectors along the last dimension, which is there with size 1.
    Lengths(Map),
}

impl Value {
    pub(super) fn scores(scores: Scores) -> Self {
        Self::Scores(Box::new(scores))
    }

    /// What it is, in words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Unknown => "a value that is not supported",
            Self::Gone => "a value that cannot be computed",
            Self::Parameter(_) | Self::Constant(_) => "a constant",
            Self::Map(_) => "a map",
            Self::Scores(_) => "a similarity of positions",
            Self::Lengths(_) => "the lengths of vectors",
        }
    }
}
