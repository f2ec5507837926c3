//! The pictures that are measured: decoded, in the size that a network takes.

use anyhow::bail;
use neuron_data::{DataError, ImageError, Preprocessing, Rgb8Image, read_rgb8};

use super::units::Named;
use crate::references::Reader;
use crate::scan::SkippedImage;

/// A decoded picture.
pub(super) struct Picture {
    pub(super) set: usize,
    /// Of the evaluated units.
    pub(super) unit: usize,
    pub(super) name: String,
    /// `[crop, crop, 3]`
    pub(super) pixels: Vec<u8>,
    /// As the witness takes it, if there is one.
    pub(super) for_witness: Option<Vec<u8>>,
}

/// All of them, those of the first set first.
pub(super) struct Pictures {
    pub(super) all: Vec<Picture>,
}

impl Pictures {
    /// Decodes the pictures, for a witness as well if there is one. Those that cannot be read are skipped.
    ///
    /// # Errors
    /// If none is left; the first that cannot be read, with `--strict`.
    pub(super) fn load(
        named: &[Named<'_>],
        reader: &Reader<'_>,
        witness: Option<&Preprocessing>,
        skipped: &mut Vec<SkippedImage>,
    ) -> anyhow::Result<Self> {
        let global = reader.global;
        let (mut all, mut resized) = (Vec::new(), 0usize);
        for Named { file, index, unit } in named {
            let name = file.path.display().to_string();
            match read_rgb8(&file.path, &global.limits()) {
                Ok(picture) => {
                    let side = reader.preprocessing.crop;
                    resized += usize::from((picture.height, picture.width) != (side, side));
                    let pixels = crop(&picture, reader.preprocessing);
                    let for_witness = witness.map(|witness| crop(&picture, witness));
                    all.push(Picture { set: file.set, unit: *unit, name, pixels, for_witness });
                }
                Err(DataError::Image { source, .. }) => {
                    skip(skipped, reader, (*index, &name), &source)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if resized > 0 {
            let side = reader.preprocessing.crop;
            global.say(0, || {
                format!(
                    "{resized} of {} pictures are not of the network's {side} x {side} pixels: they are resized and \
                     cropped as images are",
                    all.len()
                )
            });
        }
        match (all.is_empty(), skipped.first()) {
            (true, Some(SkippedImage { image, reason, .. })) => {
                bail!("no picture is left to be measured; the first is {image}: {reason}")
            }
            _ => Ok(Self { all }),
        }
    }

    /// Those of a unit in a set, by their places.
    pub(super) fn of(&self, unit: usize, set: usize) -> impl Iterator<Item = usize> {
        let is_of = move |picture: &Picture| (picture.unit, picture.set) == (unit, set);
        (0..self.all.len()).filter(move |at| is_of(&self.all[*at]))
    }
}

fn skip(
    skipped: &mut Vec<SkippedImage>,
    reader: &Reader<'_>,
    (index, name): (usize, &str),
    reason: &ImageError,
) -> anyhow::Result<()> {
    if reader.global.strict {
        bail!("{name}: {reason} (leave out --strict to skip such files)");
    }
    reader.global.say(0, || format!("skipped {name}: {reason}"));
    skipped.push(SkippedImage { index, image: name.to_owned(), reason: reason.to_string() });
    Ok(())
}

/// A picture as a network takes it: as it is, where it has that size, else as images are resized and cropped.
fn crop(picture: &Rgb8Image, preprocessing: &Preprocessing) -> Vec<u8> {
    let side = preprocessing.crop;
    if (picture.height, picture.width) == (side, side) {
        return picture.pixels.clone();
    }
    let mut pixels = vec![0; preprocessing.crop_bytes()];
    preprocessing.crop_into(picture, &mut pixels);
    pixels
}
