//! Where lists come from: what the manifest beside them says.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_data::{Lookup, Moved, Preprocessing};
use neuron_model::{Network, Tap};
use serde_json::{Value, json};

use crate::exported;
use crate::global::Global;
use crate::input;
use crate::outcome::WrongUsage;
use crate::place::Place;
use crate::rows::Selection;
use crate::scan::Source;

const MANIFEST: &str = "manifest.json";
/// What `select-images` writes beside its lists.
const TABLE: &str = "topk.parquet";
/// Letters of a hash that are shown.
const HASH_SHOWN: usize = 12;

/// So many images are listed once more to see whether they are still those that were scanned: more would take long where
/// files are far away.
const MOST_LISTED_AGAIN: u64 = 50_000;

/// The images that a scan went through.
#[derive(Debug)]
struct Images {
    source: Source,
    count: u64,
    fingerprint: String,
}

impl Images {
    /// What a manifest says of them.
    fn of(manifest: &Value) -> Option<Self> {
        Some(Self {
            source: Source::from_json(manifest.pointer("/scan/settings")?)?,
            count: manifest.pointer("/scan/images")?.as_u64()?,
            fingerprint: manifest.pointer("/scan/dataset_fingerprint")?.as_str()?.to_owned(),
        })
    }

    /// Whether all of a source have the same names and sizes; `None` if it cannot be listed.
    fn are_those_of(&self, source: &Source) -> Option<bool> {
        source.open().ok().map(|images| images.fingerprint() == self.fingerprint)
    }
}

/// What a manifest says of the run that made the lists beside it.
#[derive(Debug)]
pub(crate) struct Origin {
    folder: PathBuf,
    command: String,
    arch: Option<String>,
    layer: Option<String>,
    weights_sha256: Option<String>,
    preprocessing: Option<Value>,
    data: Option<Place>,
    /// Which images of the data it went through.
    images: Option<Images>,
}

impl Origin {
    /// Reads the manifest in a folder, or without one what the table there says; `None` without both, or where the
    /// manifest is another program's.
    ///
    /// # Errors
    /// If one is there and cannot be read.
    pub(crate) fn of(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            check_finished(folder)?;
            return Self::of_table(folder);
        }
        let bytes = input::read(&path, input::JSON_BYTES)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let Ok(manifest) = serde_json::from_slice::<Value>(&bytes) else {
            bail!(
                "{} is damaged: make the lists again, or remove it if another program made them",
                path.display()
            );
        };
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let Some(command) = text("/scan/command") else { return Ok(None) };
        Ok(Some(Self {
            folder: folder.to_owned(),
            command,
            arch: text("/scan/settings/arch"),
            // A scan of several layers has a manifest for each, which names its own.
            layer: text("/layer").or_else(|| text("/scan/settings/layer")),
            weights_sha256: text("/scan/weights_sha256"),
            preprocessing: manifest.pointer("/scan/preprocessing").cloned(),
            data: manifest.pointer("/scan/settings/data").and_then(Place::from_json),
            images: Images::of(&manifest),
        }))
    }

    /// A scan that was killed, or a folder that was copied in part, may have a table only: it names the layer.
    fn of_table(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = folder.join(TABLE);
        if !path.is_file() {
            return Ok(None);
        }
        let layer = layer_of(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let (arch, weights_sha256, data) = (None, None, None);
        let command = "select-images".to_owned();
        Ok(layer.map(|layer| Self {
            folder: folder.to_owned(),
            command,
            arch,
            layer: Some(layer),
            weights_sha256,
            preprocessing: None,
            data,
            images: None,
        }))
    }

    /// Where the images of lists are: as listed, below `data`, or there in place of the folder that the scan went
    /// through.
    pub(crate) fn lookup(origins: &[Option<&Self>], data: Option<&Path>) -> Lookup {
        let from = origins.iter().find_map(|origin| origin.as_ref()?.data.as_ref());
        let moved = |(from, to): (&Place, &Path)| Moved { from: from.to_path_buf(), to: to.to_owned() };
        Lookup { moved: from.zip(data).map(moved), ..Lookup::below(data) }
    }

    /// Says where the images are taken from, if that is not what `data` or the lists say, or that they are no longer those
    /// that were scanned.
    pub(crate) fn say_moved(&self, data: Option<&Path>, global: &Global) {
        let moved = self.data.as_ref().zip(data).filter(|(from, to)| !from.is_same(&Place::new(to)));
        let Some((from, to)) = moved else { return self.say_changed(global) };
        let (old, new) = (from.display(), to.display());
        if neuron_data::is_address(from) {
            global
                .say(0, || format!("reading images from {new}, and not from {old}, the place in the lists"));
        } else if neuron_data::is_there(from) {
            // A folder above the one that was scanned changes nothing, and is no mistake.
            if !lies_below(from, to) {
                global.say(0, || format!("reading images from {old}, the folder in the lists, which still exists, and not from {new}"));
            }
        } else if neuron_data::is_there(to) {
            let same =
                self.images.as_ref().and_then(|images| images.are_those_of(&images.source.moved_to(to)));
            let doubt = match same {
                Some(true) => "",
                _ => "; not all images have the same names and sizes: do the lists belong to them?",
            };
            global.say(0, || {
                format!("reading images from {new}: {old}, the folder in the lists, no longer exists{doubt}")
            });
        }
    }

    /// Says that images have come, gone or become others since the scan.
    fn say_changed(&self, global: &Global) {
        let Some((place, images)) = self.data.as_ref().zip(self.images.as_ref()) else { return };
        let is_near = images.count <= MOST_LISTED_AGAIN && place.is_dir();
        if is_near && images.are_those_of(&images.source) == Some(false) {
            let (place, command) = (place.display(), &self.command);
            global.say(0, || {
                format!(
                    "note: the images in {place} are not all those that were scanned, by their names and sizes: the lists and \
                     their scores are of the former ones, unless {command} is run again"
                )
            });
        }
    }

    /// Checks that the lists are of this layer of this network. Other weights are only a note, as the same tensors can
    /// lie in two files, and so is another preprocessing, which may be meant.
    ///
    /// # Errors
    /// [`WrongUsage`] that names both layers or architectures.
    pub(crate) fn check(
        &self,
        network: &Network,
        tap: &Tap,
        preprocessing: &Preprocessing,
    ) -> anyhow::Result<Vec<String>> {
        let (lists, command, now) = (self.folder.display(), &self.command, network.name());
        if let Some(arch) = self.arch.as_deref().filter(|arch| exported::name(arch) != now) {
            let message = format!(
                "the lists in {lists} are those of {arch}, not of {now}: pass --arch {arch}, or name a folder with lists \
                 that {command} made for {now}"
            );
            return Err(WrongUsage(message).into());
        }
        let tap_name = &tap.name;
        if let Some(layer) = self.layer.as_deref().filter(|layer| !is_value_of(network, layer, tap)) {
            let message = format!(
                "the lists in {lists} are those of {layer}, not of {tap_name}: name that layer, or a folder with lists \
                 that {command} made for {tap_name}"
            );
            return Err(WrongUsage(message).into());
        }
        let hashes = self.weights_sha256.as_deref().zip(network.weights().sha256());
        let weights = hashes.filter(|(listed, now)| listed != now).map(|(listed, now)| {
            let short = |hash: &str| hash.chars().take(HASH_SHOWN).collect::<String>();
            let (listed, now) = (short(listed), short(now));
            format!(
                "note: the lists in {lists} were made with another weights file (SHA-256 {listed}... instead of {now}...); \
                 unless both hold the same tensors, run {command} again"
            )
        });
        let differences = self.preprocessing.as_ref().map(|listed| differences(listed, preprocessing));
        let preprocessed = differences.filter(|listed| !listed.is_empty()).map(|listed| {
            format!(
                "note: the lists in {lists} were made with another preprocessing ({}); pass the flags that say it (--resize, \
                 --crop, ...), or run {command} again",
                listed.join(", ")
            )
        });
        Ok(weights.into_iter().chain(preprocessed).collect())
    }
}

/// What of a recorded preprocessing is another now.
fn differences(listed: &Value, now: &Preprocessing) -> Vec<String> {
    let now = json!(now);
    let now = now.as_object().into_iter().flatten();
    let differing = now
        .filter_map(|(key, now)| Some((key, listed.get(key)?, now)).filter(|(_, listed, now)| listed != now));
    differing.map(|(key, listed, now)| format!("{key}: {listed} -> {now}")).collect()
}

/// Whether a place lies below a folder, by the file system.
fn lies_below(place: &Path, folder: &Path) -> bool {
    match (std::fs::canonicalize(place), std::fs::canonicalize(folder)) {
        (Ok(place), Ok(folder)) => place.starts_with(folder),
        _ => false,
    }
}

/// Refuses lists without a manifest beside which the state of a scan for them lies: it was killed while it wrote them.
fn check_finished(folder: &Path) -> anyhow::Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(layer) = name.strip_prefix("neuron_") else { return Ok(()) };
    let beside = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(beside).into_iter().flatten().flatten() {
        let file = entry.file_name();
        let layers =
            file.to_str().and_then(|file| file.strip_prefix("select-images_")?.strip_suffix(".checkpoint"));
        if layers.is_some_and(|layers| layers.split('+').any(|scanned| scanned == layer)) {
            bail!(
                "the lists in {} are not complete: {} is the state of an unfinished scan; run that command again with \
                 --resume",
                folder.display(),
                entry.path().display()
            );
        }
    }
    Ok(())
}

/// The layer in the first row of a table of images.
fn layer_of(table: &Path) -> anyhow::Result<Option<String>> {
    let mut layer = None;
    Selection { at_most: 1, ..Selection::of(&["layer"]) }.read(table, |row| {
        layer = Some(row.text(0)?.to_owned());
        Ok(())
    })?;
    Ok(layer)
}

/// Whether `layer` is the same value as `tap`: `layer4` of a ResNet is what its last block returns.
fn is_value_of(network: &Network, layer: &str, tap: &Tap) -> bool {
    network.tap(layer).is_ok_and(|named| named.node == tap.node)
}
