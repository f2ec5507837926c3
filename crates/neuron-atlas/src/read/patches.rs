use std::path::Path;

use super::reading::{Place, Reading};
use super::table::Table;
use crate::error::AtlasError;
use crate::unit::{Patch, PatchSet, Window};

/// Patches of a unit that are kept: no page shows more.
const MOST_PATCHES: usize = 1 << 16;

/// The columns of numbers, in the order in which they are used.
const NUMBERS: [&str; 8] = [
    "channel",
    "size",
    "source_x",
    "source_y",
    "source_width",
    "source_height",
    "image_width",
    "image_height",
];

/// Reads what `extract-patches` or `baseline` left in a unit's folder.
///
/// Patches of units that nothing names are left out: pictures of another origin.
pub(super) fn read(reading: &mut Reading<'_>, folder: &Path) -> Result<(), AtlasError> {
    let table = folder.join("patches.parquet");
    let (channel, mut best) = if table.is_file() { Table::read(&table, rows)? } else { (None, Vec::new()) };
    let run = reading.run(folder)?;
    let named = Place::of_folder(folder);
    let recorded = |pointer: &str| reading.run_text(run, pointer);
    let (arch, layer) = (recorded("/settings/arch"), recorded("/settings/layer"));
    let place = match (arch, layer, channel, named) {
        (Some(arch), Some(layer), Some(channel), _) => Place { arch, layer, channel },
        (.., Some(named)) => named,
        _ => return Ok(()),
    };
    // Where positions come before the grid, they are those whose patches are as large as the crop.
    let number = |pointer: &str| run.and_then(|run| reading.runs.get(run).number(pointer));
    let crop_px = number("/settings/boxes/crop_px");
    if number("/settings/boxes/extra").is_some() && number("/settings/boxes/size_px") != crop_px {
        best.iter_mut().for_each(|patch| patch.is_whole = Some(patch.size_px as u64) == crop_px);
    }
    let grid = Some(folder.join("patches.png")).filter(|grid| grid.is_file());
    reading.unit(&place).patches.push(PatchSet { best, grid, run });
    Ok(())
}

/// The patches of a table and the channel they are of.
fn rows(table: &mut Table) -> Result<(Option<usize>, Vec<Patch>), AtlasError> {
    let (mut channel, mut rows) = (None, Vec::new());
    for group in 0..table.groups() {
        let numbers = NUMBERS.into_iter().map(|column| table.ints(group, column));
        let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        let (mut images, mut scores) = (table.texts(group, "image")?, table.floats(group, "score")?);
        loop {
            let (images, scores) = (table.next(&mut images)?, table.next(&mut scores)?);
            let numbers = numbers.iter_mut().map(|column| table.next(column));
            let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
            table.count(images.len())?;
            if images.is_empty() || rows.len() >= MOST_PATCHES {
                break;
            }
            for (at, (image, score)) in images.into_iter().zip(scores).enumerate() {
                // A negative number is no place in a picture: as large as can be, it fits nowhere.
                let number = |column: usize| {
                    let value = numbers.get(column).and_then(|column| *column.get(at)?);
                    value.and_then(|value| usize::try_from(value).ok()).unwrap_or(usize::MAX)
                };
                channel = channel.or(Some(number(0)).filter(|channel| *channel != usize::MAX));
                let window = Window {
                    x: number(2),
                    y: number(3),
                    width: number(4),
                    height: number(5),
                    image_width: number(6),
                    image_height: number(7),
                };
                let image = image.map(|image| table.text(&image)).transpose()?.unwrap_or_default();
                rows.push(Patch {
                    image,
                    score: score.unwrap_or(f32::NAN),
                    window,
                    size_px: number(1),
                    is_whole: false,
                });
            }
        }
    }
    Ok((channel, rows))
}
