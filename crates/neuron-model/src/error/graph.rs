use super::ShapeError;

/// An operation that does not fit where it was put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// It reads a value that does not exist yet.
    #[error("{node} reads a value that comes after it")]
    Order {
        /// The node.
        node: String,
    },
    /// Its inputs are not what it reads.
    #[error("{node} cannot be computed")]
    Shape {
        /// The node.
        node: String,
        /// Why not.
        source: ShapeError,
    },
    /// Values of different strides meet: no position of one is a position of the other.
    #[error("the maps that meet in {node} have different strides")]
    Strides {
        /// The node.
        node: String,
    },
}
