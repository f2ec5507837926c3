//! `--schedule` and `--phases`: what is done in which order.

use clap::ValueEnum;
use neuron_fvis::{Phase, Preset, Schedule};

use super::flags::Args;
use crate::outcome::WrongUsage;

/// The value of `--schedule`; the reference implementation numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ScheduleFlag {
    /// 2000 steps at half size, then 1000 at full size
    #[value(alias = "0")]
    CoarseToFine,
    /// --steps steps at full size
    #[value(alias = "1")]
    Single,
    /// 20,000 steps at full size, with no limit on the pixels' values
    #[value(alias = "2")]
    Unclamped,
}

impl From<ScheduleFlag> for Preset {
    fn from(flag: ScheduleFlag) -> Self {
        match flag {
            ScheduleFlag::CoarseToFine => Self::CoarseToFine,
            ScheduleFlag::Single => Self::Single,
            ScheduleFlag::Unclamped => Self::Unclamped,
        }
    }
}

/// What the flags say of the steps.
pub(super) fn of(args: &Args) -> anyhow::Result<Schedule> {
    match &args.phases {
        Some(phases) => own_schedule(phases, args.jitter),
        None => Ok(Schedule::preset(args.schedule.into(), args.steps, args.jitter)?),
    }
}

/// The value of `--phases`; the jitter is smaller where the picture is.
fn own_schedule(phases: &str, jitter: usize) -> anyhow::Result<Schedule> {
    let phase = |text: &str| {
        let (pooling, steps) = text.trim().split_once(':')?;
        let (pooling, steps): (usize, usize) = (pooling.parse().ok()?, steps.parse().ok()?);
        let jitter_px = jitter.checked_div(pooling)?;
        Some(Phase::new(steps, pooling, jitter_px))
    };
    let known: Option<Vec<Phase>> = phases.split(',').map(phase).collect();
    let known = known.ok_or_else(|| {
        let expected = "sides of squares and steps, such as 4:100,2:150,1:250";
        WrongUsage(format!("--phases: expected {expected}; found {phases}"))
    })?;
    Schedule::new(known).map_err(|error| WrongUsage(format!("--phases: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_of_ones_own_go_from_coarse_to_fine() {
        let schedule = own_schedule("4:100, 1:50", 30).unwrap();
        let phases: Vec<_> = schedule.phases().iter().map(|p| (p.pooling, p.steps, p.jitter_px)).collect();
        assert_eq!(phases, [(4, 100, 7), (1, 50, 30)]);
        for wrong in ["", "4", "4:", "0:10", "4:0", "1:x", "1:5,"] {
            let error = own_schedule(wrong, 30).unwrap_err();
            assert!(error.to_string().starts_with("--phases"), "{wrong}: {error}");
        }
    }
}
