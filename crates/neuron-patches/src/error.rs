/// What makes windows, crops, grids or selections impossible.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A size or a distance is zero.
    #[error("{what} must be at least 1")]
    Zero {
        /// The quantity.
        what: &'static str,
    },

    /// A window does not fit into the crop.
    #[error("a patch of {size} px is larger than the crop of {height} x {width} px; choose at most {}", height.min(width))]
    LargerThanCrop {
        /// Side of the window, in pixels.
        size: usize,
        /// Height of the crop, in pixels.
        height: usize,
        /// Width of the crop, in pixels.
        width: usize,
    },

    /// A slice does not hold as many values as its shape asks for.
    #[error("{what}: expected {expected} values, found {found}")]
    Length {
        /// The argument.
        what: &'static str,
        /// Values that the shape asks for.
        expected: usize,
        /// Values in the slice.
        found: usize,
    },

    /// A box reaches outside of its picture.
    #[error(
        "the box of {box_height} x {box_width} px at ({y}, {x}) is outside of a picture of {height} x {width} px"
    )]
    OutsidePicture {
        /// First row of the box.
        y: i64,
        /// First column of the box.
        x: i64,
        /// Height of the box, in pixels.
        box_height: usize,
        /// Width of the box, in pixels.
        box_width: usize,
        /// Height of the picture, in pixels.
        height: usize,
        /// Width of the picture, in pixels.
        width: usize,
    },

    /// A grid was asked for without a patch to put in it.
    #[error("there is no patch to lay out")]
    NoPatches,

    /// The patches of a grid have different sizes.
    #[error("patch {index} is {height} x {width} px, but the first is {first_height} x {first_width} px")]
    UnequalPatches {
        /// Place of the patch in the list.
        index: usize,
        /// Height of the patch, in pixels.
        height: usize,
        /// Width of the patch, in pixels.
        width: usize,
        /// Height of the first patch, in pixels.
        first_height: usize,
        /// Width of the first patch, in pixels.
        first_width: usize,
    },

    /// A score is not a number, so it has no place in an order.
    #[error("the score of window {window} of image {image} is NaN; an earlier layer or the input is broken")]
    NanScore {
        /// Index of the image.
        image: u32,
        /// Index of the window in the image.
        window: u32,
    },
}
