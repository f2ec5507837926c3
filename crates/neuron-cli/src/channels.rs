//! Lists of channels as they are typed: `162`, `0-63,162`, `all`.

use std::str::FromStr;

use anyhow::bail;
use neuron_model::{ModelError, Tap};
use sha2::{Digest, Sha256};

/// Which channels of a layer are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Channels {
    All,
    /// In the order in which they were typed, each once.
    Listed(Vec<usize>),
}

impl Channels {
    /// The channels of `tap`, which has `count`.
    ///
    /// # Errors
    /// [`ModelError::UnknownChannel`] if one does not exist.
    pub(crate) fn of(&self, tap: &Tap, count: usize) -> Result<Vec<usize>, ModelError> {
        let listed = match self {
            Self::All => return Ok((0..count).collect()),
            Self::Listed(listed) => listed,
        };
        match listed.iter().find(|channel| **channel >= count) {
            Some(channel) => {
                Err(ModelError::UnknownChannel { tap: tap.name.clone(), channel: *channel, channels: count })
            }
            None => Ok(listed.clone()),
        }
    }
}

/// As [`Channels::of`], in ascending order: a scan's result does not depend on the order in which they were typed.
pub(crate) fn sorted(channels: &Channels, tap: &Tap, count: usize) -> Result<Vec<usize>, ModelError> {
    let mut channels = channels.of(tap, count)?;
    channels.sort_unstable();
    Ok(channels)
}

/// Channels as they would be typed, runs as ranges: `0-63,162`.
pub(crate) fn as_typed(channels: &[usize]) -> String {
    let runs = channels.chunk_by(|channel, next| channel.checked_add(1) == Some(*next));
    let typed = runs.map(|run| match (run.first(), run.last()) {
        (Some(first), Some(last)) if first != last => format!("{first}-{last}"),
        _ => run.iter().map(ToString::to_string).collect(),
    });
    typed.collect::<Vec<_>>().join(",")
}

/// Reads what [`as_typed`] made.
pub(crate) fn listed(typed: &str) -> anyhow::Result<Vec<usize>> {
    match typed.parse() {
        Ok(Channels::Listed(listed)) => Ok(listed),
        Ok(Channels::All) => bail!("the recorded channels are not numbers"),
        Err(problem) => bail!("the recorded channels: {problem}"),
    }
}

/// Channels as a part of a file's name: as typed, or a hash where that is too long.
pub(crate) fn in_file_name(typed: &str) -> String {
    const LONGEST: usize = 48;
    if typed.len() <= LONGEST {
        return typed.to_owned();
    }
    Sha256::digest(typed).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// No layer of any known network has more channels; keeps a mistyped range from filling the memory.
const MOST: usize = 1 << 20;

/// Why a text is no list of channels.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseChannelsError {
    #[error("{found:?} is not a channel; expected a list such as 0-63,162, or all")]
    NotAChannel { found: String },
    #[error("the range {range} is backwards")]
    Backwards { range: String },
    #[error("more than {MOST} channels are listed; use all for every channel of a layer")]
    TooMany,
}

impl FromStr for Channels {
    type Err = ParseChannelsError;

    fn from_str(text: &str) -> Result<Self, ParseChannelsError> {
        if text == "all" {
            return Ok(Self::All);
        }
        let number = |text: &str| match text.trim().parse::<usize>() {
            Ok(number) if number < MOST => Ok(number),
            _ => Err(ParseChannelsError::NotAChannel { found: text.to_owned() }),
        };
        let mut listed = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(ParseChannelsError::Backwards { range: part.to_owned() });
            }
            if last - first >= MOST - listed.len() {
                return Err(ParseChannelsError::TooMany);
            }
            listed.extend(first..=last);
        }
        let mut seen = std::collections::HashSet::new();
        listed.retain(|channel| seen.insert(*channel));
        Ok(Self::Listed(listed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_read_again() {
        for typed in ["7", "0-63,162", "5,4,3", "3-4,9-11,0"] {
            assert_eq!(as_typed(&listed(typed).unwrap()), typed);
        }
    }

    #[test]
    fn no_channel_is_behind_the_last_number() {
        assert_eq!(as_typed(&[usize::MAX, 0, 1]), format!("{},0-1", usize::MAX));
    }

    #[test]
    fn ranges_and_numbers_mix() {
        assert_eq!("5,0-2,1".parse(), Ok(Channels::Listed(vec![5, 0, 1, 2])));
        assert_eq!("all".parse(), Ok(Channels::All));
        assert!(format!("0-{}", MOST - 2).parse::<Channels>().is_ok());
        let again = format!("0-{0},0-{0}", MOST - 2).parse::<Channels>();
        assert_eq!(again, Err(ParseChannelsError::TooMany));
        for wrong in ["", "a", "3-1", "1,,2", "-1", "0-99999999999"] {
            assert!(wrong.parse::<Channels>().is_err(), "{wrong:?}");
        }
    }
}
