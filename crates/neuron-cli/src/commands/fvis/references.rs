//! The images that a unit's picture is compared with.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use neuron_data::{Dataset, Loader, LoaderOptions, Preprocessing};
use neuron_model::{ByteImages, Images};

use super::data::ClassImages;
use super::flags::Kind;
use super::patches;
use super::sought::Sought;
use crate::origin::Origin;
use crate::scan::{SkippedImage, crops};

/// The reference images of one unit, decoded.
pub(super) struct References {
    kind: Kind,
    names: Vec<String>,
    /// `[images, crop, crop, 3]`
    pixels: Vec<u8>,
    preprocessing: Preprocessing,
    skipped: Vec<SkippedImage>,
}

impl References {
    /// What they are.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The files as the list names them.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Files that could not be read.
    pub(super) fn skipped(&self) -> &[SkippedImage] {
        &self.skipped
    }
}

impl Images for References {
    fn count(&self) -> usize {
        self.names.len()
    }

    fn size(&self) -> (usize, usize) {
        (self.preprocessing.crop, self.preprocessing.crop)
    }

    fn write(&self, index: usize, pixels: &mut [f32]) {
        crops(&self.pixels, &self.preprocessing).write(index, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(crops(&self.pixels, &self.preprocessing))
    }
}

/// Where the references of one unit come from.
enum Source {
    /// The folders of its class.
    Class(ClassImages),
    /// A list, as whole images or as patches.
    List(PathBuf, Kind),
}

/// Where references are, and how they become images.
pub(super) struct Search<'a> {
    sought: Sought<'a>,
    preprocessing: &'a Preprocessing,
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
    pub(super) fn new(sought: Sought<'a>, preprocessing: &'a Preprocessing) -> anyhow::Result<Self> {
        let Sought { global, units, .. } = sought;
        let of_classes = units.channels.iter().map(|channel| sought.class_images(*channel));
        let of_classes = of_classes.collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(found) = of_classes.iter().flatten().next() {
            global.say_notices(&found.dataset);
        }
        let mut images = None;
        if of_classes.iter().any(Option::is_none) {
            images = Origin::of(&units.topk_dir)?;
            if let Some(images) = &images {
                images.say_moved(global.data_if_any()?, global);
            }
        }
        let sources = units.channels.iter().zip(of_classes).map(|(channel, of_class)| match of_class {
            Some(of_class) => Ok(Source::Class(of_class)),
            None => {
                let kind = sought.args.references.unwrap_or(Kind::Images);
                Ok(Source::List(sought.list(*channel, kind)?, kind))
            }
        });
        let sources = sources.collect::<anyhow::Result<Vec<_>>>()?;
        let search = Self { sought, preprocessing, sources, images, said: Cell::new(false) };
        if sought.args.references.is_none() {
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
    pub(super) fn count(&self, unit: usize) -> anyhow::Result<usize> {
        let found = match &self.sources[unit] {
            Source::Class(ClassImages { images, .. }) => images.len(),
            Source::List(list, Kind::Patches) => lines(&neuron_data::read_list(list)?).count(),
            Source::List(list, _) => distinct(&neuron_data::read_list(list)?).len(),
        };
        Ok(found.min(self.wanted()))
    }

    /// How many references of each unit there should be.
    fn wanted(&self) -> usize {
        self.sought.args.num_real_img.get()
    }

    /// Decodes the references of a unit.
    pub(super) fn load(&self, unit: usize) -> anyhow::Result<References> {
        let (references, place) = match &self.sources[unit] {
            Source::Class(of_class) => (self.of_class(of_class)?, of_class.folders.join(", ")),
            Source::List(list, kind) => (self.listed(list, *kind)?, list.display().to_string()),
        };
        let (found, wanted) = (references.names.len(), self.wanted());
        if found == 0 {
            return Err(unreadable(&place, &references.skipped));
        }
        if found < wanted {
            let unit = self.sought.units.called(self.sought.units.channels[unit]);
            self.sought.global.say(0, || {
                format!(
                    "{unit}: {found} references instead of {wanted}: {place} has no more that can be read"
                )
            });
        }
        Ok(references)
    }

    /// The first images of a class, in the order of the data set.
    fn of_class(&self, of_class: &ClassImages) -> anyhow::Result<References> {
        let ClassImages { dataset, images, .. } = of_class;
        let wanted = images.iter().copied().take(self.wanted()).collect();
        self.images(Kind::Class, Arc::clone(dataset), wanted, |index| dataset.entry(index))
    }

    /// The first images or patches of a list.
    fn listed(&self, list: &Path, kind: Kind) -> anyhow::Result<References> {
        let Sought { global, network, units, .. } = self.sought;
        let patches = Origin::of(list.parent().unwrap_or(Path::new("")))?;
        if let Some(origin) = patches.as_ref().or(self.images.as_ref())
            && let Some(note) = origin.check(network, &units.target)?
            && !self.said.replace(true)
        {
            global.say(0, || note);
        }
        let text = neuron_data::read_list(list)?;
        // Lists of patches may not know where their images lay: then those of images do.
        let lookup = Origin::lookup(&[patches.as_ref(), self.images.as_ref()], global.data_if_any()?);
        if kind == Kind::Patches {
            let lines: Vec<&str> = lines(&text).collect();
            return self.patches(list, &lines, &Dataset::look_up(&lines, &lookup));
        }
        let (listed, distinct) = (lines(&text).count(), distinct(&text));
        if distinct.len() < listed {
            let (repeated, list) = (listed - distinct.len(), list.display());
            global.say(0, || format!("left out: {repeated} lines of {list} that repeat an earlier one"));
        }
        let names: Vec<&str> = distinct.into_iter().take(self.wanted()).collect();
        let dataset = Arc::new(Dataset::look_up(&names, &lookup));
        self.images(kind, dataset, (0..names.len()).collect(), |index| names[index].to_owned())
    }

    /// The patches that were kept of the listed images.
    fn patches(&self, list: &Path, lines: &[&str], dataset: &Dataset) -> anyhow::Result<References> {
        let boxes = patches::boxes(list)?;
        if boxes.len() != lines.len() {
            let (list, lines, boxes) = (list.display(), lines.len(), boxes.len());
            bail!("{list} names {lines} images, the table beside it {boxes} patches: make both again");
        }
        let mut references = self.none(Kind::Patches);
        let wanted = self.wanted();
        for (index, (line, patch)) in lines.iter().zip(boxes).enumerate().take(wanted) {
            let image = dataset.read_rgb8(index, &self.sought.global.limits()).map_err(anyhow::Error::from);
            match image.and_then(|image| patches::cut(&image, patch, self.preprocessing)) {
                Ok(pixels) => references.push(line, &pixels),
                Err(reason) => self.skip(&mut references, index, line, &reason.to_string())?,
            }
        }
        Ok(references)
    }

    /// Some images of a data set as a whole.
    fn images(
        &self,
        kind: Kind,
        dataset: Arc<Dataset>,
        indices: Vec<usize>,
        name: impl Fn(usize) -> String,
    ) -> anyhow::Result<References> {
        let Sought { global, .. } = self.sought;
        let limits = global.limits();
        let options = LoaderOptions { batch_size: indices.len().max(1), limits, ..LoaderOptions::default() };
        let mut references = self.none(kind);
        for batch in Loader::new(dataset, indices, self.preprocessing, &options)? {
            let crops = batch.pixels().chunks_exact(self.preprocessing.crop_bytes());
            for (index, crop) in batch.items.iter().zip(crops) {
                // The reference implementation takes only images of three channels.
                if !(global.reference_compat && is_grey(crop)) {
                    references.push(&name(*index), crop);
                }
            }
            for skipped in batch.skipped {
                let reason = skipped.reason.to_string();
                self.skip(&mut references, skipped.index, &name(skipped.index), &reason)?;
            }
        }
        Ok(references)
    }

    fn none(&self, kind: Kind) -> References {
        let preprocessing = self.preprocessing.clone();
        References { kind, names: Vec::new(), pixels: Vec::new(), preprocessing, skipped: Vec::new() }
    }

    fn skip(
        &self,
        references: &mut References,
        index: usize,
        image: &str,
        reason: &str,
    ) -> anyhow::Result<()> {
        let Sought { global, .. } = self.sought;
        if global.strict {
            bail!("{image}: {reason}");
        }
        global.say(0, || format!("skipped {image}: {reason}"));
        let (image, reason) = (image.to_owned(), reason.to_owned());
        references.skipped.push(SkippedImage { index, image, reason });
        Ok(())
    }
}

impl References {
    fn push(&mut self, name: &str, pixels: &[u8]) {
        self.names.push(name.to_owned());
        self.pixels.extend_from_slice(pixels);
    }
}

/// Says that a list or a class gives no reference, and of the first of its images why.
fn unreadable(place: &str, skipped: &[SkippedImage]) -> anyhow::Error {
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

/// Whether every pixel has three equal colours.
fn is_grey(crop: &[u8]) -> bool {
    crop.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_count_once() {
        assert_eq!(distinct("b\na\n\nb\r\nc\na\n"), ["b", "a", "c"]);
    }
}
