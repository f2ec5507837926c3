#![doc = include_str!("../README.md")]

mod caption;
mod error;
mod grid;
mod picture;
mod projection;
mod resize;
mod selection;
mod windows;

pub use error::PatchError;
pub use grid::Grid;
pub use picture::Picture;
pub use projection::project;
pub use resize::BilinearResize;
pub use selection::{BestWindows, ReferenceBaseline, ScoredWindow};
pub use windows::Windows;
