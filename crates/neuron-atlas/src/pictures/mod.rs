//! The pictures of a site: which there are, and how they are made.

mod encode;
mod images;
mod plan;
mod render;

pub(crate) use plan::{Plan, PlannedPatch, PlannedUnit, SourceId};
pub(crate) use render::{Reading, Rendered, Size, render};
