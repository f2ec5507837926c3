//! Which units the flags choose, and the usual place of their lists.

use std::path::PathBuf;

use neuron_model::{Network, Tap};

use super::flags::Args;
use crate::classifier::{Class, Classifier};

/// The units of a run.
pub(super) struct Units {
    pub(super) target: Tap,
    /// The layer as it was typed.
    pub(super) layer: String,
    pub(super) channels: Vec<usize>,
    /// Where the units' lists are.
    pub(super) topk_dir: PathBuf,
    /// The network's classes, if they are what the units stand for.
    pub(super) classifier: Option<Classifier>,
}

impl Units {
    pub(super) fn new(args: &Args, network: &Network) -> anyhow::Result<Self> {
        match &args.class {
            Some(typed) => Self::of_classes(args, typed, network),
            None => Self::of_channels(args, network),
        }
    }

    fn of_classes(args: &Args, typed: &str, network: &Network) -> anyhow::Result<Self> {
        let classifier = Classifier::of(network)?;
        let target = match &args.layer {
            Some(layer) => classifier.check_layer(network.tap(layer)?)?,
            None => classifier.tap().clone(),
        };
        let layer = args.layer.clone().unwrap_or_else(|| target.name.clone());
        let usual = || PathBuf::from(&args.arch).join(format!("neuron_{}", layer.trim()));
        let topk_dir = args.topk_dir.clone().unwrap_or_else(usual);
        let channels = classifier.find_all(typed)?;
        Ok(Self { target, layer, channels, topk_dir, classifier: Some(classifier) })
    }

    fn of_channels(args: &Args, network: &Network) -> anyhow::Result<Self> {
        // Both have defaults where there is no class.
        let (layer, topk_dir) =
            (args.layer.clone().unwrap_or_default(), args.topk_dir.clone().unwrap_or_default());
        let target = network.tap(&layer)?;
        let channels = args.channels.of(&target, network.channels(&target))?;
        // Nobody asked for names: wrong ones are no reason to fail.
        let classifier = Classifier::of(network).ok();
        let classifier = classifier.filter(|classifier| classifier.tap().node == target.node);
        Ok(Self { target, layer, channels, topk_dir, classifier })
    }

    /// The class that a channel stands for, if it stands for one.
    pub(super) fn class(&self, channel: usize) -> Option<&Class> {
        self.classifier.as_ref().map(|classifier| classifier.class(channel))
    }

    /// What messages call a unit: `layer4.2:1935`, `fc:207 (golden retriever)`.
    pub(super) fn called(&self, channel: usize) -> String {
        let layer = &self.target.name;
        match self.class(channel) {
            Some(class) => format!("{layer}:{class}"),
            None => format!("{layer}:{channel}"),
        }
    }
}
