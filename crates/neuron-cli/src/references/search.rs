//! Where the references of each unit come from, and which they are.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use neuron_data::Dataset;
use neuron_model::Images;

use super::data::ClassImages;
use super::kind::Kind;
use super::reader::{Reader, References};
use super::sought::Sought;
use crate::indices;
use crate::origin::Origin;
use crate::scan::SkippedImage;

/// Where the references of one unit come from.
enum Source {
    /// The folders of its class.
    Class(ClassImages),
    /// A list, as whole images or as patches.
    List(PathBuf, Kind),
}

/// Where references are.
pub(crate) struct Search<'a> {
    sought: Sought<'a>,
    /// Of each unit.
    sources: Vec<Source>,
    /// What made the lists of images from which those of patches come.
    images: Option<Origin>,
    /// Whether something of many lists alike was said: once is enough.
    said: Cell<bool>,
}

impl<'a> Search<'a> {
    /// Finds out where the references of every unit come from.
    ///
    /// # Errors
    /// If one has none, with ways to get some.
    pub(crate) fn new(sought: Sought<'a>) -> anyhow::Result<Self> {
        let Sought { global, units, .. } = sought;
        let of_classes = units.channels.iter().map(|channel| sought.class_images(*channel));
        let of_classes = of_classes.collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(found) = of_classes.iter().flatten().next() {
            global.say_notices(&found.dataset);
        }
        let mut images = None;
        if of_classes.iter().any(Option::is_none) {
            indices::beside_lists(&units.topk_dir, global);
            images = Origin::of(&units.topk_dir)?;
            if let Some(images) = &images {
                images.say_moved(global.data_if_any()?, global);
            }
        }
        let sources = units.channels.iter().zip(of_classes).map(|(channel, of_class)| match of_class {
            Some(of_class) => Ok(Source::Class(of_class)),
            None => {
                let kind = sought.kind.unwrap_or(Kind::Images);
                Ok(Source::List(sought.list(*channel, kind)?, kind))
            }
        });
        let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
        let search = Self { sought, sources, images, said: Cell::new(false) };
        if sought.kind.is_none() {
            search.say_sources()?;
        }
        Ok(search)
    }

    /// Says where the references come from, as that was not chosen.
    fn say_sources(&self) -> anyhow::Result<()> {
        let Sought { global, units, .. } = self.sought;
        let data = global.data_if_any()?.map(|data| data.display().to_string()).unwrap_or_default();
        for (channel, source) in units.channels.iter().zip(&self.sources) {
            let unit = units.called(*channel);
            let told = match source {
                Source::Class(ClassImages { images, folders, .. }) => {
                    let (found, folders) = (images.len(), folders.join(", "));
                    format!(
                        "{unit}: the references are images of the class: {found} are in {folders} of {data}"
                    )
                }
                Source::List(list, _) => {
                    let why = self.sought.without_folder(*channel)?;
                    format!("{unit}: {why}: the references are the images of {}", list.display())
                }
            };
            global.say(0, || told);
        }
        Ok(())
    }

    /// How many references of a unit there are, for a plan.
    pub(crate) fn count(&self, unit: usize) -> anyhow::Result<usize> {
        let found = match &self.sources[unit] {
            Source::Class(ClassImages { images, .. }) => images.len(),
            Source::List(list, Kind::Patches) => lines(&neuron_data::read_list(list)?).count(),
            Source::List(list, _) => distinct(&neuron_data::read_list(list)?).len(),
        };
        Ok(found.min(self.sought.wanted))
    }

    /// Decodes the references of a unit.
    pub(crate) fn load(&self, unit: usize, reader: &Reader<'_>) -> anyhow::Result<References> {
        let (references, place) = match &self.sources[unit] {
            Source::Class(of_class) => (self.of_class(of_class, reader)?, of_class.folders.join(", ")),
            Source::List(list, kind) => (self.listed((list, *kind), reader)?, list.display().to_string()),
        };
        let (found, wanted) = (references.count(), self.sought.wanted);
        if found == 0 {
            return Err(unreadable(&place, references.skipped()));
        }
        if found < wanted {
            let unit = self.sought.units.called(self.sought.units.channels[unit]);
            reader.global.say(0, || {
                format!(
                    "{unit}: {found} references instead of {wanted}: {place} has no more that can be read"
                )
            });
        }
        Ok(references)
    }

    /// The first images of a class, in the order of the data set.
    fn of_class(&self, of_class: &ClassImages, reader: &Reader<'_>) -> anyhow::Result<References> {
        let ClassImages { dataset, images, .. } = of_class;
        let wanted = images.iter().copied().take(self.sought.wanted).collect();
        reader.images(Kind::Class, Arc::clone(dataset), wanted, |index| dataset.entry(index))
    }

    /// The first images or patches of a list.
    fn listed(&self, (list, kind): (&Path, Kind), reader: &Reader<'_>) -> anyhow::Result<References> {
        let Sought { network, preprocessing, units, wanted, .. } = self.sought;
        let global = reader.global;
        let patches = Origin::of(list.parent().unwrap_or(Path::new("")))?;
        if let Some(origin) = patches.as_ref().or(self.images.as_ref()) {
            let notes = origin.check(network, &units.target, preprocessing)?;
            if !notes.is_empty() && !self.said.replace(true) {
                notes.into_iter().for_each(|note| global.say(0, || note));
            }
        }
        let text = neuron_data::read_list(list)?;
        // Lists of patches may not know where their images lay: then those of images do.
        let lookup = Origin::lookup(&[patches.as_ref(), self.images.as_ref()], global.data_if_any()?);
        if kind == Kind::Patches {
            let lines: Vec<&str> = lines(&text).collect();
            return reader.patches(list, (&lines, wanted), &Dataset::look_up(&lines, &lookup));
        }
        let (listed, distinct) = (lines(&text).count(), distinct(&text));
        if distinct.len() < listed {
            let (repeated, list) = (listed - distinct.len(), list.display());
            global.say(0, || format!("left out: {repeated} lines of {list} that repeat an earlier one"));
        }
        let names: Vec<&str> = distinct.into_iter().take(wanted).collect();
        let dataset = Arc::new(Dataset::look_up(&names, &lookup));
        reader.images(kind, dataset, (0..names.len()).collect(), |index| names[index].to_owned())
    }
}

/// Says that a list or a class gives no reference, and of the first of its images why.
pub(crate) fn unreadable(place: &str, skipped: &[SkippedImage]) -> anyhow::Error {
    match skipped {
        [] => anyhow!("{place} names no image that can serve as a reference; make the list again"),
        [SkippedImage { image, reason, .. }, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            anyhow!(
                "none of the images of {place} can be read: {image} ({reason}){more}; if they have moved, name their \
                 folder with --data"
            )
        }
    }
}

/// The lines of a list.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty())
}

/// The lines of a list, each the first time that it occurs.
fn distinct(text: &str) -> Vec<&str> {
    let mut seen = HashSet::new();
    lines(text).filter(|line| seen.insert(*line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_count_once() {
        assert_eq!(distinct("b\na\n\nb\r\nc\na\n"), ["b", "a", "c"]);
    }
}
