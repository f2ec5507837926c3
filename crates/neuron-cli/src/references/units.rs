use std::path::PathBuf;

use neuron_model::Tap;

use crate::classifier::{Class, Classifier};

/// Some units of a layer, and the usual place of their lists.
pub(crate) struct Units {
    pub(crate) target: Tap,
    /// The layer as it was typed.
    pub(crate) layer: String,
    pub(crate) channels: Vec<usize>,
    /// Where the units' lists are.
    pub(crate) topk_dir: PathBuf,
    /// The network's classes, if they are what the units stand for.
    pub(crate) classifier: Option<Classifier>,
}

impl Units {
    /// The class that a channel stands for, if it stands for one.
    pub(crate) fn class(&self, channel: usize) -> Option<&Class> {
        self.classifier.as_ref().map(|classifier| classifier.class(channel))
    }

    /// What messages call a unit: `layer4.2:1935`, `fc:207 (golden retriever)`.
    pub(crate) fn called(&self, channel: usize) -> String {
        let layer = &self.target.name;
        match self.class(channel) {
            Some(class) => format!("{layer}:{class}"),
            None => format!("{layer}:{channel}"),
        }
    }
}
