//! Archives of `torch.export`, as whole files.

use neuron_import::Format;

use crate::imported;

pub(super) fn read(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK") && imported::format(bytes) == Some(Format::Pt2)
}
