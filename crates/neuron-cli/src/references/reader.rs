//! Images, and patches of images, as the references of a unit.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use neuron_data::{Dataset, Loader, LoaderOptions, Preprocessing};
use neuron_model::{ByteImages, Images};

use super::kind::Kind;
use super::patches;
use crate::global::Global;
use crate::scan::{SkippedImage, crops};

/// The reference images of one unit, decoded.
pub(crate) struct References {
    kind: Kind,
    names: Vec<String>,
    /// `[images, crop, crop, 3]`
    pixels: Vec<u8>,
    preprocessing: Preprocessing,
    skipped: Vec<SkippedImage>,
}

impl References {
    /// What they are.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The files as the list names them.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Files that could not be read.
    pub(crate) fn skipped(&self) -> &[SkippedImage] {
        &self.skipped
    }

    /// Groups of them, by their index; the first says what could not be read.
    pub(crate) fn split(mut self, groups: &[Vec<usize>]) -> Vec<Self> {
        let crop = self.preprocessing.crop_bytes();
        let mut skipped = std::mem::take(&mut self.skipped);
        let group = |members: &Vec<usize>| Self {
            kind: self.kind,
            names: members.iter().map(|at| self.names[*at].clone()).collect(),
            pixels: members.iter().flat_map(|at| &self.pixels[at * crop..(at + 1) * crop]).copied().collect(),
            preprocessing: self.preprocessing.clone(),
            skipped: std::mem::take(&mut skipped),
        };
        groups.iter().map(group).collect()
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

    fn is_by_line(&self) -> bool {
        true
    }

    fn write_lines(&self, index: usize, first: usize, pixels: &mut [f32]) {
        crops(&self.pixels, &self.preprocessing).write_lines(index, first, pixels);
    }

    fn bytes(&self) -> Option<ByteImages<'_>> {
        Some(crops(&self.pixels, &self.preprocessing))
    }
}

impl References {
    fn push(&mut self, name: &str, pixels: &[u8]) {
        self.names.push(name.to_owned());
        self.pixels.extend_from_slice(pixels);
    }
}

/// Decodes references for a network.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) global: &'a Global,
    pub(crate) preprocessing: &'a Preprocessing,
}

impl Reader<'_> {
    /// The first patches that were kept of the listed images.
    pub(super) fn patches(
        &self,
        list: &Path,
        (lines, wanted): (&[&str], usize),
        dataset: &Dataset,
    ) -> anyhow::Result<References> {
        let boxes = patches::boxes(list)?;
        if boxes.len() != lines.len() {
            let (list, lines, boxes) = (list.display(), lines.len(), boxes.len());
            bail!("{list} names {lines} images, the table beside it {boxes} patches: make both again");
        }
        let mut references = self.none(Kind::Patches);
        for (index, (line, patch)) in lines.iter().zip(boxes).enumerate().take(wanted) {
            let image = dataset.read_rgb8(index, &self.global.limits()).map_err(anyhow::Error::from);
            match image.and_then(|image| patches::cut(&image, patch, self.preprocessing)) {
                Ok(pixels) => references.push(line, &pixels),
                Err(reason) => self.skip(&mut references, index, line, &reason.to_string())?,
            }
        }
        Ok(references)
    }

    /// Some images of a data set as a whole.
    pub(crate) fn images(
        &self,
        kind: Kind,
        dataset: Arc<Dataset>,
        indices: Vec<usize>,
        name: impl Fn(usize) -> String,
    ) -> anyhow::Result<References> {
        let global = self.global;
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
        let global = self.global;
        if global.strict {
            bail!("{image}: {reason}");
        }
        global.say(0, || format!("skipped {image}: {reason}"));
        let (image, reason) = (image.to_owned(), reason.to_owned());
        references.skipped.push(SkippedImage { index, image, reason });
        Ok(())
    }
}

/// Whether every pixel has three equal colours.
fn is_grey(crop: &[u8]) -> bool {
    crop.chunks_exact(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}
