//! The patches of a unit, as `extract-patches` wrote them.

use std::path::Path;

use anyhow::{Context, bail};
use neuron_geometry::PixelBox;
use serde_json::{Value, json};

use super::layer::{Layer, Unit};
use crate::input;
use crate::rows::Selection;

const TABLE: &str = "patches.parquet";
const COLUMNS: [&str; 9] =
    ["image", "score", "x", "y", "size", "source_x", "source_y", "source_width", "source_height"];
/// The most patches of a unit that are read.
const MOST_PATCHES: usize = 1 << 20;

/// A patch of an image.
pub(super) struct Patch {
    /// Path below the data folder.
    pub(super) image: String,
    pub(super) score: f32,
    /// In pixels of the crop that the network sees.
    pub(super) window: PixelBox,
    /// In pixels of the image file.
    pub(super) source: PixelBox,
}

/// A unit's patches, best first; none where the command has not finished with it.
pub(super) fn of(unit: &Unit, layer: &Layer) -> anyhow::Result<Vec<Patch>> {
    let folder = layer.folder.join(unit.channel.to_string());
    let path = folder.join(TABLE);
    let manifest = folder.join("manifest.json");
    if !path.is_file() || !manifest.is_file() {
        return Ok(Vec::new());
    }
    check_crop(&manifest, layer)?;
    read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Refuses patches whose windows count in another crop than that of the lists.
fn check_crop(manifest: &Path, layer: &Layer) -> anyhow::Result<()> {
    let read = || -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&input::read(manifest, input::JSON_BYTES)?)?)
    };
    let manifest = read().with_context(|| format!("cannot read {}", manifest.display()))?;
    let Some(cut) = manifest.pointer("/scan/preprocessing") else { return Ok(()) };
    if *cut != json!(layer.preprocessing) {
        bail!(
            "the patches in {} were cut with another preprocessing than the lists beside them were made with (crop {} and {}): \
             run `neuron extract-patches` again with the flags that `select-images` had",
            layer.folder.display(),
            cut.get("crop").unwrap_or(&Value::Null),
            layer.preprocessing.crop
        );
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Patch>> {
    let mut patches = Vec::new();
    Selection::of(&COLUMNS).read(path, |row| {
        if patches.len() == MOST_PATCHES {
            bail!("it has more than {MOST_PATCHES} rows");
        }
        let side = |column: usize| -> anyhow::Result<usize> { Ok(usize::try_from(row.int(column)?)?) };
        let [window, source] = [(2, 3, 4, 4), (5, 6, 7, 8)];
        let area = |(x, y, width, height): (usize, usize, usize, usize)| -> anyhow::Result<PixelBox> {
            let (x, y) = (row.int(x)?.into(), row.int(y)?.into());
            Ok(PixelBox { y, x, height: side(height)?, width: side(width)? })
        };
        let (image, score) = (row.text(0)?.to_owned(), row.float(1)?);
        patches.push(Patch { image, score, window: area(window)?, source: area(source)? });
        Ok(())
    })?;
    Ok(patches)
}
