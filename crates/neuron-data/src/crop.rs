use std::path::Path;

use crate::decode::Decoder;
use crate::error::{DataError, ImageError};
use crate::file::read_rgb8;
use crate::geometry::CropGeometry;
use crate::limits::Limits;
use crate::preprocessing::Preprocessing;
use crate::resize::{Raster, Resize};
use crate::rgb8::Rgb8Image;

/// Turns files into crops, one after the other, in the same memory.
pub struct CropDecoder {
    preprocessing: Preprocessing,
    limits: Limits,
    decoder: Decoder,
    between: Vec<u8>,
}

impl CropDecoder {
    /// A decoder of crops.
    pub fn new(preprocessing: Preprocessing, limits: Limits) -> Self {
        Self { preprocessing, limits, decoder: Decoder::default(), between: Vec::new() }
    }

    /// Decodes a file's bytes, resizes and crops; only what the crop needs is computed.
    ///
    /// # Shapes
    /// * `out`: `[crop, crop, 3]`, RGB
    ///
    /// # Errors
    /// As [`decode_rgb8`](crate::decode_rgb8).
    ///
    /// # Panics
    /// If `out` is not [`Preprocessing::crop_bytes`] long.
    pub fn decode_crop(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<CropGeometry, ImageError> {
        assert_eq!(out.len(), self.preprocessing.crop_bytes(), "the crop has its size");
        let mut plan = None;
        let decoded = self.decoder.decode(bytes, &self.limits, |height, width| {
            plan.insert(self.preprocessing.plan(height, width)).0.source()
        })?;
        let (height, width) = decoded.whole;
        let (resize, geometry) = plan.unwrap_or_else(|| self.preprocessing.plan(height, width));
        resize.run(&decoded.raster, &mut self.between, out);
        Ok(geometry)
    }
}

impl Preprocessing {
    /// Reads a picture and makes it the input of a network.
    ///
    /// # Shapes
    /// * returns: `[crop, crop, 3]`, normalised
    ///
    /// # Errors
    /// [`DataError::Image`] with the reason.
    ///
    /// ```no_run
    /// use std::path::Path;
    /// use neuron_data::{Limits, Preprocessing};
    ///
    /// let input = Preprocessing::default().load(Path::new("photo.jpg"), &Limits::default())?;
    /// assert_eq!(input.len(), 224 * 224 * 3);
    /// # Ok::<(), neuron_data::DataError>(())
    /// ```
    pub fn load(&self, path: &Path, limits: &Limits) -> Result<Vec<f32>, DataError> {
        Ok(self.normalize(&self.load_crop(path, limits)?))
    }

    /// Reads a picture, resizes and crops it.
    ///
    /// # Shapes
    /// * returns: `[crop, crop, 3]`, RGB
    ///
    /// # Errors
    /// [`DataError::Image`] with the reason.
    pub fn load_crop(&self, path: &Path, limits: &Limits) -> Result<Vec<u8>, DataError> {
        let mut crop = vec![0; self.crop_bytes()];
        self.crop_into(&read_rgb8(path, limits)?, &mut crop);
        Ok(crop)
    }

    /// Resizes and crops a decoded picture.
    ///
    /// # Shapes
    /// * `out`: `[crop, crop, 3]`, RGB
    ///
    /// # Panics
    /// If `out` is not [`Preprocessing::crop_bytes`] long.
    pub fn crop_into(&self, image: &Rgb8Image, out: &mut [u8]) -> CropGeometry {
        assert_eq!(out.len(), self.crop_bytes(), "the crop has its size");
        let (resize, geometry) = self.plan(image.height, image.width);
        let pixels = image.padded();
        let source = Raster { pixels: &pixels, rows: 0..image.height, columns: 0..image.width };
        resize.run(&source, &mut Vec::new(), out);
        geometry
    }

    fn plan(&self, height: usize, width: usize) -> (Resize, CropGeometry) {
        let geometry = self.geometry(height, width);
        let rows = geometry.top..geometry.top + self.crop;
        let columns = geometry.left..geometry.left + self.crop;
        let to = (geometry.resized_height, geometry.resized_width);
        (Resize::new((height, width), to, rows, columns, self.interpolation), geometry)
    }
}
