use std::collections::BTreeSet;

use crate::read::Atlas;
use crate::run::{Run, RunId};
use crate::unit::Unit;

/// Digits of a hash that are shown.
const HASH_DIGITS: usize = 12;

/// A run, as a page tells how results were made.
pub(super) struct Made {
    pub(super) line: Option<String>,
    /// What decided the result, below the site.
    pub(super) file: String,
    pub(super) images: Option<u64>,
    pub(super) weights: Option<String>,
    pub(super) version: Option<String>,
}

impl Made {
    fn new(id: RunId, run: &Run) -> Self {
        Self {
            line: run.line.clone(),
            file: file(id.0),
            images: run.number("/images"),
            weights: run.text("/weights_sha256").map(|hash| hash.chars().take(HASH_DIGITS).collect()),
            version: run.text("/neuron_version").map(str::to_owned),
        }
    }
}

/// Where what a run's manifest says goes, below the site.
pub(super) fn file(run: usize) -> String {
    format!("runs/{run}.json")
}

/// The runs that a unit's page shows results of, each once.
pub(super) fn of(unit: &Unit, atlas: &Atlas) -> Vec<Made> {
    let lists = unit.images.iter().filter_map(|list| list.run);
    let patches = unit.patches.iter().filter_map(|set| set.run);
    let pictures = unit.visualisations.iter().map(|picture| picture.run);
    let runs: BTreeSet<RunId> = lists.chain(patches).chain(pictures).collect();
    runs.into_iter().map(|id| Made::new(id, atlas.runs.get(id))).collect()
}
