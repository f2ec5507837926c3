//! The flags that every command understands, and what follows from them: device, weights, data, how much is said.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use neuron_data::{Dataset, Limits};
use neuron_model::{
    Architecture, Device, DeviceError, DeviceEvent, DeviceRequest, Network, Observer, Precision,
};

use crate::outcome::{WrongUsage, describe};
use crate::{hub, say};

/// Flags that every command understands.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Where to compute: auto takes a GPU where this build and the machine have one; several share a scan
    #[arg(long, global = true, default_value = "auto", value_name = "auto|cpu|cuda[:N,M]")]
    pub(crate) device: DeviceRequest,
    /// How exactly a GPU computes: tf32 is faster and rounds factors to 10 bits; bf16 also stores maps in 16 bits in scans
    #[arg(long, global = true, default_value_t = Precision::F32, value_name = "f32|tf32|bf16")]
    pub(crate) precision: Precision,
    /// Number of threads that compute (0: one for each core)
    #[arg(long, global = true, default_value_t = 0, value_name = "N", value_parser = threads)]
    pub(crate) threads: usize,
    /// Weights, safetensors or .pth [default: weights/<arch>.safetensors, else what `weights fetch` got]
    #[arg(long, global = true, env = "NEURON_WEIGHTS", hide_env_values = true, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// Which of the networks that the weights file holds, such as model_ema [default: the one that fits]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) weights_key: Option<String>,
    /// Images: a folder with train/ and/or val/, class folders, a flat folder, or a file of paths (-: stdin)
    #[arg(long, global = true, env = "NEURON_DATA", hide_env_values = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Flags from a file; what is typed wins over it
    #[arg(long, global = true, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more (-vv: even more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Print one machine-readable summary on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print what would be done (images, forwards, memory, disk, time) and write nothing
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Reproduce the quirks of the reference implementation (docs/parity.md lists them)
    #[arg(long, global = true)]
    pub(crate) reference_compat: bool,
    /// Replace results that are there already
    #[arg(long, global = true)]
    pub(crate) overwrite: bool,
    /// The largest picture that is read, in pixels; decoding takes up to 16 bytes a pixel
    #[arg(long, global = true, default_value_t = Limits::default().max_pixels, value_name = "N", value_parser = pixels)]
    pub(crate) max_pixels: usize,
    /// Fail at the first image that cannot be read, instead of skipping it
    #[arg(long, global = true)]
    pub(crate) strict: bool,
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

/// The small network that comes with the repository, which no hub has.
const DEMO: &str = "resnet10_demo";

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

    /// The network `arch` with the weights that the flags, the environment or the usual places name.
    pub(crate) fn network(&self, arch: &str) -> anyhow::Result<Network> {
        let architecture = Architecture::from_name(arch)?;
        let device = self.open_device()?;
        let path = self.weights_path(arch)?;
        let weights = self.open_weights(&path, Some(&architecture))?;
        self.say(1, || format!("weights: {}", path.display()));
        let misfit = || format!("{} does not fit {arch}", path.display());
        self.fit(&architecture, &weights).with_context(misfit)?;
        Network::on(device, arch, weights, self.threads).with_context(misfit)
    }

    /// The weights file: `--weights`, `$NEURON_WEIGHTS`, `weights/<arch>.safetensors`, or what was fetched.
    pub(crate) fn weights_path(&self, arch: &str) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.weights {
            return Ok(path.clone());
        }
        let usual = Path::new("weights").join(arch).with_extension("safetensors");
        if usual.is_file() {
            return Ok(usual);
        }
        if let Some(fetched) = hub::fetched(arch) {
            return Ok(fetched);
        }
        if arch == DEMO {
            let message = format!(
                "no weights for {arch}: they are weights/demo.safetensors of the repository, and `neuron demo` writes them \
                 as neuron-demo/demo.safetensors; pass them by --weights FILE"
            );
            return Err(WrongUsage(message).into());
        }
        let message = format!(
            "no weights for {arch}: {} is not there; pass --weights FILE, set NEURON_WEIGHTS, or run `neuron weights fetch {arch}`",
            usual.display()
        );
        Err(WrongUsage(message).into())
    }

    /// The data, or how to name it.
    pub(crate) fn data(&self) -> anyhow::Result<&Path> {
        let missing = || WrongUsage("no images: pass --data DIR or set NEURON_DATA".to_owned());
        Ok(self.data_if_any()?.ok_or_else(missing)?)
    }

    /// The data, where they are named.
    ///
    /// # Errors
    /// [`WrongUsage`] if their path is not UTF-8: results are lists of lines of text, and hold it.
    pub(crate) fn data_if_any(&self) -> anyhow::Result<Option<&Path>> {
        match self.data.as_deref() {
            Some(data) if data.to_str().is_none() => {
                let message = format!(
                    "--data {}: the path is not UTF-8, and lists of files cannot hold it: rename the folder, or reach it \
                     through a link with a plain name",
                    data.display()
                );
                Err(WrongUsage(message).into())
            }
            Some(data) if data != Path::new("-") && !data.exists() => Err(anyhow::anyhow!(
                "there is no folder or list {}: --data says where images lie",
                data.display()
            )),
            data => Ok(data),
        }
    }

    /// Says something on stderr from a level of verbosity on; nothing if quiet.
    pub(crate) fn say(&self, level: u8, message: impl FnOnce() -> String) {
        if !self.quiet && self.verbose >= level {
            say::line(message());
        }
    }

    /// Where to compute.
    fn open_device(&self) -> anyhow::Result<Device> {
        let wrong_usage = |error: String| WrongUsage(format!("--device {}: {error}", self.device));
        if self.device == DeviceRequest::Cpu && self.precision != Precision::F32 {
            let message = format!("--precision {} is for GPUs; the CPU computes in f32", self.precision);
            return Err(wrong_usage(message).into());
        }
        let (quiet, wants_all) = (self.quiet, self.verbose > 0 || self.precision != Precision::F32);
        let observer: Observer = Arc::new(move |event| {
            // That a build without CUDA computes on the CPU is what everybody expects of it.
            let expected = matches!(event, DeviceEvent::FellBack { reason: DeviceError::NotBuilt, .. });
            if !quiet && (wants_all || !expected) {
                say::line(event);
            }
        });
        let device = self.device.open(self.precision, &observer);
        Ok(device.map_err(|error| wrong_usage(describe(&error.into())))?)
    }
}
