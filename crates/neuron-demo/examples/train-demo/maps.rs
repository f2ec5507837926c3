//! A design up to its last maps.

use candle_core::{Result, Tensor};

/// What a design is, up to its last maps.
pub(crate) trait Maps {
    /// # Shapes
    /// * `images`: `[3, batch, height, width]`, normalised
    /// * returns: `[channels, batch, height, width]`, never negative
    fn forward(&self, images: &Tensor) -> Result<Tensor>;
}
