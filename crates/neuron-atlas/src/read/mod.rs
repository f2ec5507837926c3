//! From the files of an output tree to what is known of each unit.

mod evaluations;
mod files;
mod find;
mod heat_maps;
mod lists;
mod patches;
mod reading;
mod table;
mod visualisations;

use std::path::Path;

use reading::Reading;

use crate::error::AtlasError;
use crate::maker::Maker;
use crate::run::Runs;
use crate::skipped::Skipped;
use crate::unit::{Unit, UnitId};

/// Everything that the files below a folder say about units.
#[derive(Debug)]
pub struct Atlas {
    /// In the order of their names.
    pub(crate) units: Vec<(UnitId, Unit)>,
    pub(crate) runs: Runs,
    /// Files of results that could not be used, in the order in which they were met.
    pub(crate) skipped: Vec<Skipped>,
}

impl Atlas {
    /// Reads what the commands wrote below `folder`, wherever it lies; `docs/formats.md` describes the files.
    ///
    /// A file that is damaged or was never one of these is left out and [noted](Atlas::skipped): whatever is wrong with
    /// one of many results, the others can be shown. No file takes memory by a number that it merely claims.
    ///
    /// # Errors
    /// [`AtlasError::NoResults`], [`AtlasError::ListedTwice`], and where nothing can be used at all, what is wrong with
    /// the first file.
    pub fn read(folder: &Path, maker: &dyn Maker) -> Result<Self, AtlasError> {
        let found = find::find(folder)?;
        let mut reading = Reading::new(maker);
        reading.refused = found.refused;
        reading.each(&found.lists, lists::read_table)?;
        reading.each(&found.plain_lists, lists::read_plain)?;
        reading.each(&found.patches, patches::read)?;
        reading.each(&found.records, visualisations::read)?;
        reading.each(&found.heat_maps, heat_maps::read)?;
        reading.each(&found.other_json, evaluations::read)?;
        let Reading { units, runs, refused, .. } = reading;
        let skipped = refused
            .iter()
            .filter_map(|error| Some(Skipped { path: error.file()?.to_owned(), reason: error.chain() }));
        let skipped: Vec<Skipped> = skipped.collect();
        if units.is_empty() {
            let nothing = AtlasError::NoResults { folder: folder.to_owned() };
            return Err(refused.into_iter().next().unwrap_or(nothing));
        }
        Ok(Self { units: units.into_iter().collect(), runs, skipped })
    }

    /// Files of results that could not be used, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Number of units that something is known of.
    pub fn units(&self) -> usize {
        self.units.len()
    }
}
