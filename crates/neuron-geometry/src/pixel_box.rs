/// An axis-aligned box of pixels; `y` and `x` are its top-left corner and may lie outside of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelBox {
    /// Row of the top edge, in pixels.
    pub y: i64,
    /// Column of the left edge, in pixels.
    pub x: i64,
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
}

impl PixelBox {
    /// A square box centred on this one (rounded towards the top left where the difference is odd).
    pub fn centred_square(&self, side_px: usize) -> Self {
        let shrink = |start: i64, len: usize| start + (len as i64 - side_px as i64).div_euclid(2);
        Self {
            y: shrink(self.y, self.height),
            x: shrink(self.x, self.width),
            height: side_px,
            width: side_px,
        }
    }

    /// The box moved, and where it is larger than the image cut, so that it lies inside `height x width` pixels.
    pub fn clamped(&self, height: usize, width: usize) -> Self {
        let (box_height, box_width) = (self.height.min(height), self.width.min(width));
        Self {
            y: self.y.clamp(0, (height - box_height) as i64),
            x: self.x.clamp(0, (width - box_width) as i64),
            height: box_height,
            width: box_width,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_moved_before_it_is_cut() {
        let field = PixelBox { y: -5, x: 20, height: 10, width: 10 };
        assert_eq!(field.clamped(24, 26), PixelBox { y: 0, x: 16, height: 10, width: 10 });
        assert_eq!(field.clamped(8, 40), PixelBox { y: 0, x: 20, height: 8, width: 10 });
    }

    #[test]
    fn the_centre_stays() {
        let field = PixelBox { y: -3, x: 1, height: 7, width: 7 };
        assert_eq!(field.centred_square(3), PixelBox { y: -1, x: 3, height: 3, width: 3 });
        assert_eq!(field.centred_square(9), PixelBox { y: -4, x: 0, height: 9, width: 9 });
    }
}
