use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::outcome::WrongUsage;

/// One of several parts of a data set; parts count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) count: usize,
}

/// The items that a scan of one part, or of all, goes through.
pub(crate) fn scanned_range(shard: Option<Shard>, items: usize) -> Range<usize> {
    shard.map_or(0..items, |shard| shard.range(items))
}

/// The value of `--shard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardFlag {
    /// Read from the environment of a Slurm array job.
    Auto,
    Given(Shard),
}

impl Shard {
    /// The neighbouring items that belong to this part; parts differ by at most one item.
    pub(crate) fn range(self, items: usize) -> Range<usize> {
        let start = |index: usize| (items as u128 * index as u128 / self.count as u128) as usize;
        start(self.index - 1)..start(self.index)
    }

    /// Part of a file name: `shard-2-of-3`.
    pub(crate) fn file_part(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        if index == 0 || index > count {
            return Err(ShardError::None { index, count });
        }
        Ok(Self { index, count })
    }

    /// The task of a Slurm array job: its position between the lowest and the highest task number.
    fn from_slurm(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ShardError> {
        let number = |name: &'static str| -> Result<usize, ShardError> {
            let value = variable(name).ok_or(ShardError::NoSlurm { name })?;
            value.parse().map_err(|_| ShardError::NotANumber { name, value })
        };
        let (id, count) = (number("SLURM_ARRAY_TASK_ID")?, number("SLURM_ARRAY_TASK_COUNT")?);
        // Arrays are numbered as the user likes (0-7, 1-8); without the lowest number, from 0.
        let first =
            if variable("SLURM_ARRAY_TASK_MIN").is_some() { number("SLURM_ARRAY_TASK_MIN")? } else { 0 };
        Self::new((id + 1).saturating_sub(first), count)
    }
}

impl ShardFlag {
    pub(crate) fn resolve(self) -> anyhow::Result<Shard> {
        match self {
            Self::Given(shard) => Ok(shard),
            Self::Auto => Shard::from_slurm(|name| std::env::var(name).ok())
                .map_err(|error| WrongUsage(error.to_string()).into()),
        }
    }
}

/// Why there is no such shard.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShardError {
    #[error("expected I/N (such as 1/3), or auto")]
    Unknown,
    #[error("there is no shard {index} of {count}: shards are numbered from 1 (1/3, 2/3, 3/3)")]
    None { index: usize, count: usize },
    #[error("--shard auto reads {name}, which is not set: run in a Slurm array job, or pass --shard I/N")]
    NoSlurm { name: &'static str },
    #[error("{name} is {value:?}, not a number")]
    NotANumber { name: &'static str, value: String },
}

impl FromStr for ShardFlag {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        let (index, count) = numbers.ok_or(ShardError::Unknown)?;
        Shard::new(index, count).map(Self::Given)
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
                let ranges = (1..=count).map(|index| Shard { index, count }.range(items));
                let all: Vec<usize> = ranges.flatten().collect();
                assert_eq!(all, (0..items).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn shards_count_from_one() {
        assert_eq!("2/3".parse(), Ok(ShardFlag::Given(Shard { index: 2, count: 3 })));
        assert_eq!("0/3".parse::<ShardFlag>(), Err(ShardError::None { index: 0, count: 3 }));
        assert!("4/3".parse::<ShardFlag>().is_err());
        assert!("half".parse::<ShardFlag>().is_err());
    }

    #[test]
    fn slurm_tasks_are_shards_wherever_their_numbers_start() {
        let environment = |min: Option<&'static str>, id: &'static str| {
            move |name: &str| match name {
                "SLURM_ARRAY_TASK_ID" => Some(id.to_owned()),
                "SLURM_ARRAY_TASK_COUNT" => Some("4".to_owned()),
                "SLURM_ARRAY_TASK_MIN" => min.map(str::to_owned),
                _ => None,
            }
        };
        let third = Ok(Shard { index: 3, count: 4 });
        assert_eq!(Shard::from_slurm(environment(None, "2")), third);
        assert_eq!(Shard::from_slurm(environment(Some("0"), "2")), third);
        assert_eq!(Shard::from_slurm(environment(Some("1"), "3")), third);
        assert!(Shard::from_slurm(environment(Some("1"), "9")).is_err());
        assert!(Shard::from_slurm(|_| None).is_err());
    }
}
