//! Matching features on a GPU: relevance, sorting, comparison and the gradient at the pixels without the host.

use super::backward::pass_there;
use super::gpu::Floats;
use super::gpu_run::GpuRun;
use super::kernels::Argument;
use super::memory::{DeviceMemory, DeviceView};
use super::pinned::Pinned;
use super::readback::Readback;
use crate::backward::{Finish, RelevanceMethod, Start};
use crate::composite::Composite;
use crate::device::DeviceError;
use crate::error::ModelError;
use crate::graph::Tap;
use crate::matching::{Distribution, Matched, Matching, RANKS_TOGETHER};
use crate::rule::PixelRange;
use crate::value::{NodeId, Reduction};

/// What a GPU keeps from one match to the next.
pub(super) struct Matches {
    /// By unit and layer.
    distributions: Vec<Vec<OnDevice>>,
    /// The channels of the last match, and where they are on the GPU.
    wanted: Option<(Vec<usize>, DeviceMemory<i64>)>,
    floats: Readback<f32>,
    sums: Readback<f64>,
}

/// A distribution on a GPU.
struct OnDevice {
    sorted: Floats,
    scale: Floats,
}

impl Matches {
    pub(super) fn new() -> Self {
        Self { distributions: Vec::new(), wanted: None, floats: Readback::new(), sums: Readback::new() }
    }

    /// Brings the distributions of units to the run's GPU; forgets the ones before.
    pub(super) fn set_distributions(
        &mut self,
        run: &GpuRun,
        units: &[Vec<Distribution<'_>>],
    ) -> Result<(), DeviceError> {
        let gpu = run.gpu();
        gpu.bind()?;
        let upload = |distribution: &Distribution<'_>| {
            Ok(OnDevice { sorted: gpu.upload(distribution.sorted)?, scale: gpu.upload(&distribution.scale)? })
        };
        let layers = |layers: &Vec<Distribution<'_>>| layers.iter().map(upload).collect();
        self.distributions = units.iter().map(layers).collect::<Result<_, DeviceError>>()?;
        // The copies read the host's memory until they are done.
        gpu.wait()
    }

    /// Matches the images that the run has just run, and kept the values of.
    pub(super) fn compare(&mut self, run: &GpuRun, matching: &Matching<'_>) -> Result<Matched, ModelError> {
        let Matching { target, channels, method, layers, units, .. } = *matching;
        let relevance = relevance(run, self, (target.node, channels), method, layers)?;
        let mut seeds = Vec::new();
        let mut sums_coming = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let relevance = relevance.iter().find(|(node, _)| *node == layer.node);
            let (_, relevance) = relevance.expect("every layer lies below the target");
            let distributions: Vec<&OnDevice> =
                units.iter().map(|unit| &self.distributions[*unit][index]).collect();
            let (gradient, sums) = match_layer(run, layer.node, relevance, &distributions)?;
            sums_coming.push(self.sums.send(run.gpu(), &sums)?);
            seeds.push((layer.node, gradient));
        }
        let image = run.graph().input();
        let gradient = pass_there(run, &Composite::gradient(), seeds, &[image])?.swap_remove(0).1;
        let (activations, _) = run.reduce(target.node, Reduction::Max)?;
        let coming = Coming {
            sums: sums_coming,
            activations: self.floats.send(run.gpu(), &activations)?,
            gradient: self.floats.send(run.gpu(), &gradient)?,
        };
        Ok(coming.arrive(run, self, matching)?)
    }

    /// Where the channels are as whole numbers, one for each item.
    fn wanted(&mut self, run: &GpuRun, channels: &[usize]) -> Result<DeviceView<'_>, DeviceError> {
        let gpu = run.gpu();
        self.wanted.take_if(|(known, _)| known != channels);
        let (_, on_gpu) = match &mut self.wanted {
            Some(wanted) => wanted,
            empty => {
                let on_gpu =
                    gpu.upload(&channels.iter().map(|channel| *channel as i64).collect::<Vec<_>>())?;
                // The copy reads the host's memory until it is done.
                gpu.wait()?;
                empty.insert((channels.to_vec(), on_gpu))
            }
        };
        Ok(on_gpu.view())
    }
}

/// A match on its way to the host.
struct Coming {
    sums: Vec<Pinned<f64>>,
    activations: Pinned<f32>,
    gradient: Pinned<f32>,
}

impl Coming {
    fn arrive(
        self,
        run: &GpuRun,
        matches: &mut Matches,
        matching: &Matching<'_>,
    ) -> Result<Matched, DeviceError> {
        let (gpu, target) = (run.gpu(), run.shape(matching.target.node).channels);
        let (items, image) = (matching.channels.len(), run.graph().input());
        let gradient = matches.floats.take(gpu, self.gradient, run.len(image))?;
        let all = matches.floats.take(gpu, self.activations, items * target)?;
        let own = all.chunks_exact(target).zip(matching.channels);
        let activations = own.map(|(activations, channel)| activations[*channel]).collect();
        let sums = self.sums.into_iter().zip(matching.layers);
        let sums =
            sums.map(|(sums, layer)| matches.sums.take(gpu, sums, items * run.shape(layer.node).channels));
        Ok(Matched { sums: sums.collect::<Result<_, _>>()?, activations, gradient })
    }
}

/// The relevance of each item's channel at some nodes, as an `Attributor` finds it over signals of the host.
fn relevance(
    run: &GpuRun,
    matches: &mut Matches,
    (target, channels): (NodeId, &[usize]),
    method: RelevanceMethod,
    layers: &[Tap],
) -> Result<Vec<(NodeId, Floats)>, ModelError> {
    let wanted = matches.wanted(run, channels)?;
    let seed = seed(run, target, (wanted, channels.len()), method.start())?;
    // No pass to layers goes down to the pixels, so that their range is never read.
    let composite = method.composite(PixelRange::default());
    let nodes: Vec<NodeId> = layers.iter().map(|tap| tap.node).collect();
    let relevance = pass_there(run, &composite, vec![(target, seed)], &nodes)?;
    if method.finish() == Finish::ClampNegative {
        for (_, signal) in &relevance {
            run.launch("relu", signal.len(), &[signal.into(), signal.into()])?;
        }
    }
    Ok(relevance)
}

/// The signal that a pass starts with.
fn seed(
    run: &GpuRun,
    target: NodeId,
    (wanted, items): (DeviceView<'_>, usize),
    start: Start,
) -> Result<Floats, DeviceError> {
    let (gpu, shape, activations) = (run.gpu(), run.shape(target), run.value(target));
    let (positions, channels) = (shape.positions(), shape.channels);
    let places = gpu.alloc::<i64>(items)?;
    let kind: usize = match start {
        Start::Activations => 0,
        Start::MostAligned => {
            let shares = gpu.alloc::<f64>(items * positions)?;
            let pointers = [activations.into(), wanted.into(), (&shares).into()];
            run.launch("alignment", shares.len(), &with_sizes(&pointers, positions, channels))?;
            let arguments = [(&shares).into(), (&places).into(), positions.into()];
            run.launch("most_aligned", items, &arguments)?;
            1
        }
        Start::Mean => 2,
    };
    let signal = gpu.alloc(run.len(target))?;
    let pointers = [activations.into(), wanted.into(), (&places).into(), (&signal).into()];
    let arguments = [&with_sizes(&pointers, positions, channels)[..], &[kind.into()]].concat();
    run.launch("seed", signal.len(), &arguments)?;
    Ok(signal)
}

/// Compares the relevant features of a layer with each item's distribution: the gradient with respect to the features,
/// and the sums of squares, `[items, channels]`.
fn match_layer(
    run: &GpuRun,
    layer: NodeId,
    relevance: &Floats,
    distributions: &[&OnDevice],
) -> Result<(Floats, DeviceMemory<f64>), DeviceError> {
    let (gpu, shape) = (run.gpu(), run.shape(layer));
    let (positions, channels) = (shape.positions(), shape.channels);
    let len = distributions.len() * shape.len();
    let (features, attended) = (run.value(layer), relevance.view());
    let (lowest, highest) = extremes(run, relevance, (distributions.len(), positions, channels))?;
    let (low, high) = (lowest.view(), highest.view());

    let (keys, merged) = (gpu.alloc::<u64>(len)?, gpu.alloc::<u64>(len)?);
    let (mut keys, mut merged) = (keys.view(), merged.view());
    let pointers = [features.into(), attended.into(), low.into(), high.into(), keys.into()];
    run.launch("sort_keys", len, &with_sizes(&pointers, positions, channels))?;
    let mut sorted = 1;
    while sorted < positions {
        let arguments = [keys.into(), merged.into(), positions.into(), sorted.into()];
        run.launch("merge_runs", len, &arguments)?;
        std::mem::swap(&mut keys, &mut merged);
        sorted *= 2;
    }

    let (differences, gradient): (Floats, Floats) = (gpu.alloc(len)?, gpu.alloc(len)?);
    for (item, distribution) in distributions.iter().enumerate() {
        assert_eq!(distribution.sorted.len(), shape.len(), "distributions of maps of this size");
        assert_eq!(distribution.scale.len(), channels, "a factor for each channel");
        let part = |view, len: usize| Argument::from(DeviceView::part(view, item * len, len));
        let pointers = [
            part(keys, shape.len()),
            part(features, shape.len()),
            part(attended, shape.len()),
            part(low, channels),
            part(high, channels),
            (&distribution.sorted).into(),
            (&distribution.scale).into(),
            part(differences.view(), shape.len()),
            part(gradient.view(), shape.len()),
        ];
        run.launch("match_sorted", shape.len(), &with_sizes(&pointers, positions, channels))?;
    }
    let sums = sum_squares(run, &differences, (distributions.len(), positions, channels))?;
    Ok((gradient, sums))
}

/// The smallest and the largest value of every map, `[items, channels]`.
fn extremes(
    run: &GpuRun,
    maps: &Floats,
    (items, positions, channels): (usize, usize, usize),
) -> Result<(Floats, Floats), DeviceError> {
    let gpu = run.gpu();
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let pass = |(lows, highs): (DeviceView<'_>, DeviceView<'_>), positions: usize, segment: usize| {
        let rows = items * positions.div_ceil(segment) * channels;
        let (lowest, highest): (Floats, Floats) = (gpu.alloc(rows)?, gpu.alloc(rows)?);
        let outputs = [&lowest, &highest].map(Argument::from);
        let sizes = [positions, channels, segment].map(Argument::from);
        let arguments = [&[lows.into(), highs.into()], &outputs[..], &sizes].concat();
        run.launch("extremes", rows, &arguments)?;
        Ok((lowest, highest))
    };
    let maps = maps.view();
    let (lows, highs) = pass((maps, maps), positions, RANKS_TOGETHER)?;
    pass((lows.view(), highs.view()), segments, segments)
}

/// The sum of the squares of every map, `[items, channels]`.
fn sum_squares(
    run: &GpuRun,
    maps: &Floats,
    (items, positions, channels): (usize, usize, usize),
) -> Result<DeviceMemory<f64>, DeviceError> {
    let gpu = run.gpu();
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let (parts, sums) = (gpu.alloc::<f64>(items * segments * channels)?, gpu.alloc(items * channels)?);
    let pointers = [maps.into(), (&parts).into()];
    let arguments = [&with_sizes(&pointers, positions, channels)[..], &[RANKS_TOGETHER.into()]].concat();
    run.launch("sum_squares", parts.len(), &arguments)?;
    let pointers = [(&parts).into(), (&sums).into()];
    run.launch("sum_segments", items * channels, &with_sizes(&pointers, segments, channels))?;
    Ok(sums)
}

fn with_sizes<'m>(pointers: &[Argument<'m>], positions: usize, channels: usize) -> Vec<Argument<'m>> {
    [pointers, &[positions.into(), channels.into()]].concat()
}
