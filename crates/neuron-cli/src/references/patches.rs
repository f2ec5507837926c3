//! `--references patches`: what `extract-patches` and `baseline` kept of each image, cut from the original.

use std::path::Path;

use anyhow::{Context, bail};
use neuron_data::{Preprocessing, Rgb8Image, resize_rgb8};
use neuron_geometry::PixelBox;
use neuron_patches::Picture;

use crate::rows::Selection;

/// Name of the table beside a list.
const TABLE: &str = "patches.parquet";
/// The columns of a patch's box in the pixels of the original.
const COLUMNS: [&str; 4] = ["source_y", "source_x", "source_height", "source_width"];

/// The most patches of a unit that are read.
const MOST_PATCHES: usize = 1 << 20;

/// Where each patch lies in its original, best first.
pub(crate) fn boxes(list: &Path) -> anyhow::Result<Vec<PixelBox>> {
    let path = list.with_file_name(TABLE);
    let mut boxes = Vec::new();
    let read = Selection::of(&COLUMNS).read(&path, |row| {
        if boxes.len() == MOST_PATCHES {
            bail!("it has more than {MOST_PATCHES} rows");
        }
        let side = |column: usize| -> anyhow::Result<usize> { Ok(usize::try_from(row.int(column)?)?) };
        boxes.push(PixelBox {
            y: row.int(0)?.into(),
            x: row.int(1)?.into(),
            height: side(2)?,
            width: side(3)?,
        });
        Ok(())
    });
    read.with_context(|| format!("cannot read {}; `neuron extract-patches` writes it", path.display()))?;
    Ok(boxes)
}

/// Cuts a patch out of an image and resizes it to the size of a crop.
///
/// # Shapes
/// * returns: `[crop, crop, 3]`
pub(super) fn cut(
    image: &Rgb8Image,
    patch: PixelBox,
    preprocessing: &Preprocessing,
) -> anyhow::Result<Vec<u8>> {
    let pixels = Picture::new(&image.pixels, image.height, image.width)?.crop(patch)?;
    let patch = Rgb8Image { height: patch.height, width: patch.width, pixels };
    let side = preprocessing.crop;
    Ok(resize_rgb8(&patch, side, side, preprocessing.interpolation).pixels)
}
