//! What a run says about one picture: the JSON record beside it.

use std::collections::BTreeMap;

use neuron_eval::{Achievement, Reached};
use neuron_fvis::Settings;
use serde::Serialize;

use super::subject::Facet;
use crate::scan::Identity;

/// The record of one picture; `docs/formats.md` describes it.
#[derive(Serialize)]
pub(super) struct Record {
    pub(super) neuron_version: &'static str,
    pub(super) arch: String,
    pub(super) weights_sha256: Option<String>,
    pub(super) layer: String,
    pub(super) channel: usize,
    /// Name of the class that the unit stands for.
    pub(super) class: Option<String>,
    /// Which of the unit's facets, if it was asked for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) facet: Option<Facet>,
    pub(super) copy: usize,
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) start: Option<String>,
    /// Whose magnitudes the picture keeps, if it is made of phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) magnitudes: Option<&'static str>,
    pub(super) references: Vec<String>,
    pub(super) references_are: &'static str,
    /// What else decides the picture beside the settings: by it a run knows its results again.
    pub(super) inputs: Identity,
    /// Steps taken, and whether they are all.
    pub(super) steps: usize,
    pub(super) finished: bool,
    /// What is reached at the unit.
    pub(super) activation: Achievement,
    /// What stands for images in general in `activation`.
    pub(super) population: &'static str,
    /// The total of every step.
    pub(super) loss: Vec<f64>,
    /// The unit's greatest activation on what the network saw, in every step.
    pub(super) activations: Vec<f64>,
    /// Steps in which the unit was not active, so that nothing was relevant to it; none for units that may be below 0.
    pub(super) silent_steps: Option<usize>,
    /// What each term is multiplied by in the total.
    pub(super) weights: BTreeMap<String, f64>,
    /// Every term of every step, not multiplied.
    pub(super) terms: BTreeMap<String, Vec<f64>>,
}

/// The record of one of the optimiser's pictures.
pub(super) struct OfItem {
    /// Its index.
    pub(super) item: usize,
    pub(super) record: Record,
}

/// Of each unit or facet, the picture that excites it most: by its rank among all channels, then by the z-score, then the
/// first.
pub(super) fn best(records: Vec<OfItem>) -> Vec<OfItem> {
    let mut best: Vec<OfItem> = Vec::new();
    for next in records {
        let same = |kept: &&mut OfItem| {
            (kept.record.channel, kept.record.facet) == (next.record.channel, next.record.facet)
        };
        match best.last_mut().filter(same) {
            None => best.push(next),
            Some(kept) if next.record.is_better_than(&kept.record) => *kept = next,
            Some(_) => {}
        }
    }
    best
}

impl Record {
    fn is_better_than(&self, other: &Self) -> bool {
        let (own, others) = (&self.activation, &other.activation);
        own.rank < others.rank || own.rank == others.rank && own.z_score > others.z_score
    }

    /// What the picture reaches, beside what its references do: a share where that says something, else their mean.
    pub(super) fn reached(&self) -> String {
        let Reached { value, references, ratio, .. } = self.activation.max;
        match ratio {
            Some(ratio) => format!("activation {value:.2} ({:.0} % of its references')", 100.0 * ratio),
            None => format!("activation {value:.2} (its references': {references:.2})"),
        }
    }
}
