//! Tells what `neuron` wrote from what people want to be scanned, by what lies beside it.
//!
//! Only names that a folder was found to hold decide whether a file is opened: photos never are. Contents are
//! checked, for a stranger's `manifest.json` must not hide photos. `docs/formats.md` lists the files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The most of a JSON file that is read.
const MAX_JSON_BYTES: u64 = 64 << 20;
/// The most of a checkpoint's or a table's head that is read.
const HEAD_BYTES: u64 = 1024;

/// Lists of `select-images`, `extract-patches` and `baseline`: beside one of them `patches.png` is a result.
const LISTS: [&str; 3] = ["files_all.txt", "topk_files.txt", "files.txt"];
const GRID: &str = "patches.png";
const HEAT_MAP: &str = "heatmap.png";
/// What heat maps of layers begin with, beside that of the pixels.
const HEAT_MAP_OF_LAYER: &str = "heatmap_";
/// The folder of patches beside their grid.
const PATCHES: &str = "patches";
/// What the folders of a scan's results begin with.
const LAYER: &str = "neuron_";
const RELEVANCE: &str = "relevance.safetensors";

/// Whether a file was written by `neuron`.
type IsOurs = fn(&Path) -> bool;

/// Files that make a folder a result as a whole.
const WHOLE: [(&str, IsOurs); 5] = [
    ("neuron-demo.json", json::<Drawn>),
    ("manifest.json", json::<Manifest>),
    ("atlas.json", json::<Atlas>),
    ("topk.parquet", |path| table(path, &["rank", "score", "index"])),
    ("patches.parquet", |path| table(path, &["rank", "source_x"])),
];

/// Whether all of a folder is a result: as [`Marks::whole_folder`], without a list of its files.
pub(super) fn is_whole_folder(folder: &Path) -> bool {
    WHOLE.iter().any(|(name, is_ours)| is_ours(&folder.join(name)))
}

/// Whether a folder of this name may be part of results that lie beside it, see [`Written::holds_folder`].
pub(super) fn may_be_part(name: &str) -> bool {
    name == PATCHES || name.starts_with(LAYER)
}

/// The files of a folder by which results are known, by name.
#[derive(Default)]
pub(super) struct Marks(BTreeSet<String>);

/// What of a folder that is no result itself was written by `neuron`.
#[derive(Default)]
pub(super) struct Written {
    /// Names of pictures.
    pub(super) pictures: BTreeSet<String>,
    /// An unfinished scan keeps its state here: it writes into folders beside it.
    scan: bool,
}

impl Marks {
    /// Remembers a file that is no image, if it can tell anything.
    pub(super) fn note(&mut self, name: &str) {
        let telling = [".json", ".parquet", ".checkpoint", "_loss.svg"];
        let tells = telling.iter().any(|ending| name.ends_with(ending))
            || name == RELEVANCE
            || LISTS.contains(&name)
            || name.contains(".shard-");
        if tells {
            self.0.insert(name.to_owned());
        }
    }

    /// Whether all of a folder, and what is below it, is a result.
    pub(super) fn whole_folder(&self, folder: &Path) -> bool {
        WHOLE.iter().any(|(name, is_ours)| self.0.contains(*name) && is_ours(&folder.join(name)))
    }

    /// The pictures of a folder that were written by `neuron`; `images` are all, `has` knows whether one is there.
    pub(super) fn written<'n>(
        &self,
        folder: &Path,
        images: impl Iterator<Item = &'n str> + Clone,
        has: impl Fn(&str) -> bool,
    ) -> Written {
        let mut written = Written::default();
        if self.0.is_empty() {
            return written;
        }
        if has(GRID) && LISTS.iter().any(|list| self.0.contains(*list)) {
            written.pictures.insert(GRID.to_owned());
        }
        if has(HEAT_MAP) && self.0.contains(RELEVANCE) {
            written.pictures.insert(HEAT_MAP.to_owned());
            let of_layer = |name: &&str| name.starts_with(HEAT_MAP_OF_LAYER) && name.ends_with(".png");
            written.pictures.extend(images.clone().filter(of_layer).map(str::to_owned));
        }
        let steps = images.clone().filter_map(stem_of_step);
        let steps: BTreeSet<&str> = steps.flat_map(|stem| [stem, without_copy(stem)]).collect();
        let drawn = |stem: &str| {
            // One of the last files, or pictures after some steps: a run is known before it ends.
            has(&format!("{stem}_masked.png"))
                || self.0.contains(&format!("{stem}_loss.svg"))
                || steps.contains(stem)
        };
        let stems = self.visualisations(folder, drawn, &mut written.scan);
        if !stems.is_empty() {
            let is_known = |stem: &str| stems.contains(stem) || stems.contains(without_copy(stem));
            // The pictures of all facets side by side, of which each has a name of its own.
            let of_facets = |name: &str| {
                let first = name.strip_suffix("_facets.png").map(|unit| format!("{unit}_facet0"));
                first.is_some_and(|first| stems.iter().any(|stem| without_copy(stem) == first))
            };
            let of_unit = |name: &&str| stem(name).is_some_and(is_known) || of_facets(name);
            written.pictures.extend(images.filter(of_unit).map(str::to_owned));
        }
        written
    }

    /// The names under which `fvis` writes here; `drawn` knows which names have pictures like its own.
    fn visualisations(&self, folder: &Path, drawn: impl Fn(&str) -> bool, scan: &mut bool) -> BTreeSet<&str> {
        let mut stems = BTreeSet::new();
        for name in &self.0 {
            if let Some(stem) = name.strip_suffix(".json") {
                if drawn(stem) && json::<Record>(&folder.join(name)) {
                    stems.insert(stem);
                }
            } else if name.ends_with(".checkpoint") || name.contains(".shard-") {
                match state(&folder.join(name)) {
                    Some(State::Scan) => *scan = true,
                    Some(State::Visualisation) => drop(stems.insert(name.trim_end_matches(".checkpoint"))),
                    None => {}
                }
            }
        }
        stems
    }
}

impl Written {
    /// Whether a picture of this name may be among them.
    pub(super) fn may_hold(name: &str) -> bool {
        name.ends_with(".png")
    }

    /// Whether a folder below this one is part of the results.
    pub(super) fn holds_folder(&self, name: &str) -> bool {
        (name == PATCHES && self.pictures.contains(GRID)) || (self.scan && name.starts_with(LAYER))
    }
}

/// The name of a picture of `fvis` without what is behind it: `x` of `x.png`, `x_masked.png` and `x_step20.png`.
fn stem(name: &str) -> Option<&str> {
    let without_ending = name.strip_suffix(".png")?;
    Some(without_ending.strip_suffix("_masked").or_else(|| stem_of_step(name)).unwrap_or(without_ending))
}

/// `x` of `x_copy1`: where only the best copy is kept, the record has no other name than the unit's.
fn without_copy(stem: &str) -> &str {
    match stem.rsplit_once("_copy") {
        Some((unit, copy)) if !copy.is_empty() && copy.bytes().all(|byte| byte.is_ascii_digit()) => unit,
        _ => stem,
    }
}

/// `x` of `x_step20.png`.
fn stem_of_step(name: &str) -> Option<&str> {
    let (stem, step) = name.strip_suffix(".png")?.rsplit_once("_step")?;
    (!step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())).then_some(stem)
}

/// What every folder of results ends with.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields have to be there, whatever they say")]
struct Manifest {
    scan: Scan,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields have to be there, whatever they say")]
struct Scan {
    command: IgnoredAny,
    neuron_version: IgnoredAny,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields have to be there, whatever they say")]
struct Atlas {
    neuron_version: IgnoredAny,
    units: IgnoredAny,
}

/// What lies beside the pictures that the demo drew.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the field has to be there, with this value")]
struct Drawn {
    drawn_by: Drawer,
}

#[derive(Deserialize)]
enum Drawer {
    #[serde(rename = "neuron-demo")]
    Demo,
}

/// The record of a visualisation.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the fields have to be there, whatever they say")]
struct Record {
    neuron_version: IgnoredAny,
    references_are: IgnoredAny,
}

/// A file that can be opened without waiting for anybody.
fn open(path: &Path) -> Option<File> {
    let regular = std::fs::metadata(path).is_ok_and(|file| file.is_file());
    regular.then(|| File::open(path).ok()).flatten()
}

/// Whether a file holds a JSON object with the fields of `T`.
fn json<T: DeserializeOwned>(path: &Path) -> bool {
    let parse =
        |file: File| serde_json::from_reader::<_, T>(BufReader::new(file.take(MAX_JSON_BYTES))).is_ok();
    open(path).is_some_and(parse)
}

enum State {
    Scan,
    Visualisation,
}

/// Whose state a file holds.
fn state(path: &Path) -> Option<State> {
    let mut head = Vec::new();
    open(path)?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    if head.starts_with(b"neurscan") {
        return Some(State::Scan);
    }
    contains(&head, "neuron-fvis-checkpoint").then_some(State::Visualisation)
}

/// Whether a file is a Parquet table with columns of these names; its footer begins with its schema.
fn table(path: &Path, columns: &[&str]) -> bool {
    let footer = || -> Option<Vec<u8>> {
        let mut file = open(path)?;
        file.seek(SeekFrom::End(-8)).ok()?;
        let mut end = [0; 8];
        file.read_exact(&mut end).ok()?;
        let [a, b, c, d, magic @ ..] = end;
        if &magic != b"PAR1" {
            return None;
        }
        file.seek(SeekFrom::Current(-8 - i64::from(u32::from_le_bytes([a, b, c, d])))).ok()?;
        let mut schema = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut schema).ok()?;
        Some(schema)
    };
    footer().is_some_and(|schema| columns.iter().all(|column| contains(&schema, column)))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests;
