//! Whose pictures they are, and where the references of these units come from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use neuron_data::{Dataset, Lookup, Moved, Preprocessing};
use neuron_model::{Images, Network, NodeId, Tap};

use super::flags::Args;
use super::found::{File, Found, channel_in_name};
use super::record::Record;
use crate::classifier::Classifier;
use crate::exported;
use crate::global::Global;
use crate::layer_folder;
use crate::outcome::WrongUsage;
use crate::references::{Data, Kind, Reader, References, Search, Sought, Units, unreadable};
use crate::scan::SkippedImage;

/// A picture whose unit is known.
pub(super) struct Named<'a> {
    pub(super) file: &'a File,
    /// Among all files.
    pub(super) index: usize,
    /// Among all units.
    pub(super) unit: usize,
}

/// A unit that has pictures.
#[derive(Clone)]
pub(super) struct Unit {
    pub(super) tap: Tap,
    /// The layer as it was typed, or recorded.
    layer: String,
    pub(super) channel: usize,
    /// What messages call it.
    pub(super) called: String,
    /// What the records of its pictures name, if there are any.
    references: Option<RecordedReferences>,
}

/// Finds out whose each picture is. Those of which it is not known are skipped.
///
/// # Errors
/// If none is left; the first of which it is not known, with `--strict`.
pub(super) fn name<'a>(
    found: &'a Found,
    args: &Args,
    global: &Global,
    network: &Network,
    skipped: &mut Vec<SkippedImage>,
) -> anyhow::Result<(Vec<Named<'a>>, Vec<Unit>)> {
    let flag = args.layer.as_deref().map(|layer| network.tap(layer)).transpose()?;
    if let (Some(tap), Some(channel)) = (&flag, args.channel) {
        network.check_channels(tap, &[channel])?;
    }
    let mut units: BTreeMap<(NodeId, usize), Unit> = BTreeMap::new();
    let (mut whose, mut differ) = (Vec::new(), BTreeSet::new());
    for (index, file) in found.files.iter().enumerate() {
        match unit_of(file, args, flag.as_ref(), network) {
            Ok(unit) => {
                let key = (unit.tap.node, unit.channel);
                whose.push((file, index, key));
                let known = units.entry(key).or_insert_with(|| unit.clone());
                match (&mut known.references, unit.references) {
                    (Some(known), Some(more)) => {
                        if known.extend(&more) {
                            differ.insert(key);
                        }
                    }
                    (known @ None, more) => *known = more,
                    (Some(_), None) => {}
                }
                say_doubts(file, global, network);
            }
            Err(reason) => {
                let image = file.path.display().to_string();
                if global.strict {
                    bail!("{image}: {reason}");
                }
                global.say(0, || format!("skipped {image}: {reason}"));
                skipped.push(SkippedImage { index, image, reason });
            }
        }
    }
    if let (true, Some(SkippedImage { image, reason, .. })) = (whose.is_empty(), skipped.first()) {
        let message = format!("no picture is left to be measured; the first is {image}: {reason}");
        return Err(WrongUsage(message).into());
    }
    for unit in differ.iter().filter_map(|key| units.get(key)) {
        let (called, count) = (&unit.called, unit.references.as_ref().map_or(0, |known| known.names.len()));
        global.say(0, || {
            format!(
                "{called}: its pictures were made with different references: they are compared with all {count} of them"
            )
        });
    }
    let places: BTreeMap<_, _> = units.keys().enumerate().map(|(at, key)| (*key, at)).collect();
    let named =
        whose.into_iter().map(|(file, index, key)| Named { file, index, unit: places[&key] }).collect();
    let mut units: Vec<Unit> = units.into_values().collect();
    let classifier = Classifier::of(network).ok();
    for unit in &mut units {
        if let Some(classifier) = classifier.as_ref().filter(|known| known.tap().node == unit.tap.node) {
            unit.called = format!("{}:{}", unit.tap.name, classifier.class(unit.channel));
        }
    }
    Ok((named, units))
}

/// References that records name.
#[derive(Clone)]
struct RecordedReferences {
    /// Each once, in the order of the records.
    names: Vec<String>,
    /// Of the first record.
    kind: Kind,
}

impl RecordedReferences {
    /// Adds those of another record, and tells whether it has not the same ones.
    fn extend(&mut self, other: &Self) -> bool {
        if self.names == other.names {
            return false;
        }
        let known: BTreeSet<&String> = self.names.iter().collect();
        let new = other.names.iter().filter(|name| !known.contains(name));
        let new: Vec<String> = new.cloned().collect();
        self.names.extend(new);
        true
    }
}

/// The unit of a picture, or why it is not known.
fn unit_of(file: &File, args: &Args, flag: Option<&Tap>, network: &Network) -> Result<Unit, String> {
    let record = file.record.as_ref().map_err(Clone::clone)?.as_ref();
    let (tap, layer, channel) = match record {
        Some(Record { arch, .. }) if exported::name(arch) != network.name() => {
            return Err(format!("its record is of {arch}, not of {}: pass --arch {arch}", network.name()));
        }
        Some(record) => {
            let tap = network.tap(&record.layer).map_err(|error| format!("its record: {error}"))?;
            (tap, record.layer.clone(), record.channel)
        }
        None => {
            let Some(tap) = flag else {
                let reason = "it has no record of fvis that says its unit: pass --layer, and --channels or a file name \
                              with _unit<channel>";
                return Err(reason.to_owned());
            };
            let channel = channel_in_name(&file.path).or(args.channel).ok_or_else(|| {
                "neither its name (_unit<channel>) nor --channels says its channel".to_owned()
            })?;
            (tap.clone(), args.layer.clone().unwrap_or_default(), channel)
        }
    };
    network.check_channels(&tap, &[channel]).map_err(|error| error.to_string())?;
    let called = format!("{}:{channel}", tap.name);
    let references =
        record.map(|record| RecordedReferences { names: record.references.clone(), kind: record.kind() });
    Ok(Unit { tap, layer, channel, called, references })
}

/// Says why a picture with a record may not be what it seems.
fn say_doubts(file: &File, global: &Global, network: &Network) {
    let Ok(Some(record)) = &file.record else { return };
    let picture = file.path.display();
    if !record.finished {
        global.say(0, || format!("note: {picture} is not finished"));
    }
    if record.weights_sha256.as_deref().zip(network.weights().sha256()).is_some_and(|(a, b)| a != b) {
        global.say(0, || format!("note: {picture} was made with other weights"));
    }
}

/// Units of one layer whose references are those of lists.
pub(super) fn lists(units: &[Unit], args: &Args, network: &Network) -> Vec<Units> {
    let mut lists: Vec<Units> = Vec::new();
    for unit in units.iter().filter(|unit| args.topk_dir.is_some() || unit.references.is_none()) {
        match lists.iter_mut().find(|known| known.target.node == unit.tap.node) {
            Some(known) => known.channels.push(unit.channel),
            None => lists.push(Units {
                target: unit.tap.clone(),
                layer: unit.layer.clone(),
                channels: vec![unit.channel],
                topk_dir: args.topk_dir.clone().unwrap_or_else(|| usual_lists(unit, network)),
                classifier: None,
            }),
        }
    }
    lists
}

/// Where `select-images` writes the lists of a unit's layer.
fn usual_lists(unit: &Unit, network: &Network) -> PathBuf {
    let arch = network.name();
    let target = &network.usual_layers().target;
    if network.tap(target).is_ok_and(|usual| usual.node == unit.tap.node) {
        return Path::new(arch).join(layer_folder::of(target));
    }
    Path::new(arch).join(layer_folder::of(&unit.layer))
}

/// Where the references of a unit come from.
enum Source {
    /// The names in its picture's record.
    Recorded,
    /// The unit `at` of a search.
    Listed { search: usize, at: usize },
}

/// The units, and their references.
pub(super) struct EvaluatedUnits<'a> {
    pub(super) all: Vec<Unit>,
    sources: Vec<Source>,
    searches: Vec<Search<'a>>,
    global: &'a Global,
}

impl<'a> EvaluatedUnits<'a> {
    /// # Errors
    /// If a unit has no references, with ways to get some.
    pub(super) fn new(
        units: Vec<Unit>,
        lists: &'a [Units],
        args: &Args,
        global: &'a Global,
        (network, preprocessing, data): (&'a Network, &'a Preprocessing, &'a Data<'a>),
    ) -> anyhow::Result<Self> {
        let mut sources = Vec::new();
        for unit in &units {
            let listed = lists.iter().position(|lists| lists.target.node == unit.tap.node);
            let at = listed.and_then(|search| {
                let at = lists[search].channels.iter().position(|channel| *channel == unit.channel)?;
                Some((search, at))
            });
            match (at, &unit.references) {
                (Some((search, at)), _) => sources.push(Source::Listed { search, at }),
                (None, Some(recorded)) if recorded.kind == Kind::Patches => {
                    let message = format!(
                        "the references of {} are patches, which its record does not hold: name the folder of the lists \
                         with --topk-dir",
                        unit.called
                    );
                    return Err(WrongUsage(message).into());
                }
                (None, _) => sources.push(Source::Recorded),
            }
        }
        let search = |lists: &'a Units| {
            let is_of_patches = |unit: &Unit| {
                unit.tap.node == lists.target.node
                    && unit.references.as_ref().is_some_and(|recorded| recorded.kind == Kind::Patches)
            };
            let kind = if units.iter().any(is_of_patches) { Kind::Patches } else { Kind::Images };
            let wanted = args.num_real_img.get();
            Search::new(Sought {
                global,
                network,
                preprocessing,
                units: lists,
                data,
                kind: Some(kind),
                wanted,
            })
        };
        let searches = lists.iter().map(search).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { all: units, sources, searches, global })
    }

    /// How many references a unit should have, for a plan.
    pub(super) fn count(&self, unit: usize) -> anyhow::Result<usize> {
        match (&self.sources[unit], &self.all[unit].references) {
            (Source::Listed { search, at }, _) => self.searches[*search].count(*at),
            (Source::Recorded, recorded) => Ok(recorded.as_ref().map_or(0, |recorded| recorded.names.len())),
        }
    }

    /// Decodes the references of a unit.
    ///
    /// # Errors
    /// If none can be read.
    pub(super) fn load(&self, unit: usize, reader: &Reader<'_>) -> anyhow::Result<References> {
        if let Source::Listed { search, at } = self.sources[unit] {
            return self.searches[search].load(at, reader);
        }
        let Unit { called, references: Some(RecordedReferences { names, kind }), .. } = &self.all[unit]
        else {
            bail!("{} has no references", self.all[unit].called)
        };
        let data = self.global.data_if_any()?;
        let moved = data.and_then(|to| Some(Moved { from: moved_from(names, to)?, to: to.to_owned() }));
        let dataset = Arc::new(Dataset::look_up(names, &Lookup { moved, ..Lookup::below(data) }));
        let indices = (0..names.len()).collect();
        let references = reader.images(*kind, dataset, indices, |index| names[index].clone())?;
        if references.count() == 0 {
            return Err(unreadable(&format!("the records of {called}"), references.skipped()));
        }
        Ok(references)
    }
}

/// The folder that the images lay in when they were named, if they lie in `data` now: what of a name is not there.
fn moved_from(names: &[String], data: &Path) -> Option<PathBuf> {
    let gone = names.iter().map(Path::new).find(|name| !name.exists() && !data.join(name).exists())?;
    let is_there = |from: &&Path| {
        let rest = gone.strip_prefix(from);
        rest.is_ok_and(|rest| !rest.as_os_str().is_empty() && data.join(rest).is_file())
    };
    gone.ancestors().skip(1).find(is_there).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_images_lay_is_what_of_their_names_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("train/a")).unwrap();
        std::fs::write(folder.path().join("train/a/1.png"), "").unwrap();
        let from = |name: &str| moved_from(&[name.to_owned()], folder.path());
        assert_eq!(from("gone/photos/train/a/1.png"), Some("gone/photos".into()));
        assert_eq!(from("train/a/1.png"), None, "it is there as it is called");
        assert_eq!(from("gone/train/a/2.png"), None);
    }
}
