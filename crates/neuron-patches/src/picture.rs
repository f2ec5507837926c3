use neuron_geometry::PixelBox;

use crate::error::PatchError;

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

    /// Writes the pixels of a box where the caller wants them, such as into a network's input.
    ///
    /// # Shapes
    /// * `out`: `[box height, box width, 3]`
    ///
    /// # Errors
    /// [`PatchError::OutsidePicture`] unless the whole box lies in the picture, [`PatchError::Length`] unless
    /// `out` has the box's shape; `out` is then untouched.
    pub fn crop_into(&self, window: PixelBox, out: &mut [T]) -> Result<(), PatchError> {
        let (y, x) = self.corner(window)?;
        let expected = window.height * window.width * COLOURS;
        if out.len() != expected {
            return Err(PatchError::Length { what: "the pixels of a crop", expected, found: out.len() });
        }
        for row in 0..window.height {
            out[row * window.width * COLOURS..][..window.width * COLOURS].copy_from_slice(self.row(
                y + row,
                x,
                window.width,
            ));
        }
        Ok(())
    }

    /// The pixels of a box, `[box height, box width, 3]`.
    ///
    /// # Errors
    /// [`PatchError::OutsidePicture`] unless the whole box lies in the picture.
    pub fn crop(&self, window: PixelBox) -> Result<Vec<T>, PatchError> {
        let (y, x) = self.corner(window)?;
        let rows = (y..y + window.height).flat_map(|row| self.row(row, x, window.width));
        Ok(rows.copied().collect())
    }

    /// Some neighbouring pixels of a row.
    fn row(&self, y: usize, x: usize, width: usize) -> &'a [T] {
        &self.pixels[(y * self.width + x) * COLOURS..][..width * COLOURS]
    }

    /// Row and column of a box's corner, if all of the box lies inside.
    fn corner(&self, window: PixelBox) -> Result<(usize, usize), PatchError> {
        let start = |start: i64, len: usize, side: usize| {
            let start = usize::try_from(start).ok()?;
            (start.checked_add(len)? <= side).then_some(start)
        };
        let corner =
            start(window.y, window.height, self.height).zip(start(window.x, window.width, self.width));
        corner.ok_or(PatchError::OutsidePicture {
            y: window.y,
            x: window.x,
            box_height: window.height,
            box_width: window.width,
            height: self.height,
            width: self.width,
        })
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

        let mut out = [0; 3];
        picture.crop_into(PixelBox { y: 0, x: 0, height: 1, width: 1 }, &mut out).expect("inside");
        assert_eq!(out, [0, 1, 2]);
        let mut out = [7; 12];
        picture.crop_into(PixelBox { y: 1, x: 3, height: 2, width: 2 }, &mut out).expect("inside");
        assert_eq!(out[..], crop);
        let wrong = picture.crop_into(PixelBox { y: 0, x: 0, height: 2, width: 1 }, &mut out);
        assert_eq!(wrong, Err(PatchError::Length { what: "the pixels of a crop", expected: 6, found: 12 }));
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
