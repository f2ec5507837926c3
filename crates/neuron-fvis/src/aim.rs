//! What pictures are optimised towards.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// What pictures are optimised towards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aim {
    /// The distributions of the references' relevant features (VITAL, arXiv 2503.22399), with the
    /// [`ActivationTerm`](crate::ActivationTerm) beside them where that has a weight.
    #[default]
    Vital,
    /// The unit's activation alone (Erhan et al., "Visualizing higher-layer features of a deep network", 2009). Its loss is
    /// minus the activation, as a multiple of the references' mean.
    Activation,
    /// A given picture, changed until the unit responds to it: its features stay where they are as far as can be, against
    /// the [`ActivationTerm`](crate::ActivationTerm) (Hamblin et al., "Feature Accentuation", arXiv 2402.10039).
    Accentuation,
}

impl Aim {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vital, Self::Activation, Self::Accentuation];

    fn name(self) -> &'static str {
        match self {
            Self::Vital => "vital",
            Self::Activation => "activation",
            Self::Accentuation => "accentuation",
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// As it is printed and parsed.
impl Serialize for Aim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A text that names no [`Aim`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected vital, activation or accentuation; found {found}")]
pub struct UnknownAim {
    /// The text.
    pub found: String,
}

impl FromStr for Aim {
    type Err = UnknownAim;

    fn from_str(text: &str) -> Result<Self, UnknownAim> {
        let same = |known: &Self| known.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(same).ok_or_else(|| UnknownAim { found: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_parse_as_they_print() {
        for aim in Aim::ALL {
            assert_eq!(aim.to_string().parse(), Ok(aim));
            assert_eq!(serde_json::to_value(aim).unwrap(), aim.to_string());
        }
        assert!("beauty".parse::<Aim>().unwrap_err().to_string().contains("found beauty"));
    }
}
