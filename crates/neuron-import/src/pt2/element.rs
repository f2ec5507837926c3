//! Kinds of elements by torch.export's numbers, which are not torch's own.

use crate::program::Element;

/// The kind of that number; `None` for those that no weights here have.
pub(super) fn of(number: u64) -> Option<Element> {
    Some(match number {
        1 => Element::U8,
        2 => Element::I8,
        3 => Element::I16,
        4 => Element::I32,
        5 => Element::I64,
        6 => Element::F16,
        7 => Element::F32,
        8 => Element::F64,
        12 => Element::Bool,
        13 => Element::Bf16,
        _ => return None,
    })
}
