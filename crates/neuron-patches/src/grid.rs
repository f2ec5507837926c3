use image::{Rgb, RgbImage};

use crate::caption;
use crate::error::PatchError;
use crate::picture::{COLOURS, Picture};

/// Black pixels around every patch.
const PADDING: u32 = 2;

/// The smallest range that is stretched to full contrast; a flatter patch stays dark.
const SMALLEST_RANGE: f64 = 1e-5;

/// Patches side by side in one picture, each stretched to its own full contrast.
///
/// Pixel for pixel what `torchvision.utils.save_image(normalize=True, scale_each=True, nrow=columns)` draws:
/// rows of patches on black, 2 px apart and from the edges, empty places at the end of the last row black, and
/// one patch alone without any border.
///
/// ```
/// use neuron_patches::{Grid, Picture};
///
/// let ramp: Vec<f32> = (0..4 * 6 * 3).map(|value| value as f32).collect();
/// let patch = Picture::new(&ramp, 4, 6)?;
/// let grid = Grid::new(2).draw(&[patch; 3])?;
/// assert_eq!(grid.dimensions(), (2 + 2 * (6 + 2), 2 + 2 * (4 + 2)));
/// # Ok::<(), neuron_patches::PatchError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Grid<'a> {
    columns: usize,
    captions: Option<&'a [String]>,
}

impl<'a> Grid<'a> {
    /// A grid with up to `columns` patches in a row.
    pub fn new(columns: usize) -> Self {
        Self { columns, captions: None }
    }

    /// Writes a line or more under each patch, one text a patch.
    ///
    /// Lines are broken where the patch ends; characters beyond ASCII are drawn as `?`.
    pub fn with_captions(self, captions: &'a [String]) -> Self {
        Self { captions: Some(captions), ..self }
    }

    /// Draws the patches in order, row by row.
    ///
    /// # Shapes
    /// * `patches`: each `[height, width, 3]`, of any range
    /// * returns: RGB8
    ///
    /// # Errors
    /// [`PatchError::NoPatches`], [`PatchError::UnequalPatches`], [`PatchError::Zero`] for zero columns and
    /// [`PatchError::Length`] unless there are as many captions as patches.
    pub fn draw(&self, patches: &[Picture<'_, f32>]) -> Result<RgbImage, PatchError> {
        self.check(patches)?;
        let (height, width) = (patches[0].height() as u32, patches[0].width() as u32);
        let captions = self.captions.unwrap_or_default();
        let caption_height = captions.iter().map(|text| caption::height_px(text, width)).max().unwrap_or(0);
        let layout = Layout::new(patches.len(), self.columns, height + caption_height, width);

        let mut grid = RgbImage::new(layout.width, layout.height);
        for (index, patch) in patches.iter().enumerate() {
            let (x, y) = layout.corner(index);
            for (offset, colours) in (0..).zip(full_contrast(patch.pixels()).chunks_exact(COLOURS)) {
                let rgb = Rgb([colours[0], colours[1], colours[2]]);
                grid.put_pixel(x + offset % width, y + offset / width, rgb);
            }
            if let Some(text) = captions.get(index) {
                caption::draw(&mut grid, text, (x, y + height), width);
            }
        }
        Ok(grid)
    }

    fn check(&self, patches: &[Picture<'_, f32>]) -> Result<(), PatchError> {
        let first = patches.first().ok_or(PatchError::NoPatches)?;
        if self.columns == 0 {
            return Err(PatchError::Zero { what: "the number of grid columns" });
        }
        if let Some(captions) = self.captions.filter(|captions| captions.len() != patches.len()) {
            let (expected, found) = (patches.len(), captions.len());
            return Err(PatchError::Length { what: "the captions", expected, found });
        }
        let size = |patch: &Picture<'_, f32>| (patch.height(), patch.width());
        match patches.iter().enumerate().find(|(_, patch)| size(patch) != size(first)) {
            None => Ok(()),
            Some((index, patch)) => Err(PatchError::UnequalPatches {
                index,
                height: patch.height(),
                width: patch.width(),
                first_height: first.height(),
                first_width: first.width(),
            }),
        }
    }
}

/// Where the cells of a grid lie, in pixels.
struct Layout {
    columns: u32,
    cell_height: u32,
    cell_width: u32,
    padding: u32,
    height: u32,
    width: u32,
}

impl Layout {
    fn new(cells: usize, columns: usize, cell_height: u32, cell_width: u32) -> Self {
        let columns = cells.min(columns) as u32;
        let rows = (cells as u32).div_ceil(columns);
        let padding = if cells == 1 { 0 } else { PADDING };
        Self {
            columns,
            cell_height,
            cell_width,
            padding,
            height: rows * (cell_height + padding) + padding,
            width: columns * (cell_width + padding) + padding,
        }
    }

    /// Column and row of a cell's top-left pixel.
    fn corner(&self, index: usize) -> (u32, u32) {
        let (row, column) = (index as u32 / self.columns, index as u32 % self.columns);
        let start = |cell: u32, size: u32| cell * (size + self.padding) + self.padding;
        (start(column, self.cell_width), start(row, self.cell_height))
    }
}

/// Stretches a patch so that its smallest value becomes 0 and its largest 255.
fn full_contrast(pixels: &[f32]) -> Vec<u8> {
    let low = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let high = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = (f64::from(high) - f64::from(low)).max(SMALLEST_RANGE) as f32;
    // Half a level is added before the fraction is cut off, in this order, as torchvision rounds.
    pixels.iter().map(|value| ((value - low) / range * 255.0 + 0.5) as u8).collect()
}
