use crate::error::ImageError;

/// What a single file may cost; beyond it the file is an error, found before the memory is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read. Default 1.4 GB, see [`Limits::of_pixels`].
    pub max_file_bytes: u64,
    /// Largest picture that is decoded, in pixels. Default 178,956,970, beyond which Pillow takes a file for a
    /// decompression bomb. Decoding takes up to 16 bytes a pixel.
    pub max_pixels: usize,
}

impl Limits {
    /// Room for pictures of so many pixels, whatever their format: eight bytes a pixel, as in 16-bit RGBA that is
    /// not compressed, and never less than 256 MiB.
    pub fn of_pixels(max_pixels: usize) -> Self {
        const LEAST_BYTES: u64 = 256 << 20;
        const HEADER_BYTES: u64 = 1 << 20;
        let bytes = (max_pixels as u64).saturating_mul(8).saturating_add(HEADER_BYTES);
        Self { max_file_bytes: bytes.max(LEAST_BYTES), max_pixels }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_pixels(178_956_970)
    }
}

impl Limits {
    /// Checks the size of a file.
    pub(crate) fn check_file(&self, bytes: u64) -> Result<(), ImageError> {
        let limit = self.max_file_bytes;
        if bytes > limit { Err(ImageError::FileTooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Checks the size that a file's header announces.
    pub(crate) fn check(&self, format: &'static str, height: usize, width: usize) -> Result<(), ImageError> {
        if height == 0 || width == 0 {
            return Err(ImageError::Corrupt { format, reason: "the picture has no pixels".into() });
        }
        if height.checked_mul(width).is_none_or(|pixels| pixels > self.max_pixels) {
            return Err(ImageError::TooManyPixels { height, width, limit: self.max_pixels });
        }
        Ok(())
    }
}
