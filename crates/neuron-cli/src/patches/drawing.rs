use image::RgbImage;
use neuron_patches::{Grid, PatchError, Picture};
use serde::{Deserialize, Serialize};

use super::Kept;
use super::cutting::Cut;

/// Flags of the pictures that show patches.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct DrawingFlags {
    /// Write rank and score below each patch in patches.png
    #[arg(long)]
    captions: bool,
    /// Also write each patch to a file of its own, patches/<rank>.png
    #[arg(long)]
    save_patches: bool,
}

/// How patches are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Drawing {
    /// Patches in a row.
    pub(crate) columns: usize,
    /// The most that are drawn; none: all.
    pub(crate) at_most: Option<usize>,
    pub(crate) captions: bool,
    /// Whether each is also saved by itself.
    pub(crate) save_patches: bool,
}

impl Drawing {
    pub(crate) fn new(flags: &DrawingFlags, columns: usize, at_most: Option<usize>) -> Self {
        let DrawingFlags { captions, save_patches } = *flags;
        Self { columns, at_most, captions, save_patches }
    }

    /// The grid of a unit's patches, each stretched to its own full contrast.
    pub(super) fn grid(&self, kept: &[Kept], cuts: &[Cut]) -> Result<RgbImage, PatchError> {
        let drawn = self.at_most.unwrap_or(usize::MAX).min(cuts.len());
        let size = |cut: &Cut| (cut.window.height, cut.window.width);
        // Whole images, of positions that have no place, lie beside patches.
        let (height, width) = cuts[..drawn].iter().map(size).min().unwrap_or_default();
        let pixels: Vec<Vec<f32>> = cuts[..drawn].iter().map(|cut| cut.scaled_to(height, width)).collect();
        let pictures = pixels.iter().map(|pixels| Picture::new(pixels, height, width));
        let pictures: Vec<_> = pictures.collect::<Result<_, _>>()?;
        let caption = |(rank, kept): (usize, &Kept)| format!("{rank}\n{:.3}", kept.score);
        let captions: Vec<String> = kept[..drawn].iter().enumerate().map(caption).collect();
        let grid = Grid::new(self.columns);
        let grid = if self.captions { grid.with_captions(&captions) } else { grid };
        grid.draw(&pictures)
    }
}
