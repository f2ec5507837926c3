//! What the network says about the pictures, the references and images in general.

use neuron_eval::{
    Achievement, LayerSimilarity, Luminance, Probe, RankSum, Responses, Separation, TapScores, mean_feature,
};
use neuron_model::{Images, Network, Tap};
use serde_json::Value;

use super::flags::Args;
use super::layers::{penultimate, usual_layers};
use super::pictures::Pictures;
use super::population::Population;
use super::units::EvaluatedUnits;
use crate::global::Global;
use crate::progress::Progress;
use crate::references::{Data, Reader};
use crate::scan::crops;
use crate::{interrupt, not_finite};

/// What is needed to gather it.
pub(super) struct Gathering<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) reader: Reader<'a>,
    pub(super) units: &'a EvaluatedUnits<'a>,
    pub(super) pictures: &'a Pictures,
    pub(super) data: &'a Data<'a>,
}

/// Everything from which measures are made, but for a witness.
pub(super) struct Gathered {
    /// Of each picture; its z-score and rank mean nothing without a population.
    pub(super) achievements: Vec<Option<Achievement>>,
    /// Of each picture, the network's last features.
    pub(super) features: Vec<Vec<f32>>,
    /// Of each picture, the share of fine energy.
    pub(super) noise: Vec<f64>,
    /// Of each unit.
    pub(super) of_units: Vec<OfUnit>,
    /// What stands for images in general.
    pub(super) population_is: Value,
    pub(super) skipped_references: usize,
}

/// What is gathered for a unit.
pub(super) struct OfUnit {
    pub(super) references: usize,
    /// Mean feature of the references.
    pub(super) feature: Vec<f64>,
    pub(super) has_population: bool,
    /// Mean share of fine energy of images in general.
    pub(super) noise: Option<f64>,
    /// Of its pictures in each set; `None` where there are none.
    pub(super) sets: Vec<Option<OfSet>>,
}

/// What is gathered for a unit's pictures in a set.
pub(super) struct OfSet {
    pub(super) separation: Option<Separation>,
    /// At each of the usual layers.
    pub(super) similarities: Vec<Option<LayerSimilarity>>,
}

impl Gathering<'_> {
    /// Shows everything to the network; `None` if the user stopped it.
    pub(super) fn run(&self) -> anyhow::Result<Option<Gathered>> {
        let Self { args, global, network, units, pictures, .. } = self;
        let mut taps: Vec<Tap> = Vec::new();
        for unit in &units.all {
            if taps.iter().all(|known| known.node != unit.tap.node) {
                taps.push(unit.tap.clone());
            }
        }
        taps.push(penultimate(network)?);
        let side = self.reader.preprocessing.crop;
        let mut probe = Probe::new(network, &taps, &usual_layers(network)?)?;
        // The last features are those of all positions.
        for tap in &taps[..taps.len() - 1] {
            let positions = args.positions.of(network, std::slice::from_ref(tap), side)?;
            probe = probe.at_positions(tap, positions);
        }
        let mut luminance = Luminance::new(side, side);
        let tools = (*network, &mut probe, &mut luminance);
        let population = (self.data, args.population.get());
        let Some(population) = Population::look(population, units, &self.reader, tools)? else {
            return Ok(None);
        };
        let count = pictures.all.len();
        let mut gathered = Gathered {
            achievements: vec![None; count],
            features: vec![Vec::new(); count],
            noise: network.install(|| {
                pictures.all.iter().map(|picture| luminance.fine_share(&picture.pixels)).collect()
            }),
            of_units: Vec::new(),
            population_is: population.told(),
            skipped_references: 0,
        };
        let mut progress = Progress::new("eval", "units", units.all.len(), 0, global.quiet);
        for unit in 0..units.all.len() {
            if interrupt::requested() {
                return Ok(None);
            }
            self.unit(unit, &taps, &population, &mut probe, &mut gathered)?;
            progress.update(unit + 1, "");
        }
        progress.finish();
        Ok(Some(gathered))
    }

    /// Gathers what there is of a unit.
    fn unit(
        &self,
        unit: usize,
        taps: &[Tap],
        population: &Population,
        probe: &mut Probe,
        gathered: &mut Gathered,
    ) -> anyhow::Result<()> {
        let of_unit = &self.units.all[unit];
        let tap = taps.iter().position(|tap| tap.node == of_unit.tap.node).unwrap_or_default();
        let references = self.units.load(unit, &self.reader)?;
        gathered.skipped_references += references.skipped().len();
        let name = |at: usize| references.names()[at].clone();
        let known = probe.look(&references).map_err(|error| not_finite::named(error, name))?;
        let beside = population.beside(unit, (&references, &known), probe)?;
        let general = beside.scores.as_ref().map(|scores| &scores[tap]).filter(|scores| scores.images() > 0);
        let seen = Seen { channel: of_unit.channel, tap, references: &known, general, ranks: &beside.ranks };
        let mut sets = Vec::new();
        let most = self.pictures.all.iter().map(|picture| picture.set + 1).max().unwrap_or(0);
        for set in 0..most {
            let own: Vec<usize> = self.pictures.of(unit, set).collect();
            if own.is_empty() {
                sets.push(None);
                continue;
            }
            let pixels: Vec<u8> =
                own.iter().flat_map(|at| self.pictures.all[*at].pixels.iter().copied()).collect();
            let name = |at: usize| self.pictures.all[own[at]].name.clone();
            let answers = probe
                .look(&crops(&pixels, self.reader.preprocessing))
                .map_err(|error| not_finite::named(error, name))?;
            let features = &answers.scores[taps.len() - 1];
            for (item, at) in own.iter().enumerate() {
                gathered.achievements[*at] = Some(seen.achievement(&answers, item));
                gathered.features[*at] = features.means(item).to_vec();
            }
            sets.push(Some(seen.set(&answers)));
        }
        gathered.of_units.push(OfUnit {
            references: references.count(),
            feature: mean_feature(&known.scores[taps.len() - 1]),
            has_population: general.is_some(),
            noise: population.noise(unit),
            sets,
        });
        Ok(())
    }
}

/// What the network says about a unit's references and about images in general.
struct Seen<'a> {
    channel: usize,
    /// Of the unit, among the taps.
    tap: usize,
    references: &'a Responses,
    /// Scores of images in general at that tap.
    general: Option<&'a TapScores>,
    /// Ranks of images in general at each layer.
    ranks: &'a [RankSum],
}

impl Seen<'_> {
    fn achievement(&self, pictures: &Responses, item: usize) -> Achievement {
        let references = &self.references.scores[self.tap];
        let general = self.general.unwrap_or(references);
        Achievement::of((&pictures.scores[self.tap], item), self.channel, references, general)
    }

    fn set(&self, pictures: &Responses) -> OfSet {
        let means = |scores: &TapScores| scores.means_of(self.channel).collect::<Vec<f32>>();
        let shown = means(&pictures.scores[self.tap]);
        let separation = self.general.and_then(|general| Separation::of(&shown, &means(general)));
        let layers = pictures.ranks.iter().zip(&self.references.ranks).zip(self.ranks);
        let similarities = layers
            .map(|((pictures, references), general)| LayerSimilarity::of(pictures, references, general))
            .collect();
        OfSet { separation, similarities }
    }
}
