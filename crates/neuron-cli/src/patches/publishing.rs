use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use image::ExtendedColorType;
use neuron_data::{Dataset, Limits, Preprocessing};
use neuron_files::Together;
use serde_json::json;

use super::cutting::{self, Cut};
use super::{Drawing, Unit, table};
use crate::outcome::Outcome;
use crate::output::Files;
use crate::progress::Progress;
use crate::scan::{Identity, write_skipped};
use crate::{interrupt, output, say};

/// Pixels of patches that are in memory at once.
const BYTES_TOGETHER: usize = 256 << 20;

/// Writes the folders of units.
pub(crate) struct Publisher<'a> {
    pub(crate) dataset: &'a Arc<Dataset>,
    pub(crate) preprocessing: &'a Preprocessing,
    pub(crate) drawing: &'a Drawing,
    pub(crate) identity: &'a Identity,
    /// Names of the files that list the patches' images; all have the same content.
    pub(crate) list_names: &'static [&'static str],
    /// What reading an image once more may cost.
    pub(crate) limits: Limits,
    pub(crate) quiet: bool,
}

/// The file that is written last into a unit's folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The best patches as one picture, and what is known of them.
const GRID: &str = "patches.png";
const TABLE: &str = "patches.parquet";

/// What a unit's folder holds with its manifest, beside lists of these names.
pub(crate) fn promised(folder: &Path, list_names: &[&str]) -> Vec<PathBuf> {
    [GRID, TABLE].iter().chain(list_names).map(|name| folder.join(name)).collect()
}

/// About what the folders of so many units take on the disk.
pub(crate) fn disk_bytes(units: usize, kept: usize, side_px: usize) -> f64 {
    // Pictures hardly compress; a row of the table and lines of the lists are small beside them.
    const ROW_BYTES: usize = 200;
    units as f64 * (kept * (3 * (side_px + 2) * (side_px + 2) + ROW_BYTES)) as f64
}

impl Publisher<'_> {
    /// Writes every unit's folder; its manifest, last, says that the rest is complete.
    ///
    /// A unit of which no image could be read gets no manifest: it is not complete.
    ///
    /// # Errors
    /// If no unit has a patch, an image has become unreadable, or a file cannot be written.
    pub(crate) fn publish(&self, units: &[Unit<'_>]) -> anyhow::Result<Outcome> {
        self.check(units)?;
        for unit in units {
            output::remove(&unit.folder.join(MANIFEST))?;
        }
        let mut progress = Progress::new("drawing", "units", units.len(), 0, self.quiet);
        let mut done = 0;
        for group in groups(units) {
            if interrupt::requested() {
                return Ok(Outcome::Interrupted);
            }
            let cuts = cutting::cut(group, self.dataset, self.preprocessing, self.limits)?;
            let (files, manifests) = (Together::new(), Together::new());
            for (unit, cuts) in group.iter().zip(cuts) {
                self.publish_unit(&files, unit, &cuts).with_context(|| patches_of(unit))?;
                done += 1;
                progress.update(done, "");
            }
            output::settle(files, &group[0].folder)?;
            for unit in group.iter().filter(|unit| !unit.kept.is_empty()) {
                self.write_manifest(&manifests, unit).with_context(|| patches_of(unit))?;
            }
            output::settle(manifests, &group[0].folder)?;
        }
        progress.finish();
        Ok(Outcome::Done)
    }

    /// Says which units stay without patches.
    fn check(&self, units: &[Unit<'_>]) -> anyhow::Result<()> {
        let without: Vec<String> = units.iter().filter(|unit| unit.kept.is_empty()).map(unreadable).collect();
        if !units.is_empty() && without.len() == units.len() {
            bail!("{}; pass their new place with --data", without[0]);
        }
        if !self.quiet {
            without.iter().for_each(say::line);
        }
        Ok(())
    }

    /// Writes a unit's folder but for the manifest.
    fn publish_unit(&self, files: &impl Files, unit: &Unit<'_>, cuts: &[Cut]) -> anyhow::Result<()> {
        let folder = &unit.folder;
        if unit.kept.is_empty() {
            remove_published(folder)?;
            return write_skipped(files, &folder.join("skipped.tsv"), unit.skipped.iter().copied());
        }
        let grid = self.drawing.grid(&unit.kept, cuts)?;
        write_png(files, &folder.join(GRID), grid.as_raw(), grid.dimensions())?;
        self.save_patches(files, &folder.join("patches"), cuts)?;
        for name in self.list_names {
            files.write(&folder.join(name), |writer| self.write_list(unit, writer))?;
        }
        table::write(files, &folder.join(TABLE), unit, cuts, self.dataset)?;
        write_skipped(files, &folder.join("skipped.tsv"), unit.skipped.iter().copied())
    }

    fn write_manifest(&self, files: &impl Files, unit: &Unit<'_>) -> anyhow::Result<()> {
        let manifest = json!({
            "scan": self.identity,
            "channel": unit.channel,
            "patches": unit.kept.len(),
            "skipped": unit.skipped.len(),
        });
        files.write(&unit.folder.join(MANIFEST), |writer| writeln!(writer, "{manifest:#}"))
    }

    /// One path a line, best patch first.
    fn write_list(&self, unit: &Unit<'_>, writer: &mut impl Write) -> io::Result<()> {
        for kept in &unit.kept {
            writeln!(writer, "{}", self.dataset.entry(kept.image))?;
        }
        Ok(())
    }

    /// Writes every patch by itself if asked to, in place of those of an earlier run.
    fn save_patches(&self, files: &impl Files, folder: &Path, cuts: &[Cut]) -> anyhow::Result<()> {
        remove_numbered(folder)?;
        if !self.drawing.save_patches {
            return Ok(());
        }
        for (rank, cut) in cuts.iter().enumerate() {
            let size = (cut.window.width as u32, cut.window.height as u32);
            write_png(files, &folder.join(format!("{rank}.png")), &cut.pixels, size)?;
        }
        Ok(())
    }
}

fn patches_of(unit: &Unit<'_>) -> String {
    format!("the patches of channel {}", unit.channel)
}

fn unreadable(unit: &Unit<'_>) -> String {
    let first = unit.skipped.first().map(|skipped| format!("; {}: {}", skipped.image, skipped.reason));
    format!("no image of channel {} could be read{}", unit.channel, first.unwrap_or_default())
}

/// Removes what `publish` wrote into a unit's folder.
pub(crate) fn remove_published(folder: &Path) -> anyhow::Result<()> {
    for name in [MANIFEST, GRID, "topk_files.txt", "files.txt", TABLE, "skipped.tsv"] {
        output::remove(&folder.join(name))?;
    }
    remove_numbered(&folder.join("patches"))
}

/// Neighbouring units whose patches fit into memory together; at least one each.
fn groups<'u, 'a>(units: &'u [Unit<'a>]) -> impl Iterator<Item = &'u [Unit<'a>]> {
    let bytes = |unit: &Unit<'_>| -> usize {
        unit.kept.iter().map(|kept| 3 * kept.window.height * kept.window.width).sum()
    };
    let largest = units.iter().map(bytes).max().unwrap_or(0).max(1);
    units.chunks((BYTES_TOGETHER / largest).max(1))
}

/// Removes the patches that an earlier run saved, and their folder if nothing else is in it.
fn remove_numbered(folder: &Path) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read {}", folder.display()))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".png"));
        if number.is_some_and(|number| number.parse::<usize>().is_ok()) {
            output::remove(&folder.join(name))?;
        }
    }
    // Fails if the user keeps something there, which is as it should be.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// Writes RGB pixels; `size` is (width, height).
fn write_png(files: &impl Files, path: &Path, pixels: &[u8], size: (u32, u32)) -> anyhow::Result<()> {
    output::write_png(files, path, pixels, (size.1 as usize, size.0 as usize), ExtendedColorType::Rgb8)
}
