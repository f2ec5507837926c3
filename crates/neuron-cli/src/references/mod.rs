//! The reference images of units: where they are, and how they become the input of a network.

mod data;
mod general;
mod kind;
pub(crate) mod patches;
mod reader;
mod search;
mod sought;
mod units;

pub(crate) use data::Data;
pub(crate) use general::General;
pub(crate) use kind::Kind;
pub(crate) use reader::{Reader, References};
pub(crate) use search::{Search, unreadable};
pub(crate) use sought::Sought;
pub(crate) use units::Units;
