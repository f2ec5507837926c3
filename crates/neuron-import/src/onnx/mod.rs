//! ONNX files, as PyTorch's two exporters and others write them.
//!
//! A file is one protobuf message (`proto`), its larger tensors may be in files beside it (`external`). Its nodes are
//! translated one after the other (`graph`, `operators`), with functions and branches put in place of their calls
//! (`inline`); the modules in which they were recorded come from metadata or from names (`scopes`).

mod attributes;
mod constant;
mod external;
mod frame;
mod graph;
mod image;
mod inline;
mod operators;
mod proto;
mod refusal;
mod scopes;
mod tensor;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use bytes::Bytes;
use prost::Message;

use crate::error::ImportError;
use crate::program::{Operator, Program};

/// The program of an ONNX file.
///
/// # Errors
/// [`ImportError`] if it cannot be read, is damaged, or is no network for images.
pub(crate) fn read(path: &Path) -> Result<Program, ImportError> {
    let bytes = fs::read(path).map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    from_bytes(bytes.into(), path)
}

/// The program of an ONNX file with these bytes. What it says to be in other files is looked for beside `path`.
///
/// # Errors
/// As [`read`].
pub(crate) fn from_bytes(bytes: Bytes, path: &Path) -> Result<Program, ImportError> {
    let damaged = |what: String| ImportError::Damaged { path: path.to_owned(), what };
    let model = proto::ModelProto::decode(bytes)
        .map_err(|error| damaged(format!("its bytes are no ONNX model, or not all of one ({error})")))?;
    if model.ir_version < 1 {
        return Err(damaged("it does not say of which version of ONNX it is".to_owned()));
    }
    let mut program = graph::program(&model, path)?;
    leave_out_folded(&mut program);
    Ok(program)
}

/// What an exporter calls weights that it changed itself.
const MADE_BY_EXPORTER: &str = "onnx::";

/// A convolution into which the TorchScript exporter folded its batch norm bears the convolution's name, and returns what the
/// norm does: it is taken for neither.
fn leave_out_folded(program: &mut Program) {
    let parameters = &program.parameters;
    for node in &mut program.nodes {
        let weight = node.inputs.get(1).and_then(|weight| parameters.get(&weight.value()?));
        let is_changed = weight.is_some_and(|weight| weight.name.starts_with(MADE_BY_EXPORTER));
        if is_changed && matches!(node.operator, Operator::Convolution { .. }) {
            node.scopes.pop();
        }
    }
}

/// Whether a file that begins like this may be an ONNX model: its fields must be those of one.
pub(crate) fn recognise(beginning: &[u8]) -> bool {
    let mut rest = beginning;
    let mut found = false;
    while let Some(key) = varint(&mut rest) {
        let skipped = match (key >> 3, key & 7) {
            // The version of the format.
            (1, 0) => match varint(&mut rest) {
                Some(1..1000) => 0,
                _ => return false,
            },
            // The version of the model.
            (5, 0) => match varint(&mut rest) {
                Some(_) => 0,
                None => return found,
            },
            // The producer, the graph, sets of operators, metadata, functions.
            (2..=4 | 6..=8 | 14 | 20 | 25 | 26, 2) => match varint(&mut rest) {
                Some(length) => usize::try_from(length).unwrap_or(usize::MAX),
                None => return found,
            },
            _ => return false,
        };
        found = true;
        match rest.get(skipped..) {
            Some(next) => rest = next,
            None => return true,
        }
    }
    found && rest.is_empty()
}

/// A number of protobuf's, if it is there as a whole.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 127) << (7 * at).min(63);
        if byte & 128 == 0 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}
