use neuron_data::Preprocessing;
use neuron_model::ByteImages;

/// Crops as a session reads them.
///
/// # Shapes
/// * `pixels`: `[batch, crop, crop, 3]`
pub(crate) fn crops<'a>(pixels: &'a [u8], preprocessing: &Preprocessing) -> ByteImages<'a> {
    ByteImages::new(pixels, preprocessing.crop, preprocessing.crop, preprocessing.lookup_table())
}
