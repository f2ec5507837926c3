//! What is known so far, while files are read.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::files;
use crate::error::AtlasError;
use crate::maker::Maker;
use crate::run::{RunId, Runs};
use crate::unit::{Unit, UnitId};

/// What has been read so far.
pub(super) struct Reading<'a> {
    pub(super) units: BTreeMap<UnitId, Unit>,
    pub(super) runs: Runs,
    /// The table that lists the images of a layer.
    pub(super) tables: HashMap<(String, String), PathBuf>,
    maker: &'a dyn Maker,
    /// Names that the maker has given, which may have built a network to do so.
    given_names: HashMap<(String, String), String>,
    /// What was wrong with files that were left out.
    pub(super) refused: Vec<AtlasError>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(maker: &'a dyn Maker) -> Self {
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
    pub(super) fn each<'p>(
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
    pub(super) fn layer(&mut self, arch: &str, layer: &str) -> String {
        let asked = (arch.to_owned(), layer.to_owned());
        self.given_names.entry(asked).or_insert_with(|| self.maker.layer_name(arch, layer)).clone()
    }

    /// What is known of a unit, to add to.
    pub(super) fn unit(&mut self, place: &Place) -> &mut Unit {
        let id = self.id(place);
        self.units.entry(id).or_default()
    }

    /// What is known of a unit, if anything is.
    pub(super) fn known_unit(&mut self, place: &Place) -> Option<&mut Unit> {
        let id = self.id(place);
        self.units.get_mut(&id)
    }

    fn id(&mut self, place: &Place) -> UnitId {
        let layer = self.layer(&place.arch, &place.layer);
        UnitId { arch: place.arch.clone(), layer, channel: place.channel }
    }

    /// A run that left its results in `folder`.
    pub(super) fn add_run(&mut self, scan: Value, folder: &Path) -> RunId {
        let maker = self.maker;
        self.runs.add(scan, |scan| maker.command_line(scan, folder))
    }

    /// The run whose manifest lies in `folder`; `None` without one.
    pub(super) fn run(&mut self, folder: &Path) -> Result<Option<RunId>, AtlasError> {
        let path = folder.join("manifest.json");
        if !path.is_file() {
            return Ok(None);
        }
        let mut manifest: Value = files::json(&path)?;
        let scan = manifest.get_mut("scan").map_or(Value::Null, Value::take);
        Ok(Some(self.add_run(scan, folder)))
    }

    /// Text of a run's manifest.
    pub(super) fn run_text(&self, run: Option<RunId>, pointer: &str) -> Option<String> {
        run.and_then(|run| self.runs.get(run).text(pointer)).map(str::to_owned)
    }
}

/// A unit as files name it.
pub(super) struct Place {
    pub(super) arch: String,
    pub(super) layer: String,
    pub(super) channel: usize,
}

impl Place {
    /// What the names of folders say: `<arch>/neuron_<layer>/<channel>`, and perhaps more below.
    pub(super) fn of_folder(folder: &Path) -> Option<Self> {
        let names: Vec<&str> = folder.iter().map(|name| name.to_str().unwrap_or_default()).collect();
        let at = names.iter().rposition(|name| name.starts_with("neuron_"))?;
        let channel = names.get(at + 1)?.parse().ok()?;
        let arch = at.checked_sub(1).map_or("network", |above| names[above]);
        let layer = names[at].strip_prefix("neuron_")?;
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
        assert_eq!(Place::of_folder(Path::new("net/neuron_neuron_a/3")).unwrap().layer, "neuron_a");
        assert!(Place::of_folder(Path::new("runs/resnet50/54")).is_none());
        assert!(Place::of_folder(Path::new("resnet50/neuron_layer4/beetles")).is_none());
    }
}
