//! What a picture is of: a unit, or a facet of one.

use anyhow::Context;
use neuron_fvis::{FacetCount, Facets, Settings, relevant_channels};
use neuron_model::Network;
use serde::Serialize;

use super::flags::Args;
use crate::global::Global;
use crate::references::{References, Units};

/// What a picture is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) channel: usize,
    pub(super) facet: Option<Facet>,
}

/// Which of a unit's facets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Facet {
    /// From 0, the one with the most references first.
    pub(super) number: usize,
    /// How many the unit has.
    pub(super) facets: usize,
    /// How well they are apart: the mean silhouette, -1 to 1.
    pub(super) silhouette: f64,
}

/// A picture's subject, and the references that it is compared with.
pub(super) type WithReferences = (Vec<Subject>, Vec<References>);

/// The units as they are.
pub(super) fn whole(channels: &[usize]) -> Vec<Subject> {
    channels.iter().map(|channel| Subject { channel: *channel, facet: None }).collect()
}

/// The facets of every unit, each with its own references; a line for each unit says what was found.
pub(super) fn facets(
    (args, global): (&Args, &Global),
    (network, units): (&Network, &Units),
    references: Vec<References>,
    settings: &Settings,
) -> anyhow::Result<WithReferences> {
    let Some(count) = args.facets else { return Ok((whole(&units.channels), references)) };
    let below = settings.layer_weights.below(network, &units.target)?;
    let (below, _) = below.last().context("no layer with a weight lies below the unit's")?;
    let (mut subjects, mut of_subjects) = (Vec::new(), Vec::new());
    for (channel, references) in units.channels.iter().zip(references) {
        let unit = (&units.target, *channel, settings.positions);
        let vectors = relevant_channels(network, unit, below, &references, settings.at_once)?;
        let found = Facets::of(&vectors, count);
        global.say(0, || told(&units.called(*channel), &found, &below.name, count));
        let facets = found.members.len();
        for number in 0..facets {
            let facet = Facet { number, facets, silhouette: found.silhouette };
            subjects.push(Subject { channel: *channel, facet: Some(facet) });
        }
        of_subjects.extend(references.split(&found.members));
    }
    Ok((subjects, of_subjects))
}

/// What was found of a unit.
fn told(unit: &str, found: &Facets, below: &str, wanted: FacetCount) -> String {
    let references: usize = found.members.iter().map(Vec::len).sum();
    let outliers = match found.outliers.len() {
        0 => String::new(),
        1 => "; 1 reference that is like no other is left out".to_owned(),
        count => format!("; {count} references that are like no others are left out"),
    };
    if let [_] = found.members[..] {
        let why = match wanted {
            FacetCount::Auto => ": its references do not fall apart",
            FacetCount::Exactly(_) => "",
        };
        return format!(
            "{unit}: one facet of {references} references by what is relevant in {below}{why}{outliers}"
        );
    }
    let sizes: Vec<String> = found.members.iter().map(|of| of.len().to_string()).collect();
    let (count, sizes, silhouette) = (sizes.len(), sizes.join(", "), found.silhouette);
    format!(
        "{unit}: {count} facets of {sizes} references by what is relevant in {below} (silhouette {silhouette:.2}){outliers}"
    )
}
