use neuron_geometry::PixelBox;

use crate::PatchError;

/// Colours of a pixel: red, green, blue.
pub(crate) const COLOURS: usize = 3;

/// A borrowed colour picture, `[height, width, 3]`, of bytes or floats.
#[derive(Clone, Copy, Debug)]
pub struct Picture<'a, T> {
    pixels: &'a [T],
    height: usize,
    width: usize,
}

impl<'a, T: Copy> Picture<'a, T> {
    /// Gives a slice the shape `[height, width, 3]`.
    ///
    /// # Errors
    /// [`PatchError::Zero`] for a picture without pixels, [`PatchError::Length`] if the slice has another length.
    pub fn new(pixels: &'a [T], height: usize, width: usize) -> Result<Self, PatchError> {
        for (what, side) in [("a picture's height", height), ("a picture's width", width)] {
            if side == 0 {
                return Err(PatchError::Zero { what });
            }
        }
        let expected = height * width * COLOURS;
        if pixels.len() != expected {
            return Err(PatchError::Length { what: "a picture's pixels", expected, found: pixels.len() });
        }
        Ok(Self { pixels, height, width })
    }

    /// The values, `[height, width, 3]`.
    pub fn pixels(&self) -> &'a [T] {
        self.pixels
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Appends the pixels of a box, `[box height, box width, 3]`.
    ///
    /// Appending lets the windows of an image gather in one batch without a copy of each.
    ///
    /// # Errors
    /// [`PatchError::OutsidePicture`] unless the whole box lies in the picture; `out` is then untouched.
    pub fn crop_to(&self, window: PixelBox, out: &mut Vec<T>) -> Result<(), PatchError> {
        let (y, x) = self.corner(window).ok_or(PatchError::OutsidePicture {
            y: window.y,
            x: window.x,
            box_height: window.height,
            box_width: window.width,
            height: self.height,
            width: self.width,
        })?;
        for row in y..y + window.height {
            out.extend_from_slice(&self.pixels[(row * self.width + x) * COLOURS..][..window.width * COLOURS]);
        }
        Ok(())
    }

    /// The pixels of a box, `[box height, box width, 3]`.
    ///
    /// # Errors
    /// [`PatchError::OutsidePicture`] unless the whole box lies in the picture.
    pub fn crop(&self, window: PixelBox) -> Result<Vec<T>, PatchError> {
        let mut out = Vec::new();
        self.crop_to(window, &mut out)?;
        Ok(out)
    }

    /// Row and column of a box's corner, if all of the box lies inside.
    fn corner(&self, window: PixelBox) -> Option<(usize, usize)> {
        let start = |start: i64, len: usize, side: usize| {
            let start = usize::try_from(start).ok()?;
            (start.checked_add(len)? <= side).then_some(start)
        };
        Some((start(window.y, window.height, self.height)?, start(window.x, window.width, self.width)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_the_box() {
        // Each value names its place: 100 * row + 10 * column + colour.
        let pixels: Vec<u32> = (0..4 * 5 * 3).map(|i| 100 * (i / 15) + 10 * (i / 3 % 5) + i % 3).collect();
        let picture = Picture::new(&pixels, 4, 5).expect("the shape fits");
        let crop = picture.crop(PixelBox { y: 1, x: 3, height: 2, width: 2 }).expect("inside");
        assert_eq!(crop, [130, 131, 132, 140, 141, 142, 230, 231, 232, 240, 241, 242]);

        let mut batch = crop.clone();
        picture.crop_to(PixelBox { y: 0, x: 0, height: 1, width: 1 }, &mut batch).expect("inside");
        assert_eq!(batch[..12], crop);
        assert_eq!(batch[12..], [0, 1, 2]);
    }

    #[test]
    fn boxes_that_reach_outside_are_errors() {
        let picture = Picture::new(&[0_u8; 4 * 5 * 3], 4, 5).expect("the shape fits");
        for (y, x, height, width) in
            [(-1, 0, 2, 2), (0, -1, 2, 2), (3, 0, 2, 2), (0, 4, 1, 2), (i64::MAX, 0, 1, 1)]
        {
            let error = picture.crop(PixelBox { y, x, height, width });
            assert!(matches!(error, Err(PatchError::OutsidePicture { height: 4, width: 5, .. })));
        }
    }

    #[test]
    fn shapes_are_checked() {
        let wrong = Picture::new(&[0_u8; 59], 4, 5).map(|_| ());
        assert_eq!(wrong, Err(PatchError::Length { what: "a picture's pixels", expected: 60, found: 59 }));
        assert_eq!(
            Picture::<u8>::new(&[], 0, 5).map(|_| ()),
            Err(PatchError::Zero { what: "a picture's height" })
        );
    }
}
