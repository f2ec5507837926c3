//! How the CPU walks through a plan: group by group, stage by stage, chunk by chunk, whatever its maps are made of.

use neuron_kernels::View;

use crate::images::Images;
use crate::network::Network;
use crate::plan::{Layout, Plan, Step};
use crate::value::{NodeId, Tapped, Visit};

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

/// What a run of a plan does with a chunk.
pub(super) trait Pass {
    /// Reads images from the `first` of the batch on.
    fn read_images(&mut self, images: &dyn Images, first: usize, chunk: Chunk);

    /// Calls one operation.
    fn step(&mut self, step: &Step, chunk: Chunk);

    /// The value of a tap, after the step that writes it.
    fn shown(&self, tap: NodeId, chunk: Chunk) -> View<'_>;
}

/// Runs all images through a plan, and shows each tap's values.
pub(super) fn run(
    pass: &mut impl Pass,
    (network, plan, layout): (&Network, &Plan, &Layout),
    images: &dyn Images,
    visit: Visit<'_>,
) {
    let batch = images.count();
    network.install(|| {
        for group in (0..batch).step_by(layout.group.max(1)) {
            let items = layout.group.min(batch - group);
            for stage in &layout.stages {
                for first in (0..items).step_by(stage.chunk.max(1)) {
                    let chunk = Chunk { first, items: stage.chunk.min(items - first) };
                    if stage.steps.start == 0 {
                        pass.read_images(images, group + first, chunk);
                    }
                    for step in &plan.steps()[stage.steps.clone()] {
                        pass.step(step, chunk);
                        let taps = plan.taps().iter().enumerate();
                        for (tap, _) in taps.filter(|(_, tap)| tap.node == step.output) {
                            let map = pass.shown(step.output, chunk);
                            let extra = layout.shape(step.output).extra;
                            visit(Tapped { tap, first_item: group + first, extra, map });
                        }
                    }
                }
            }
        }
    });
}
