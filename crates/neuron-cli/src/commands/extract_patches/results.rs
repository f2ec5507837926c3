use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use neuron_data::{Limits, Preprocessing};
use neuron_topk::TopK;
use serde_json::json;

use super::lists::Lists;
use super::{Settings, image_scores};
use crate::channels;
use crate::global::Global;
use crate::origin::Origin;
use crate::outcome::Outcome;
use crate::patches::{Kept, MANIFEST, Publisher, Unit, promised};
use crate::scan::{Checkpoint, Destination, Identity, Overwrite, SkippedImage};
use crate::shard::Shard;

/// Where the results of a scan go, and what names the images in them.
pub(super) struct Results<'a> {
    pub(super) settings: &'a Settings,
    pub(super) identity: &'a Identity,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) lists: &'a Lists,
    /// Holds a folder for each channel.
    pub(super) folder: &'a Path,
    pub(super) limits: Limits,
    pub(super) quiet: bool,
}

/// What the lists of the patches' images are called.
const LIST_NAMES: &[&str] = &["topk_files.txt"];

impl Results<'_> {
    pub(super) fn destination(&self, shard: Option<Shard>) -> Destination {
        let part = shard.map_or_else(|| "checkpoint".to_owned(), Shard::file_part);
        let channels = channels::in_file_name(&self.settings.channels);
        // One for each set of channels, so that runs for others can go on beside this one.
        let file = format!("extract-patches_{channels}.{part}");
        if shard.is_some() {
            return Destination::of_shard(self.folder.to_owned(), file);
        }
        let units = 0..self.lists.units();
        let names = units.clone().map(|unit| format!("lists/{}", self.lists.channel(unit))).collect();
        Destination {
            folder: self.folder.to_owned(),
            checkpoint: self.folder.join(file),
            manifests: units.clone().map(|unit| self.unit_folder(unit).join(MANIFEST)).collect(),
            promised: units.flat_map(|unit| promised(&self.unit_folder(unit), LIST_NAMES)).collect(),
            occupied: None,
            claims: vec![(self.folder.to_owned(), names)],
        }
    }

    fn unit_folder(&self, unit: usize) -> PathBuf {
        self.folder.join(self.lists.channel(unit).to_string())
    }

    /// Writes the folder of every unit.
    pub(super) fn write(&self, best: &TopK, skipped: &[SkippedImage]) -> anyhow::Result<Outcome> {
        ensure!(best.channels() == self.lists.units(), "the checkpoint holds a different number of channels");
        let units = (0..self.lists.units()).map(|unit| self.unit(unit, best, skipped));
        let mut units = units.collect::<anyhow::Result<Vec<_>>>()?;
        let dataset = self.lists.dataset();
        image_scores::fill(&mut units, best, &self.settings.save_dir, dataset)?;
        let publisher = Publisher {
            dataset,
            preprocessing: self.preprocessing,
            drawing: &self.settings.drawing,
            identity: self.identity,
            list_names: LIST_NAMES,
            limits: self.limits,
            quiet: self.quiet,
        };
        publisher.publish(&units)
    }

    fn unit<'s>(&self, unit: usize, best: &TopK, skipped: &'s [SkippedImage]) -> anyhow::Result<Unit<'s>> {
        let kept = best.channel(unit).into_iter().map(|entry| {
            let image = self.lists.image(unit, entry.index as usize);
            Ok(Kept {
                image: image.context("the checkpoint ranks more images than the list has")?,
                window: self.settings.boxes.at(entry.payload)?,
                score: entry.score,
                image_score: None,
            })
        });
        Ok(Unit {
            channel: self.lists.channel(unit),
            folder: self.unit_folder(unit),
            kept: kept.collect::<anyhow::Result<_>>()?,
            skipped: skipped.iter().filter(|skipped| self.lists.lists_image(unit, skipped.index)).collect(),
        })
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
    let origin = Origin::of(&settings.save_dir)?;
    let lookup = Origin::lookup(&[origin.as_ref()], settings.data.as_deref());
    let lists = Lists::read(&settings.save_dir, &channels, &lookup)?;
    let same = |key: &str, now: String| identity.get(key) == Some(&json!(now));
    ensure!(
        same("dataset_fingerprint", lists.dataset().fingerprint()) && same("lists_sha256", lists.sha256()),
        "the lists in {} or their images are not those that were scanned",
        settings.save_dir.display()
    );
    let results = Results {
        settings: &settings,
        identity,
        preprocessing: &preprocessing,
        lists: &lists,
        folder: out,
        limits: global.limits(),
        quiet: global.quiet,
    };
    let destination = results.destination(None);
    let _claims = destination.claim("merge")?;
    destination.check_replaceable(identity, overwrite)?;
    let best = merged.lists.first().context("the shards hold no lists")?;
    Ok((out.to_owned(), results.write(best, &merged.skipped)?))
}
