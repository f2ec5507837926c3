//! `--shard`: one of several parts of a run, which several tasks divide among themselves.

mod environment;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::outcome::WrongUsage;

/// One of several parts; they count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Numbers")]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

/// A shard as a file has it, which may be none.
#[derive(Deserialize)]
struct Numbers {
    index: usize,
    count: usize,
}

impl TryFrom<Numbers> for Shard {
    type Error = ShardError;

    fn try_from(Numbers { index, count }: Numbers) -> Result<Self, ShardError> {
        Self::new(index, count)
    }
}

/// No machine room has as many tasks.
const MOST: usize = 1 << 24;

/// The items that belong to one part, or to all.
pub(crate) fn range_of(shard: Option<Shard>, items: usize) -> Range<usize> {
    shard.map_or(0..items, |shard| shard.range(items))
}

/// The value of `--shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardFlag {
    /// What the scheduler says of this task; with the number of parts, which not every scheduler tells.
    Auto {
        count: Option<usize>,
    },
    Given(Shard),
}

impl Shard {
    /// The neighbouring items that belong to this part; parts differ by at most one item.
    pub(crate) fn range(self, items: usize) -> Range<usize> {
        let start = |index: usize| (items as u128 * index as u128 / self.count as u128) as usize;
        start(self.index - 1)..start(self.index)
    }

    /// All parts.
    pub(crate) fn all(count: usize) -> impl Iterator<Item = Self> {
        (1..=count).map(move |index| Self { index, count })
    }

    /// Part of a file name: `shard-2-of-3`.
    pub(crate) fn file_part(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        if index == 0 || index > count {
            return Err(ShardError::None { index, count });
        }
        if count > MOST {
            return Err(ShardError::TooMany { count });
        }
        Ok(Self { index, count })
    }
}

impl ShardFlag {
    pub(crate) fn resolve(self) -> Result<Shard, WrongUsage> {
        match self {
            Self::Given(shard) => Ok(shard),
            Self::Auto { count } => environment::shard(|name| std::env::var(name).ok(), count)
                .map_err(|error| WrongUsage(format!("--shard auto: {error}"))),
        }
    }
}

/// Why there is no such shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShardError {
    #[error("expected I/N (such as 1/3), auto, or auto/N")]
    Unknown,
    #[error("there is no shard {index} of {count}: shards are numbered from 1 (1/3, 2/3, 3/3)")]
    None { index: usize, count: usize },
    #[error("{count} shards are more than {MOST}")]
    TooMany { count: usize },
    #[error(
        "neither {} (Slurm, in array jobs) nor {} (Kubernetes, in Indexed Jobs) is set: run it in one of these, or pass \
         --shard I/N",
        environment::SLURM_TASK,
        environment::KUBERNETES_TASK
    )]
    NoScheduler,
    #[error(
        "both {} (Slurm) and {} (Kubernetes) are set, and only one of them can say which part this is: unset the other, \
         or pass --shard I/N",
        environment::SLURM_TASK,
        environment::KUBERNETES_TASK
    )]
    TwoSchedulers,
    #[error(
        "{} says which task of a Job this is, but nothing says how many there are: pass the Job's completions, \
         --shard auto/N",
        environment::KUBERNETES_TASK
    )]
    NoCount,
    #[error("{name} is not set, as it is in Slurm's array jobs: pass --shard I/N")]
    Unset { name: &'static str },
    #[error("{name} is {value:?}, not a number")]
    NotANumber { name: &'static str, value: String },
    #[error(
        "the array has {tasks} tasks, not {count}: pass --shard I/{count} to a task that is run by itself"
    )]
    OtherCount { tasks: usize, count: usize },
    #[error(
        "the array's {tasks} tasks are numbered from {first} to {last}, with gaps: number them without, or pass \
         --shard I/N"
    )]
    Gaps { tasks: usize, first: usize, last: usize },
}

impl FromStr for ShardFlag {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let number = |text: &str| text.parse::<usize>().map_err(|_| ShardError::Unknown);
        match text.split_once('/') {
            None if text == "auto" => Ok(Self::Auto { count: None }),
            None => Err(ShardError::Unknown),
            Some(("auto", count)) => {
                let count = number(count)?;
                // The first of none is none.
                Shard::new(1, count).map(|_| Self::Auto { count: Some(count) })
            }
            Some((index, count)) => Shard::new(number(index)?, number(count)?).map(Self::Given),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_everything_once() {
        for items in [0, 1, 7, 800] {
            for count in [1, 2, 3, 11] {
                let all: Vec<usize> = Shard::all(count).flat_map(|shard| shard.range(items)).collect();
                assert_eq!(all, (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn shards_count_from_one() {
        assert_eq!("2/3".parse(), Ok(ShardFlag::Given(Shard { index: 2, count: 3 })));
        assert_eq!("0/3".parse::<ShardFlag>(), Err(ShardError::None { index: 0, count: 3 }));
        assert_eq!("auto".parse(), Ok(ShardFlag::Auto { count: None }));
        assert_eq!("auto/8".parse(), Ok(ShardFlag::Auto { count: Some(8) }));
        for wrong in
            [r#"{"index":0,"count":2}"#, r#"{"index":1,"count":0}"#, r#"{"index":1,"count":99999999}"#]
        {
            assert!(serde_json::from_str::<Shard>(wrong).is_err(), "{wrong}");
        }
        for wrong in ["4/3", "half", "auto/0", "auto/", "auto/x", "1/2/3", "2/auto"] {
            assert!(wrong.parse::<ShardFlag>().is_err(), "{wrong}");
        }
    }
}
