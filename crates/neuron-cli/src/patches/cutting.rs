use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, bail};
use image::RgbImage;
use image::imageops::{FilterType, resize};
use neuron_data::{CropGeometry, Dataset, Limits, Loader, LoaderOptions, Preprocessing};
use neuron_geometry::PixelBox;
use neuron_patches::Picture;

use super::Unit;

/// The pixels of a kept patch.
pub(super) struct Cut {
    pub(super) window: PixelBox,
    /// `[height, width, 3]`
    pub(super) pixels: Vec<u8>,
    /// Where the crop lies in the picture.
    pub(super) geometry: CropGeometry,
}

impl Cut {
    /// The levels in 0..1, at another size where it has not that one.
    pub(super) fn scaled_to(&self, height: usize, width: usize) -> Vec<f32> {
        let PixelBox { height: own_height, width: own_width, .. } = self.window;
        let scaled = (own_height, own_width) != (height, width);
        let pixels = RgbImage::from_raw(own_width as u32, own_height as u32, self.pixels.clone());
        let pixels = match pixels.filter(|_| scaled) {
            Some(own) => resize(&own, width as u32, height as u32, FilterType::Triangle).into_raw(),
            None => self.pixels.clone(),
        };
        pixels.into_iter().map(|level| f32::from(level) / 255.0).collect()
    }
}

/// Cuts the patches of some units out of their images, each of which is loaded once; `[unit][rank]`.
///
/// # Errors
/// If an image that could be read during the scan no longer can.
pub(super) fn cut(
    units: &[Unit<'_>],
    dataset: &Arc<Dataset>,
    preprocessing: &Preprocessing,
    limits: Limits,
) -> anyhow::Result<Vec<Vec<Cut>>> {
    let mut wanted: BTreeMap<usize, Vec<(usize, usize)>> = BTreeMap::new();
    for (place, unit) in units.iter().enumerate() {
        for (rank, kept) in unit.kept.iter().enumerate() {
            wanted.entry(kept.image).or_default().push((place, rank));
        }
    }
    let mut cuts: Vec<Vec<Option<Cut>>> =
        units.iter().map(|unit| unit.kept.iter().map(|_| None).collect()).collect();
    let images: Vec<usize> = wanted.keys().copied().collect();
    let options = LoaderOptions { limits, ..LoaderOptions::default() };
    let mut loader = Loader::new(dataset.clone(), images, preprocessing, &options)?;
    while let Some(batch) = loader.next() {
        if let Some(gone) = batch.skipped.first() {
            bail!("{} could be read before, but not any more: {}", gone.entry, gone.reason);
        }
        let crops = batch.pixels().chunks_exact(preprocessing.crop_bytes());
        for ((image, geometry), pixels) in batch.items.iter().zip(&batch.geometry).zip(crops) {
            let crop = Picture::new(pixels, preprocessing.crop, preprocessing.crop)?;
            for (unit, rank) in &wanted[image] {
                let window = units[*unit].kept[*rank].window;
                cuts[*unit][*rank] = Some(Cut { window, pixels: crop.crop(window)?, geometry: *geometry });
            }
        }
        loader.recycle(batch);
    }
    let whole = |cuts: Vec<Option<Cut>>| cuts.into_iter().collect::<Option<Vec<_>>>();
    cuts.into_iter().map(whole).collect::<Option<_>>().context("the loader left out an image")
}
