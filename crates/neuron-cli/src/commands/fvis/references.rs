//! The images that a unit's picture is compared with.

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use neuron_data::{Dataset, Loader, LoaderOptions, Preprocessing};
use neuron_model::{ByteImages, Images, Network, Tap};

use super::flags::{Args, Kind};
use super::patches;
use crate::global::Global;
use crate::origin::Origin;
use crate::scan::{SkippedImage, crops};

/// Name of the lists that `extract-patches` and `baseline` write.
const LIST: &str = "topk_files.txt";

/// The reference images of one unit, decoded.
pub(super) struct References {
    names: Vec<String>,
    /// `[images, crop, crop, 3]`
    pixels: Vec<u8>,
    preprocessing: Preprocessing,
    skipped: Vec<SkippedImage>,
}

impl References {
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

/// Where references are looked for, and how they become images.
pub(super) struct Search<'a> {
    args: &'a Args,
    global: &'a Global,
    network: &'a Network,
    target: &'a Tap,
    preprocessing: &'a Preprocessing,
    /// What made the lists of images from which those of patches come.
    images: Option<Origin>,
    /// Whether something of many lists alike was said: once is enough.
    said: Cell<bool>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        args: &'a Args,
        global: &'a Global,
        network: &'a Network,
        target: &'a Tap,
        preprocessing: &'a Preprocessing,
    ) -> anyhow::Result<Self> {
        let images = Origin::of(&args.topk_dir)?;
        if let Some(images) = &images {
            images.say_moved(global.data_if_any()?, global);
        }
        Ok(Self { args, global, network, target, preprocessing, images, said: Cell::new(false) })
    }

    /// How many references of a unit its list names, for a plan.
    pub(super) fn count(&self, channel: usize) -> anyhow::Result<usize> {
        let text = neuron_data::read_list(&self.list(channel)?)?;
        let listed = match self.args.references {
            Kind::Images => distinct(&text).len(),
            Kind::Patches => lines(&text).count(),
        };
        Ok(listed.min(self.args.num_real_img.get()))
    }

    /// Finds and decodes the references of a unit.
    pub(super) fn load(&self, channel: usize) -> anyhow::Result<References> {
        let list = self.list(channel)?;
        let patches = Origin::of(list.parent().unwrap_or(Path::new("")))?;
        if let Some(origin) = patches.as_ref().or(self.images.as_ref())
            && let Some(note) = origin.check(self.network, self.target)?
            && !self.said.replace(true)
        {
            self.global.say(0, || note);
        }
        let text = neuron_data::read_list(&list)?;
        let wanted = self.args.num_real_img.get();
        // Lists of patches may not know where their images lay: then those of images do.
        let lookup = Origin::lookup(&[patches.as_ref(), self.images.as_ref()], self.global.data_if_any()?);
        let references = match self.args.references {
            Kind::Images => {
                let (listed, distinct) = (lines(&text).count(), distinct(&text));
                if distinct.len() < listed {
                    let (repeated, list) = (listed - distinct.len(), list.display());
                    self.global.say(0, || {
                        format!("left out: {repeated} lines of {list} that repeat an earlier one")
                    });
                }
                let names: Vec<&str> = distinct.into_iter().take(wanted).collect();
                self.images(&names, Dataset::look_up(&names, &lookup))?
            }
            Kind::Patches => {
                let lines: Vec<&str> = lines(&text).collect();
                self.patches(&list, &lines, &Dataset::look_up(&lines, &lookup))?
            }
        };
        if references.names.is_empty() {
            return Err(unreadable(&list, &references.skipped));
        }
        let found = references.names.len();
        if found < wanted {
            let (unit, list) = (format!("{}:{channel}", self.target.name), list.display());
            self.global.say(0, || {
                format!("{unit}: {found} references instead of {wanted}: {list} has no more that can be read")
            });
        }
        Ok(references)
    }

    /// The unit's list, of whichever command wrote it.
    fn list(&self, channel: usize) -> anyhow::Result<PathBuf> {
        let folder = self.args.topk_dir.join(channel.to_string());
        let of_patches = folder.join(LIST);
        if of_patches.is_file() {
            return Ok(of_patches);
        }
        if let Some(of_baseline) = longest_baseline(&folder) {
            return Ok(of_baseline);
        }
        let (layer, arch) = (&self.args.layer, &self.args.arch);
        bail!(
            "no reference images for {layer}:{channel}: neither {} nor {} is there; make one with \
             `neuron extract-patches --arch {arch} --layer {layer} --channels {channel} --out {}` or \
             `neuron baseline --arch {arch} --layer {layer} --channels {channel}`, or name its folder with --topk-dir",
            of_patches.display(),
            folder.join("top<k>").join(LIST).display(),
            self.args.topk_dir.display(),
        )
    }

    /// The patches that were kept of the listed images.
    fn patches(&self, list: &Path, lines: &[&str], dataset: &Dataset) -> anyhow::Result<References> {
        let boxes = patches::boxes(list)?;
        if boxes.len() != lines.len() {
            let (list, lines, boxes) = (list.display(), lines.len(), boxes.len());
            bail!("{list} names {lines} images, the table beside it {boxes} patches: make both again");
        }
        let mut references = self.none();
        let wanted = self.args.num_real_img.get();
        for (index, (line, patch)) in lines.iter().zip(boxes).enumerate().take(wanted) {
            let image = dataset.read_rgb8(index, &self.global.limits()).map_err(anyhow::Error::from);
            match image.and_then(|image| patches::cut(&image, patch, self.preprocessing)) {
                Ok(pixels) => references.push(line, &pixels),
                Err(reason) => self.skip(&mut references, index, line, &reason.to_string())?,
            }
        }
        Ok(references)
    }

    fn images(&self, names: &[&str], dataset: Dataset) -> anyhow::Result<References> {
        let limits = self.global.limits();
        let options = LoaderOptions { batch_size: names.len().max(1), limits, ..LoaderOptions::default() };
        let mut references = self.none();
        for batch in Loader::new(Arc::new(dataset), 0..names.len(), self.preprocessing, &options)? {
            let crops = batch.pixels().chunks_exact(self.preprocessing.crop_bytes());
            for (index, crop) in batch.items.iter().zip(crops) {
                // The reference implementation takes only images of three channels.
                if !(self.global.reference_compat && is_grey(crop)) {
                    references.push(names[*index], crop);
                }
            }
            for skipped in batch.skipped {
                let reason = skipped.reason.to_string();
                self.skip(&mut references, skipped.index, names[skipped.index], &reason)?;
            }
        }
        Ok(references)
    }

    fn none(&self) -> References {
        let preprocessing = self.preprocessing.clone();
        References { names: Vec::new(), pixels: Vec::new(), preprocessing, skipped: Vec::new() }
    }

    fn skip(
        &self,
        references: &mut References,
        index: usize,
        image: &str,
        reason: &str,
    ) -> anyhow::Result<()> {
        if self.global.strict {
            bail!("{image}: {reason}");
        }
        self.global.say(0, || format!("skipped {image}: {reason}"));
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

/// Says that a list gives no reference, and of the first of its images why.
fn unreadable(list: &Path, skipped: &[SkippedImage]) -> anyhow::Error {
    let list = list.display();
    match skipped {
        [] => anyhow!("{list} names no image that can serve as a reference; make the list again"),
        [SkippedImage { image, reason, .. }, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            anyhow!(
                "none of the images that {list} names can be read: {image} ({reason}){more}; if they have moved, \
                 name their folder with --data"
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

/// `<folder>/top<k>/topk_files.txt` for the largest k.
fn longest_baseline(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let k = |name: &str| name.strip_prefix("top")?.parse::<usize>().ok();
    let lists = entries.filter_map(|entry| Some((k(entry.file_name().to_str()?)?, entry.path().join(LIST))));
    lists.filter(|(_, list)| list.is_file()).max().map(|(_, list)| list)
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

    #[test]
    fn the_longest_list_of_baseline_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(longest_baseline(folder.path()), None);
        for name in ["top5", "top50", "top500", "topmost"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for name in ["top5", "top50", "topmost"] {
            std::fs::write(folder.path().join(name).join(LIST), "a").unwrap();
        }
        assert_eq!(longest_baseline(folder.path()), Some(folder.path().join("top50").join(LIST)));
    }
}
