//! Images in general, beside which pictures are seen.

use std::borrow::Cow;

use neuron_eval::{Luminance, Probe, RankSum, Responses, TapScores};
use neuron_model::{Images, Network};
use serde_json::{Value, json};

use super::units::EvaluatedUnits;
use crate::references::{Data, General, Reader, References};
use crate::scan::crops;
use crate::{interrupt, not_finite};

/// What images in general do.
pub(super) enum Population {
    /// Images of the data folder: the same for all units, but for those that are a unit's own references.
    Data(FromData),
    /// The references of the other units.
    Others(Others),
}

/// Images of the data folder, and what they do.
pub(super) struct FromData {
    general: General,
    responses: Responses,
    /// Mean share of fine energy.
    noise: f64,
}

/// What images in general do beside one unit.
pub(super) struct Beside<'a> {
    /// At each tap; none if there are no images.
    pub(super) scores: Option<Cow<'a, [TapScores]>>,
    /// At each layer.
    pub(super) ranks: Cow<'a, [RankSum]>,
}

/// What the references of all units do, from which each unit leaves out its own.
pub(super) struct Others {
    /// Scores at each tap, of each unit's references.
    scores: Vec<Vec<TapScores>>,
    /// At each layer, of all references.
    ranks: Vec<RankSum>,
    /// Of each unit's references: the sum of their shares, and how many they are.
    noise: Vec<(f64, usize)>,
}

impl Population {
    /// Shows some images of `--data` to the network, or without it all references; `None` if the user stopped it.
    pub(super) fn look(
        (data, count): (&Data<'_>, usize),
        units: &EvaluatedUnits<'_>,
        reader: &Reader<'_>,
        (network, probe, luminance): (&Network, &mut Probe, &mut Luminance),
    ) -> anyhow::Result<Option<Self>> {
        if let Some(dataset) = data.get()? {
            reader.global.say_notices(dataset);
            let general = General::load(dataset, count, reader)?;
            let images = general.images();
            let responses =
                probe.look(&images).map_err(|error| not_finite::named(error, |at| general.name(at)))?;
            let noise = network.install(|| noise_of(images.pixels(), images.count(), luminance));
            let noise = noise / images.count().max(1) as f64;
            return Ok(Some(Self::Data(FromData { general, responses, noise })));
        }
        let message = "without --data, the references of the other units stand for images in general";
        reader.global.say(0, || message.to_owned());
        let mut others = Others { scores: Vec::new(), ranks: Vec::new(), noise: Vec::new() };
        for unit in 0..units.all.len() {
            if interrupt::requested() {
                return Ok(None);
            }
            let references = units.load(unit, reader)?;
            let name = |at: usize| references.names()[at].clone();
            let Responses { scores, ranks } =
                probe.look(&references).map_err(|error| not_finite::named(error, name))?;
            others.scores.push(scores);
            others.ranks.resize(ranks.len(), RankSum::new());
            others.ranks.iter_mut().zip(&ranks).for_each(|(sum, ranks)| sum.extend(ranks));
            let pixels = references.bytes().map(|bytes| bytes.pixels()).unwrap_or_default();
            let count = references.count();
            others.noise.push((network.install(|| noise_of(pixels, count, luminance)), count));
        }
        Ok(Some(Self::Others(others)))
    }

    /// What they do beside a unit whose own references do `own`.
    pub(super) fn beside(
        &self,
        unit: usize,
        (references, own): (&References, &Responses),
        probe: &mut Probe,
    ) -> anyhow::Result<Beside<'_>> {
        match self {
            Self::Data(data) => data.beside(references, probe),
            Self::Others(others) => Ok(others.beside(unit, own)),
        }
    }

    /// Mean share of fine energy for a unit; `None` if there are no images.
    pub(super) fn noise(&self, unit: usize) -> Option<f64> {
        match self {
            Self::Data(FromData { general, noise, .. }) => (general.images().count() > 0).then_some(*noise),
            Self::Others(Others { noise, .. }) => {
                let others = noise.iter().enumerate().filter(|(other, _)| *other != unit);
                let (sum, count) =
                    others.fold((0.0, 0), |(sum, count), (_, (share, images))| (sum + share, count + images));
                (count > 0).then(|| sum / count as f64)
            }
        }
    }

    /// What they are, for reports.
    pub(super) fn told(&self) -> Value {
        match self {
            Self::Data(FromData { general, .. }) => {
                json!({ "are": "data", "images": general.images().count() })
            }
            Self::Others(Others { noise, .. }) => {
                let images: usize = noise.iter().map(|(_, images)| images).sum();
                json!({ "are": "references of the other units", "images": images })
            }
        }
    }
}

impl FromData {
    fn beside(&self, references: &References, probe: &mut Probe) -> anyhow::Result<Beside<'_>> {
        let Self { general, responses: Responses { scores, ranks }, .. } = self;
        let shared = general.shared_with(references);
        if shared.is_empty() {
            let is_there = general.images().count() > 0;
            return Ok(Beside { scores: is_there.then(|| scores.into()), ranks: ranks.into() });
        }
        let pixels = general.pixels_of(&shared);
        let left_out = probe
            .look(&crops(&pixels, general.preprocessing()))
            .map_err(|error| not_finite::named(error, |at| general.name(shared[at])))?;
        let others: Vec<TapScores> = scores.iter().map(|scores| scores.without(&shared)).collect();
        let is_there = shared.len() < general.images().count();
        let ranks = ranks.iter().zip(&left_out.ranks).map(|(all, part)| all.without(part)).collect();
        Ok(Beside { scores: is_there.then(|| others.into()), ranks: Cow::Owned(ranks) })
    }
}

impl Others {
    fn beside(&self, unit: usize, own: &Responses) -> Beside<'_> {
        let mut of_others = self.scores.iter().enumerate().filter(|(other, _)| *other != unit);
        let scores = of_others.next().map(|(_, first)| {
            let mut all = first.clone();
            for (_, scores) in of_others {
                all.iter_mut().zip(scores).for_each(|(all, scores)| all.extend(scores));
            }
            Cow::Owned(all)
        });
        let ranks = self.ranks.iter().zip(&own.ranks).map(|(all, own)| all.without(own)).collect();
        Beside { scores, ranks: Cow::Owned(ranks) }
    }
}

/// Sum of the shares of fine energy over some pictures.
///
/// # Shapes
/// * `pixels`: `[count, height, width, 3]`
fn noise_of(pixels: &[u8], count: usize, luminance: &mut Luminance) -> f64 {
    let pictures = pixels.chunks_exact((pixels.len() / count.max(1)).max(1));
    pictures.map(|picture| luminance.fine_share(picture)).sum()
}
