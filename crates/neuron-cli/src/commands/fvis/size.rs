//! How large pictures are, and what the network sees of them.

use std::num::NonZeroUsize;

use neuron_data::Preprocessing;
use neuron_fvis::Settings;
use neuron_model::{Network, Tap};

use super::flags::Args;
use crate::outcome::WrongUsage;

/// The side of the pictures.
///
/// # Errors
/// [`WrongUsage`] if the network takes only another.
pub(super) fn resolution(args: &Args, network: &Network, target: &Tap) -> Result<usize, WrongUsage> {
    const USUAL: usize = 224;
    let typed = args.resolution.map(NonZeroUsize::get);
    match network.graph().fixed_size(target.node) {
        None => Ok(typed.unwrap_or(USUAL)),
        Some([only, _]) if typed.is_none_or(|typed| typed == only) => Ok(only),
        Some([height, width]) => {
            let (typed, name) = (typed.unwrap_or_default(), network.name());
            Err(WrongUsage(format!(
                "--resolution {typed}: {name} takes images of {height} x {width} pixels only; leave --resolution out"
            )))
        }
    }
}

/// Refuses a schedule with smaller pictures than the network takes.
pub(super) fn check_schedule(settings: &Settings, network: &Network, target: &Tap) -> Result<(), WrongUsage> {
    match network.graph().fixed_size(target.node) {
        Some([height, width]) if settings.schedule.phases().iter().any(|phase| phase.pooling > 1) => {
            let name = network.name();
            Err(WrongUsage(format!(
                "--schedule coarse-to-fine begins at half the size, and {name} takes images of {height} x {width} pixels \
                 only: take another schedule"
            )))
        }
        _ => settings.schedule.phases().iter().try_for_each(|phase| {
            let (side, seen) = (phase.pooling, settings.size.0 / phase.pooling.max(1));
            let fits = network.graph().shape(target, (seen, seen));
            fits.map(|_| ()).map_err(|error| {
                let message = format!(
                    "a phase that averages squares of {side} x {side} pixels leaves {seen} x {seen} of them, and {error}: \
                     take smaller squares in --phases, or another --schedule"
                );
                WrongUsage(message)
            })
        }),
    }
}

/// The preprocessing of the weights for another side of the crop: the same part of every picture.
pub(super) fn at_resolution(preprocessing: &Preprocessing, side: usize) -> Preprocessing {
    let resize = (preprocessing.resize * side + preprocessing.crop / 2) / preprocessing.crop;
    Preprocessing { resize: resize.max(side), crop: side, ..preprocessing.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_resolution_sees_the_same_part_of_a_picture() {
        let usual = Preprocessing::default();
        assert_eq!(at_resolution(&usual, 224), usual);
        let small = at_resolution(&usual, 112);
        assert_eq!((small.resize, small.crop), (128, 112));
    }
}
