//! The arithmetic that ties a position of a feature map to the pixels it sees.
//!
//! A network knows the chain of (kernel, stride, padding) below each of its taps; a patch extractor needs to
//! go back through it. Neither should know the other, so the one type they share lives here.
//!
//! Pairs are `[vertical, horizontal]`, everywhere.
//!
//! ```
//! use neuron_geometry::{ReceptiveField, Window};
//!
//! let stem = ReceptiveField::INPUT.then(Window::square(7, 2, 3));
//! assert_eq!((stem.size_px, stem.stride_px, stem.start_px), ([7, 7], [2, 2], [-3, -3]));
//! ```

pub mod per_axis;
mod pixel_box;
mod receptive_field;
mod window;

pub use pixel_box::PixelBox;
pub use receptive_field::ReceptiveField;
pub use window::Window;
