//! The lists of a layer, as `select-images` wrote them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use neuron_data::Preprocessing;
use serde::Deserialize;

use crate::exported;
use crate::input;
use crate::place::Place;
use crate::rows::Selection;

const TABLE: &str = "topk.parquet";
const MANIFEST: &str = "manifest.json";
/// Columns of the table that are read; its rows are ordered by channel and rank.
const COLUMNS: [&str; 8] = ["channel", "rank", "image", "index", "class", "score", "y", "x"];
/// Levels of folders below the one that is named: `<out>/<arch>/neuron_<layer>`.
const LEVELS: usize = 2;
/// The share of a data set's images that excite a unit more than its threshold.
const PART_ABOVE: usize = 100;

/// A layer and the lists of its units.
pub(super) struct Layer {
    /// Holds the table and a folder for each unit.
    pub(super) folder: PathBuf,
    pub(super) arch: String,
    pub(super) name: String,
    /// Where the images lay, as it was typed.
    pub(super) data: Option<Place>,
    pub(super) preprocessing: Preprocessing,
    /// Columns of the layer's maps.
    pub(super) map_width: usize,
    /// By channel, ascending.
    pub(super) units: Vec<Unit>,
}

/// A unit and its list.
pub(super) struct Unit {
    pub(super) channel: usize,
    /// Best first, no more than asked for.
    pub(super) best: Vec<Listed>,
    /// Score of the image that a hundredth of all images excel, or of the last in the list.
    pub(super) threshold: f32,
}

/// An image of a list.
pub(super) struct Listed {
    /// Path below the data folder.
    pub(super) image: String,
    /// In the order of the data set.
    pub(super) index: usize,
    pub(super) class: Option<String>,
    pub(super) score: f32,
    /// Row and column of the maximum in the map; none for a class token, which has no place.
    pub(super) place: Option<(usize, usize)>,
}

/// What is read of a manifest.
#[derive(Deserialize)]
struct Manifest {
    layer: String,
    scanned: usize,
    scan: Scan,
}

#[derive(Deserialize)]
struct Scan {
    preprocessing: Preprocessing,
    settings: Settings,
}

#[derive(Deserialize)]
struct Settings {
    arch: String,
    data: Option<Place>,
    layers: Vec<Scanned>,
}

#[derive(Deserialize)]
struct Scanned {
    tap: String,
    map_width: usize,
}

/// The layers with lists in a folder or below it, by path; of each list the first `most` images.
///
/// # Errors
/// If there are none, if a scan is not finished, or if they are of several architectures.
pub(super) fn find(folder: &Path, most: usize) -> anyhow::Result<Vec<Layer>> {
    let mut found = Vec::new();
    with_lists(folder, LEVELS, &mut found).with_context(|| format!("cannot read {}", folder.display()))?;
    if found.is_empty() {
        bail!(
            "{} holds no lists of images: run `neuron select-images` first, or name another folder",
            folder.display()
        );
    }
    let layers = found.iter().map(|folder| Layer::read(folder, most)).collect::<anyhow::Result<Vec<_>>>()?;
    let archs: BTreeSet<&str> = layers.iter().map(|layer| &*layer.arch).collect();
    if archs.len() > 1 {
        let archs: Vec<&str> = archs.into_iter().collect();
        bail!("{} holds lists of {}: name the folder of one of them", folder.display(), archs.join(", "));
    }
    Ok(layers)
}

fn with_lists(folder: &Path, levels: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if folder.join(TABLE).is_file() {
        found.push(folder.to_owned());
    } else if levels > 0 {
        let below = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        let mut below = below.collect::<std::io::Result<Vec<_>>>()?;
        below.retain(|path| path.is_dir());
        below.sort_unstable();
        below.iter().try_for_each(|folder| with_lists(folder, levels - 1, found))?;
    }
    Ok(())
}

impl Layer {
    fn read(folder: &Path, most: usize) -> anyhow::Result<Self> {
        let path = folder.join(MANIFEST);
        if !path.is_file() {
            bail!(
                "the lists in {} are not finished: run the same `neuron select-images` with --resume",
                folder.display()
            );
        }
        let unreadable = || format!("cannot read {}", path.display());
        let manifest = input::read(&path, input::JSON_BYTES).with_context(unreadable)?;
        let Manifest { layer, scanned, scan } = serde_json::from_slice(&manifest).with_context(unreadable)?;
        let Scan { preprocessing, settings } = scan;
        let width = settings.layers.iter().find(|scanned| scanned.tap == layer);
        let width = width.with_context(|| format!("{} does not describe {layer}", path.display()))?;
        let mut read = Self {
            folder: folder.to_owned(),
            arch: exported::name(&settings.arch),
            name: layer,
            data: settings.data,
            preprocessing,
            map_width: width.map_width,
            units: Vec::new(),
        };
        let table = folder.join(TABLE);
        let above = scanned / PART_ABOVE;
        read.read_lists(&table, above, most).with_context(|| format!("cannot read {}", table.display()))?;
        if read.units.is_empty() {
            bail!("{} lists no images", table.display());
        }
        Ok(read)
    }

    fn read_lists(&mut self, table: &Path, above: usize, most: usize) -> anyhow::Result<()> {
        Selection::of(&COLUMNS).read(table, |row| {
            let number = |column: usize| -> anyhow::Result<usize> { Ok(usize::try_from(row.int(column)?)?) };
            let (channel, rank, score) = (number(0)?, number(1)?, row.float(5)?);
            if self.units.last().is_none_or(|unit| unit.channel != channel) {
                self.units.push(Unit { channel, best: Vec::new(), threshold: score });
            }
            let Some(unit) = self.units.last_mut() else { return Ok(()) };
            if rank <= above {
                unit.threshold = score;
            }
            if unit.best.len() < most {
                let (image, class) = (row.text(2)?.to_owned(), row.optional_text(4)?.map(str::to_owned));
                let place = number(6).and_then(|y| Ok((y, number(7)?))).ok();
                unit.best.push(Listed { image, index: number(3)?, class, score, place });
            }
            Ok(())
        })
    }

    /// The length of the shortest list: formats with one shape for all units have no more.
    pub(super) fn shortest(&self) -> usize {
        self.units.iter().map(|unit| unit.best.len()).min().unwrap_or(0)
    }
}
