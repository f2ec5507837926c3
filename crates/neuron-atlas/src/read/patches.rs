use std::path::Path;

use super::table::Table;
use super::{Place, Reading};
use crate::AtlasError;
use crate::unit::{Patch, PatchSet, Window};

/// Reads what `extract-patches` or `baseline` left in a unit's folder.
///
/// Patches of units that nothing names are left out: pictures of another origin.
pub(super) fn read(reading: &mut Reading<'_>, folder: &Path) -> Result<(), AtlasError> {
    let run = reading.run(folder)?;
    let table = folder.join("patches.parquet");
    let (channel, best) = if table.is_file() { rows(&table)? } else { (None, Vec::new()) };
    let named = Place::of_folder(folder);
    let recorded = |pointer: &str| reading.run_text(run, pointer);
    let (arch, layer) = (recorded("/settings/arch"), recorded("/settings/layer"));
    let place = match (arch, layer, channel, named) {
        (Some(arch), Some(layer), Some(channel), _) => Place { arch, layer, channel },
        (.., Some(named)) => named,
        _ => return Ok(()),
    };
    let grid = Some(folder.join("patches.png")).filter(|grid| grid.is_file());
    reading.unit(&place).patches.push(PatchSet { best, grid, run });
    Ok(())
}

/// The patches of a table and the channel they are of.
fn rows(path: &Path) -> Result<(Option<usize>, Vec<Patch>), AtlasError> {
    let table = Table::open(path)?;
    let (mut channel, mut rows) = (None, Vec::new());
    for group in 0..table.groups() {
        let sizes = |column| -> Result<Vec<usize>, AtlasError> {
            // A negative number is no place in a picture: as large as can be, it fits nowhere.
            let usual = |value: i32| usize::try_from(value).unwrap_or(usize::MAX);
            Ok(table.ints(group, column)?.into_iter().map(usual).collect())
        };
        channel = channel.or(sizes("channel")?.first().copied());
        let images = table.texts(group, "image")?;
        let scores = table.floats(group, "score")?;
        let side = sizes("size")?;
        let (x, y) = (sizes("source_x")?, sizes("source_y")?);
        let (width, height) = (sizes("source_width")?, sizes("source_height")?);
        let (image_width, image_height) = (sizes("image_width")?, sizes("image_height")?);
        for (at, (image, score)) in images.into_iter().zip(scores).enumerate() {
            let of = |column: &[usize]| column.get(at).copied().unwrap_or(usize::MAX);
            let window = Window {
                x: of(&x),
                y: of(&y),
                width: of(&width),
                height: of(&height),
                image_width: of(&image_width),
                image_height: of(&image_height),
            };
            let image = image.unwrap_or_default();
            rows.push(Patch { image, score, window, size_px: of(&side) });
        }
    }
    Ok((channel, rows))
}
