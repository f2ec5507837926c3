//! A plan's layout on the CPU, for images of one size.

use crate::error::ModelError;
use crate::plan::{Layout, Plan};
use crate::value::{NodeId, Shape};

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

    /// Shape of a node's map; without positions where it was not computed, or nothing is laid out yet.
    pub(super) fn shape(sized: Option<&Self>, id: NodeId) -> Shape {
        sized.map_or(Shape::grid(0, 0, 0), |sized| sized.layout.shape(id))
    }
}
