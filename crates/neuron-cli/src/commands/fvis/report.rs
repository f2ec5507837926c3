//! Makes the records of a run's pictures, and sums them up.

use std::collections::BTreeMap;
use std::path::PathBuf;

use neuron_data::Preprocessing;
use neuron_eval::{Achievement, TapScores};
use neuron_fvis::{Aim, FeatureWeighting, Item, Optimizer, Settings};
use neuron_model::{ChannelsLast, Images, Network, Positions};
use serde_json::{Map, Value, json};

use super::flags::Args;
use super::record::{OfItem, Record, best};
use super::results::Results;
use super::subject::{Facet, Subject};
use crate::global::Global;
use crate::references::{Data, General, Reader, References, Units};
use crate::scan::Identity;
use crate::{not_finite, output};

/// Images of the data folder that stand for images in general.
pub(super) const POPULATION: usize = 256;

/// What records are made from.
pub(super) struct Report<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) units: &'a Units,
    /// Of which some stand for images in general.
    pub(super) data: &'a Data<'a>,
    /// What each picture is of.
    pub(super) subjects: &'a [Subject],
    pub(super) references: &'a [References],
    /// Where the units count.
    pub(super) positions: Positions,
    /// Whose magnitudes the pictures keep, if they keep some.
    pub(super) magnitudes: Option<&'static str>,
    /// Of each unit's pictures.
    pub(super) identities: &'a [Identity],
}

impl Report<'_> {
    /// One record for each picture that is kept.
    pub(super) fn records(
        &self,
        optimizer: &Optimizer<'_>,
        preprocessing: &Preprocessing,
    ) -> anyhow::Result<Vec<OfItem>> {
        let (height, width) = optimizer.settings().size;
        let pictures: Vec<f32> =
            optimizer.items().iter().flat_map(|item| item.picture.iter().copied()).collect();
        let channel = |at: usize| self.subjects[optimizer.items()[at].unit].channel;
        let of_unit = |at: usize| format!("the picture of channel {}", channel(at));
        let pictures = self.scores(&ChannelsLast::new(&pictures, height, width), of_unit)?;
        let population = self.population(preprocessing)?;
        let mut records = Vec::new();
        for (unit, Subject { channel, .. }) in self.subjects.iter().enumerate() {
            let own = &self.references[unit];
            let references = self.scores(own, |at| own.names()[at].clone())?;
            let population =
                population.as_ref().map(|(general, scores)| scores.without(&general.shared_with(own)));
            let population = population.filter(|scores| scores.images() > 0);
            for (at, item) in optimizer.items().iter().enumerate().filter(|(_, item)| item.unit == unit) {
                let general = population.as_ref().unwrap_or(&references);
                let activation = Achievement::of((&pictures, at), *channel, &references, general);
                let population = if population.is_some() { "data" } else { "references" };
                let record = self.record(optimizer, item, *channel, activation, population);
                records.push(OfItem { item: at, record });
            }
        }
        Ok(if self.args.keep_best { best(records) } else { records })
    }

    /// What some images do to the tap; `name` gives the name of one.
    fn scores(&self, images: &dyn Images, name: impl FnOnce(usize) -> String) -> anyhow::Result<TapScores> {
        TapScores::of(self.network, (&self.units.target, self.positions), images)
            .map_err(|error| not_finite::named(error, name))
    }

    fn record(
        &self,
        optimizer: &Optimizer<'_>,
        item: &Item,
        channel: usize,
        activation: Achievement,
        population: &'static str,
    ) -> Record {
        let settings = optimizer.settings();
        let activations: Vec<f64> = item.history.iter().map(|step| step.activation).collect();
        let silent = activations.iter().filter(|activation| **activation <= 0.0).count();
        let rectified = self.network.graph().is_non_negative(self.units.target.node);
        let layers = optimizer.objective().layers().iter().map(|layer| layer.name.clone());
        let priors = ["tv_l1", "tv_l2", "l2"].map(str::to_owned);
        let names: Vec<String> = layers.chain(priors).collect();
        let prior_weights = [settings.priors.tv_l1, settings.priors.tv_l2, settings.priors.l2];
        let weights = optimizer.objective().weights().iter().copied().chain(prior_weights);
        let terms = names.iter().enumerate().map(|(at, name)| {
            let term = item.history.iter().map(|step| {
                let priors = [step.priors.tv_l1, step.priors.tv_l2, step.priors.l2];
                step.layers.iter().chain(&priors).nth(at).copied().unwrap_or(0.0)
            });
            (name.clone(), term.collect())
        });
        let mut terms: BTreeMap<String, Vec<f64>> = terms.collect();
        let mut weights: BTreeMap<String, f64> = names.iter().cloned().zip(weights).collect();
        if settings.aim == Aim::Activation {
            let name = "activation".to_owned();
            weights.insert(name.clone(), optimizer.objective().activation_weight(item.unit));
            terms.insert(name, activations.clone());
        }
        Record {
            neuron_version: env!("CARGO_PKG_VERSION"),
            arch: self.args.arch.clone(),
            weights_sha256: self.network.weights().sha256().map(str::to_owned),
            layer: self.units.target.name.clone(),
            channel,
            class: self.units.class(channel).and_then(|class| class.label.clone()),
            facet: self.subjects[item.unit].facet,
            copy: item.copy,
            seed: settings.seed,
            settings: settings.clone(),
            start: self.args.start.file().map(|path| path.display().to_string()),
            magnitudes: self.magnitudes,
            references: self.references[item.unit].names().to_vec(),
            references_are: self.references[item.unit].kind().name(),
            inputs: self.identities[item.unit].clone(),
            steps: optimizer.steps_done(),
            finished: optimizer.is_finished(),
            activation,
            population,
            loss: item.history.iter().map(|step| step.loss).collect(),
            activations,
            silent_steps: rectified.then_some(silent),
            terms,
            weights,
        }
    }

    /// What can be said of a picture before it is finished; its record takes the place.
    pub(super) fn first_record(&self, settings: &Settings, item: &Item) -> Value {
        json!({
            "neuron_version": env!("CARGO_PKG_VERSION"),
            "references_are": self.references[item.unit].kind().name(),
            "settings": settings,
            "inputs": self.identities[item.unit],
            "steps": 0,
            "finished": false,
        })
    }

    /// What images in general do to the tap: some of the data folder, evenly spaced; `None` without such a folder.
    fn population(&self, preprocessing: &Preprocessing) -> anyhow::Result<Option<(General, TapScores)>> {
        let Some(dataset) = self.data.get()? else { return Ok(None) };
        let general = General::load(dataset, POPULATION, &Reader { global: self.global, preprocessing })?;
        let scores = self.scores(&general.images(), |at| general.name(at))?;
        Ok(Some((general, scores)))
    }

    /// Says what was reached: a line for each picture on stderr, or JSON on stdout.
    pub(super) fn say(&self, records: &[OfItem], results: &Results<'_>) -> anyhow::Result<()> {
        for (OfItem { record, .. }, picture) in records.iter().zip(results.pictures()) {
            let Record { channel, steps, activation, loss, .. } = record;
            let unit = match record.facet {
                Some(Facet { number, .. }) => format!("{}, facet {number}", self.units.called(*channel)),
                None => self.units.called(*channel),
            };
            self.global.say(0, || {
                format!(
                    "{unit}: loss {:.5} after {steps} steps, {}, rank {} of {}: {}",
                    loss.last().copied().unwrap_or(0.0),
                    record.reached(),
                    activation.rank,
                    activation.channels,
                    picture.display(),
                )
            });
            if let Some(silent) = record.silent_steps.filter(|silent| *silent > 0) {
                let consequence = match record.settings.weighting_at(0) {
                    FeatureWeighting::Relevance(_) | FeatureWeighting::Published(_)
                        if !record.settings.ascends() =>
                    {
                        ", and only the priors changed the picture"
                    }
                    _ => "",
                };
                self.global
                    .say(0, || format!("  in {silent} of these steps, the unit was silent{consequence}"));
            }
        }
        if self.global.json {
            let records = records.iter().map(|OfItem { record, .. }| serde_json::to_value(record));
            let records = records.collect::<Result<Vec<_>, _>>()?;
            print_summary(&records, results)?;
        }
        Ok(())
    }
}

/// What was made, or is there, as JSON on stdout; the records are those of the results' first pictures.
pub(super) fn print_summary(records: &[Value], results: &Results<'_>) -> anyhow::Result<()> {
    const SAID: [&str; 9] =
        ["layer", "channel", "class", "facet", "copy", "steps", "finished", "silent_steps", "activation"];
    let picture = |(record, picture): (&Value, PathBuf)| {
        let part = |key: &str| record.get(key).cloned().unwrap_or(Value::Null);
        let mut said: Map<String, Value> = SAID.iter().map(|key| ((*key).to_owned(), part(key))).collect();
        said.insert(
            "loss".to_owned(),
            record.pointer("/loss").and_then(|loss| loss.as_array()?.last().cloned()).into(),
        );
        said.insert("picture".to_owned(), picture.display().to_string().into());
        Value::Object(said)
    };
    let pictures: Vec<Value> = records.iter().zip(results.pictures()).map(picture).collect();
    print_pictures(&pictures)
}

/// The summary of some pictures, each as JSON.
pub(super) fn print_pictures(pictures: &[Value]) -> anyhow::Result<()> {
    let summary = json!({ "command": "fvis", "pictures": pictures });
    output::print(&format!("{summary:#}\n"))
}
