use std::io::Write;
use std::path::{Path, PathBuf};

use neuron_data::Dataset;
use neuron_files::Together;
use neuron_topk::{Entry, TopK};
use parquet::data_type::ByteArray;
use serde_json::json;

use super::{Layer, Settings, stale};
use crate::exported;
use crate::layer_folder;
use crate::outcome::Outcome;
use crate::output::{self, Files};
use crate::scan::{Checkpoint, Destination, Identity, Overwrite, SkippedImage, write_skipped};
use crate::shard::Shard;
use crate::table::{self, Column, RowGroup};

/// The file that is written last.
const MANIFEST: &str = "manifest.json";

/// Rows of a table that are built in memory at once.
const ROWS_TOGETHER: usize = 1 << 20;

const SCHEMA: &str = "message topk {
    required binary layer (UTF8);
    required int32 channel;
    required int32 rank;
    required binary image (UTF8);
    required int32 index;
    optional binary class (UTF8);
    required float score;
    required int32 y;
    required int32 x;
}";

/// Where the results of a scan go, and what names the images in them.
pub(super) struct Results<'a> {
    pub(super) settings: &'a Settings,
    pub(super) identity: &'a Identity,
    pub(super) dataset: &'a Dataset,
    pub(super) out: &'a Path,
}

/// The table of all lists of a layer.
const TABLE: &str = "topk.parquet";

/// The list of a channel, in the folder of its layer.
fn list_in(folder: &Path, channel: usize) -> PathBuf {
    folder.join(channel.to_string()).join("files_all.txt")
}

impl Results<'_> {
    /// `<out>/<arch>`, which holds one folder for each layer.
    pub(super) fn folder(&self) -> PathBuf {
        self.out.join(exported::name(&self.settings.arch))
    }

    fn layer_folder(&self, layer: &Layer) -> PathBuf {
        self.folder().join(layer_folder::of(&layer.typed))
    }

    pub(super) fn destination(&self, shard: Option<Shard>) -> Destination {
        let layers = self.settings.layers.iter().map(|layer| layer_folder::in_file_name(&layer.typed));
        let layers: Vec<String> = layers.collect();
        let part = shard.map_or_else(|| "checkpoint".to_owned(), Shard::file_part);
        // Beside the layers' folders, so that scans of other layers have a state of their own.
        let file = format!("select-images_{}.{part}", layers.join("+"));
        if shard.is_some() {
            return Destination::of_shard(self.folder(), file);
        }
        let folders = self.settings.layers.iter().map(|layer| self.layer_folder(layer));
        let unmarked = |folder: &PathBuf| !folder.join(MANIFEST).is_file() && stale::holds_lists(folder);
        Destination {
            folder: self.folder(),
            checkpoint: self.folder().join(file),
            manifests: self.manifest_paths(),
            promised: self.settings.layers.iter().flat_map(|layer| self.promised(layer)).collect(),
            occupied: folders.clone().find(unmarked),
            // Patches are made from the lists and go away with them.
            claims: folders.map(|folder| (folder, vec!["lists".to_owned()])).collect(),
        }
    }

    /// What a layer's folder holds beside its manifest.
    fn promised(&self, layer: &Layer) -> impl Iterator<Item = PathBuf> {
        let folder = self.layer_folder(layer);
        let list = |channel: &usize| list_in(&folder, *channel);
        let lists: Vec<PathBuf> = layer.channels.iter().map(list).collect();
        lists.into_iter().chain([folder.join(TABLE)])
    }

    /// The files that are written last.
    fn manifest_paths(&self) -> Vec<PathBuf> {
        let manifest = |layer| self.layer_folder(layer).join(MANIFEST);
        self.settings.layers.iter().map(manifest).collect()
    }

    /// Writes every layer's folder; the manifest, last, says that the rest is complete.
    pub(super) fn write(&self, lists: Vec<TopK>, skipped: &[SkippedImage]) -> anyhow::Result<()> {
        for manifest in self.manifest_paths() {
            output::remove(&manifest)?;
        }
        for (layer, list) in self.settings.layers.iter().zip(lists) {
            let folder = self.layer_folder(layer);
            stale::remove(&folder)?;
            let files = Together::new();
            let table = folder.join(TABLE);
            std::thread::scope(|scope| {
                let table =
                    scope.spawn(|| table::write(&files, &table, SCHEMA, self.row_groups(layer, &list)));
                self.write_lists(&files, &folder, layer, &list)?;
                table.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            write_skipped(&files, &folder.join("skipped.tsv"), skipped)?;
            output::settle(files, &folder)?;
            let manifest = json!({
                "scan": self.identity,
                "layer": layer.tap,
                "channels": layer.channels.len(),
                "kept_per_channel": self.settings.topk_images.min(self.dataset.len() - skipped.len()),
                "scanned": self.dataset.len() - skipped.len(),
                "skipped": skipped,
            });
            output::write_bytes(&folder.join(MANIFEST), format!("{manifest:#}\n").as_bytes())?;
        }
        Ok(())
    }

    /// A folder for each channel: one path a line, best first.
    fn write_lists(
        &self,
        files: &impl Files,
        folder: &Path,
        layer: &Layer,
        list: &TopK,
    ) -> anyhow::Result<()> {
        for (place, channel) in layer.channels.iter().enumerate() {
            files.write(&list_in(folder, *channel), |writer| {
                for entry in list.channel(place) {
                    writeln!(writer, "{}", self.dataset.entry(entry.index as usize))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The rows of a layer, some channels at a time.
    fn row_groups<'l>(&'l self, layer: &'l Layer, list: &'l TopK) -> impl Iterator<Item = RowGroup> + 'l {
        let per_channel = list.keep().min(self.dataset.len()).max(1);
        let together = (ROWS_TOGETHER / per_channel).max(1);
        let places: Vec<usize> = (0..layer.channels.len()).collect();
        let groups: Vec<Vec<usize>> = places.chunks(together).map(<[usize]>::to_vec).collect();
        groups.into_iter().map(move |places| {
            let ranked = places.into_iter().flat_map(|place| {
                let entries = list.channel(place).into_iter().enumerate();
                entries.map(move |(rank, entry)| (layer.channels[place], rank, entry))
            });
            self.row_group(layer, &ranked.collect::<Vec<_>>())
        })
    }

    fn row_group(&self, layer: &Layer, rows: &[(usize, usize, Entry)]) -> RowGroup {
        let ints = |of: &dyn Fn(&(usize, usize, Entry)) -> usize| {
            Column::Int(rows.iter().map(|row| of(row) as i32).collect())
        };
        let image = |row: &(usize, usize, Entry)| ByteArray::from(self.dataset.name(row.2.index as usize));
        let class = |row: &(usize, usize, Entry)| {
            self.dataset.class(row.2.index as usize).map(|class| ByteArray::from(class.name.as_str()))
        };
        let tap = ByteArray::from(layer.tap.as_str());
        vec![
            Column::Text(vec![tap; rows.len()]),
            ints(&|row| row.0),
            ints(&|row| row.1),
            Column::Text(rows.iter().map(image).collect()),
            ints(&|row| row.2.index as usize),
            Column::OptionalText(rows.iter().map(class).collect()),
            Column::Float(rows.iter().map(|row| row.2.score).collect()),
            Column::Int(rows.iter().map(|row| layer.place(row.2.payload).0).collect()),
            Column::Int(rows.iter().map(|row| layer.place(row.2.payload).1).collect()),
        ]
    }
}

/// Writes what merged shards amount to; the same bytes as one run's.
pub(in crate::commands) fn write_merged(
    merged: Checkpoint,
    out: &Path,
    overwrite: Overwrite,
) -> anyhow::Result<(PathBuf, Outcome)> {
    let settings: Settings = merged.identity.read("settings")?;
    neuron_data::keep_indices(&out.join(exported::name(&settings.arch)));
    let dataset = settings.source.reopen(&merged.identity)?;
    let results = Results { settings: &settings, identity: &merged.identity, dataset: &dataset, out };
    let destination = results.destination(None);
    let _claims = destination.claim("merge")?;
    destination.check_replaceable(&merged.identity, overwrite)?;
    results.write(merged.lists, &merged.skipped)?;
    Ok((results.folder(), Outcome::Done))
}
