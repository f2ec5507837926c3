//! The classes that a network's last layer tells apart: their names, and where images of them are.

mod class;
mod find;
mod labels;

use anyhow::Context;
use neuron_model::{Network, Tap};

use crate::outcome::WrongUsage;

pub(crate) use class::Class;
pub(crate) use labels::{labels, parse_labels};

/// The last layer of a network, with the classes that its units stand for.
pub(crate) struct Classifier {
    tap: Tap,
    /// In the order of the units.
    classes: Vec<Class>,
}

impl Classifier {
    /// # Errors
    /// If the weights come without a classifier, if the network ends in maps, or if the names that its weights give to
    /// classes are not as many as the classes.
    pub(crate) fn of(network: &Network) -> anyhow::Result<Self> {
        let graph = network.graph();
        if let Some(absent) = graph.absent().first() {
            graph.tap(&absent.name).context("the classes of a network are the units of its last layer")?;
        }
        // Of modules that return the same value, the last is the layer itself.
        let tap = graph.taps().max_by_key(|tap| tap.node).context("the network has no layers")?;
        if graph.cell(tap.node).is_some() {
            let message =
                format!("{} has no classes: its last layer, {}, has maps", network.name(), tap.name);
            return Err(WrongUsage(message).into());
        }
        let outputs = network.channels(&tap);
        let classes = Class::all(&labels(network.weights(), outputs)?, outputs);
        Ok(Self { tap, classes })
    }

    /// The layer.
    pub(crate) fn tap(&self) -> &Tap {
        &self.tap
    }

    /// The layer that was named, if it is this one.
    ///
    /// # Errors
    /// [`WrongUsage`] if it is another.
    pub(crate) fn check_layer(&self, named: Tap) -> Result<Tap, WrongUsage> {
        if named.node == self.tap.node {
            return Ok(named);
        }
        Err(WrongUsage(format!(
            "--class chooses a unit of the last layer, {}, and the units of {} are no classes: leave --layer out, or \
             choose units by --channels",
            self.tap.name, named.name
        )))
    }

    /// The class of a unit.
    ///
    /// # Panics
    /// If there is no such unit.
    pub(crate) fn class(&self, unit: usize) -> &Class {
        &self.classes[unit]
    }
}
