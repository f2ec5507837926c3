//! What is known of a unit.

use std::path::PathBuf;

use crate::run::RunId;

/// A unit: a channel of a layer of an architecture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct UnitId {
    pub(crate) arch: String,
    pub(crate) layer: String,
    pub(crate) channel: usize,
}

/// Everything that results say about a unit.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub(crate) images: Option<ImageList>,
    pub(crate) patches: Vec<PatchSet>,
    pub(crate) visualisations: Vec<Visualisation>,
    pub(crate) heat_maps: Vec<HeatMap>,
    pub(crate) evaluations: Vec<Evaluation>,
}

/// Images of a list that are kept; what is further down is only counted.
pub(crate) const LISTED: usize = 100;

/// The images that excite a unit most.
#[derive(Debug, Default)]
pub(crate) struct ImageList {
    /// Best first, no more than [`LISTED`].
    pub(crate) best: Vec<Listed>,
    /// How many the list has in all.
    pub(crate) total: usize,
    pub(crate) run: Option<RunId>,
}

/// An image of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    /// As the list names it.
    pub(crate) image: String,
    /// The name of its class folder.
    pub(crate) class: Option<String>,
    pub(crate) score: Option<f32>,
}

/// The best patches, as one command found them.
#[derive(Debug)]
pub(crate) struct PatchSet {
    /// Best first; empty where there is only a picture of them.
    pub(crate) best: Vec<Patch>,
    /// The picture that shows all of them.
    pub(crate) grid: Option<PathBuf>,
    pub(crate) run: Option<RunId>,
}

/// A patch, and where it lies in its image.
#[derive(Debug)]
pub(crate) struct Patch {
    /// As the table names it.
    pub(crate) image: String,
    pub(crate) score: f32,
    /// In pixels of the image file.
    pub(crate) window: Window,
    /// Side in pixels of what the network sees.
    pub(crate) size_px: usize,
    /// Whether it is all that the network sees, because the unit is strongest at a class token, which has no place.
    pub(crate) is_whole: bool,
}

/// A box in the pixels of an image file, and the size of the image that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) image_width: usize,
    pub(crate) image_height: usize,
}

/// A picture that was optimised for the unit.
#[derive(Debug)]
pub(crate) struct Visualisation {
    /// Name of the files, without what they end in.
    pub(crate) name: String,
    pub(crate) picture: PathBuf,
    pub(crate) masked: Option<PathBuf>,
    /// Total of every step.
    pub(crate) loss: Vec<f64>,
    pub(crate) method: String,
    pub(crate) activation: Option<Reached>,
    pub(crate) run: RunId,
}

/// The unit's greatest activation on a picture, and what there is to compare it with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    pub(crate) value: f64,
    /// The mean over the picture's references.
    pub(crate) references: Option<f64>,
    /// `value / references`, where that says something.
    pub(crate) ratio: Option<f64>,
}

/// Where in an image the unit's activation comes from.
#[derive(Debug)]
pub(crate) struct HeatMap {
    pub(crate) picture: PathBuf,
    pub(crate) image: String,
    pub(crate) method: String,
}

/// How well a set of pictures shows the unit.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// Name of the set.
    pub(crate) set: String,
    /// Pictures of the unit in it.
    pub(crate) pictures: usize,
    /// The name of each measure that says something, with its mean over the pictures.
    pub(crate) measures: Vec<(String, f64)>,
}
