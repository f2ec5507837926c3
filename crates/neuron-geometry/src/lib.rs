#![doc = include_str!("../README.md")]

pub mod per_axis;
mod pixel_box;
mod receptive_field;
mod window;

pub use pixel_box::PixelBox;
pub use receptive_field::ReceptiveField;
pub use window::Window;
