use std::path::Path;

use super::table::Table;
use super::{LISTED, Place, Reading, files};
use crate::AtlasError;
use crate::classes;
use crate::unit::{ImageList, Listed};

/// Reads the table of `select-images`: the images of every channel of a layer.
pub(super) fn read_table(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let run = reading.run(folder)?;
    let above = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let arch = reading.run_text(run, "/settings/arch").or(above).unwrap_or_else(|| "network".to_owned());
    let table = Table::open(path)?;
    for group in 0..table.groups() {
        let layers = table.texts(group, "layer")?;
        let channels = table.ints(group, "channel")?;
        let ranks = table.ints(group, "rank")?;
        let images = table.texts(group, "image")?;
        let classes = table.texts(group, "class")?;
        let scores = table.floats(group, "score")?;
        let places = layers.into_iter().zip(channels).zip(ranks);
        let listed = images.into_iter().zip(classes).zip(scores);
        for (((layer, channel), rank), ((image, class), score)) in places.zip(listed) {
            let (Some(layer), Ok(channel), Some(image)) = (layer, usize::try_from(channel), image) else {
                continue;
            };
            if rank == 0 {
                claim(reading, &arch, &layer, path)?;
            }
            let unit = reading.unit(&Place { arch: arch.clone(), layer, channel });
            let list = unit.images.get_or_insert_with(|| ImageList { best: Vec::new(), total: 0, run });
            list.total += 1;
            if list.best.len() < LISTED {
                list.best.push(Listed { image, class, score: Some(score) });
            }
        }
    }
    Ok(())
}

/// Notes that a table lists the images of a layer.
fn claim(reading: &mut Reading<'_>, arch: &str, layer: &str, path: &Path) -> Result<(), AtlasError> {
    let layer = reading.layer(arch, layer);
    let first = reading.tables.entry((arch.to_owned(), layer.clone())).or_insert_with(|| path.to_owned());
    if first == path {
        return Ok(());
    }
    let (arch, first, second) = (arch.to_owned(), first.clone(), path.to_owned());
    Err(AtlasError::ListedTwice { arch, layer, first, second })
}

/// Reads the list of one channel, where there is no table: names without scores.
pub(super) fn read_plain(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    let Some(place) = path.parent().and_then(Place::of_folder) else { return Ok(()) };
    let text = files::text(path)?;
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let listed = |line: &str| Listed {
        image: line.to_owned(),
        class: classes::folder_of(line).map(str::to_owned),
        score: None,
    };
    let best: Vec<Listed> = lines.by_ref().take(LISTED).map(listed).collect();
    let total = best.len() + lines.count();
    if total > 0 {
        reading.unit(&place).images = Some(ImageList { best, total, run: None });
    }
    Ok(())
}
