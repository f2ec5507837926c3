//! `--references patches`: what `extract-patches` and `baseline` kept of each image, cut from the original.

use std::path::Path;

use anyhow::{Context, bail};
use neuron_data::{Preprocessing, Rgb8Image, resize_rgb8};
use neuron_geometry::PixelBox;
use neuron_patches::Picture;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;

use crate::input;

/// Name of the table beside a list.
const TABLE: &str = "patches.parquet";
/// The columns of a patch's box in the pixels of the original.
const COLUMNS: [&str; 4] = ["source_y", "source_x", "source_height", "source_width"];

/// Where each patch lies in its original, best first.
pub(super) fn boxes(list: &Path) -> anyhow::Result<Vec<PixelBox>> {
    let path = list.with_file_name(TABLE);
    let read = || -> anyhow::Result<Vec<PixelBox>> {
        let table = SerializedFileReader::new(input::open(&path)?)?;
        let schema = table.metadata().file_metadata().schema_descr();
        let find = |name: &str| schema.columns().iter().position(|column| column.name() == name);
        let columns: Option<Vec<usize>> = COLUMNS.into_iter().map(find).collect();
        let Some(columns) = columns else { bail!("it has no columns {}", COLUMNS.join(", ")) };
        let rows = table.get_row_iter(None)?.map(|row| {
            let row = row?;
            let value = |column: usize| row.get_int(columns[column]);
            let side = |column: usize| -> anyhow::Result<usize> { Ok(usize::try_from(value(column)?)?) };
            Ok(PixelBox { y: value(0)?.into(), x: value(1)?.into(), height: side(2)?, width: side(3)? })
        });
        rows.collect()
    };
    read().with_context(|| format!("cannot read {}; `neuron extract-patches` writes it", path.display()))
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
