//! What several commands need before they start: the network and its weights.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use neuron_model::{
    Architecture, Device, DeviceError, DeviceEvent, DeviceRequest, Network, Observer, Precision, Weights,
};

use crate::cli::Global;
use crate::hub;
use crate::outcome::WrongUsage;

impl Global {
    /// The network `arch` with the weights that the flags, the environment or the usual places name.
    pub(crate) fn network(&self, arch: &str) -> anyhow::Result<Network> {
        Architecture::from_name(arch)?;
        let device = self.open_device()?;
        let path = self.weights_path(arch)?;
        let weights = Weights::open(&path)?;
        self.say(1, || format!("weights: {}", path.display()));
        Network::on(device, arch, weights, self.threads)
            .with_context(|| format!("{} does not fit {arch}", path.display()))
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
        let message = format!(
            "no weights for {arch}: {} is not there; pass --weights FILE, set NEURON_WEIGHTS, or run `neuron weights fetch {arch}`",
            usual.display()
        );
        Err(WrongUsage(message).into())
    }

    /// The data, or how to name it.
    pub(crate) fn data(&self) -> anyhow::Result<&Path> {
        let missing = || WrongUsage("no images: pass --data DIR or set NEURON_DATA".to_owned());
        Ok(self.data.as_deref().ok_or_else(missing)?)
    }

    /// Says something on stderr from a level of verbosity on; nothing if quiet.
    pub(crate) fn say(&self, level: u8, message: impl FnOnce() -> String) {
        if !self.quiet && self.verbose >= level {
            eprintln!("{}", message());
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
                eprintln!("{event}");
            }
        });
        let device = self.device.open(self.precision, &observer);
        Ok(device.map_err(|error| wrong_usage(chain(&error)))?)
    }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error).chain(causes).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
