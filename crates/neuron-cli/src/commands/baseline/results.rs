use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use neuron_data::{Dataset, Limits, Preprocessing};

use super::{Settings, job};
use crate::channels;
use crate::exported;
use crate::global::Global;
use crate::layer_folder;
use crate::outcome::Outcome;
use crate::patches::{Kept, MANIFEST, Publisher, Unit, promised};
use crate::scan::{Checkpoint, Destination, Identity, Overwrite, SkippedImage};
use crate::shard::Shard;

/// Where the results of a scan go, and what names the images in them.
pub(super) struct Results<'a> {
    pub(super) settings: &'a Settings,
    pub(super) identity: &'a Identity,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) dataset: &'a Arc<Dataset>,
    pub(super) channels: &'a [usize],
    pub(super) out: &'a Path,
    pub(super) limits: Limits,
    pub(super) quiet: bool,
}

/// What the lists of the patches' images are called.
const LIST_NAMES: &[&str] = &["files.txt", "topk_files.txt"];

impl Results<'_> {
    /// `<out>/<arch>`.
    fn folder(&self) -> PathBuf {
        self.out.join(exported::name(&self.settings.arch))
    }

    fn layer_folder(&self) -> PathBuf {
        self.folder().join(layer_folder::of(&self.settings.typed_layer))
    }

    /// The name of a unit's folder in that of the layer.
    fn unit_name(&self, channel: usize) -> String {
        format!("{channel}/top{}", self.settings.topk_patches)
    }

    fn unit_folder(&self, channel: usize) -> PathBuf {
        self.layer_folder().join(self.unit_name(channel))
    }

    pub(super) fn destination(&self, shard: Option<Shard>) -> Destination {
        let part = shard.map_or_else(|| "checkpoint".to_owned(), Shard::file_part);
        let channels = channels::in_file_name(&self.settings.channels);
        let layer = layer_folder::in_file_name(&self.settings.typed_layer);
        let file = format!("baseline_{layer}_{channels}.{part}");
        if shard.is_some() {
            return Destination::of_shard(self.folder(), file);
        }
        let channels = self.channels.iter().copied();
        let names = channels.clone().map(|channel| self.unit_name(channel)).collect();
        Destination {
            folder: self.folder(),
            checkpoint: self.folder().join(file),
            manifests: channels.clone().map(|channel| self.unit_folder(channel).join(MANIFEST)).collect(),
            promised: channels.flat_map(|channel| promised(&self.unit_folder(channel), LIST_NAMES)).collect(),
            occupied: None,
            claims: vec![(self.layer_folder(), names)],
        }
    }

    /// Writes the folder of every unit.
    ///
    /// # Shapes
    /// * `kept`: for each channel its patches, best first
    pub(super) fn write(&self, kept: Vec<Vec<Kept>>, skipped: &[SkippedImage]) -> anyhow::Result<Outcome> {
        ensure!(kept.len() == self.channels.len(), "the checkpoint holds a different number of channels");
        let units = self.channels.iter().zip(kept).map(|(channel, kept)| Unit {
            channel: *channel,
            folder: self.unit_folder(*channel),
            kept,
            skipped: skipped.iter().collect(),
        });
        let publisher = Publisher {
            dataset: self.dataset,
            preprocessing: self.preprocessing,
            drawing: &self.settings.drawing,
            identity: self.identity,
            list_names: LIST_NAMES,
            limits: self.limits,
            quiet: self.quiet,
        };
        publisher.publish(&units.collect::<Vec<_>>())
    }
}

/// Writes what merged shards amount to; the same bytes as one run's.
pub(in crate::commands) fn write_merged(
    merged: &Checkpoint,
    out: &Path,
    overwrite: Overwrite,
    global: &Global,
) -> anyhow::Result<(PathBuf, Outcome)> {
    let identity = &merged.identity;
    let settings: Settings = identity.read("settings")?;
    let preprocessing: Preprocessing = identity.read("preprocessing")?;
    let channels = channels::listed(&settings.channels)?;
    let dataset = Arc::new(settings.source.reopen(identity)?);
    let results = Results {
        settings: &settings,
        identity,
        preprocessing: &preprocessing,
        dataset: &dataset,
        channels: &channels,
        out,
        limits: global.limits(),
        quiet: global.quiet,
    };
    let destination = results.destination(None);
    let _claims = destination.claim("merge")?;
    destination.check_replaceable(identity, overwrite)?;
    let best = merged.lists.first().context("the shards hold no lists")?;
    let written = results.write(job::kept(best, &settings.boxes)?, &merged.skipped)?;
    Ok((results.folder(), written))
}
