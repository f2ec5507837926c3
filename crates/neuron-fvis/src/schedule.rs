use serde::Serialize;

use crate::error::FvisError;

/// Steps over which the learning rate grows to its full value, in every phase.
const WARM_UP_STEPS: usize = 100;

/// What is done in which order: one or more phases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Schedule {
    phases: Vec<Phase>,
}

/// The schedules of the reference implementation, which numbers them 0, 1 and 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// 2000 steps on the picture at half size with half the jitter, then 1000 at full size.
    CoarseToFine,
    /// Any number of steps at full size.
    Single,
    /// 20,000 steps at full size with betas 0.9 and 0.999, without a range of pixels.
    Unclamped,
}

/// Some steps with the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Number of steps.
    pub steps: usize,
    /// Side of the square of pixels that are averaged to one before the network sees the picture; 1: none are.
    pub pooling: usize,
    /// Largest shift of the picture along each axis, in pixels of what the network sees.
    pub jitter_px: usize,
    /// Decay of the mean of gradients (first) and of their squares (second).
    pub betas: (f64, f64),
    /// Whether the picture is kept within the range of real pixels.
    pub clamp: bool,
}

/// Larger than any picture; keeps twice the jitter in 32 bits.
const MOST_JITTER_PX: usize = 65_535;

impl Schedule {
    /// The phases of a preset; `steps` are those of [`Preset::Single`].
    ///
    /// # Errors
    /// [`FvisError::Setting`] for no steps, or too large a jitter.
    pub fn preset(preset: Preset, steps: usize, jitter_px: usize) -> Result<Self, FvisError> {
        let full = Phase::new(steps, 1, jitter_px);
        let phases = match preset {
            Preset::CoarseToFine => vec![
                Phase { steps: 2000, pooling: 2, jitter_px: jitter_px / 2, ..full },
                Phase { steps: 1000, ..full },
            ],
            Preset::Single => vec![full],
            Preset::Unclamped => vec![Phase { steps: 20_000, betas: (0.9, 0.999), clamp: false, ..full }],
        };
        Self::new(phases)
    }

    /// A schedule of one phase.
    pub(crate) fn of(phase: Phase) -> Self {
        Self { phases: vec![phase] }
    }

    /// A schedule of these phases.
    ///
    /// # Errors
    /// [`FvisError::Setting`] if there is nothing to do, if nothing is averaged to a pixel, or if the jitter is too large.
    pub fn new(phases: Vec<Phase>) -> Result<Self, FvisError> {
        if phases.is_empty() || phases.iter().any(|phase| phase.steps == 0) {
            let value = "0".to_owned();
            return Err(FvisError::Setting { setting: "steps", value, expected: "at least 1" });
        }
        if phases.iter().any(|phase| phase.pooling == 0) {
            let value = "0".to_owned();
            return Err(FvisError::Setting { setting: "pooling", value, expected: "at least 1" });
        }
        if let Some(phase) = phases.iter().find(|phase| phase.jitter_px > MOST_JITTER_PX) {
            let value = phase.jitter_px.to_string();
            return Err(FvisError::Setting { setting: "jitter_px", value, expected: "at most 65535" });
        }
        Ok(Self { phases })
    }

    /// The phases, in order.
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Steps of all phases together.
    pub fn steps(&self) -> usize {
        self.phases.iter().map(|phase| phase.steps).sum()
    }

    /// The phase of a step and the step's index in it; `None` after the last one.
    pub fn at(&self, step: usize) -> Option<(usize, usize)> {
        let mut index = step;
        for (phase, Phase { steps, .. }) in self.phases.iter().enumerate() {
            match index.checked_sub(*steps) {
                None => return Some((phase, index)),
                Some(rest) => index = rest,
            }
        }
        None
    }
}

impl Phase {
    /// Steps at a size, with the usual betas, within the range of pixels.
    pub fn new(steps: usize, pooling: usize, jitter_px: usize) -> Self {
        Self { steps, pooling, jitter_px, betas: (0.5, 0.9), clamp: true }
    }

    /// The learning rate at a step of the phase, as a share of the full one: a linear warm-up, then half a cosine.
    pub fn learning_rate(&self, index: usize) -> f64 {
        match index.checked_sub(WARM_UP_STEPS) {
            None => (index + 1) as f64 / WARM_UP_STEPS as f64,
            Some(index) => {
                let share = index as f64 / (self.steps - WARM_UP_STEPS) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * share).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_warms_up_and_falls_to_zero() {
        let schedule = Schedule::preset(Preset::Single, 300, 30).unwrap();
        let rate = |index| schedule.phases()[0].learning_rate(index);
        assert_eq!((rate(0), rate(49), rate(99), rate(100)), (0.01, 0.5, 1.0, 1.0));
        assert!((rate(200) - 0.5).abs() < 1e-12);
        assert!(rate(299) < 1e-4 && rate(299) > 0.0);
    }

    #[test]
    fn a_short_schedule_only_warms_up() {
        let schedule = Schedule::preset(Preset::Single, 2, 30).unwrap();
        assert_eq!(schedule.phases()[0].learning_rate(1), 0.02);
    }

    #[test]
    fn phases_follow_each_other() {
        let schedule = Schedule::preset(Preset::CoarseToFine, 7, 31).unwrap();
        assert_eq!(schedule.steps(), 3000);
        assert_eq!((schedule.at(0), schedule.at(1999)), (Some((0, 0)), Some((0, 1999))));
        assert_eq!((schedule.at(2000), schedule.at(2999)), (Some((1, 0)), Some((1, 999))));
        assert_eq!(schedule.at(3000), None);
        assert_eq!(schedule.phases()[0].jitter_px, 15);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Schedule::preset(Preset::Single, 10, 70_000).is_err());
        assert!(Schedule::preset(Preset::Single, 0, 30).is_err());
    }
}
