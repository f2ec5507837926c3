//! `--finish`: the last steps, in which features are weighed by relevance.

use neuron_fvis::{Aim, FeatureWeighting, Finish};

use super::flags::Args;
use crate::outcome::WrongUsage;

/// What the flags say of the end of so many steps.
///
/// # Errors
/// [`WrongUsage`] where no features are matched, or such that are weighed by relevance already.
pub(super) fn of(args: &Args, steps: usize) -> Result<Option<Finish>, WrongUsage> {
    let share = args.finish;
    let last = (share * steps as f64).round() as usize;
    if last == 0 {
        return Ok(None);
    }
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
    Ok(Some(Finish { steps: last, method: FeatureWeighting::default() }))
}
