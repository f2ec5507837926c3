//! How images become the input of a network, as the command line says it.

use std::collections::BTreeMap;

use clap::Args;
use neuron_data::{DataError, Preprocessing};

/// Flags that say how images become the input; they come before what the weights say.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Preprocessing")]
pub(crate) struct PreprocessingFlags {
    /// Side of the shorter edge that images are resized to, in pixels [default: what the weights say]
    #[arg(long, global = true, value_name = "PX", value_parser = side("resize"))]
    resize: Option<usize>,
    /// Side of the square that is cut from the middle, in pixels [default: what the weights say]
    #[arg(long, global = true, value_name = "PX", value_parser = side("crop"))]
    crop: Option<usize>,
    /// How images are resized: bilinear or bicubic [default: what the weights say]
    #[arg(long, global = true, value_name = "FILTER", value_parser = entry("interpolation"))]
    interpolation: Option<String>,
    /// Mean of each colour, which is taken off pixels between 0 and 1 [default: what the weights say]
    #[arg(long, global = true, value_name = "R,G,B", allow_hyphen_values = true, value_parser = entry("mean"))]
    mean: Option<String>,
    /// Deviation of each colour, by which pixels are divided then [default: what the weights say]
    #[arg(long, global = true, value_name = "R,G,B", value_parser = entry("std"))]
    std: Option<String>,
}

impl PreprocessingFlags {
    /// As a weights file's metadata say it.
    pub(crate) fn metadata(&self) -> BTreeMap<String, String> {
        let number = |value: Option<usize>| value.map(|value| value.to_string());
        let pairs = [
            ("resize", number(self.resize)),
            ("crop", number(self.crop)),
            ("interpolation", self.interpolation.clone()),
            ("mean", self.mean.clone()),
            ("std", self.std.clone()),
        ];
        pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

/// Checks a value as the metadata's would be.
fn entry(key: &'static str) -> impl Fn(&str) -> Result<String, String> + Clone + Send + Sync + 'static {
    move |text| {
        let metadata = BTreeMap::from([(key.to_owned(), text.to_owned())]);
        match Preprocessing::from_metadata(&metadata) {
            Ok(_) => Ok(text.to_owned()),
            Err(DataError::Metadata { key: wrong, expected, .. }) if wrong == key => {
                Err(format!("expected {expected}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Checks a number of pixels as the metadata's would be.
fn side(key: &'static str) -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    move |text| {
        // Beside the largest resize, any crop is small enough.
        let mut metadata = BTreeMap::from([("resize".to_owned(), "16384".to_owned())]);
        metadata.insert(key.to_owned(), text.to_owned());
        match Preprocessing::from_metadata(&metadata) {
            Err(DataError::Metadata { key: wrong, expected, .. }) if wrong == key => {
                Err(format!("expected {expected}"))
            }
            _ => text.trim().parse().map_err(|_| "expected a number of pixels".to_owned()),
        }
    }
}
