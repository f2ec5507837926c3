//! What `extract-patches` and `baseline` share: scoring windows, and turning the kept ones into files.

mod boxes;
mod cutting;
mod drawing;
mod publishing;
mod scoring;
mod table;

use std::path::PathBuf;

use neuron_geometry::PixelBox;

use crate::scan::SkippedImage;

pub(crate) use boxes::Boxes;
pub(crate) use drawing::{Drawing, DrawingFlags};
pub(crate) use publishing::{MANIFEST, Publisher, disk_bytes, promised, remove_published};
pub(crate) use scoring::{BestPlaces, WindowInput, WindowScorer};

/// A patch that a unit keeps.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// Index in the data set.
    pub(crate) image: usize,
    /// Where the patch lies in the crop; a square.
    pub(crate) window: PixelBox,
    pub(crate) score: f32,
    /// The unit's score on the whole image, where it is known.
    pub(crate) image_score: Option<f32>,
}

/// A unit with its patches, best first.
pub(crate) struct Unit<'a> {
    pub(crate) channel: usize,
    /// Where its files go.
    pub(crate) folder: PathBuf,
    pub(crate) kept: Vec<Kept>,
    /// The images that could have held one, had they been readable.
    pub(crate) skipped: Vec<&'a SkippedImage>,
}
