//! `--finish`: the last steps, in which features are weighed by relevance.

use neuron_fvis::{Aim, FeatureWeighting, Finish, Settings};
use neuron_model::{Network, Tap};

use super::flags::{Args, PresetFlag};
use super::settings::weighting;
use crate::global::Global;
use crate::outcome::WrongUsage;

/// The share of the steps with `--preset clear`: with it, VITAL's own loss, of relevant features, ends no higher than with the
/// published settings, in the median of the units measured.
const OF_CLEAR: f64 = 0.5;

/// Settings whose last steps are those that the flags ask for, else the preset. The layers are known by then.
///
/// # Errors
/// [`WrongUsage`] where no features are matched, or such that are weighed by relevance already.
pub(super) fn with_finish(
    settings: Settings,
    (args, global): (&Args, &Global),
    (network, target): (&Network, &Tap),
) -> Result<Settings, WrongUsage> {
    let asked = args.finish.filter(|share| *share > 0.0);
    asked.map_or(Ok(()), |share| check(args, share))?;
    // Relevance of a unit that may be below 0 can be that of what speaks against it.
    let is_usual = || args.preset == PresetFlag::Clear && network.graph().is_non_negative(target.node);
    let share = args.finish.unwrap_or(if is_usual() && holds(&settings) { OF_CLEAR } else { 0.0 });
    let steps = (share * settings.schedule.steps() as f64).round() as usize;
    let method = weighting(FeatureWeighting::default(), global);
    let finish = (steps > 0).then_some(Finish { steps, method });
    Ok(Settings { finish, ..settings })
}

/// Whether relevance may take over at the end: where all features of the nearest layer count beside it, the thing stays
/// whole.
fn holds(settings: &Settings) -> bool {
    settings.aim == Aim::Vital && settings.method == FeatureWeighting::None && settings.plain_layer.is_some()
}

fn check(args: &Args, share: f64) -> Result<(), WrongUsage> {
    if Aim::from(args.objective) != Aim::Vital {
        let message = format!(
            "--finish {share} weighs the features that --objective vital matches, and no other: leave one of the two out"
        );
        return Err(WrongUsage(message));
    }
    if args.method != FeatureWeighting::None {
        let message = format!(
            "--finish {share}: --method {} weighs the features by relevance from the first step on; leave --finish out, \
             or add --method none",
            args.method
        );
        return Err(WrongUsage(message));
    }
    Ok(())
}
