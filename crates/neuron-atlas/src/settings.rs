use std::path::PathBuf;

use neuron_data::Limits;

/// What is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Patches on a unit's page, for each command that found some. Default 24.
    pub patches: usize,
    /// Images on a unit's page. Default 12.
    pub images: usize,
    /// Where the images lie, if no longer where the results say. Default: where they say.
    pub data: Option<PathBuf>,
    /// Whether an image or a file of results that cannot be shown is fatal. Default: it is left out.
    pub strict: bool,
    /// What reading an image may cost.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { patches: 24, images: 12, data: None, strict: false, limits: Limits::default() }
    }
}
