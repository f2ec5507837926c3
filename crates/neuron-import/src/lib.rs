//! Networks as PyTorch exports them: `torch.export` archives (`.pt2`) and ONNX files become a
//! [`Graph`](neuron_model::Graph) with named taps and its [`Weights`](neuron_model::Weights).
//!
//! A file is read into a small list of operators that is the same for both formats (`program`); what exporters spell out is
//! put together again (`patterns`), and the rest is translated operator by operator (`translate`). Values that do not depend
//! on the image are computed on the way (`constant`). Nothing of a file is executed.

mod check;
mod constant;
mod error;
mod imported;
mod modules;
mod onnx;
mod patterns;
mod program;
mod pt2;
mod stored;
mod translate;

pub use check::{Difference, check};
pub use error::{ImportError, Missing};
pub use imported::{Format, Imported, is_exported, open};
