use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{ImageReader, RgbaImage};
use neuron_data::{DataError, ImageError, Limits, Rgb8Image, read_rgb8};
use neuron_geometry::PixelBox;
use neuron_patches::Picture;
use rayon::prelude::*;

use super::encode::{fit, jpeg, webp};
use super::images::Images;
use super::plan::{Plan, ResultPicture, Source};
use crate::error::AtlasError;
use crate::event::{Event, Observer};
use crate::skipped::Skipped;
use crate::staging::Staging;
use crate::unit::Window;

/// Longest side of a source image, in pixels: shown at up to 200, on screens with two pixels for each.
const IMAGE_SIDE: usize = 360;
/// Longest side of a patch.
const PATCH_SIDE: usize = 192;
/// Longest side of a visualisation or heat map.
const RESULT_SIDE: usize = 448;

/// Width and height of a picture of the site, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Size {
    fn of(image: &Rgb8Image) -> Self {
        Self { width: image.width, height: image.height }
    }
}

/// A source image that is on the site.
#[derive(Debug)]
pub(crate) struct RenderedSource {
    pub(crate) size: Size,
    /// Size of each cut.
    pub(crate) cuts: Vec<Size>,
}

/// How source images are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// What one may cost.
    pub(crate) limits: Limits,
    /// Whether one that cannot be shown is fatal.
    pub(crate) strict: bool,
}

/// The pictures that were made, in the order of the plan.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) sources: Vec<Result<RenderedSource, Skipped>>,
    /// Nothing for what is left out.
    pub(crate) results: Vec<Result<Option<Size>, Skipped>>,
}

/// Makes and writes all pictures of a plan; each source image is decoded once.
pub(crate) fn render(
    plan: &Plan,
    staging: &Staging,
    reading: Reading,
    observer: Observer<'_>,
) -> Result<Rendered, AtlasError> {
    let total = plan.sources.len() + plan.results.len();
    let done = AtomicUsize::new(0);
    let tell = || {
        let done = 1 + done.fetch_add(1, Ordering::Relaxed);
        match observer(Event::Picture { done, total }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(AtlasError::Stopped),
        }
    };
    let sources = plan.sources.par_iter().map(|source| {
        tell()?;
        match draw_source(source, &plan.images, reading.limits, staging)? {
            Err(Skipped { path, reason }) if reading.strict => Err(AtlasError::Skipped { path, reason }),
            drawn => Ok(drawn),
        }
    });
    let sources: Vec<Result<RenderedSource, Skipped>> = sources.collect::<Result<_, _>>()?;
    let results = plan.results.par_iter().map(|picture| {
        tell()?;
        if picture.instead_of.iter().any(|source| sources[source.0].is_ok()) {
            return Ok(Ok(None));
        }
        match draw_result(picture, staging)? {
            Err(Skipped { path, reason }) if reading.strict => Err(AtlasError::Skipped { path, reason }),
            drawn => Ok(drawn.map(Some)),
        }
    });
    let results = results.collect::<Result<_, _>>()?;
    Ok(Rendered { sources, results })
}

/// Writes an image and its cuts; the inner error is an image that cannot be shown.
fn draw_source(
    source: &Source,
    images: &Images,
    limits: Limits,
    staging: &Staging,
) -> Result<Result<RenderedSource, Skipped>, AtlasError> {
    let skipped = |reason: String| Ok(Err(Skipped { path: images.place(source.image), reason }));
    let image = match images.read(source.image, &limits) {
        Ok(image) => image,
        Err(DataError::Image { source, .. }) => return skipped(reason(&source)),
        Err(other) => return skipped(other.to_string()),
    };
    // Before anything is written: an image of another size is another image.
    let cuts: Result<Vec<Rgb8Image>, String> =
        source.cuts.iter().map(|cut| part(&image, cut.window)).collect();
    let cuts = match cuts {
        Ok(cuts) => cuts,
        Err(reason) => return skipped(reason),
    };
    let mut sizes = Vec::new();
    for (cut, pixels) in source.cuts.iter().zip(cuts) {
        sizes.push(write(staging, &cut.file, &fit(pixels, PATCH_SIDE))?);
    }
    let size = write(staging, &source.file, &fit(image, IMAGE_SIDE))?;
    Ok(Ok(RenderedSource { size, cuts: sizes }))
}

/// The error, and what lies behind it.
fn reason(error: &ImageError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn write(staging: &Staging, file: &str, image: &Rgb8Image) -> Result<Size, AtlasError> {
    let bytes = jpeg(image).map_err(AtlasError::write(file))?;
    staging.write(file, &bytes)?;
    Ok(Size::of(image))
}

/// Cuts a window out of an image of the size for which the window was made.
fn part(image: &Rgb8Image, window: Window) -> Result<Rgb8Image, String> {
    let Window { x, y, width, height, image_width, image_height } = window;
    if (image_width, image_height) != (image.width, image.height) {
        return Err(format!(
            "the image is {} x {} px, but was {image_width} x {image_height} px when its patches were found",
            image.width, image.height
        ));
    }
    let at = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    let inside = x < image.width && y < image.height && width <= image.width && height <= image.height;
    if !inside || width == 0 || height == 0 {
        return Err(format!("the patch of {width} x {height} px at ({y}, {x}) lies outside of the image"));
    }
    let picture =
        Picture::new(&image.pixels, image.height, image.width).map_err(|error| error.to_string())?;
    let window = PixelBox { y: at(y), x: at(x), height, width };
    let pixels = picture.crop(window).map_err(|error| error.to_string())?;
    Ok(Rgb8Image { height, width, pixels })
}

/// Writes a picture of the results; the inner error is one that cannot be shown.
fn draw_result(picture: &ResultPicture, staging: &Staging) -> Result<Result<Size, Skipped>, AtlasError> {
    let skipped = |reason: String| Ok(Err(Skipped { path: picture.path.clone(), reason }));
    if !picture.transparent {
        return match read_rgb8(&picture.path, &Limits::default()) {
            Ok(image) => write(staging, &picture.file, &fit(image, RESULT_SIDE)).map(Ok),
            Err(DataError::Image { source, .. }) => skipped(reason(&source)),
            Err(other) => skipped(other.to_string()),
        };
    }
    let image = match read_rgba(&picture.path) {
        Ok(image) => image,
        Err(error) => return skipped(error.chain()),
    };
    let size = Size { width: image.width() as usize, height: image.height() as usize };
    staging.write(&picture.file, &webp(image).map_err(AtlasError::write(&picture.file))?)?;
    Ok(Ok(size))
}

/// Reads a picture with its transparency, scaled down where it is larger than shown.
fn read_rgba(path: &Path) -> Result<RgbaImage, AtlasError> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    let decoded = reader.map_err(AtlasError::read(path))?.decode();
    let decoded = decoded.map_err(|error| AtlasError::read(path)(std::io::Error::other(error)))?;
    let side = RESULT_SIDE as u32;
    let fits = decoded.width() <= side && decoded.height() <= side;
    Ok(if fits { decoded } else { decoded.thumbnail(side, side) }.into_rgba8())
}
