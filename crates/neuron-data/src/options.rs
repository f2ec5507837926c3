/// Which half of a data set is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Split {
    /// The folder `train`.
    #[default]
    Train,
    /// The folder `val`.
    Val,
}

impl Split {
    /// Name of the split's folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
        }
    }
}

/// Which images of a data folder or list are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DatasetOptions {
    /// The split, where the folder has splits. Default: `train`, and nothing is said where there are none.
    pub split: Option<Split>,
    /// Only the first so many images of each class. Default: all.
    pub split_n: Option<usize>,
}
