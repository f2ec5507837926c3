//! What makes the pixels of a masked picture opaque.

use std::borrow::Cow;

use clap::ValueEnum;
use neuron_fvis::{Item, Settings, blur};
use neuron_model::{Attributor, ChannelsLast, Composite, Network, RelevanceMethod, Tap};

/// Width of the blur of relevance, as a share of the longer side: of layers with strides, it lies on a grid.
const BLUR: f64 = 1.0 / 28.0;

/// The value of `--mask`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum MaskFlag {
    /// How much the steps changed it
    Gradient,
    /// Its relevance to the unit (LRP) on the finished picture
    Relevance,
}

impl MaskFlag {
    /// What records say of a mask that is not the published one.
    pub(super) fn recorded(self) -> Option<&'static str> {
        match self {
            Self::Gradient => None,
            Self::Relevance => Some("relevance"),
        }
    }
}

/// Measures how much the pixels of pictures count.
pub(super) struct Masks {
    /// For relevance at the pixels, the tap beside it.
    attributor: Option<(Attributor, Tap)>,
}

impl Masks {
    /// # Errors
    /// With what the device cannot compute.
    pub(super) fn new(
        mask: MaskFlag,
        (network, target): (&Network, &Tap),
        settings: &Settings,
    ) -> anyhow::Result<Self> {
        let attributor = || {
            let image = network.graph().image_tap();
            let method = RelevanceMethod::Lrp;
            let composite: Composite = method.composite(settings.pixels);
            let rules = (method.into(), composite);
            let wanted = std::slice::from_ref(&image);
            let attributor = Attributor::with_composite(network, target, wanted, rules)?;
            Ok::<_, anyhow::Error>((attributor.at_positions(settings.positions), image))
        };
        Ok(Self { attributor: (mask == MaskFlag::Relevance).then(attributor).transpose()? })
    }

    /// How much each value of a picture counts, `[height, width, 3]`; 0 and more.
    pub(super) fn strength<'a>(
        &mut self,
        item: &'a Item,
        channel: usize,
        (height, width): (usize, usize),
    ) -> anyhow::Result<Cow<'a, [f32]>> {
        let Some((attributor, image)) = &mut self.attributor else {
            return Ok(Cow::Borrowed(&item.gradient));
        };
        let found = attributor.run(&ChannelsLast::new(&item.picture, height, width), &[channel])?;
        let relevance = found.at(image).map_or(&[][..], |relevance| relevance.data);
        // What speaks against the unit is no part of it.
        let mut strength: Vec<f32> = relevance.iter().map(|value| value.max(0.0)).collect();
        blur(&mut strength, (height, width), BLUR * height.max(width) as f64);
        strength.iter_mut().for_each(|value| *value = value.max(0.0));
        Ok(Cow::Owned(strength))
    }
}
