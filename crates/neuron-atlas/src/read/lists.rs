use std::collections::BTreeMap;
use std::path::Path;

use parquet::data_type::ByteArray;

use super::files;
use super::reading::{Place, Reading};
use super::table::Table;
use crate::classes;
use crate::error::AtlasError;
use crate::unit::{ImageList, LISTED, Listed};

/// The most units of one table: no network has so many channels.
const MOST_UNITS: usize = 1 << 18;
/// The most bytes of names that are kept of one table.
const MOST_NAME_BYTES: usize = 1 << 30;

/// The lists of a table, by layer as recorded and channel.
type Lists = BTreeMap<(String, usize), ImageList>;

/// Reads the table of `select-images`: the images of every channel of a layer.
pub(super) fn read_table(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    // First the table, so that one which turns out to be damaged leaves nothing behind.
    let lists = Table::read(path, |table| rows(table, path))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let run = reading.run(folder)?;
    let above = folder.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let arch = reading.run_text(run, "/settings/arch").or(above).unwrap_or_else(|| "network".to_owned());
    for ((layer, channel), list) in lists {
        claim(reading, &arch, &layer, path)?;
        let place = Place { arch: arch.clone(), layer, channel };
        reading.unit(&place).images = Some(ImageList { run, ..list });
    }
    Ok(())
}

fn rows(table: &mut Table, path: &Path) -> Result<Lists, AtlasError> {
    let mut collecting = Collecting { path, lists: Lists::new(), name_bytes: 0 };
    for group in 0..table.groups() {
        let (mut layers, mut channels) = (table.texts(group, "layer")?, table.ints(group, "channel")?);
        let (mut images, mut classes) = (table.texts(group, "image")?, table.texts(group, "class")?);
        let mut scores = table.floats(group, "score")?;
        loop {
            let places = table.next(&mut layers)?.into_iter().zip(table.next(&mut channels)?);
            let listed = table.next(&mut images)?.into_iter().zip(table.next(&mut classes)?);
            let listed = listed.zip(table.next(&mut scores)?);
            let mut count = 0;
            for ((layer, channel), ((image, class), score)) in places.zip(listed) {
                count += 1;
                let channel = channel.and_then(|channel| usize::try_from(channel).ok());
                let (Some(layer), Some(channel), Some(image)) = (layer, channel, image) else { continue };
                collecting.add(table, (&layer, channel), (&image, class.as_ref(), score))?;
            }
            if count == 0 {
                break;
            }
            table.count(count)?;
        }
    }
    Ok(collecting.lists)
}

/// The lists of a table so far.
struct Collecting<'a> {
    path: &'a Path,
    lists: Lists,
    name_bytes: usize,
}

impl Collecting<'_> {
    /// Adds the next image of a unit's list.
    fn add(
        &mut self,
        table: &Table,
        (layer, channel): (&ByteArray, usize),
        (image, class, score): (&ByteArray, Option<&ByteArray>, Option<f32>),
    ) -> Result<(), AtlasError> {
        let too_large = |what, limit| Err(AtlasError::TooLarge { path: self.path.to_owned(), what, limit });
        let unit = (table.text(layer)?, channel);
        if self.lists.len() >= MOST_UNITS && !self.lists.contains_key(&unit) {
            return too_large("units", MOST_UNITS);
        }
        let list = self.lists.entry(unit).or_default();
        list.total += 1;
        if list.best.len() < LISTED {
            let (image, class) = (table.text(image)?, class.map(|class| table.text(class)).transpose()?);
            self.name_bytes += image.len() + class.as_ref().map_or(0, String::len);
            list.best.push(Listed { image, class, score });
            if self.name_bytes > MOST_NAME_BYTES {
                return too_large("bytes of names", MOST_NAME_BYTES);
            }
        }
        Ok(())
    }
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
