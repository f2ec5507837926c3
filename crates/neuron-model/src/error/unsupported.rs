use std::fmt;

/// An operation that a device cannot compute, or a signal cannot pass by its rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The node's name.
    pub node: String,
    /// Its operation.
    pub operation: String,
    /// What cannot be computed there.
    pub what: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.node, self.operation, self.what)
    }
}
