//! `--schedule` and `--phases`: what is done in which order.

use neuron_fvis::{Phase, Schedule};

use super::flags::Args;
use crate::outcome::WrongUsage;

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
