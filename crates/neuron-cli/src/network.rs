//! The network that a command line names: its device, its weights, and how images become its input.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use neuron_data::Preprocessing;
use neuron_import::Imported;
use neuron_model::{
    Architecture, Arithmetic, Device, DeviceError, DeviceEvent, DeviceRequest, Engine, Network, Observer,
    Precision, Weights, has_matrix_instructions,
};

use crate::demo_network::DemoNetwork;
use crate::global::Global;
use crate::outcome::{WrongUsage, describe};
use crate::preprocessing::Known;
use crate::{exported, fetch, say};

/// The instruction set that somebody asks for in place of the fastest.
const ISA: &str = "NEURON_ISA";

impl Global {
    /// The network `arch` with the weights that the flags, the environment or the usual places name.
    pub(crate) fn network(&self, arch: &str) -> anyhow::Result<Network> {
        self.network_on(arch, Self::open_device)
    }

    /// As [`Global::network`], for a command that passes signals back.
    pub(crate) fn network_for_backward_passes(&self, arch: &str) -> anyhow::Result<Network> {
        self.network_on(arch, Self::open_device_for_backward_passes)
    }

    fn network_on(
        &self,
        arch: &str,
        open_device: impl FnOnce(&Self) -> anyhow::Result<Device>,
    ) -> anyhow::Result<Network> {
        if let Some(path) = exported::path(arch) {
            let (device, imported) = (open_device(self)?, self.imported(path)?);
            let name = exported::name(arch);
            let network = Network::from_graph(device, &name, imported.graph, imported.weights, self.threads);
            return network.with_context(|| path.display().to_string());
        }
        let architecture = Architecture::from_name(arch)?;
        let device = open_device(self)?;
        let path = self.weights_path(arch)?;
        let weights = self.told(self.open_weights(&path, Some(&architecture))?);
        self.say(1, || format!("weights: {}", path.display()));
        let misfit = || format!("{} does not fit {arch}", path.display());
        self.fit(&architecture, &weights).with_context(misfit)?;
        Network::on(device, arch, weights, self.threads).with_context(misfit)
    }

    /// The network in an exported file, which has weights of its own.
    ///
    /// # Errors
    /// [`WrongUsage`] if others are named; those of [`exported::open`].
    pub(crate) fn imported(&self, path: &Path) -> anyhow::Result<Imported> {
        if self.weights.is_some() {
            let message = format!(
                "{} holds its own weights: leave --weights away, and NEURON_WEIGHTS unset",
                path.display()
            );
            return Err(WrongUsage(message).into());
        }
        let mut imported = exported::open(path)?;
        if let Some(told) = exported::told(&imported.missing) {
            self.say(0, || format!("{}: {told}", path.display()));
        }
        imported.weights = self.told(imported.weights);
        Ok(imported)
    }

    /// Weights with the preprocessing that flags say.
    pub(crate) fn told(&self, weights: Weights) -> Weights {
        let flags = self.preprocessing.metadata();
        if flags.is_empty() { weights } else { weights.told_instead(flags) }
    }

    /// The weights file: `--weights`, `$NEURON_WEIGHTS`, `weights/<arch>.safetensors`, or what was fetched.
    ///
    /// # Errors
    /// [`WrongUsage`] if there is none.
    pub(crate) fn weights_path(&self, arch: &str) -> anyhow::Result<PathBuf> {
        if let Some(path) = self.named_weights()? {
            return Ok(path);
        }
        let usual = Path::new("weights").join(arch).with_extension("safetensors");
        if usual.is_file() {
            return Ok(usual);
        }
        if let Some(fetched) = fetch::fetched(arch) {
            return Ok(fetched);
        }
        // No hub has these.
        if let Some(DemoNetwork { file, .. }) = DemoNetwork::of(arch) {
            let message = format!(
                "no weights for {arch}: they are weights/{file} of the repository, and `neuron demo --arch {arch}` writes \
                 them as neuron-demo/{file}; pass them with --weights FILE"
            );
            return Err(WrongUsage(message).into());
        }
        if !fetch::is_published(arch) {
            let message =
                format!("no weights for {arch}: nobody published any; pass your own with --weights FILE");
            return Err(WrongUsage(message).into());
        }
        let others: Vec<_> = fetch::others(arch).iter().map(|name| format!("--weights {name}")).collect();
        let fetched = match others.join(" or ") {
            none if none.is_empty() => String::new(),
            others => format!(", {others} (fetched)"),
        };
        let message = format!(
            "no weights for {arch}: {} is not there; pass --weights FILE{fetched}, set NEURON_WEIGHTS, or run \
             `neuron weights fetch {arch}`",
            usual.display()
        );
        Err(WrongUsage(message).into())
    }

    /// The weights file that `--weights` or `$NEURON_WEIGHTS` names, as a path or by what was fetched.
    ///
    /// # Errors
    /// Those of [`fetch::named`].
    pub(crate) fn named_weights(&self) -> anyhow::Result<Option<PathBuf>> {
        self.weights.as_deref().map(fetch::named).transpose()
    }

    /// The preprocessing that belongs to a network's weights; says what of it is not from their own metadata.
    ///
    /// # Errors
    /// Those of [`Known::of`].
    pub(crate) fn preprocessing(&self, network: &Network) -> anyhow::Result<Preprocessing> {
        let weights = network.weights();
        let known = Known::of(weights)?.fitted_to(network.graph())?;
        if let Some(told) = known.told(weights.path().unwrap_or(Path::new("the weights"))) {
            self.say(0, || told);
        }
        Ok(known.preprocessing)
    }

    /// Where to compute.
    fn open_device(&self) -> anyhow::Result<Device> {
        let wrong_usage = |error: String| {
            let precision = match self.precision {
                Precision::F32 => String::new(),
                precision => format!(" --precision {precision}"),
            };
            WrongUsage(format!("--device {}{precision}: {error}", self.device))
        };
        if self.would_only_be_slow() {
            let message = format!(
                "this processor has no matrix instructions (AMX), without which it is slower than f32; take f32, or set \
                 {ISA} (avx2, portable, ...) to compute the same bits slowly"
            );
            return Err(wrong_usage(message).into());
        }
        let (quiet, wants_all) = (self.quiet, self.verbose > 0 || self.precision == Precision::Tf32);
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

    /// As [`Global::open_device`], unless its backward passes are of another precision than was asked for.
    fn open_device_for_backward_passes(&self) -> anyhow::Result<Device> {
        let device = self.open_device()?;
        let Arithmetic { engine, precision } = device.arithmetic();
        if engine != Engine::Cuda && precision == Precision::Bf16 {
            let message = format!(
                "--precision {precision}: on the CPU, only forward passes compute in {precision} (select-images, \
                 extract-patches, baseline, activations, eval); here, take f32, or bf16x3 where there is AMX"
            );
            return Err(WrongUsage(message).into());
        }
        Ok(device)
    }

    /// Whether f32 gives the same more quickly, and nobody asked for an instruction set, to compare bits.
    fn would_only_be_slow(&self) -> bool {
        let on_the_cpu = !matches!(self.device, DeviceRequest::Cuda(_));
        let is_wanted = has_matrix_instructions() || std::env::var_os(ISA).is_some();
        on_the_cpu && self.precision == Precision::Bf16x3 && !is_wanted
    }
}
