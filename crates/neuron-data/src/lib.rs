//! Image data sets: listing, decoding, preprocessing, and a loader that is ordered, bounded and parallel.
//!
//! Pixels are plain `[height, width, 3]` bytes in red, green, blue; nothing here knows a tensor library.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//! use neuron_data::{Dataset, DatasetOptions, Loader, LoaderOptions, Preprocessing};
//!
//! let dataset = Arc::new(Dataset::open(Path::new("photos"), &DatasetOptions::default())?);
//! let preprocessing = Preprocessing::default();
//! let mut input = vec![0.0; 32 * preprocessing.crop_bytes()];
//! let mut loader =
//!     Loader::new(Arc::clone(&dataset), 0..dataset.len(), &preprocessing, &LoaderOptions::default())?;
//! while let Some(batch) = loader.next() {
//!     preprocessing.normalize_into(batch.pixels(), &mut input[..batch.pixels().len()]);
//!     for skipped in &batch.skipped {
//!         eprintln!("{}: {}", skipped.path.display(), skipped.reason);
//!     }
//!     loader.recycle(batch);
//! }
//! # Ok::<(), neuron_data::DataError>(())
//! ```

mod classes;
mod crop;
mod dataset;
mod decode;
mod error;
mod geometry;
mod listing;
mod loader;
mod notice;
mod ordered;
mod parallel;
mod place;
mod preprocessing;
mod resize;
mod simd;
mod text;
mod unusable;

pub use classes::ImagenetClass;
pub use crop::CropDecoder;
pub use dataset::{Class, Dataset, DatasetOptions, Lookup, Moved, Split};
pub use decode::{Limits, Rgb8Image, decode_rgb8, read_rgb8};
pub use error::{DataError, ImageError, Present};
pub use geometry::CropGeometry;
pub use loader::{Batch, Canceller, Loader, LoaderOptions, Skipped};
pub use notice::Notice;
pub use place::is_same_place;
pub use preprocessing::Preprocessing;
pub use resize::{Interpolation, resize_rgb8};
pub use text::{read_list, read_text};
