//! The value of `--start`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use neuron_fvis::StartFrom;

/// What pictures start from: something that is made, or a file.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::commands) enum StartFlag {
    From(StartFrom),
    File(PathBuf),
}

impl StartFlag {
    /// The file, if it is one.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::From(_) => None,
            Self::File(path) => Some(path),
        }
    }

    /// What is made, if it is no file.
    pub(super) fn made(&self) -> StartFrom {
        match self {
            Self::From(from) => *from,
            Self::File(_) => StartFrom::default(),
        }
    }
}

/// Any other text names a file; `./noise` is a file called noise.
impl FromStr for StartFlag {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "noise" => Self::From(StartFrom::Noise),
            "natural" => Self::From(StartFrom::Natural),
            "reference" => Self::From(StartFrom::Reference),
            path => Self::File(path.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_files() {
        let flag = |text: &str| text.parse::<StartFlag>().unwrap();
        assert_eq!(flag("natural").made(), StartFrom::Natural);
        assert_eq!(flag("./natural"), StartFlag::File("./natural".into()));
        assert_eq!((flag("cat.png").made(), flag("noise").file()), (StartFrom::Noise, None));
    }
}
