//! Which units the flags choose, which of them are this task's, and the usual place of their lists.

use std::path::PathBuf;

use neuron_model::Network;

use super::flags::Args;
use crate::classifier::Classifier;
use crate::exported;
use crate::layer_folder;
use crate::outcome::WrongUsage;
use crate::references::Units;
use crate::shard::Shard;

/// The units of a run.
pub(super) fn units(args: &Args, network: &Network) -> anyhow::Result<Units> {
    match &args.class {
        Some(typed) => of_classes(args, typed, network),
        None => of_channels(args, network),
    }
}

/// A part of a run's units, which one of several tasks makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) shard: Shard,
    /// The units of all parts.
    pub(super) of_units: usize,
}

impl Part {
    /// Leaves only the units of the part that the flags name, if they name one.
    pub(super) fn take(args: &Args, units: &mut Units) -> Result<Option<Self>, WrongUsage> {
        let Some(flag) = args.shard else { return Ok(None) };
        let part = Self { shard: flag.resolve()?, of_units: units.channels.len() };
        units.channels = units.channels[part.shard.range(part.of_units)].to_vec();
        Ok(Some(part))
    }
}

fn of_classes(args: &Args, typed: &str, network: &Network) -> anyhow::Result<Units> {
    let classifier = Classifier::of(network)?;
    let target = match &args.layer {
        Some(layer) => classifier.check_layer(network.tap(layer)?)?,
        None => classifier.tap().clone(),
    };
    let layer = args.layer.clone().unwrap_or_else(|| target.name.clone());
    let usual = || PathBuf::from(exported::name(&args.arch)).join(layer_folder::of(&layer));
    let topk_dir = args.topk_dir.clone().unwrap_or_else(usual);
    let channels = classifier.find_all(typed)?;
    Ok(Units { target, layer, channels, topk_dir, classifier: Some(classifier) })
}

fn of_channels(args: &Args, network: &Network) -> anyhow::Result<Units> {
    // Both have defaults where there is no class.
    let (layer, topk_dir) =
        (args.layer.clone().unwrap_or_default(), args.topk_dir.clone().unwrap_or_default());
    let target = network.tap(&layer)?;
    let channels = args.channels.of(&target, network.channels(&target))?;
    // Nobody asked for names: wrong ones are no reason to fail.
    let classifier = Classifier::of(network).ok();
    let classifier = classifier.filter(|classifier| classifier.tap().node == target.node);
    Ok(Units { target, layer, channels, topk_dir, classifier })
}
