use clap::ValueEnum;

/// What references are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Images,
    Patches,
    Class,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Patches => "patches",
            Self::Class => "class",
        }
    }
}
