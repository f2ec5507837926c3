//! What a source of images has to say of each of them.

use std::fmt::Debug;

use crate::error::ImageError;
use crate::limits::Limits;

/// Images by index: their names and their bytes, wherever they are kept.
///
/// Indices run from 0 to `len()`, in an order that is the same each time the source is opened. Methods that take an
/// index panic if it is not below `len()`. Several threads read at once.
pub trait Source: Debug + Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are no images.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of an image inside the source, such as `train/n01443537/n01443537_11.JPEG`: one line of text, with `/`
    /// between its parts, and no zero byte in it.
    fn name(&self, index: usize) -> &str;

    /// What a list calls the image, so that it is found from outside of the source: for files, their paths.
    fn entry(&self, index: usize) -> String;

    /// Number of bytes of an encoded image without reading it, or `u64::MAX` if that cannot be said.
    ///
    /// With the names it tells a changed source from an unchanged one.
    fn encoded_bytes(&self, index: usize) -> u64;

    /// The encoded bytes of an image: those of a JPEG, PNG or any other format that [`decode_rgb8`] knows.
    ///
    /// What holds its images in memory returns a part of itself; anything else replaces the content of `buffer` and
    /// returns that.
    ///
    /// # Errors
    /// Any [`ImageError`]; [`ImageError::FileTooLarge`] before more than [`Limits::max_file_bytes`] are held.
    ///
    /// [`decode_rgb8`]: crate::decode_rgb8
    fn read<'a>(
        &'a self,
        index: usize,
        limits: &Limits,
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ImageError>;
}
