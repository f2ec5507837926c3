//! The loop behind every command that goes through a data set: load, compute, keep the best, save, stop, resume.
//!
//! A [`Job`] says what is computed for a batch of crops and owns what is kept; everything else (which images are
//! left, checkpoints, shards, signals, progress, skipped files) is here, once.

mod checkpoint;
mod crops;
mod destination;
mod differences;
mod drive;
mod identity;
mod job;
mod plan;
mod preview;
mod run;
mod skipped;
mod source;
mod start;
mod tasks;
mod timing;

pub(crate) use checkpoint::{Checkpoint, unusable};
pub(crate) use crops::crops;
pub(crate) use destination::{Destination, Overwrite};
pub(crate) use differences::between as differences_between;
pub(crate) use identity::Identity;
pub(crate) use job::Job;
pub(crate) use plan::{Plan, seconds_of};
pub(crate) use run::{Scan, loaded_together};
pub(crate) use skipped::{SkippedImage, write_skipped};
pub(crate) use source::{Source, SourceFlags};
pub(crate) use start::{Leftovers, ScanFlags, seconds};
pub(crate) use tasks::Tasks;
