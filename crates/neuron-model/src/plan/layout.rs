use std::collections::BTreeSet;
use std::ops::Range;

use super::{Plan, Step};
use crate::error::ModelError;
use crate::graph::Graph;
use crate::value::{Keep, NodeId, Shape};

/// Pixels of an image of 224 x 224, for which the sizes below were measured.
const USUAL_PIXELS: usize = 224 * 224;
/// Images of 224 x 224 that go through the late part together: its maps are small and want more rows for each streamed
/// weight (5 to 7 % measured at batch 8). In the early part there are as many as let the largest map stay in cache.
const LATE_ITEMS: usize = 8;
/// Bytes of that map, of all items together.
const EARLY_BYTES: usize = 4 << 20;
/// A map belongs to the late pass once it has this many times fewer positions than the image has pixels
/// (stride 16, with some room for sizes that do not divide).
const LATE_REDUCTION: usize = 200;

/// Where a value lives while its pass runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which buffer.
    pub(crate) buffer: usize,
    /// Whether the buffer holds all items of a group (else those of the running chunk).
    pub(crate) wide: bool,
}

/// Steps that run one after the other over a chunk of items before the next chunk begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    pub(crate) steps: Range<usize>,
    /// Items at a time.
    pub(crate) chunk: usize,
}

/// A plan for images of one size: shapes, buffers, and how many items go through each part at once.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Shape of each node's map; `None` where it is not computed.
    pub(crate) shapes: Vec<Option<Shape>>,
    /// Place of each node's value; `None` where it is never written.
    pub(crate) places: Vec<Option<Place>>,
    /// Length of each buffer, in values.
    pub(crate) buffer_lens: Vec<usize>,
    pub(crate) stages: Vec<Stage>,
    /// Items that go through all stages together.
    pub(crate) group: usize,
}

impl Layout {
    /// Lays the plan out for images of `height x width`, of which at most `batch` come at once.
    pub(crate) fn new(plan: &Plan, height: usize, width: usize, batch: usize) -> Result<Self, ModelError> {
        let shapes = shapes(plan, height, width)?;
        let (stages, group) = match plan.keep() {
            Keep::Taps => stages(plan.steps(), &shapes, height * width, batch),
            Keep::Gradient | Keep::Relevance => one_stage(plan, batch),
        };
        Ok(Self::of_stages(plan, shapes, stages, group))
    }

    /// As [`Layout::new`], with all items in each step: for devices that are busy only then.
    #[cfg(feature = "cuda")]
    pub(crate) fn whole(plan: &Plan, height: usize, width: usize, batch: usize) -> Result<Self, ModelError> {
        let shapes = shapes(plan, height, width)?;
        let (stages, group) = one_stage(plan, batch);
        Ok(Self::of_stages(plan, shapes, stages, group))
    }

    fn of_stages(plan: &Plan, shapes: Vec<Option<Shape>>, stages: Vec<Stage>, group: usize) -> Self {
        let mut allocation = Allocation::new(plan.graph(), &shapes);
        for id in plan.graph().ids().filter(|id| is_wide(plan, &stages, *id)) {
            allocation.reserve(id, true, group);
        }
        for stage in &stages {
            allocation.assign(plan, stage);
        }
        let Allocation { places, lens: buffer_lens, .. } = allocation;
        Self { shapes, places, buffer_lens, stages, group }
    }

    /// Shape of a node's map.
    pub(crate) fn shape(&self, id: NodeId) -> Shape {
        self.shapes.get(id.0).copied().flatten().unwrap_or(Shape::grid(0, 0, 0))
    }
}

/// Shapes of what is computed of each node's map.
fn shapes(plan: &Plan, height: usize, width: usize) -> Result<Vec<Option<Shape>>, ModelError> {
    let mut shapes = plan.graph().shapes(plan.needed(), height, width)?;
    for id in plan.graph().ids() {
        if let Some(Shape { height, width, .. }) = &mut shapes[id.0] {
            (*height, *width) = (height.div_ceil(plan.every(id)), width.div_ceil(plan.every(id)));
        }
    }
    Ok(shapes)
}

/// All steps, one after the other, over the whole batch.
fn one_stage(plan: &Plan, batch: usize) -> (Vec<Stage>, usize) {
    (vec![Stage { steps: 0..plan.steps().len(), chunk: batch }], batch)
}

/// Splits the steps into an early and a late stage.
fn stages(steps: &[Step], shapes: &[Option<Shape>], pixels: usize, batch: usize) -> (Vec<Stage>, usize) {
    let unit = (USUAL_PIXELS / pixels.max(1)).max(1);
    let group = (LATE_ITEMS * unit).min(batch.max(1));
    let shape = |step: &Step| shapes[step.output.0].unwrap_or(Shape::grid(0, 0, 0));
    // A gate's map of one position among large ones is not yet late.
    let is_early = |step: &Step| shape(step).positions() * LATE_REDUCTION > pixels;
    let cut = steps.iter().rposition(is_early).map_or(0, |last| last + 1);
    // What crosses is kept for the whole group: a block is not cut in two while its maps are among it.
    let cut = (cut..steps.len()).find(|cut| crossing(steps, *cut) <= 1).unwrap_or(cut);
    let largest = steps[..cut].iter().map(|step| shape(step).len() * size_of::<f32>()).max();
    let chunk = (EARLY_BYTES / largest.unwrap_or(0).max(1)).clamp(1, group);
    let stages = [(0..cut, chunk), (cut..steps.len(), group)];
    let stages = stages.into_iter().filter(|(steps, _)| !steps.is_empty());
    (stages.map(|(steps, chunk)| Stage { steps, chunk }).collect(), group)
}

/// How many of the values that are written before a step are read by it or behind it.
fn crossing(steps: &[Step], at: usize) -> usize {
    let (before, behind) = steps.split_at(at);
    let is_read = |step: &&Step| behind.iter().any(|later| later.reads().any(|read| read == step.output));
    before.iter().filter(is_read).count()
}

/// Whether a value is read in a later stage than it is written in, or after the pass.
fn is_wide(plan: &Plan, stages: &[Stage], id: NodeId) -> bool {
    let stage_of = |step: usize| stages.iter().position(|stage| stage.steps.contains(&step));
    let written = plan.steps().iter().position(|step| step.output == id).and_then(stage_of).unwrap_or(0);
    let mut reads = (0..plan.steps().len()).filter(|step| plan.steps()[*step].reads().any(|read| read == id));
    let last_read = reads.next_back().and_then(stage_of).unwrap_or(0);
    // The image is written at the start of the first stage.
    let exists = id == plan.graph().input() || plan.steps().iter().any(|step| step.output == id);
    let tapped = plan.keep() != Keep::Taps && plan.taps().iter().any(|tap| tap.node == id);
    exists && (plan.retained()[id.0] || tapped || last_read > written)
}

/// Hands out buffers; a buffer is reused as soon as the last reader of its value is done.
struct Allocation<'a> {
    graph: &'a Graph,
    shapes: &'a [Option<Shape>],
    places: Vec<Option<Place>>,
    lens: Vec<usize>,
}

impl<'a> Allocation<'a> {
    fn new(graph: &'a Graph, shapes: &'a [Option<Shape>]) -> Self {
        Self { graph, shapes, places: vec![None; shapes.len()], lens: Vec::new() }
    }

    fn len(&self, id: NodeId) -> usize {
        self.shapes[id.0].map_or(0, |shape| shape.len())
    }

    /// A buffer of its own for `items` items of a node.
    fn reserve(&mut self, id: NodeId, wide: bool, items: usize) -> usize {
        let buffer = self.lens.len();
        self.lens.push(self.len(id) * items);
        self.places[id.0] = Some(Place { buffer, wide });
        buffer
    }

    /// Places the values that live only within a stage.
    fn assign(&mut self, plan: &Plan, stage: &Stage) {
        let mut free: Vec<usize> = Vec::new();
        let steps = &plan.steps()[stage.steps.clone()];
        if stage.steps.start == 0 && self.places[self.graph.input().0].is_none() {
            self.reserve(self.graph.input(), false, stage.chunk);
        }
        for (at, step) in steps.iter().enumerate() {
            let done =
                |id: &NodeId| !steps[at + 1..].iter().any(|later| later.reads().any(|read| read == *id));
            if self.places[step.output.0].is_none() {
                // What is added is replaced by the sum: one map the less that has to stay in cache.
                let addend = step.addend.filter(|addend| plan.adds_in_place() && done(addend));
                self.places[step.output.0] = addend.and_then(|addend| self.replaced(step, addend));
            }
            if self.places[step.output.0].is_none() {
                match free.pop() {
                    None => {
                        self.reserve(step.output, false, stage.chunk);
                    }
                    Some(buffer) => {
                        let len = self.len(step.output) * stage.chunk;
                        self.lens[buffer] = self.lens[buffer].max(len);
                        self.places[step.output.0] = Some(Place { buffer, wide: false });
                    }
                }
            }
            let over = step.reads().chain([step.output]).filter(done);
            let places = over.filter_map(|id| self.places[id.0]).filter(|place| !place.wide);
            // A sum and what it replaced lie in one buffer, which is free once.
            let taken = self.places[step.output.0].filter(|_| !done(&step.output));
            let places = places.filter(|place| Some(*place) != taken);
            free.extend(places.map(|place| place.buffer).collect::<BTreeSet<_>>());
        }
    }

    /// The place of a step's addend, if the result may lie there.
    fn replaced(&self, step: &Step, addend: NodeId) -> Option<Place> {
        let is_other = !step.inputs.contains(&addend) && step.gate != Some(addend);
        let fits = is_other && self.shapes[addend.0] == self.shapes[step.output.0];
        self.places[addend.0].filter(|place| fits && !place.wide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::GraphBuilder;
    use crate::ops::Add;
    use crate::plan::Engine;
    use crate::{Architecture, Weights};
    use neuron_geometry::Window;
    use neuron_kernels::{Algorithm, ConvGeometry};

    fn layout(engine: Engine, seen: &[&str]) -> (Plan, Layout) {
        let graph = Architecture::from_name("resnet50").expect("a known network").graph(&Weights::default());
        let taps = seen.iter().chain(&["layer4"]).map(|name| graph.tap(name).expect("a module")).collect();
        let plan = Plan::new(graph.into(), taps, Keep::Taps, Algorithm::Auto, engine);
        let layout = Layout::new(&plan, 224, 224, 1).expect("images are large enough");
        (plan, layout)
    }

    fn replacing(engine: Engine, seen: &[&str]) -> usize {
        let (plan, layout) = layout(engine, seen);
        let place = |id: NodeId| layout.places[id.0];
        let is_replaced =
            |step: &&Step| step.addend.is_some_and(|addend| place(addend) == place(step.output));
        plan.steps().iter().filter(is_replaced).count()
    }

    #[test]
    fn sums_replace_what_they_add_where_the_engine_can() {
        assert_eq!(replacing(Engine::F32, &[]), 0);
        // All 16 but the first of each layer, which add a convolution, and that whose addend is read in the other stage.
        let in_bf16 = replacing(Engine::Bf16, &[]);
        assert_eq!(in_bf16, 11);
        assert_eq!(replacing(Engine::Bf16, &["layer1.0"]), in_bf16, "a tap is shown before it is replaced");
    }

    #[test]
    fn stages_meet_between_blocks() {
        let metadata = [("stride_in_1x1".to_owned(), "true".to_owned())].into();
        let weights = Weights::from_tensors([], metadata);
        let graph = Architecture::from_name("resnet50").expect("a known network").graph(&weights);
        let taps = vec![graph.tap("layer4").expect("a module")];
        for engine in [Engine::F32, Engine::Bf16] {
            let plan = Plan::new(graph.clone().into(), taps.clone(), Keep::Taps, Algorithm::Auto, engine);
            let layout = Layout::new(&plan, 224, 224, 8).expect("images are large enough");
            let wide = plan.graph().ids().filter(|id| layout.places[id.0].is_some_and(|place| place.wide));
            let wide: Vec<&str> = wide.map(|id| &*plan.graph().node(id).name).collect();
            assert_eq!(wide, ["layer2.3.relu"], "{engine:?}");
        }
    }

    /// A sum that is only looked at, and another branch behind it.
    #[test]
    fn a_buffer_is_given_back_once() {
        let (mut graph, image) = GraphBuilder::new(3);
        let geometry = |in_channels| ConvGeometry {
            in_channels,
            out_channels: 8,
            groups: 1,
            window: Window::square(3, 1, 1),
        };
        let layer = |graph: &mut GraphBuilder, name: &str, input: NodeId| {
            let product = graph.convolution(&format!("{name}.conv"), geometry(graph.channels(input)), input);
            graph.batch_norm(name, product)
        };
        let first = layer(&mut graph, "first", image);
        let second = layer(&mut graph, "second", first);
        let third = layer(&mut graph, "third", second);
        graph.module("sum", Add, &[third, first]);
        // One that stays while two others come and go.
        let fourth = layer(&mut graph, "fourth", image);
        let fifth = layer(&mut graph, "fifth", fourth);
        let sixth = layer(&mut graph, "sixth", fifth);
        let seventh = layer(&mut graph, "seventh", sixth);
        graph.module("other", Add, &[seventh, fourth]);
        // The image stays, too.
        layer(&mut graph, "last", image);
        let graph = graph.finish().expect("layers that fit together");
        let taps = ["sum", "other", "last"].map(|name| graph.tap(name).expect("a module")).to_vec();
        let plan = Plan::new(graph.into(), taps, Keep::Taps, Algorithm::Auto, Engine::Bf16);
        let layout = Layout::new(&plan, 8, 8, 1).expect("images are large enough");
        let place = |id: NodeId| layout.places[id.0];
        let sum = plan.steps().iter().find(|step| step.addend.is_some()).expect("a sum");
        assert_eq!(sum.addend.map(place), Some(place(sum.output)), "it replaces what it adds");
        for (at, step) in plan.steps().iter().enumerate() {
            // Read now or later, and written before.
            let reads = plan.steps()[at..].iter().flat_map(Step::reads);
            let live = reads.filter(|id| plan.steps()[..at].iter().any(|before| before.output == *id));
            let mut others = live.filter(|id| step.addend != Some(*id));
            assert!(others.all(|id| place(id) != place(step.output)), "{step:?}");
        }
    }
}
