//! `--schedule`: one that has a name.

use clap::ValueEnum;
use neuron_fvis::Preset;

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
