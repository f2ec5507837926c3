use crate::pictures::{Plan, Rendered};
use crate::read::Atlas;
use crate::slug::Slugs;

/// What pages are made from.
pub(crate) struct Pages<'a> {
    pub(crate) atlas: &'a Atlas,
    pub(crate) slugs: &'a Slugs,
    pub(crate) plan: &'a Plan,
    pub(crate) rendered: &'a Rendered,
}
