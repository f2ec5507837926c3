//! Everything that can go wrong with an exported file.

use std::fmt::Write;
use std::io;
use std::path::PathBuf;

use neuron_model::{GraphError, ModelError};

/// Why a file is no network that can be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is of no format that is known here.
    #[error("{} is no exported network: {what}", path.display())]
    NotANetwork {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        what: String,
    },
    /// It is damaged, or says what cannot be.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It is of a form that is not supported.
    #[error("{} cannot be imported: {what}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        what: String,
    },
    /// A tensor of the file cannot be used.
    #[error("tensor {name}: {what}")]
    Parameter {
        /// The tensor.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A file of recorded values cannot be compared with.
    #[error("{} cannot be compared with: {what}", path.display())]
    NotRecorded {
        /// The file.
        path: PathBuf,
        /// Why not.
        what: String,
    },
    /// Nothing of the network can be run.
    #[error("nothing of {} can be run{}", path.display(), listed(missing))]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        missing: Vec<Missing>,
    },
    /// The translated operations do not fit together.
    #[error("{} cannot be translated", path.display())]
    Graph {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: GraphError,
    },
    /// Its weights cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// An operator that is not supported, or not where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What it is: the name that the file has for it, and why it is not supported there, if it is elsewhere.
    pub operator: String,
    /// The module in which it is met first, and the node there.
    pub first: String,
    /// How often it is met.
    pub count: usize,
    /// How many operators cannot be run because of it and of the others, itself included.
    pub affected: usize,
}

/// All that is missing, a line each.
pub(crate) fn listed(missing: &[Missing]) -> String {
    let mut text = String::new();
    for Missing { operator, first, count, .. } in missing {
        let times = if *count == 1 { String::new() } else { format!(", and {} more times", count - 1) };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {operator}, first in {first}{times}");
    }
    if text.is_empty() { text } else { format!(": these operators are not supported{text}") }
}
