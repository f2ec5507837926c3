//! What a format has to say and do.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::bail;

use super::layer::Layer;
use crate::global::Global;
use crate::layer_folder;
use crate::output;

/// What another tool reads.
pub(crate) struct Format {
    pub(super) name: &'static str,
    /// Entries of a unit that it has unless another number is asked for.
    pub(super) per_unit: usize,
    /// Writes all layers and returns how many units have something in it.
    pub(super) write: fn(&Export<'_>) -> anyhow::Result<usize>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Format").field(&self.name).finish()
    }
}

/// What a format is asked to write.
pub(super) struct Export<'a> {
    pub(super) layers: Vec<Layer>,
    pub(super) out: &'a Path,
    /// Entries of each unit, at most.
    pub(super) per_unit: usize,
    pub(super) global: &'a Global,
}

impl Export<'_> {
    /// The places of files below the folder, in which they then can be written.
    ///
    /// # Errors
    /// If one is there already, unless it may be replaced.
    pub(super) fn places<const N: usize>(
        &self,
        folder: &str,
        names: [&str; N],
    ) -> anyhow::Result<[PathBuf; N]> {
        let places = names.map(|name| self.out.join(layer_folder::in_file_name(folder)).join(name));
        for place in &places {
            if output::is_result(place) && !self.global.overwrite {
                bail!(
                    "{} is there already; pass --overwrite to replace it, or another --out",
                    place.display()
                );
            }
        }
        Ok(places)
    }
}
