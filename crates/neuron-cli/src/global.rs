//! The flags that every command understands, and what follows from them alone: where images lie, how much is said.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use neuron_data::{Dataset, Limits};
use neuron_model::{DeviceRequest, Precision};
use serde_json::Value;

use crate::outcome::{Outcome, WrongUsage};
use crate::preprocessing::PreprocessingFlags;
use crate::{output, say};

/// Flags that every command understands.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where to compute; auto: on a GPU if this build and the machine have one. Several GPUs share a scan
    #[arg(long, global = true, default_value = "auto", value_name = "auto|cpu|cuda[:N,M]")]
    pub(crate) device: DeviceRequest,
    /// Arithmetic: tf32 (GPUs) rounds factors to 10 bits; bf16 stores maps in 16 bits in scans; bf16x3 (AMX) is nearly f32
    #[arg(long, global = true, default_value_t = Precision::F32, value_name = "f32|tf32|bf16|bf16x3")]
    pub(crate) precision: Precision,
    /// Compute threads (0: one per core)
    #[arg(long, global = true, default_value_t = 0, value_name = "N", value_parser = threads)]
    pub(crate) threads: usize,
    /// Weights: safetensors or .pth, or ARCH:SET of `weights fetch` [default: weights/<arch>.safetensors, then those fetched]
    #[arg(long, global = true, env = "NEURON_WEIGHTS", hide_env_values = true, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Which network of a weights file that holds several, such as model_ema [default: the one that fits]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) weights_key: Option<String>,
    /// Images: a folder with train/ and/or val/, class folders, a flat folder, or a list of paths (-: stdin)
    #[arg(long, global = true, env = "NEURON_DATA", hide_env_values = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Read flags from a TOML file; the command line takes precedence
    #[arg(long, global = true, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Print errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print a machine-readable summary on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print the plan (images, forward passes, memory, disk, time) and write nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Reproduce the quirks of the reference implementation (docs/parity.md lists them)
    #[arg(long, global = true)]
    pub(crate) reference_compat: bool,
    /// Replace existing results
    #[arg(long, global = true)]
    pub(crate) overwrite: bool,
    /// Largest image to read, in pixels; decoding takes up to 16 bytes per pixel
    #[arg(long, global = true, default_value_t = Limits::default().max_pixels, value_name = "N", value_parser = pixels)]
    pub(crate) max_pixels: usize,
    /// Fail on the first unreadable image instead of skipping it
    #[arg(long, global = true)]
    pub(crate) strict: bool,
    /// Exit with 0 in place of 3 if images were skipped, for schedulers to which all but 0 is a failure
    #[arg(long, global = true, conflicts_with = "strict")]
    pub(crate) accept_skipped: bool,
    // Last: their heading would be that of the flags below them.
    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingFlags,
}

/// The value of `--threads`: more than any machine has cores would only exhaust it.
fn threads(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    let threads = text.parse().ok().filter(|threads| *threads <= MOST);
    threads.ok_or_else(|| format!("expected a number of threads, 0 to {MOST}"))
}

/// The value of `--max-pixels`.
fn pixels(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(pixels) if pixels > 0 => Ok(pixels),
        _ => Err("expected a number of pixels, at least 1".to_owned()),
    }
}

/// The global flags but for those named, hidden: for the help of a command to which they mean nothing.
///
/// They are accepted all the same, as a configuration file may set them for every command.
pub(crate) fn hidden_except(listed: &[&str]) -> Vec<clap::Arg> {
    let global = Global::augment_args(clap::Command::new("global"));
    let hidden = global.get_arguments().filter(|flag| !listed.contains(&flag.get_id().as_str()));
    hidden.map(|flag| flag.clone().hide(true)).collect()
}

/// Why a line of a list cannot hold a path; `None` if it can.
fn unlistable(path: &Path) -> Option<&'static str> {
    match path.to_str() {
        None => Some("is not UTF-8"),
        Some(text) if text.contains(['\n', '\r']) => Some("has a line break"),
        Some(_) => None,
    }
}

impl Global {
    /// What a single image file may cost.
    pub(crate) fn limits(&self) -> Limits {
        Limits::of_pixels(self.max_pixels)
    }

    /// Says what a data set leaves out; a plan says it itself.
    pub(crate) fn say_notices(&self, dataset: &Dataset) {
        if !self.dry_run {
            dataset.notices().iter().for_each(|notice| self.say(0, || notice.to_string()));
        }
    }

    /// The data, or how to name it.
    pub(crate) fn data(&self) -> anyhow::Result<&Path> {
        let missing = || WrongUsage("no images: pass --data DIR or set NEURON_DATA".to_owned());
        Ok(self.data_if_any()?.ok_or_else(missing)?)
    }

    /// The data, where they are named.
    ///
    /// # Errors
    /// [`WrongUsage`] if results, which are lists of lines of text, cannot hold their path.
    pub(crate) fn data_if_any(&self) -> anyhow::Result<Option<&Path>> {
        let Some(data) = self.data.as_deref() else { return Ok(None) };
        if let Some(fault) = unlistable(data) {
            let message = format!(
                "--data {data:?}: the path {fault}, and lists of files cannot hold it: rename the folder, or reach it through a \
                 link with a plain name"
            );
            return Err(WrongUsage(message).into());
        }
        ensure!(
            data == Path::new("-") || neuron_data::is_there(data),
            "there is no folder, list or archive {}: pass the place of the images with --data",
            data.display()
        );
        Ok(Some(data))
    }

    /// Prints what a command would do, on stdout: as text, or as JSON if asked.
    pub(crate) fn print_plan(&self, text: &str, plan: &Value) -> anyhow::Result<Outcome> {
        if self.json {
            output::print(&format!("{plan:#}\n"))?;
        } else {
            output::print(text)?;
        }
        Ok(Outcome::Done)
    }

    /// Says something on stderr from a level of verbosity on; nothing if quiet.
    pub(crate) fn say(&self, level: u8, message: impl FnOnce() -> String) {
        if !self.quiet && self.verbose >= level {
            say::line(message());
        }
    }
}
