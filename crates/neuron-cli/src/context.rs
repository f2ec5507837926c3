//! What several commands need before they start: the network and its weights.

use std::path::{Path, PathBuf};

use anyhow::Context;
use neuron_model::{Architecture, Network, Weights};

use crate::cli::{Device, Global};
use crate::hub;
use crate::outcome::WrongUsage;

impl Global {
    /// The network `arch` with the weights that the flags, the environment or the usual places name.
    pub(crate) fn network(&self, arch: &str) -> anyhow::Result<Network> {
        Architecture::from_name(arch)?;
        self.check_device()?;
        let path = self.weights_path(arch)?;
        let weights = Weights::open(&path)?;
        self.say(1, || format!("weights: {}", path.display()));
        Network::new(arch, weights, self.threads)
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

    /// This build computes on the CPU.
    fn check_device(&self) -> anyhow::Result<()> {
        match self.device {
            Device::Auto | Device::Cpu => Ok(()),
            Device::Cuda(_) => {
                let message = format!("--device {}: this build has no CUDA; use --device cpu", self.device);
                Err(WrongUsage(message).into())
            }
        }
    }
}
