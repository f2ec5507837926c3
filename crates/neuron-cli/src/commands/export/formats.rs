//! The formats by name.

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::format::Format;
use super::{clip_dissect, crp, hf, milan};

/// All formats; a new one is a file beside this one and a line here.
static ALL: [Format; 4] = [milan::FORMAT, crp::FORMAT, clip_dissect::FORMAT, hf::FORMAT];

/// For clap: the format that is named.
pub(super) fn parser() -> impl TypedValueParser<Value = &'static Format> {
    let names = PossibleValuesParser::new(ALL.iter().map(|format| format.name));
    names.try_map(|name| ALL.iter().find(|format| format.name == name).ok_or("not a format"))
}
