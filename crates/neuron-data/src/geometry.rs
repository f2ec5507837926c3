use neuron_geometry::PixelBox;

/// Where the crop that a network sees lies in the original picture.
///
/// The picture is resized to `resized_height x resized_width`, then `side x side` pixels are cut out at
/// (`top`, `left`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CropGeometry {
    /// Height of the picture as stored, in pixels.
    pub original_height: usize,
    /// Width of the picture as stored, in pixels.
    pub original_width: usize,
    /// Height after the resize, in pixels.
    pub resized_height: usize,
    /// Width after the resize, in pixels.
    pub resized_width: usize,
    /// First row of the crop in the resized picture.
    pub top: usize,
    /// First column of the crop in the resized picture.
    pub left: usize,
    /// Height and width of the crop, in pixels.
    pub side: usize,
}

impl CropGeometry {
    /// The geometry of `Resize(resize)` followed by `CenterCrop(side)`, as torchvision does them.
    ///
    /// The shorter side becomes `resize`, the longer `floor(resize * long / short)`; the crop starts at half
    /// of what is left, rounded half to even. Needs a picture with pixels and `side <= resize`.
    pub(crate) fn new(original_height: usize, original_width: usize, resize: usize, side: usize) -> Self {
        let (resized_height, resized_width) = if original_width <= original_height {
            (resize * original_height / original_width, resize)
        } else {
            (resize, resize * original_width / original_height)
        };
        let top = half_to_even(resized_height - side);
        let left = half_to_even(resized_width - side);
        Self { original_height, original_width, resized_height, resized_width, top, left, side }
    }

    /// The pixels of the original picture that lie under a box of the crop.
    ///
    /// Edges are rounded to the nearest pixel; the box keeps at least one pixel and stays inside the picture.
    pub fn to_original(&self, crop: PixelBox) -> PixelBox {
        let rows = Axis { resized: self.resized_height, original: self.original_height, offset: self.top };
        let columns = Axis { resized: self.resized_width, original: self.original_width, offset: self.left };
        let (y, height) = rows.to_original(crop.y, crop.height);
        let (x, width) = columns.to_original(crop.x, crop.width);
        PixelBox { y, x, height, width }
    }
}

/// One axis of the map from the crop to the original.
struct Axis {
    resized: usize,
    original: usize,
    offset: usize,
}

impl Axis {
    fn to_original(&self, start: i64, len: usize) -> (i64, usize) {
        let scale = self.original as f64 / self.resized as f64;
        let edge = |at: i64| ((at + self.offset as i64) as f64 * scale).round() as i64;
        let last = self.original as i64 - 1;
        let start_px = edge(start).clamp(0, last);
        let end_px = edge(start + len as i64).clamp(start_px + 1, last + 1);
        (start_px, (end_px - start_px) as usize)
    }
}

/// `round(n / 2)` with halves to even, as Python's `round`.
fn half_to_even(n: usize) -> usize {
    let half = n / 2;
    half + usize::from(n % 2 == 1 && half % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_go_to_even() {
        let offsets: Vec<_> = (0..8).map(half_to_even).collect();
        assert_eq!(offsets, [0, 0, 1, 2, 2, 2, 3, 4]);
    }

    #[test]
    fn a_landscape_picture() {
        let geometry = CropGeometry::new(375, 500, 256, 224);
        assert_eq!((geometry.resized_height, geometry.resized_width), (256, 341));
        // (341 - 224) / 2 = 58.5, half to even.
        assert_eq!((geometry.top, geometry.left), (16, 58));
    }

    #[test]
    fn a_box_maps_to_the_pixels_below_it() {
        let geometry = CropGeometry::new(512, 1024, 256, 224);
        let whole = geometry.to_original(PixelBox { y: 0, x: 0, height: 224, width: 224 });
        assert_eq!(whole, PixelBox { y: 32, x: 288, height: 448, width: 448 });
        let outside = geometry.to_original(PixelBox { y: -100, x: 500, height: 10, width: 10 });
        assert_eq!(outside, PixelBox { y: 0, x: 1023, height: 1, width: 1 });
    }

    fn cases(cases: u32) -> ProptestConfig {
        ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(cases(2000))]

        #[test]
        fn every_size_has_a_crop(height in 1usize..=3000, width in 1usize..=3000, long_first: bool) {
            let (height, width) = if long_first { (height, width.min(20)) } else { (height, width) };
            let geometry = CropGeometry::new(height, width, 256, 224);
            // The definition, in torchvision's floating point.
            let long = (256.0 * height.max(width) as f64 / height.min(width) as f64) as usize;
            prop_assert_eq!(geometry.resized_height.max(geometry.resized_width), long);
            prop_assert_eq!(geometry.resized_height.min(geometry.resized_width), 256);
            let offset = |resized: usize| ((resized - 224) as f64 / 2.0).round_ties_even() as usize;
            prop_assert_eq!(geometry.top, offset(geometry.resized_height));
            prop_assert_eq!(geometry.left, offset(geometry.resized_width));
            prop_assert!(geometry.top + 224 <= geometry.resized_height);
            prop_assert!(geometry.left + 224 <= geometry.resized_width);
        }

        #[test]
        fn boxes_stay_inside(
            height in 1usize..=3000, width in 1usize..=3000,
            y in -50i64..300, x in -50i64..300, side in 1usize..=224,
        ) {
            let geometry = CropGeometry::new(height, width, 256, 224);
            let found = geometry.to_original(PixelBox { y, x, height: side, width: side });
            prop_assert!(found.y >= 0 && found.height >= 1 && found.y as usize + found.height <= height);
            prop_assert!(found.x >= 0 && found.width >= 1 && found.x as usize + found.width <= width);
        }
    }
}
