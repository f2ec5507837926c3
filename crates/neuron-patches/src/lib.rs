//! Windows of pictures: where they lie, how they are cut out and resized, which are kept, and how they are shown.
//!
//! Pictures are plain `[height, width, 3]` slices; no network and no file is known here.
//!
//! ```
//! use neuron_patches::{BestWindows, Grid, Picture, Windows};
//!
//! let crop: Vec<f32> = (0..48 * 64 * 3).map(|value| value as f32).collect();
//! let crop = Picture::new(&crop, 48, 64)?;
//! let windows = Windows::sliding(32, crop.height(), crop.width())?;
//! assert_eq!(windows.len(), 2 * 3);
//!
//! // What a network says about each window, here for one channel.
//! let best = BestWindows::of(&[0.1, 0.5, 0.2, 0.0, 0.9, 0.3], 1)?;
//! let window = windows.get(best.windows[0] as usize).expect("an index of these windows");
//! let patch = crop.crop(window)?;
//! let picture = Grid::new(4).draw(&[Picture::new(&patch, 32, 32)?])?;
//! assert_eq!(picture.dimensions(), (32, 32));
//! # Ok::<(), neuron_patches::PatchError>(())
//! ```

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
