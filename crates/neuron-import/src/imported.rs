//! A network that was imported.

use std::fmt;

use neuron_model::{Graph, Weights};

use crate::error::Missing;

/// A network that was imported.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its operations. Taps have the names of modules; what the network returns is `output`, or `output.0` and so on.
    pub graph: Graph,
    /// Its weights, and what the file says of preprocessing.
    pub weights: Weights,
    /// What of the network cannot be run; empty if all of it can.
    pub missing: Vec<Missing>,
    /// Height and width of the image with which it was exported.
    pub size: [usize; 2],
    /// The format of the file.
    pub format: Format,
}

/// A format of exported networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `torch.export.save`
    Pt2,
    /// ONNX.
    Onnx,
    /// What [`Imported::save`] writes.
    Neuron,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pt2 => "torch.export archive",
            Self::Onnx => "ONNX",
            Self::Neuron => "imported network",
        })
    }
}
