//! Matching features on a GPU: relevance, sorting, comparison and the way back to the pixels without the host.

use cudarc::driver::CudaSlice;

use super::at::Address;
use super::backward::walk_there;
use super::gpu::Floats;
use super::kernels::Argument;
use super::landing::Landing;
use super::lane::Lane;
use super::pinned::Pinned;
use crate::device::DeviceError;
use crate::error::ModelError;
use crate::graph::{NodeId, Tap};
use crate::matching::{Distribution, Matched, Matching, RANKS_TOGETHER};
use crate::reverse::{KnownRule, LrpZPlus, RelevanceMethod};
use crate::session::Reduction;

/// What a GPU keeps from one match to the next.
pub(super) struct Matches {
    /// By unit and layer.
    distributions: Vec<Vec<OnGpu>>,
    /// The channels of the last match, and where they are on the GPU.
    wanted: Option<(Vec<usize>, CudaSlice<i64>)>,
    floats: Landing<f32>,
    sums: Landing<f64>,
}

/// A distribution on a GPU.
struct OnGpu {
    sorted: Floats,
    scale: Floats,
}

impl Matches {
    pub(super) fn new() -> Self {
        Self { distributions: Vec::new(), wanted: None, floats: Landing::new(), sums: Landing::new() }
    }

    /// Brings the distributions of units to the lane's GPU; forgets the ones before.
    pub(super) fn set_distributions(
        &mut self,
        lane: &Lane,
        units: &[Vec<Distribution<'_>>],
    ) -> Result<(), DeviceError> {
        let gpu = lane.gpu();
        gpu.bind()?;
        let upload = |distribution: &Distribution<'_>| {
            Ok(OnGpu { sorted: gpu.upload(distribution.sorted)?, scale: gpu.upload(&distribution.scale)? })
        };
        let layers = |layers: &Vec<Distribution<'_>>| layers.iter().map(upload).collect();
        self.distributions = units.iter().map(layers).collect::<Result<_, DeviceError>>()?;
        // The copies read the host's memory until they are done.
        gpu.wait()
    }

    /// Matches the images that the lane has just run, and kept the values of.
    pub(super) fn compare(&mut self, lane: &Lane, matching: &Matching<'_>) -> Result<Matched, ModelError> {
        let Matching { target, channels, method, layers, units, .. } = *matching;
        let relevance = relevance(lane, self, (target.node, channels), method, layers)?;
        let mut seeds = Vec::new();
        let mut sums_coming = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let relevance = relevance.iter().find(|(node, _)| *node == layer.node);
            let (_, relevance) = relevance.expect("every layer lies below the target");
            let distributions: Vec<&OnGpu> =
                units.iter().map(|unit| &self.distributions[*unit][index]).collect();
            let (gradient, sums) = match_layer(lane, layer.node, relevance, &distributions)?;
            sums_coming.push(self.sums.send(lane.gpu(), &sums)?);
            seeds.push((layer.node, gradient));
        }
        let image = lane.graph().input();
        let gradient = walk_there(lane, KnownRule::Gradient, seeds, &[image])?.swap_remove(0).1;
        let (activations, _) = lane.reduce(target.node, Reduction::Max)?;
        let coming = Coming {
            sums: sums_coming,
            activations: self.floats.send(lane.gpu(), &activations)?,
            gradient: self.floats.send(lane.gpu(), &gradient)?,
        };
        Ok(coming.arrive(lane, self, matching)?)
    }

    /// Where the channels are as whole numbers, one for each item.
    fn wanted(&mut self, lane: &Lane, channels: &[usize]) -> Result<Address, DeviceError> {
        let gpu = lane.gpu();
        if self.wanted.as_ref().is_none_or(|(known, _)| known != channels) {
            let on_gpu = gpu.upload(&channels.iter().map(|channel| *channel as i64).collect::<Vec<_>>())?;
            // The copy reads the host's memory until it is done.
            gpu.wait()?;
            self.wanted = Some((channels.to_vec(), on_gpu));
        }
        Ok(self.wanted.as_ref().map_or(0, |(_, on_gpu)| gpu.address(on_gpu)))
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
        lane: &Lane,
        matches: &mut Matches,
        matching: &Matching<'_>,
    ) -> Result<Matched, DeviceError> {
        let (gpu, target) = (lane.gpu(), lane.shape(matching.target.node).channels);
        let (items, image) = (matching.channels.len(), lane.graph().input());
        let gradient = matches.floats.take(gpu, self.gradient, lane.len(image))?;
        let all = matches.floats.take(gpu, self.activations, items * target)?;
        let own = all.chunks_exact(target).zip(matching.channels);
        let activations = own.map(|(activations, channel)| activations[*channel]).collect();
        let sums = self.sums.into_iter().zip(matching.layers);
        let sums =
            sums.map(|(sums, layer)| matches.sums.take(gpu, sums, items * lane.shape(layer.node).channels));
        Ok(Matched { sums: sums.collect::<Result<_, _>>()?, activations, gradient })
    }
}

/// The relevance of each item's channel at some nodes, as `reverse::relevance` finds it over signals of the host.
fn relevance(
    lane: &Lane,
    matches: &mut Matches,
    (target, channels): (NodeId, &[usize]),
    method: RelevanceMethod,
    layers: &[Tap],
) -> Result<Vec<(NodeId, Floats)>, ModelError> {
    let wanted = matches.wanted(lane, channels)?;
    let seed = seed(lane, target, (wanted, channels.len()), method)?;
    let rule = match method {
        // No walk to layers goes down to the pixels, so that their range is never read.
        RelevanceMethod::Lrp | RelevanceMethod::LrpRestricted => KnownRule::LrpZPlus(LrpZPlus::default()),
        RelevanceMethod::GuidedBackprop => KnownRule::GuidedBackprop,
    };
    let nodes: Vec<NodeId> = layers.iter().map(|tap| tap.node).collect();
    let relevance = walk_there(lane, rule, vec![(target, seed)], &nodes)?;
    if method == RelevanceMethod::GuidedBackprop {
        for (_, signal) in &relevance {
            let address = Argument::from(lane.gpu().address(signal));
            lane.launch("relu", signal.len(), &[address, address])?;
        }
    }
    Ok(relevance)
}

/// The signal that a walk starts with.
fn seed(
    lane: &Lane,
    target: NodeId,
    (wanted, items): (Address, usize),
    method: RelevanceMethod,
) -> Result<Floats, DeviceError> {
    let (gpu, shape, activations) = (lane.gpu(), lane.shape(target), lane.value(target));
    let (positions, channels) = (shape.positions(), shape.channels);
    let places = gpu.alloc::<i64>(items)?;
    let kind: usize = match method {
        RelevanceMethod::Lrp => 0,
        RelevanceMethod::LrpRestricted => {
            let shares = gpu.alloc::<f64>(items * positions)?;
            let pointers = [activations.into(), wanted.into(), gpu.address(&shares).into()];
            lane.launch("alignment", shares.len(), &with_sizes(&pointers, positions, channels))?;
            let arguments = [gpu.address(&shares).into(), gpu.address(&places).into(), positions.into()];
            lane.launch("most_aligned", items, &arguments)?;
            1
        }
        RelevanceMethod::GuidedBackprop => 2,
    };
    let signal = gpu.alloc(lane.len(target))?;
    let pointers =
        [activations.into(), wanted.into(), gpu.address(&places).into(), gpu.address(&signal).into()];
    let arguments = [&with_sizes(&pointers, positions, channels)[..], &[kind.into()]].concat();
    lane.launch("seed", signal.len(), &arguments)?;
    Ok(signal)
}

/// Compares the relevant features of a layer with each item's distribution: the gradient with respect to the features,
/// and the sums of squares, `[items, channels]`.
fn match_layer(
    lane: &Lane,
    layer: NodeId,
    relevance: &Floats,
    distributions: &[&OnGpu],
) -> Result<(Floats, CudaSlice<f64>), DeviceError> {
    let (gpu, shape) = (lane.gpu(), lane.shape(layer));
    let (positions, channels) = (shape.positions(), shape.channels);
    let len = distributions.len() * shape.len();
    let (features, attended) = (lane.value(layer), gpu.address(relevance));
    let (lowest, highest) = extremes(lane, relevance, (distributions.len(), positions, channels))?;
    let (low, high) = (gpu.address(&lowest), gpu.address(&highest));

    let (keys, merged) = (gpu.alloc::<u64>(len)?, gpu.alloc::<u64>(len)?);
    let (mut keys_at, mut merged_at) = (gpu.address(&keys), gpu.address(&merged));
    let pointers = [features.into(), attended.into(), low.into(), high.into(), keys_at.into()];
    lane.launch("sort_keys", len, &with_sizes(&pointers, positions, channels))?;
    let mut run = 1;
    while run < positions {
        let arguments = [keys_at.into(), merged_at.into(), positions.into(), run.into()];
        lane.launch("merge_runs", len, &arguments)?;
        std::mem::swap(&mut keys_at, &mut merged_at);
        run *= 2;
    }

    let (differences, gradient): (Floats, Floats) = (gpu.alloc(len)?, gpu.alloc(len)?);
    for (item, distribution) in distributions.iter().enumerate() {
        assert_eq!(distribution.sorted.len(), shape.len(), "distributions of maps of this size");
        assert_eq!(distribution.scale.len(), channels, "a factor for each channel");
        // Where this item's part of something begins that is so long for each item.
        let part = |start: Address, len: usize, bytes: usize| {
            Argument::from(start + (item * len * bytes) as Address)
        };
        let (floats, keys) = (size_of::<f32>(), size_of::<u64>());
        let pointers = [
            part(keys_at, shape.len(), keys),
            part(features, shape.len(), floats),
            part(attended, shape.len(), floats),
            part(low, channels, floats),
            part(high, channels, floats),
            gpu.address(&distribution.sorted).into(),
            gpu.address(&distribution.scale).into(),
            part(gpu.address(&differences), shape.len(), floats),
            part(gpu.address(&gradient), shape.len(), floats),
        ];
        lane.launch("match_sorted", shape.len(), &with_sizes(&pointers, positions, channels))?;
    }
    let sums = sum_squares(lane, &differences, (distributions.len(), positions, channels))?;
    Ok((gradient, sums))
}

/// The smallest and the largest value of every map, `[items, channels]`.
fn extremes(
    lane: &Lane,
    maps: &Floats,
    (items, positions, channels): (usize, usize, usize),
) -> Result<(Floats, Floats), DeviceError> {
    let gpu = lane.gpu();
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let pass = |(lows, highs): (Address, Address), positions: usize, segment: usize| {
        let rows = items * positions.div_ceil(segment) * channels;
        let (lowest, highest): (Floats, Floats) = (gpu.alloc(rows)?, gpu.alloc(rows)?);
        let outputs = [gpu.address(&lowest), gpu.address(&highest)].map(Argument::from);
        let sizes = [positions, channels, segment].map(Argument::from);
        let arguments = [&[lows.into(), highs.into()], &outputs[..], &sizes].concat();
        lane.launch("extremes", rows, &arguments)?;
        Ok((lowest, highest))
    };
    let maps = gpu.address(maps);
    let (lows, highs) = pass((maps, maps), positions, RANKS_TOGETHER)?;
    pass((gpu.address(&lows), gpu.address(&highs)), segments, segments)
}

/// The sum of the squares of every map, `[items, channels]`.
fn sum_squares(
    lane: &Lane,
    maps: &Floats,
    (items, positions, channels): (usize, usize, usize),
) -> Result<CudaSlice<f64>, DeviceError> {
    let gpu = lane.gpu();
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let (parts, sums) = (gpu.alloc::<f64>(items * segments * channels)?, gpu.alloc(items * channels)?);
    let pointers = [gpu.address(maps).into(), gpu.address(&parts).into()];
    let arguments = [&with_sizes(&pointers, positions, channels)[..], &[RANKS_TOGETHER.into()]].concat();
    lane.launch("sum_squares", parts.len(), &arguments)?;
    let pointers = [gpu.address(&parts).into(), gpu.address(&sums).into()];
    lane.launch("sum_segments", items * channels, &with_sizes(&pointers, segments, channels))?;
    Ok(sums)
}

fn with_sizes(pointers: &[Argument], positions: usize, channels: usize) -> Vec<Argument> {
    [pointers, &[positions.into(), channels.into()]].concat()
}
