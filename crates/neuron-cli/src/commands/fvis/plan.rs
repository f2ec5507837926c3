//! `--dry-run`: what a run would cost.

use std::time::Instant;

use neuron_fvis::{Aim, FeatureWeighting, Settings};
use neuron_model::{ChannelsLast, Keep, Network, Tap};
use serde_json::json;

use super::flags::Args;
use crate::global::Global;
use crate::memory;
use crate::outcome::Outcome;

/// What a step takes without its gradients, in passes of one picture, and so what a reference takes: measured by the bench
/// `step` of neuron-fvis.
fn passes_a_measurement(weighting: FeatureWeighting) -> f64 {
    match weighting {
        FeatureWeighting::None => 1.4,
        FeatureWeighting::Relevance(_) | FeatureWeighting::Published(_) => 4.5,
    }
}

/// What the gradients take: those of the features, and of the unit itself.
fn passes_a_gradient(settings: &Settings) -> f64 {
    let of_features = if settings.aim == Aim::Activation { 0.0 } else { 1.0 };
    of_features + if settings.ascends() { 1.0 } else { 0.0 }
}

/// How often references are shown to the network, and the passes of all, for so many pictures and references of theirs.
fn work(settings: &Settings, steps: usize, (pictures, references): (usize, usize)) -> (usize, f64) {
    let (mut shown, mut passes, mut measured) = (0, 0.0, None);
    for step in 0..steps {
        let weighting = settings.weighting_at(step);
        let measurement = passes_a_measurement(weighting);
        // They are measured anew where pictures have another size, or features another weight.
        let next = settings.schedule.at(step).map(|(phase, _)| (phase, weighting));
        if measured != next {
            measured = next;
            shown += references;
            passes += references as f64 * measurement;
        }
        passes += pictures as f64 * (measurement + passes_a_gradient(settings));
    }
    (shown, passes)
}

/// The program, and images that are being decoded.
const OTHER_BYTES: f64 = 300e6;

/// What a plan is made from.
pub(super) struct Plan<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) target: &'a Tap,
    pub(super) settings: &'a Settings,
}

impl Plan<'_> {
    /// Prints the plan for so many units, of which the lists name so many references in all; writes nothing.
    pub(super) fn print(&self, units: usize, references: usize) -> anyhow::Result<Outcome> {
        let Self { args, global, network, target, settings } = *self;
        let pictures = units * settings.copies;
        let memory = self.memory_bytes((units, pictures), references)?;
        let steps = args.stop_after.unwrap_or(usize::MAX).min(settings.schedule.steps());
        let (references, passes) = work(settings, steps, (pictures, references));

        let (height, width) = settings.size;
        let doubt = memory::doubt(memory);
        let disk = (pictures * (7 * height * width + 100 * steps)) as f64;
        let seconds = passes * seconds_a_pass(network, target, (height, width))?;
        let plan = json!({
            "command": "fvis",
            "pictures": pictures,
            "images": references,
            "steps": steps,
            "forwards": passes.round(),
            "memory_bytes": memory.round(),
            "disk_bytes": disk,
            "seconds": seconds,
            "notices": doubt.as_slice(),
        });
        let text = format!(
            "pictures    {pictures}, {steps} steps each\nimages      {references} references\n\
             forward     {passes:.0} passes, or the equivalent\nmemory      about {:.1} GB\n\
             disk        about {:.1} MB in {}\ntime        about {seconds:.0} seconds\n{}",
            memory / 1e9,
            disk / 1e6,
            args.out.display(),
            doubt.map_or_else(String::new, |doubt| format!("note        {doubt}\n")),
        );
        global.print_plan(&text, &plan)
    }

    /// Memory for so many units with their pictures, and references of all of them.
    fn memory_bytes(&self, (units, pictures): (usize, usize), references: usize) -> anyhow::Result<f64> {
        let Self { network, target, settings, .. } = *self;
        let (height, width) = settings.size;
        let maps = network.tap_infos(height, width)?;
        let values: usize = maps.iter().map(|map| map.shape().len()).sum();
        let weights: usize = network.weights().iter().map(|(_, tensor)| tensor.data.len()).sum();
        let mut features = 0;
        if settings.aim != Aim::Activation {
            for (layer, _) in settings.layer_weights.below(network, target)? {
                features += network.graph().shape(&layer, settings.size)?.len();
            }
        }
        // Each picture in the network keeps its maps and two signals; the weights are packed in five forms. A unit has its
        // references as bytes, and the features of its target twice; a picture its moments and gradients.
        let floats = 2 * values * pictures.min(settings.at_once)
            + 5 * weights
            + 2 * features * units
            + 8 * 3 * height * width * pictures;
        Ok(4.0 * floats as f64 + (references * 3 * height * width) as f64 + OTHER_BYTES)
    }
}

fn seconds_a_pass(network: &Network, target: &Tap, (height, width): (usize, usize)) -> anyhow::Result<f64> {
    let pixels = vec![0.5; 3 * height * width];
    let image = ChannelsLast::new(&pixels, height, width);
    let mut session = network.session(std::slice::from_ref(target), Keep::Taps)?;
    // The first pass packs the kernels.
    session.run(&image, &mut |_| {})?;
    let started = Instant::now();
    session.run(&image, &mut |_| {})?;
    Ok(started.elapsed().as_secs_f64())
}
