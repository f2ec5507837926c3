use neuron_geometry::{PixelBox, ReceptiveField};

/// The part of a crop that a position of a feature map sees.
///
/// `side_px` asks for a square of that side around the middle of the receptive field instead of all of it. The
/// box is moved into the crop where it reaches outside, and cut where it is larger.
///
/// # Shapes
/// * `position`: (row, column) in the map
/// * `crop`: (height, width), in pixels
pub fn project(
    field: &ReceptiveField,
    position: (usize, usize),
    side_px: Option<usize>,
    crop: (usize, usize),
) -> PixelBox {
    let seen = field.pixels_of(position.0, position.1);
    side_px.map_or(seen, |side_px| seen.centred_square(side_px)).clamped(crop.0, crop.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELD: ReceptiveField = ReceptiveField::square(11, 4, -5);

    #[test]
    fn inside_the_crop_the_box_is_the_field() {
        assert_eq!(project(&FIELD, (3, 5), None, (64, 80)), PixelBox { y: 7, x: 15, height: 11, width: 11 });
        assert_eq!(
            project(&FIELD, (3, 5), Some(5), (64, 80)),
            PixelBox { y: 10, x: 18, height: 5, width: 5 }
        );
    }

    proptest! {
        #[test]
        fn the_box_lies_in_the_crop_and_on_the_field(
            position in (0..20_usize, 0..20_usize),
            side in proptest::option::of(1..40_usize),
            crop in (1..80_usize, 1..80_usize),
        ) {
            let window = project(&FIELD, position, side, crop);
            let expected = side.unwrap_or(FIELD.size_px[0]);
            prop_assert_eq!((window.height, window.width), (expected.min(crop.0), expected.min(crop.1)));
            prop_assert!(window.y >= 0 && window.y as usize + window.height <= crop.0);
            prop_assert!(window.x >= 0 && window.x as usize + window.width <= crop.1);

            // Where the wanted box lies inside, it is not moved: its middle is the field's, to the half pixel.
            let middle = |position: usize| 2 * (position as i64 * 4 - 5) + 11;
            let wanted = |position: usize| (middle(position) - expected as i64).div_euclid(2);
            if wanted(position.0) >= 0 && wanted(position.0) as usize + expected <= crop.0 {
                prop_assert_eq!(window.y, wanted(position.0));
            }
        }
    }
}
