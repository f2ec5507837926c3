use neuron_geometry::PixelBox;

use crate::error::PatchError;

/// The square windows of a crop, in rows from the top left.
///
/// Only whole windows count: what is left at the right and bottom edges, always less than a stride, is in none.
/// A window's index is its payload in a top-k list, and [`get`](Self::get) turns it back into a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    size: usize,
    stride: usize,
    rows: usize,
    columns: usize,
}

impl Windows {
    /// Windows of `size x size` pixels, `stride` apart, in a crop of `height x width` pixels.
    ///
    /// # Errors
    /// [`PatchError::Zero`] for a size or stride of 0, [`PatchError::LargerThanCrop`] if no window fits.
    pub fn new(size: usize, stride: usize, height: usize, width: usize) -> Result<Self, PatchError> {
        for (what, value) in [("the patch size", size), ("the stride", stride)] {
            if value == 0 {
                return Err(PatchError::Zero { what });
            }
        }
        if size > height.min(width) {
            return Err(PatchError::LargerThanCrop { size, height, width });
        }
        let count = |len: usize| (len - size) / stride + 1;
        Ok(Self { size, stride, rows: count(height), columns: count(width) })
    }

    /// The windows of `extract-patches`: half of one overlaps the next.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn sliding(size: usize, height: usize, width: usize) -> Result<Self, PatchError> {
        Self::new(size, (size / 2).max(1), height, width)
    }

    /// The windows of `baseline`: a fifth of one overlaps the next.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn baseline(size: usize, height: usize, width: usize) -> Result<Self, PatchError> {
        // Four fifths in integers, which is what `int(size * 0.8)` gives for every size, without overflow.
        Self::new(size, (size / 5 * 4 + size % 5 * 4 / 5).max(1), height, width)
    }

    /// Side of a window, in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Distance of neighbouring windows, in pixels.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Number of windows; at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is always a window")]
    pub fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// The window of that index, if there are so many.
    pub fn get(&self, index: usize) -> Option<PixelBox> {
        (index < self.len()).then(|| self.at(index))
    }

    /// All windows, by index.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = PixelBox> + use<> {
        let windows = *self;
        (0..self.len()).map(move |index| windows.at(index))
    }

    fn at(&self, index: usize) -> PixelBox {
        let (row, column) = (index / self.columns, index % self.columns);
        PixelBox {
            y: (row * self.stride) as i64,
            x: (column * self.stride) as i64,
            height: self.size,
            width: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_counts_are_those_of_the_reference() {
        let count = |windows: Result<Windows, PatchError>| windows.expect("they fit").len();
        assert_eq!(count(Windows::sliding(32, 224, 224)), 169);
        assert_eq!(count(Windows::sliding(64, 224, 224)), 36);
        assert_eq!(count(Windows::baseline(64, 224, 224)), 16);
    }

    #[test]
    fn integer_strides_are_the_floating_ones() {
        for size in 1..=1024_usize {
            let windows = Windows::baseline(size, 1024, 1024).expect("they fit");
            assert_eq!(windows.stride(), ((size as f64 * 0.8) as usize).max(1), "{size}");
            let windows = Windows::sliding(size, 1024, 1024).expect("they fit");
            assert_eq!(windows.stride(), ((size as f64 * 0.5) as usize).max(1), "{size}");
        }
    }

    #[test]
    fn windows_go_by_rows() {
        let windows = Windows::new(3, 2, 5, 8).expect("they fit");
        let corners: Vec<_> = windows.iter().map(|window| (window.y, window.x)).collect();
        assert_eq!(corners, [(0, 0), (0, 2), (0, 4), (2, 0), (2, 2), (2, 4)]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert_eq!(
            Windows::sliding(33, 32, 64),
            Err(PatchError::LargerThanCrop { size: 33, height: 32, width: 64 })
        );
        let (size, height, width) = (usize::MAX, 32, 64);
        assert_eq!(
            Windows::baseline(size, height, width),
            Err(PatchError::LargerThanCrop { size, height, width })
        );
        assert_eq!(Windows::sliding(0, 32, 64), Err(PatchError::Zero { what: "the patch size" }));
        assert_eq!(Windows::new(4, 0, 32, 64), Err(PatchError::Zero { what: "the stride" }));
    }

    proptest! {
        #[test]
        fn windows_cover_the_crop(size in 1..40_usize, stride in 1..40_usize, room in (0..60_usize, 0..60_usize)) {
            let (height, width) = (size + room.0, size + room.1);
            let windows = Windows::new(size, stride, height, width).expect("they fit");
            prop_assert_eq!(windows.iter().len(), windows.len());
            prop_assert_eq!(windows.get(windows.len()), None);

            let mut covered = vec![false; height * width];
            for (index, window) in windows.iter().enumerate() {
                prop_assert_eq!(windows.get(index), Some(window));
                let (y, x) = (window.y as usize, window.x as usize);
                prop_assert_eq!((y % stride, x % stride), (0, 0));
                prop_assert!(y + size <= height && x + size <= width);
                (y..y + size).for_each(|y| covered[y * width + x..][..size].fill(true));
            }
            // By definition: a pixel is covered if a window that starts at a multiple of the stride reaches it.
            let reached = |at: usize, len: usize| {
                (0..=len - size).step_by(stride).any(|start| (start..start + size).contains(&at))
            };
            for y in 0..height {
                for x in 0..width {
                    prop_assert_eq!(covered[y * width + x], reached(y, height) && reached(x, width));
                }
            }
        }
    }
}
