//! A plan's layout on the CPU, for images of one size.

use crate::error::ModelError;
use crate::plan::{Layout, Plan};
use crate::value::NodeId;

/// A layout, and what it is for.
pub(super) struct SizedLayout {
    pub(super) layout: Layout,
    size: (usize, usize),
    batch: usize,
}

impl SizedLayout {
    /// A new layout in the place of `current`, unless that fits images of `size`; whether there is a new one.
    pub(super) fn renew(
        current: &mut Option<Self>,
        plan: &Plan,
        size: (usize, usize),
        batch: usize,
    ) -> Result<bool, ModelError> {
        if current.as_ref().is_some_and(|sized| sized.size == size && sized.batch >= batch) {
            return Ok(false);
        }
        *current = Some(Self { layout: Layout::new(plan, size.0, size.1, batch)?, size, batch });
        Ok(true)
    }
}

/// Some items of the group that is running.
#[derive(Clone, Copy)]
pub(super) struct Chunk {
    /// Index in the group.
    pub(super) first: usize,
    pub(super) items: usize,
}

impl Chunk {
    /// A node's buffer, and in which values of it the chunk begins; `None` if the node has none.
    pub(super) fn place(self, layout: &Layout, id: NodeId) -> Option<(usize, usize)> {
        let place = layout.places[id.0]?;
        let start = if place.wide { self.first * layout.shape(id).len() } else { 0 };
        Some((place.buffer, start))
    }
}
