//! The formats by name.

use std::fmt;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::{Export, clip_dissect, crp, hf, milan};

/// All formats; a new one is a file beside this one and a line here.
static ALL: [Format; 4] = [milan::FORMAT, crp::FORMAT, clip_dissect::FORMAT, hf::FORMAT];

/// What another tool reads.
pub(crate) struct Format {
    pub(super) name: &'static str,
    /// Entries of a unit that it has unless another number is asked for.
    pub(super) per_unit: usize,
    /// Writes all layers and returns how many units have something in it.
    pub(super) write: fn(&Export<'_>) -> anyhow::Result<usize>,
}

impl Format {
    /// For clap: the one that is named.
    pub(super) fn parser() -> impl TypedValueParser<Value = &'static Self> {
        let names = PossibleValuesParser::new(ALL.iter().map(|format| format.name));
        names.try_map(|name| ALL.iter().find(|format| format.name == name).ok_or("not a format"))
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.name).finish()
    }
}
