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
//!         eprintln!("{}: {}", skipped.entry, skipped.reason);
//!     }
//!     loader.recycle(batch);
//! }
//! # Ok::<(), neuron_data::DataError>(())
//! ```

mod address;
mod classes;
mod crop;
mod dataset;
mod decode;
mod error;
mod file;
mod geometry;
mod imagenet;
mod limits;
mod listing;
mod loader;
mod names;
mod notice;
mod options;
mod ordered;
mod parallel;
mod place;
mod preprocessing;
mod remote;
mod resize;
mod rgb8;
mod simd;
mod source;
mod sources;
mod text;
mod unusable;

pub use address::is_address;
pub use classes::{Class, Classes};
pub use crop::CropDecoder;
pub use dataset::Dataset;
pub use decode::decode_rgb8;
pub use error::{DataError, ImageError, Present};
pub use file::read_rgb8;
pub use geometry::CropGeometry;
pub use imagenet::ImagenetClass;
pub use limits::Limits;
pub use loader::{Batch, Canceller, Loader, LoaderOptions, Skipped};
pub use names::Names;
pub use notice::Notice;
pub use options::{DatasetOptions, Split};
pub use place::is_same_place;
pub use preprocessing::Preprocessing;
pub use resize::{Interpolation, resize_rgb8};
pub use rgb8::Rgb8Image;
pub use source::Source;
pub use sources::archives::{is_there, keep_indices, use_indices};
pub use sources::lookup::{Lookup, Moved};
pub use text::{read_list, read_text};
