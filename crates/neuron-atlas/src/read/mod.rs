//! From the files of an output tree to what is known of each unit.

mod files;
mod find;
mod heat_maps;
mod lists;
mod patches;
mod table;
mod visualisations;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::AtlasError;
use crate::maker::Maker;
use crate::run::{RunId, Runs};
use crate::skipped::Skipped;
use crate::unit::{Unit, UnitId};

/// Images of a list that are kept; what is further down is only counted.
pub(crate) const LISTED: usize = 100;

/// Everything that the files below a folder say about units.
#[derive(Debug)]
pub struct Atlas {
    /// In the order of their names.
    pub(crate) units: Vec<(UnitId, Unit)>,
    pub(crate) runs: Runs,
    /// Files of results that could not be used, in the order in which they were met.
    pub(crate) skipped: Vec<Skipped>,
}

impl Atlas {
    /// Reads what the commands wrote below `folder`, wherever it lies; `docs/formats.md` describes the files.
    ///
    /// A file that is damaged or was never one of these is left out and [noted](Atlas::skipped): whatever is wrong with
    /// one of many results, the others can be shown. No file takes memory by a number that it merely claims.
    ///
    /// # Errors
    /// [`AtlasError::NoResults`], [`AtlasError::ListedTwice`], and where nothing can be used at all, what is wrong with
    /// the first file.
    pub fn read(folder: &Path, maker: &dyn Maker) -> Result<Self, AtlasError> {
        let found = find::find(folder)?;
        let mut reading = Reading::new(maker);
        reading.refused = found.refused;
        reading.each(&found.lists, lists::read_table)?;
        reading.each(&found.plain_lists, lists::read_plain)?;
        reading.each(&found.patches, patches::read)?;
        reading.each(&found.records, visualisations::read)?;
        reading.each(&found.heat_maps, heat_maps::read)?;
        let Reading { units, runs, refused, .. } = reading;
        let skipped = refused
            .iter()
            .filter_map(|error| Some(Skipped { path: error.file()?.to_owned(), reason: error.chain() }));
        let skipped: Vec<Skipped> = skipped.collect();
        if units.is_empty() {
            let nothing = AtlasError::NoResults { folder: folder.to_owned() };
            return Err(refused.into_iter().next().unwrap_or(nothing));
        }
        Ok(Self { units: units.into_iter().collect(), runs, skipped })
    }

    /// Files of results that could not be used, and why.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Number of units that something is known of.
    pub fn units(&self) -> usize {
        self.units.len()
    }
}

/// What has been read so far.
struct Reading<'a> {
    units: BTreeMap<UnitId, Unit>,
    runs: Runs,
    /// The table that lists the images of a layer.
    tables: HashMap<(String, String), PathBuf>,
    maker: &'a dyn Maker,
    /// Names that the maker has given, which may have built a network to do so.
    given_names: HashMap<(String, String), String>,
    /// What was wrong with files that were left out.
    refused: Vec<AtlasError>,
}

impl<'a> Reading<'a> {
    fn new(maker: &'a dyn Maker) -> Self {
        Self {
            units: BTreeMap::new(),
            runs: Runs::default(),
            tables: HashMap::new(),
            maker,
            given_names: HashMap::new(),
            refused: Vec::new(),
        }
    }

    /// Reads files of one kind; one that cannot be used is left out.
    fn each<'p>(
        &mut self,
        paths: impl IntoIterator<Item = &'p PathBuf>,
        read: impl Fn(&mut Self, &Path) -> Result<(), AtlasError>,
    ) -> Result<(), AtlasError> {
        for path in paths {
            match read(self, path) {
                Err(error) if error.file().is_some() => self.refused.push(error),
                read => read?,
            }
        }
        Ok(())
    }

    /// The layer's name for all that is the same value.
    fn layer(&mut self, arch: &str, layer: &str) -> String {
        let asked = (arch.to_owned(), layer.to_owned());
        self.given_names.entry(asked).or_insert_with(|| self.maker.layer_name(arch, layer)).clone()
    }

    /// What is known of a unit, to add to.
    fn unit(&mut self, place: &Place) -> &mut Unit {
        let layer = self.layer(&place.arch, &place.layer);
        let id = UnitId { arch: place.arch.clone(), layer, channel: place.channel };
        self.units.entry(id).or_default()
    }

    /// A run that left its results in `folder`.
    fn add_run(&mut self, scan: Value, folder: &Path) -> RunId {
        let maker = self.maker;
        self.runs.add(scan, |scan| maker.command_line(scan, folder))
    }

    /// The run whose manifest lies in `folder`; `None` without one.
    fn run(&mut self, folder: &Path) -> Result<Option<RunId>, AtlasError> {
        let path = folder.join("manifest.json");
        if !path.is_file() {
            return Ok(None);
        }
        let mut manifest: Value = files::json(&path)?;
        let scan = manifest.get_mut("scan").map_or(Value::Null, Value::take);
        Ok(Some(self.add_run(scan, folder)))
    }

    /// Text of a run's manifest.
    fn run_text(&self, run: Option<RunId>, pointer: &str) -> Option<String> {
        run.and_then(|run| self.runs.get(run).text(pointer)).map(str::to_owned)
    }
}

/// A unit as files name it.
struct Place {
    arch: String,
    layer: String,
    channel: usize,
}

impl Place {
    /// What the names of folders say: `<arch>/neuron_<layer>/<channel>`, and perhaps more below.
    fn of_folder(folder: &Path) -> Option<Self> {
        let names: Vec<&str> = folder.iter().map(|name| name.to_str().unwrap_or_default()).collect();
        let at = names.iter().rposition(|name| name.starts_with("neuron_"))?;
        let channel = names.get(at + 1)?.parse().ok()?;
        let arch = at.checked_sub(1).map_or("network", |above| names[above]);
        let layer = names[at].trim_start_matches("neuron_");
        Some(Self { arch: arch.to_owned(), layer: layer.to_owned(), channel })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_units() {
        let place = Place::of_folder(Path::new("runs/resnet50/neuron_layer4_2/54/top50")).unwrap();
        assert_eq!((&*place.arch, &*place.layer, place.channel), ("resnet50", "layer4_2", 54));
        assert!(Place::of_folder(Path::new("runs/resnet50/54")).is_none());
        assert!(Place::of_folder(Path::new("resnet50/neuron_layer4/beetles")).is_none());
    }
}
