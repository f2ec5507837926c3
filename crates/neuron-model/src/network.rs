//! A frozen network: a graph, its weights, and the threads that run it.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use neuron_threads::Pool;

#[cfg(feature = "cuda")]
use crate::cuda::DeviceWeights;
use crate::device::Device;
#[cfg(feature = "cuda")]
use crate::device_event::DeviceEvent;
use crate::error::ModelError;
#[cfg(feature = "cuda")]
use crate::error::Unsupported;
use crate::families::Architecture;
use crate::graph::{Graph, Tap, TapInfo, UsualLayers};
use crate::prepared::PreparedWeights;
use crate::rule::PixelRange;
use crate::weights::{self, Weights};

/// A frozen network with named taps. Cheap to clone: clones share weights, packed kernels and threads.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    graph: Arc<Graph>,
    usual: OnceLock<UsualLayers>,
    prepared: PreparedWeights,
    threads: Pool,
    device: Device,
    #[cfg(feature = "cuda")]
    device_weights: Vec<DeviceWeights>,
}

impl Network {
    /// The network `name` with the given weights, on the CPU with `threads` threads (0: one for each core).
    ///
    /// # Errors
    /// [`ModelError::UnknownArchitecture`]; [`ModelError::WrongWeights`] with everything that is missing, extra
    /// or misshapen ([`Architecture::fit`]); [`ModelError::Threads`] if the system refuses the threads.
    pub fn new(name: &str, weights: Weights, threads: usize) -> Result<Self, ModelError> {
        Self::on(Device::default(), name, weights, threads)
    }

    /// As [`Network::new`], on any device. What passes do not compute themselves still takes the threads.
    ///
    /// A network with operations that GPUs have no kernel for is computed on the CPU: the device's observer is told
    /// ([`DeviceEvent::NoKernel`](crate::DeviceEvent::NoKernel)), and [`Network::device`] says so.
    ///
    /// # Errors
    /// Those of [`Network::new`].
    pub fn on(device: Device, name: &str, weights: Weights, threads: usize) -> Result<Self, ModelError> {
        let graph = Architecture::from_name(name)?.fit(&weights)?.graph;
        Self::start(device, name, graph, weights, threads)
    }

    /// A network of your own: a graph and its weights, on any device. `name` is for messages and records.
    ///
    /// # Errors
    /// [`ModelError::WrongWeights`] with everything that is missing or misshapen; tensors that the graph does not read
    /// are ignored. [`ModelError::Threads`] if the system refuses the threads.
    pub fn from_graph(
        device: Device,
        name: &str,
        graph: Graph,
        weights: Weights,
        threads: usize,
    ) -> Result<Self, ModelError> {
        weights::check_modules(&weights, &graph.expected_tensors(), |_| false)?;
        Self::start(device, name, graph, weights, threads)
    }

    fn start(
        device: Device,
        name: &str,
        graph: Graph,
        weights: Weights,
        threads: usize,
    ) -> Result<Self, ModelError> {
        #[cfg(feature = "cuda")]
        let device = where_it_computes(device, name, &graph);
        let threads = Pool::new(threads).map_err(|source| ModelError::Threads { threads, source })?;
        let inner = Inner {
            name: name.to_owned(),
            graph: Arc::new(graph),
            usual: OnceLock::new(),
            prepared: PreparedWeights::new(weights, device.arithmetic().precision),
            threads,
            #[cfg(feature = "cuda")]
            device_weights: device.gpus.iter().cloned().map(DeviceWeights::new).collect(),
            device,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// As [`Network::new`], with the weights of a file and one thread for each core.
    ///
    /// # Errors
    /// Those of [`Architecture::open`] and [`Network::new`].
    pub fn open(name: &str, weights: &Path) -> Result<Self, ModelError> {
        Self::new(name, Architecture::from_name(name)?.open(weights, None)?, 0)
    }

    /// The name of the architecture.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The known network of that name, which knows its usual layers; `None` for a network of one's own.
    pub fn architecture(&self) -> Option<Architecture> {
        Architecture::from_name(self.name()).ok()
    }

    /// The layers that are used if nobody names others: by its family, else from its graph.
    pub fn usual_layers(&self) -> &UsualLayers {
        self.inner.usual.get_or_init(|| match self.architecture() {
            Some(known) => known.usual_layers(),
            None => self.graph().usual_layers(),
        })
    }

    /// The operations and their names.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.inner.graph
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        self.inner.prepared.weights()
    }

    /// Number of threads that compute.
    pub fn threads(&self) -> usize {
        self.inner.threads.threads()
    }

    /// The tap of that name, dotted or underscored.
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`] with the nearest names; [`ModelError::AbsentTap`] if the weights do not hold it.
    pub fn tap(&self, name: &str) -> Result<Tap, ModelError> {
        self.graph().tap(name)
    }

    /// Channels of a tap.
    ///
    /// # Panics
    /// If it is a tap of a larger network.
    pub fn channels(&self, tap: &Tap) -> usize {
        self.graph().channels(tap.node)
    }

    /// Checks that a tap has all of these channels.
    ///
    /// # Errors
    /// [`ModelError::UnknownChannel`] for the first that it has not; [`ModelError::ForeignTap`].
    pub fn check_channels(&self, tap: &Tap, channels: &[usize]) -> Result<(), ModelError> {
        self.graph().check_taps([tap])?;
        let count = self.channels(tap);
        match channels.iter().find(|channel| **channel >= count) {
            None => Ok(()),
            Some(channel) => {
                Err(ModelError::UnknownChannel { tap: tap.name.clone(), channel: *channel, channels: count })
            }
        }
    }

    /// Every tap with its channels, map size, stride and receptive field for images of `height x width`.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] if the network cannot take images of that size.
    pub fn tap_infos(&self, height: usize, width: usize) -> Result<Vec<TapInfo>, ModelError> {
        self.graph().tap_infos(height, width)
    }

    /// The values that pixels can take, by the normalisation that the weights' metadata tell (`mean` and `std`), else by
    /// ImageNet's.
    pub fn pixel_range(&self) -> PixelRange {
        let metadata = self.weights().metadata();
        let three = |key: &str| {
            let numbers = metadata.get(key)?.trim().trim_matches(['[', ']', '(', ')']).split(',');
            let numbers: Option<Vec<f32>> = numbers.map(|number| number.trim().parse().ok()).collect();
            <[f32; 3]>::try_from(numbers?).ok()
        };
        match (three("mean"), three("std")) {
            (Some(mean), Some(std)) => PixelRange::normalised(mean, std),
            _ => PixelRange::default(),
        }
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// The weights on each GPU.
    #[cfg(feature = "cuda")]
    pub(crate) fn device_weights(&self) -> &[DeviceWeights] {
        &self.inner.device_weights
    }

    pub(crate) fn prepared(&self) -> &PreparedWeights {
        &self.inner.prepared
    }

    /// Runs `work` on the network's threads, as the network's own passes do: what an embedder computes between them.
    pub fn install<R>(&self, work: impl FnOnce() -> R) -> R {
        self.inner.threads.install(work)
    }
}

/// The CPU for a network with operations that GPUs have no kernel for; else the device.
#[cfg(feature = "cuda")]
fn where_it_computes(device: Device, name: &str, graph: &Graph) -> Device {
    let unsupported = crate::cuda::capability::forward(graph, &vec![true; graph.nodes().len()]);
    let Some(gpu) = device.gpus.first().filter(|_| !unsupported.is_empty()) else { return device };
    let mut operations: Vec<String> = Vec::new();
    for Unsupported { operation, what, .. } in unsupported {
        let operation = format!("{operation} ({what})");
        if !operations.contains(&operation) {
            operations.push(operation);
        }
    }
    gpu.tell(&DeviceEvent::NoKernel { network: name.to_owned(), operations });
    Device::default()
}
