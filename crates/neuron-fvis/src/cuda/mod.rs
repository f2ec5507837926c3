//! Matching where the features are: on a GPU, of whose values the host then sees nothing but [`Matched`].

#[cfg(test)]
mod against_host;
#[cfg(test)]
mod emulated;

use neuron_model::{
    Argument, Composite, DeviceError, DeviceMemory, DeviceSignal, DeviceView, Images, KernelSource,
    ModelError, OnDevice, Readback, Tap,
};

use crate::activation_term::Push;
use crate::matching::RANKS_TOGETHER;
use crate::weighting::FeatureWeighting;

/// The kernels of this module.
// SAFETY: they touch what their lengths say, as the tests find that run them on the CPU: no place is computed from a
// value but those of keys, which are cut to the positions.
const KERNELS: KernelSource = unsafe { KernelSource::new(include_str!("kernels.cu")) };

/// What the relevant features of a unit should be like at one layer.
#[derive(Clone, Debug)]
pub(crate) struct Distribution<'a> {
    /// In ascending order by channel, `[channels, positions]`.
    pub(crate) sorted: &'a [f32],
    /// Factor of each channel's gradient, `[channels]`.
    pub(crate) scale: Vec<f32>,
}

/// Images and what their features are matched to.
#[derive(Clone, Copy)]
pub(crate) struct Comparison<'a> {
    pub(crate) images: &'a dyn Images,
    /// The tap of the units; one of the session's.
    pub(crate) target: &'a Tap,
    /// The channel of the target that each image is about.
    pub(crate) channels: &'a [usize],
    /// The distributions of which unit each image is matched to.
    pub(crate) units: &'a [usize],
    pub(crate) weighting: FeatureWeighting,
    /// One of the layers, of which all features count alike.
    pub(crate) plain: Option<&'a Tap>,
    /// The layers, in the order of each unit's distributions; taps of the session strictly below the target.
    pub(crate) layers: &'a [Tap],
    /// How each image's unit is pushed, and the rules by which that is passed back, if it is wanted.
    pub(crate) ascent: Option<(&'a [Push], &'a Composite)>,
}

/// How far images are from the distributions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matched {
    /// For each layer, the sums over positions of the squared differences, `[items, channels]`.
    pub(crate) sums: Vec<Vec<f64>>,
    /// The greatest activation of each image's channel.
    pub(crate) activations: Vec<f32>,
    /// The gradient of the scaled sums of all layers with respect to the images, `[items, height, width, 3]`.
    pub(crate) gradient: Vec<f32>,
    /// The gradient of minus each image's channel, of the same shape, if it was wanted.
    pub(crate) ascent: Option<Vec<f32>>,
}

/// What is kept from one comparison to the next.
#[derive(Default)]
pub(crate) struct DeviceMatching {
    /// By unit and layer.
    distributions: Vec<Vec<DeviceDistribution>>,
    floats: Readback<f32>,
    sums: Readback<f64>,
}

/// A distribution on a GPU.
struct DeviceDistribution {
    sorted: DeviceMemory<f32>,
    scale: DeviceMemory<f32>,
}

/// How maps of some items are laid out.
#[derive(Clone, Copy)]
struct Maps {
    items: usize,
    positions: usize,
    channels: usize,
}

impl Maps {
    /// Values of one item.
    fn item_len(self) -> usize {
        self.positions * self.channels
    }

    fn len(self) -> usize {
        self.items * self.item_len()
    }
}

impl DeviceMatching {
    /// Brings the distributions of units to the GPU, those of every layer; forgets the ones before.
    pub(crate) fn set_distributions(
        &mut self,
        device: &OnDevice<'_>,
        units: &[Vec<Distribution<'_>>],
    ) -> Result<(), DeviceError> {
        let upload = |distribution: &Distribution<'_>| {
            let sorted = device.upload(distribution.sorted)?;
            Ok(DeviceDistribution { sorted, scale: device.upload(&distribution.scale)? })
        };
        let layers = |layers: &Vec<Distribution<'_>>| layers.iter().map(upload).collect();
        self.distributions = units.iter().map(layers).collect::<Result<_, DeviceError>>()?;
        Ok(())
    }

    /// Runs images and matches them; the host waits once, at the end.
    ///
    /// # Panics
    /// If there is not one channel and one known unit for each image, or a unit's distributions are not those of the
    /// layers.
    pub(crate) fn compare(
        &mut self,
        device: &mut OnDevice<'_>,
        comparison: &Comparison<'_>,
    ) -> Result<Matched, ModelError> {
        let Comparison { images, target, channels, units, weighting, plain, layers, ascent } = *comparison;
        let (items, image) = (units.len(), device.network().graph().image_tap());
        device.run(images)?;
        let relevance = match weighting.rules(device.network()) {
            None => None,
            Some((method, composite)) => {
                Some(device.relevance((method, &composite), (target, channels), layers)?)
            }
        };
        let (mut seeds, mut sums) = (Vec::new(), Vec::new());
        for (index, layer) in layers.iter().enumerate() {
            let relevance = relevance.as_ref().filter(|_| plain != Some(layer)).map(|all| &all[index]);
            let distributions: Vec<_> = units.iter().map(|unit| &self.distributions[*unit][index]).collect();
            let (gradient, of_layer) = match_layer(device, layer, relevance, &distributions)?;
            sums.push(device.send(&of_layer, &mut self.sums)?);
            seeds.push(DeviceSignal::new(layer, gradient));
        }
        let pixels = std::slice::from_ref(&image);
        let gradient = match layers {
            [] => None,
            _ => Some(device.gradients(seeds, pixels)?.swap_remove(0)),
        };
        let ascent = match ascent {
            None => None,
            Some((pushes, composite)) => {
                let seed = DeviceSignal::new(target, ascent_seed(device, (target, channels), pushes)?);
                Some(device.pass_back(composite, vec![seed], pixels)?.swap_remove(0))
            }
        };
        let activations = device.send(&device.maxima(target)?, &mut self.floats)?;
        let mut sent = |signal: Option<DeviceSignal>| {
            signal.map(|signal| device.send(signal.values(), &mut self.floats)).transpose()
        };
        let (gradient, ascent) = (sent(gradient)?, sent(ascent)?);

        let len = items * device.shape(&image).len();
        let mut taken = |arriving| device.take(arriving, len, &mut self.floats);
        // Where there are no layers, nothing pulls.
        let gradient = gradient.map_or_else(|| Ok(vec![0.0; len]), &mut taken)?;
        let ascent = ascent.map(taken).transpose()?;
        let of_target = device.shape(target).channels;
        let all = device.take(activations, items * of_target, &mut self.floats)?;
        let own = all.chunks_exact(of_target).zip(channels);
        let activations = own.map(|(activations, channel)| activations[*channel]).collect();
        let sums = sums
            .into_iter()
            .zip(layers)
            .map(|(sums, layer)| device.take(sums, items * device.shape(layer).channels, &mut self.sums));
        Ok(Matched { sums: sums.collect::<Result<_, _>>()?, activations, gradient, ascent })
    }
}

/// What the gradients of minus some channels of a tap start with, as
/// [`Push::write`] has it on the host.
fn ascent_seed(
    device: &OnDevice<'_>,
    (target, channels): (&Tap, &[usize]),
    pushes: &[Push],
) -> Result<DeviceMemory<f32>, DeviceError> {
    let (shape, values) = (device.shape(target), device.values(target));
    let seed = device.alloc::<f32>(channels.len() * shape.len())?;
    for (item, (channel, push)) in channels.iter().zip(pushes).enumerate() {
        let part = |view| Argument::from(DeviceView::part(view, item * shape.len(), shape.len()));
        let arguments = [
            part(values),
            part(seed.view()),
            shape.channels.into(),
            (*channel).into(),
            Argument::Real(push.goal),
            Argument::Real(push.specificity),
        ];
        device.launch(KERNELS, "write_push", shape.len(), &arguments)?;
    }
    Ok(seed)
}

/// Relevance by which features are weighed, and the smallest and the largest of every map, `[items, channels]`.
struct Attention<'a> {
    values: DeviceView<'a>,
    lowest: DeviceMemory<f32>,
    highest: DeviceMemory<f32>,
}

impl<'a> Attention<'a> {
    fn new(device: &OnDevice<'_>, relevance: &'a DeviceSignal, maps: Maps) -> Result<Self, DeviceError> {
        let values = relevance.values().view();
        let (lowest, highest) = extremes(device, values, maps)?;
        Ok(Self { values, lowest, highest })
    }

    /// What kernels read of it, if there is any: all of it.
    fn arguments(attention: Option<&Self>) -> [Argument<'_>; 3] {
        let view = |view: fn(&Self) -> DeviceView<'_>| attention.map(view).into();
        [view(|all| all.values), view(|all| all.lowest.view()), view(|all| all.highest.view())]
    }

    /// As [`Self::arguments`], for one item.
    fn of_item(attention: Option<&Self>, item: usize, maps: Maps) -> [Argument<'_>; 3] {
        let Some(Self { values, lowest, highest }) = attention else { return [Argument::Nothing; 3] };
        let part = |view, len: usize| Argument::from(DeviceView::part(view, item * len, len));
        [
            part(*values, maps.item_len()),
            part(lowest.view(), maps.channels),
            part(highest.view(), maps.channels),
        ]
    }
}

/// Compares the relevant features of a layer, or all alike without relevance, with each item's distribution: the gradient
/// with respect to the features, and the sums of squares, `[items, channels]`.
fn match_layer(
    device: &OnDevice<'_>,
    layer: &Tap,
    relevance: Option<&DeviceSignal>,
    distributions: &[&DeviceDistribution],
) -> Result<(DeviceMemory<f32>, DeviceMemory<f64>), DeviceError> {
    let shape = device.shape(layer);
    let (positions, channels) = (shape.positions(), shape.channels);
    let maps = Maps { items: distributions.len(), positions, channels };
    let features = device.values(layer);
    let attention = relevance.map(|relevance| Attention::new(device, relevance, maps)).transpose()?;
    let keys = sorted_keys(device, features, attention.as_ref(), maps)?;
    let (differences, gradient) = (device.alloc::<f32>(maps.len())?, device.alloc::<f32>(maps.len())?);
    for (item, distribution) in distributions.iter().enumerate() {
        assert_eq!(distribution.sorted.len(), maps.item_len(), "distributions of maps of this size");
        assert_eq!(distribution.scale.len(), channels, "a factor for each channel");
        let part = |view, len: usize| Argument::from(DeviceView::part(view, item * len, len));
        let [relevance, lowest, highest] = Attention::of_item(attention.as_ref(), item, maps);
        let pointers = [
            part(keys.view(), maps.item_len()),
            part(features, maps.item_len()),
            relevance,
            lowest,
            highest,
            (&distribution.sorted).into(),
            (&distribution.scale).into(),
            part(differences.view(), maps.item_len()),
            part(gradient.view(), maps.item_len()),
        ];
        device.launch(
            KERNELS,
            "match_sorted",
            maps.item_len(),
            &with_sizes(&pointers, positions, channels),
        )?;
    }
    let sums = sum_squares(device, &differences, maps)?;
    Ok((gradient, sums))
}

/// The relevant features of every map in ascending order, as keys: where each is in the lower half.
fn sorted_keys(
    device: &OnDevice<'_>,
    features: DeviceView<'_>,
    attention: Option<&Attention<'_>>,
    maps: Maps,
) -> Result<DeviceMemory<u64>, DeviceError> {
    let (mut keys, mut merged) = (device.alloc::<u64>(maps.len())?, device.alloc::<u64>(maps.len())?);
    let [relevance, lowest, highest] = Attention::arguments(attention);
    let pointers = [features.into(), relevance, lowest, highest, (&keys).into()];
    device.launch(KERNELS, "sort_keys", maps.len(), &with_sizes(&pointers, maps.positions, maps.channels))?;
    let mut run = 1;
    while run < maps.positions {
        let arguments = [(&keys).into(), (&merged).into(), maps.positions.into(), run.into()];
        device.launch(KERNELS, "merge_runs", maps.len(), &arguments)?;
        std::mem::swap(&mut keys, &mut merged);
        run *= 2;
    }
    Ok(keys)
}

/// The smallest and the largest value of every map, `[items, channels]`.
fn extremes(
    device: &OnDevice<'_>,
    values: DeviceView<'_>,
    Maps { items, positions, channels }: Maps,
) -> Result<(DeviceMemory<f32>, DeviceMemory<f32>), DeviceError> {
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let pass = |(lows, highs): (DeviceView<'_>, DeviceView<'_>), positions: usize, segment: usize| {
        let rows = items * positions.div_ceil(segment) * channels;
        let (lowest, highest) = (device.alloc(rows)?, device.alloc(rows)?);
        let pointers = [lows.into(), highs.into(), (&lowest).into(), (&highest).into()];
        let arguments = [&with_sizes(&pointers, positions, channels)[..], &[segment.into()]].concat();
        device.launch(KERNELS, "extremes", rows, &arguments)?;
        Ok((lowest, highest))
    };
    let (lows, highs) = pass((values, values), positions, RANKS_TOGETHER)?;
    pass((lows.view(), highs.view()), segments, segments)
}

/// The sum of the squares of every map, `[items, channels]`.
fn sum_squares(
    device: &OnDevice<'_>,
    values: &DeviceMemory<f32>,
    Maps { items, positions, channels }: Maps,
) -> Result<DeviceMemory<f64>, DeviceError> {
    let segments = positions.div_ceil(RANKS_TOGETHER);
    let (parts, sums) = (device.alloc::<f64>(items * segments * channels)?, device.alloc(items * channels)?);
    let pointers = [values.into(), (&parts).into()];
    let arguments = [&with_sizes(&pointers, positions, channels)[..], &[RANKS_TOGETHER.into()]].concat();
    device.launch(KERNELS, "sum_squares", parts.len(), &arguments)?;
    let arguments = with_sizes(&[(&parts).into(), (&sums).into()], segments, channels);
    device.launch(KERNELS, "sum_segments", items * channels, &arguments)?;
    Ok(sums)
}

fn with_sizes<'m>(pointers: &[Argument<'m>], positions: usize, channels: usize) -> Vec<Argument<'m>> {
    [pointers, &[positions.into(), channels.into()]].concat()
}
