//! ONNX, as whole files.

use neuron_import::Format;

use crate::imported;

pub(super) fn read(bytes: &[u8]) -> bool {
    // What other formats begin with.
    !bytes.starts_with(b"PK") && imported::format(bytes) == Some(Format::Onnx)
}
