//! Pictures of textures and shapes, drawn by rules: a data set that needs no download.
//!
//! Twenty [`Class`]es (stripes by orientation, checks, bricks, waves, stars, hearts ..) in random colours, sizes and
//! phases, turned and bent a little, lit unevenly, with blots and grain. A picture is decided by its class, a seed
//! and an index, to the byte. The networks of `neuron demo` were trained on such pictures by
//! `examples/train-demo`.
//!
//! ```
//! use neuron_demo::{Class, Picture};
//!
//! let picture = Picture::draw(Class::Hearts, 7, 0);
//! assert_eq!(picture.pixels.len(), picture.height * picture.width * 3);
//! assert_eq!(picture, Picture::draw(Class::Hearts, 7, 0));
//! ```

mod class;
mod clutter;
mod dataset;
mod dice;
mod error;
mod palette;
mod pattern;
mod picture;

pub use class::Class;
pub use dataset::{Dataset, Existing};
pub use dice::Dice;
pub use error::DemoError;
pub use picture::Picture;
