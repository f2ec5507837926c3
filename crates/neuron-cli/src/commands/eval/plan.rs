//! `--dry-run`: what a run would cost.

use std::time::Instant;

use neuron_model::{ChannelsLast, Keep, Network};
use serde_json::json;

use super::flags::Args;
use super::layers::penultimate;
use super::units::EvaluatedUnits;
use super::witness::Witness;
use crate::global::Global;
use crate::outcome::Outcome;
use crate::references::Data;

/// What a plan is made from.
pub(super) struct Plan<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) witness: Option<&'a Witness>,
    pub(super) units: &'a EvaluatedUnits<'a>,
}

impl Plan<'_> {
    /// Prints the plan for so many pictures of that side; writes nothing.
    pub(super) fn print(&self, (pictures, side): (usize, usize), data: &Data<'_>) -> anyhow::Result<Outcome> {
        let Self { args, global, network, witness, units } = *self;
        let listed = (0..units.all.len()).map(|unit| units.count(unit));
        let references = listed.sum::<anyhow::Result<usize>>()?;
        // Without a data folder, the references are shown to the network once more.
        let population = data.get()?.map_or(references, |images| images.len().min(args.population.get()));
        let forwards = pictures + references + population;
        let mut seconds = forwards as f64 * seconds_an_image(network, side)?;
        let mut passes = forwards;
        if let Some(witness) = witness {
            passes += pictures + references;
            seconds += (pictures + references) as f64
                * seconds_an_image(witness.network(), witness.preprocessing().crop)?;
        }
        let count = units.all.len();
        let text = format!(
            "units       {count}\npictures    {pictures}\nimages      {references} references, {population} in general\n\
             forward     {passes} passes\ntime        about {seconds:.0} seconds\n"
        );
        let plan = json!({
            "command": "eval",
            "units": count,
            "pictures": pictures,
            "images": references + population,
            "forwards": passes,
            "seconds": seconds,
        });
        global.print_plan(&text, &plan)
    }
}

/// A pass to the last features for an image of that side, and as much again for what is computed from the maps.
fn seconds_an_image(network: &Network, side: usize) -> anyhow::Result<f64> {
    let pixels = vec![0.5; 3 * side * side];
    let image = ChannelsLast::new(&pixels, side, side);
    let mut session = network.session(&[penultimate(network)?], Keep::Taps)?;
    // The first pass packs the kernels.
    session.run(&image, &mut |_| {})?;
    let started = Instant::now();
    session.run(&image, &mut |_| {})?;
    Ok(2.0 * started.elapsed().as_secs_f64())
}
