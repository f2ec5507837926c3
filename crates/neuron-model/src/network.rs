//! A frozen network: a graph, its weights, and the threads that run it.

use std::path::Path;
use std::sync::Arc;

use candle_core::Tensor;

#[cfg(feature = "cuda")]
use crate::cuda::{DeviceWeights, Gpus};
use crate::device::Device;
use crate::error::ModelError;
use crate::executor::{Executor, Host};
use crate::families::Architecture;
use crate::graph::{Graph, Tap, TapInfo};
use crate::images::ChannelsFirst;
use crate::kernels::Kernels;
use crate::plan::{Keep, Plan};
use crate::session::Session;
use crate::weights::Weights;
use neuron_kernels::Algorithm;

/// A frozen network with named taps. Cheap to clone: clones share weights, packed kernels and threads.
#[derive(Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    graph: Arc<Graph>,
    kernels: Kernels,
    threads: rayon::ThreadPool,
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
    /// # Errors
    /// Those of [`Network::new`].
    pub fn on(device: Device, name: &str, weights: Weights, threads: usize) -> Result<Self, ModelError> {
        let graph = Arc::new(Architecture::from_name(name)?.fit(&weights)?.graph);
        let kernels = Kernels::new(&graph, weights);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.thread_name(|index| format!("compute-{index}"));
        let threads = pool.build().map_err(|source| ModelError::Threads { threads, source })?;
        let inner = Inner {
            name: name.to_owned(),
            graph,
            kernels,
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

    /// The operations and their names.
    pub fn graph(&self) -> &Arc<Graph> {
        &self.inner.graph
    }

    /// The weights.
    pub fn weights(&self) -> &Weights {
        self.inner.kernels.weights()
    }

    /// Number of threads that compute.
    pub fn threads(&self) -> usize {
        self.inner.threads.current_num_threads()
    }

    /// The tap of that name, dotted or underscored.
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`] with the nearest names; [`ModelError::AbsentTap`] if the weights do not hold it.
    pub fn tap(&self, name: &str) -> Result<Tap, ModelError> {
        self.graph().tap(name)
    }

    /// Channels of a tap.
    pub fn channels(&self, tap: &Tap) -> usize {
        self.graph().channels(tap.node)
    }

    /// Checks that a tap has all of these channels.
    ///
    /// # Errors
    /// [`ModelError::UnknownChannel`] for the first that it has not.
    pub fn check_channels(&self, tap: &Tap, channels: &[usize]) -> Result<(), ModelError> {
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

    /// Plans a pass to `taps`, which stops at the deepest of them.
    pub fn plan(&self, taps: &[Tap], keep: Keep, algorithm: Algorithm) -> Plan {
        Plan::new(self.graph().clone(), taps.to_vec(), keep, algorithm)
    }

    /// The buffers for running a plan again and again.
    pub fn session(&self, taps: &[Tap], keep: Keep) -> Session {
        self.session_by(taps, keep, Algorithm::Auto)
    }

    /// As [`Network::session`], by convolutions of one algorithm.
    pub fn session_by(&self, taps: &[Tap], keep: Keep, algorithm: Algorithm) -> Session {
        let plan = self.plan(taps, keep, algorithm);
        Session::new(self.clone(), plan.clone(), self.executor(plan))
    }

    /// The maps of some taps for a batch of images: the short way for embedders.
    ///
    /// # Shapes
    /// * `images`: `[batch, 3, height, width]`, f32, normalised
    /// * returns, for each tap: `[batch, channels, height, width]`
    ///
    /// # Errors
    /// [`ModelError::UnknownTap`], [`ModelError::ImageTooSmall`], or [`ModelError::Images`] if the tensor is of
    /// another shape or type.
    pub fn activations(&self, images: &Tensor, taps: &[&str]) -> Result<Vec<Tensor>, ModelError> {
        let taps = taps.iter().map(|name| self.tap(name)).collect::<Result<Vec<_>, _>>()?;
        let invalid = |source| ModelError::Images { source };
        let (batch, _, height, width) = images.dims4().map_err(invalid)?;
        let data = images.flatten_all().and_then(|flat| flat.to_vec1::<f32>()).map_err(invalid)?;

        let mut maps = vec![Vec::new(); taps.len()];
        let mut shapes = vec![(0, 0, 0); taps.len()];
        let mut session = self.session(&taps, Keep::Taps);
        session.run(&ChannelsFirst::new(&data, height, width), &mut |tapped| {
            let map = tapped.map;
            shapes[tapped.tap] = (map.height, map.width, map.channels);
            let end = (tapped.first_item + map.batch) * map.item_len();
            let all: &mut Vec<f32> = &mut maps[tapped.tap];
            all.resize(all.len().max(end), 0.0);
            all[end - map.data.len()..end].copy_from_slice(map.data);
        })?;
        let tensor = |(map, (height, width, channels)): (Vec<f32>, (usize, usize, usize))| {
            Tensor::from_vec(map, (batch, height, width, channels), &candle_core::Device::Cpu)?
                .permute((0, 3, 1, 2))?
                .contiguous()
        };
        maps.into_iter().zip(shapes).map(|pair| tensor(pair).map_err(invalid)).collect()
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    fn executor(&self, plan: Plan) -> Box<dyn Executor> {
        #[cfg(feature = "cuda")]
        if !self.inner.device_weights.is_empty() {
            return Box::new(Gpus::new(self, &plan));
        }
        Box::new(Host::new(self.clone(), plan))
    }

    /// The weights on each GPU.
    #[cfg(feature = "cuda")]
    pub(crate) fn device_weights(&self) -> &[DeviceWeights] {
        &self.inner.device_weights
    }

    pub(crate) fn kernels(&self) -> &Kernels {
        &self.inner.kernels
    }

    /// Runs `work` on the network's threads, as the network's own passes do: what an embedder computes between them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        self.inner.threads.install(work)
    }
}
