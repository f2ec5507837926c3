//! The atlas: a static site of what each unit of a network responds to.
//!
//! [`Atlas::read`] gathers what the commands left below a folder; [`Site::write`] makes pages of it that need
//! neither a server nor a network. `docs/atlas.md` describes the site.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::path::Path;
//! use neuron_atlas::{Atlas, Settings, Site};
//!
//! let atlas = Atlas::read(Path::new("results"), &|_arch: &str, layer: &str| layer.to_owned())?;
//! let site = Site::new(&atlas, Settings::default());
//! let written = site.write(Path::new("site"), false, &|_event| ControlFlow::Continue(()))?;
//! println!("{} units, {} images could not be shown", written.units, written.skipped.len());
//! # Ok::<(), neuron_atlas::AtlasError>(())
//! ```

mod classes;
mod error;
mod event;
mod maker;
mod pages;
mod pictures;
mod read;
mod run;
mod settings;
mod site;
mod skipped;
mod slug;
mod staging;
mod unit;

pub use error::AtlasError;
pub use event::{Event, Observer};
pub use maker::Maker;
pub use read::Atlas;
pub use settings::Settings;
pub use site::{Site, Written};
pub use skipped::Skipped;
