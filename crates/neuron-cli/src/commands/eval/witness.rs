//! A second network, which has not made the pictures, looks at them.

use neuron_data::Preprocessing;
use neuron_eval::{Probe, Retrieval, TapScores, mean_feature, place, seen_most, share_with};
use neuron_model::{Network, Tap};

use super::flags::Args;
use super::layers::penultimate;
use super::pictures::Pictures;
use super::units::EvaluatedUnits;
use crate::classifier::Classifier;
use crate::global::Global;
use crate::outcome::WrongUsage;
use crate::progress::Progress;
use crate::references::Reader;
use crate::scan::crops;
use crate::{interrupt, not_finite};

/// How many classes of a picture may hold the one that is seen in the references.
const TOP: usize = 5;

/// A unit is class-like if the witness sees one class in this share of its references: in a unit for which it does not
/// even in photos, its silence about a picture says nothing.
const CLASS_LIKE: f64 = 0.5;

/// The second network.
pub(super) struct Witness {
    network: Network,
    preprocessing: Preprocessing,
    classes: Classifier,
    features: Tap,
}

/// What it sees.
pub(super) struct Seen {
    /// Of each unit, the class that it sees first in most of the references.
    pub(super) classes: Vec<Option<usize>>,
    /// Of each unit, the share of the references among whose first classes that one is.
    shares: Vec<Option<f64>>,
    /// Of each unit, the mean feature of the references.
    features: Vec<Vec<f64>>,
    /// Of each picture, the values of the classes.
    values: Vec<Vec<f32>>,
    /// Of each picture, its features.
    of_pictures: Vec<Vec<f32>>,
}

impl Seen {
    /// Whether the first classes of a picture hold the one of its unit's references.
    pub(super) fn holds_class(&self, unit: usize, picture: usize) -> Option<bool> {
        Some(place(&self.values[picture], self.classes[unit]?) <= TOP)
    }

    /// In what share of a unit's references the first classes hold the one that stands for them all.
    pub(super) fn share_of_references(&self, unit: usize) -> Option<f64> {
        self.shares[unit]
    }

    /// Whether the witness knows the unit's references as things of one class.
    pub(super) fn is_class_like(&self, unit: usize) -> bool {
        self.shares[unit].is_some_and(|share| share >= CLASS_LIKE)
    }

    /// How near a picture is to its unit's references.
    pub(super) fn retrieval(&self, unit: usize, picture: usize) -> Retrieval {
        Retrieval::of(&self.of_pictures[picture], unit, &self.features)
    }
}

impl Witness {
    /// The one that the flags name, if they do.
    ///
    /// # Errors
    /// If its last layer has no classes, or if it is the network that is looked at.
    pub(super) fn open(args: &Args, global: &Global, network: &Network) -> anyhow::Result<Option<Self>> {
        let Some(arch) = &args.witness_arch else { return Ok(None) };
        let own = Global { weights: args.witness_weights.clone(), weights_key: None, ..global.clone() };
        let witness = own.network(arch)?;
        let hashes = witness.weights().sha256().zip(network.weights().sha256());
        if witness.name() == network.name() && hashes.is_some_and(|(a, b)| a == b) {
            let message = format!(
                "--witness-arch {arch}: it is the network whose units these are, and no independent witness: name \
                 another, or other weights with --witness-weights"
            );
            return Err(WrongUsage(message).into());
        }
        let classes = Classifier::of(&witness)?;
        let (preprocessing, features) = (own.preprocessing(&witness)?, penultimate(&witness)?);
        Ok(Some(Self { network: witness, preprocessing, classes, features }))
    }

    pub(super) fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// What a class is called.
    pub(super) fn class(&self, class: usize) -> String {
        self.classes.class(class).to_string()
    }

    /// Shows all references and pictures to it; `None` if the user stopped it.
    pub(super) fn look(
        &self,
        global: &Global,
        units: &EvaluatedUnits<'_>,
        pictures: &Pictures,
    ) -> anyhow::Result<Option<Seen>> {
        let mut probe = Probe::new(&self.network, &[self.classes.tap().clone(), self.features.clone()], &[])?;
        // What can be said of the references was said when the first network read them.
        let silent = Global { quiet: true, ..global.clone() };
        let reader = Reader { global: &silent, preprocessing: &self.preprocessing };
        let count = pictures.all.len();
        let mut seen = Seen {
            classes: Vec::new(),
            shares: Vec::new(),
            features: Vec::new(),
            values: vec![Vec::new(); count],
            of_pictures: vec![Vec::new(); count],
        };
        let mut progress = Progress::new("witness", "units", units.all.len(), 0, global.quiet);
        for unit in 0..units.all.len() {
            if interrupt::requested() {
                return Ok(None);
            }
            let references = units.load(unit, &reader)?;
            let name = |at: usize| references.names()[at].clone();
            let known = probe.look(&references).map_err(|error| not_finite::named(error, name))?;
            let class = seen_most(&known.scores[0]);
            seen.classes.push(class);
            seen.shares.push(class.and_then(|class| share_with(&known.scores[0], class, TOP)));
            seen.features.push(mean_feature(&known.scores[1]));
            let own: Vec<usize> = (0..count).filter(|at| pictures.all[*at].unit == unit).collect();
            let pixels = own.iter().filter_map(|at| pictures.all[*at].for_witness.as_deref());
            let pixels: Vec<u8> = pixels.flatten().copied().collect();
            let name = |at: usize| pictures.all[own[at]].name.clone();
            let answers = probe
                .look(&crops(&pixels, &self.preprocessing))
                .map_err(|error| not_finite::named(error, name))?;
            let [values, features] = [&answers.scores[0], &answers.scores[1]];
            for (item, at) in own.iter().enumerate().take(TapScores::images(values)) {
                seen.values[*at] = values.maxima(item).to_vec();
                seen.of_pictures[*at] = features.means(item).to_vec();
            }
            progress.update(unit + 1, "");
        }
        progress.finish();
        Ok(Some(seen))
    }
}
