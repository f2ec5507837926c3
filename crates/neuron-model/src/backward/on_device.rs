//! A session's values where a GPU keeps them, for work that goes on with them there.

use super::attribution::{Finish, RelevanceMethod};
use crate::composite::Composite;
use crate::cuda::{Argument, Arriving, DeviceMemory, DeviceView, KernelSource, Readback, Scalar};
use crate::error::{DeviceError, ModelError};
use crate::executor::cuda::{DeviceRun, GpuRun, pass_there, signal};
use crate::graph::Tap;
use crate::images::Images;
use crate::network::Network;
use crate::session::Session;
use crate::value::{NodeId, Reduction, Shape};

impl Session {
    /// The session's values where they are, if it computes on a GPU and keeps what backward passes need; `None` on the
    /// CPU, where they are at hand.
    pub fn on_device(&mut self) -> Option<OnDevice<'_>> {
        self.executor_mut().on_device().map(|device| OnDevice { device })
    }
}

/// A session on a GPU, whose values stay there: runs, backward passes, and kernels of one's own between them.
///
/// Everything is started in order and computed in that order, while the host goes on; it waits only in
/// [`upload`](Self::upload), [`take`](Self::take) and where it sends images faster than they are computed with.
///
/// Taps are those of the session, and the values those of the last [`run`](Self::run); methods that take a tap panic if
/// there was none.
pub struct OnDevice<'s> {
    device: DeviceRun<'s>,
}

/// A signal at a tap: a gradient or relevance, `[batch, height, width, channels]`.
#[derive(Debug)]
pub struct DeviceSignal {
    node: NodeId,
    values: DeviceMemory<f32>,
}

impl DeviceSignal {
    /// Values of one's own as a signal at a tap, laid out as its map.
    pub fn new(tap: &Tap, values: DeviceMemory<f32>) -> Self {
        Self { node: tap.node, values }
    }

    /// Its values.
    pub fn values(&self) -> &DeviceMemory<f32> {
        &self.values
    }
}

impl OnDevice<'_> {
    /// The network of the session.
    pub fn network(&self) -> &Network {
        self.device.run.network()
    }

    /// Runs images through the network; what they give stays on the GPU.
    ///
    /// # Errors
    /// [`ModelError::ImageTooSmall`] if the images are too small for the taps; [`ModelError::Device`] if the GPU fails.
    pub fn run(&mut self, images: &dyn Images) -> Result<(), ModelError> {
        self.device.keep(images)
    }

    /// The shape of a tap's maps.
    pub fn shape(&self, tap: &Tap) -> Shape {
        self.device.run.shape(tap.node)
    }

    /// The maps at a tap, `[batch, height, width, channels]`.
    pub fn values(&self, tap: &Tap) -> DeviceView<'_> {
        self.device.run.value(tap.node)
    }

    /// The greatest value of every map at a tap, `[batch, channels]`.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn maxima(&self, tap: &Tap) -> Result<DeviceMemory<f32>, DeviceError> {
        Ok(self.device.run.reduce(tap.node, Reduction::Max)?.0)
    }

    /// As [`Attributor::run`](crate::Attributor::run), by a method and rules for it: the relevance of one channel of `target`
    /// for each image, at each of the `wanted` taps.
    ///
    /// # Errors
    /// [`ModelError::UnknownChannel`] if the tap has fewer channels; [`ModelError::Items`] if there are not as many
    /// channels as images; [`ModelError::Device`] if the GPU fails.
    ///
    pub fn relevance(
        &mut self,
        (method, composite): (RelevanceMethod, &Composite),
        (target, channels): (&Tap, &[usize]),
        wanted: &[Tap],
    ) -> Result<Vec<DeviceSignal>, ModelError> {
        let DeviceRun { run, batch, channels: known, .. } = &mut self.device;
        if channels.len() != **batch {
            return Err(ModelError::Items { expected: **batch, found: channels.len() });
        }
        run.network().check_channels(target, channels)?;
        run.gpu().bind()?;
        let channels = known.on_device(run, channels)?;
        let values = signal(run, target.node, channels, method.start())?;
        let relevance = signals(run, composite, vec![DeviceSignal::new(target, values)], wanted)?;
        if method.finish() == Finish::ClampNegative {
            for DeviceSignal { values, .. } in &relevance {
                run.launch("relu", values.len(), &[values.into(), values.into()])?;
            }
        }
        Ok(relevance)
    }

    /// The sum of the gradients of signals (`seeds`), at each of the `wanted` taps.
    ///
    /// # Errors
    /// [`ModelError::Device`] if the GPU fails.
    ///
    /// # Panics
    /// If a signal is not as long as its tap's maps.
    pub fn gradients(
        &self,
        seeds: Vec<DeviceSignal>,
        wanted: &[Tap],
    ) -> Result<Vec<DeviceSignal>, ModelError> {
        self.pass_back(&Composite::gradient(), seeds, wanted)
    }

    /// The sum of signals (`seeds`), passed back to each of the `wanted` taps by a composite of rules that gradients have.
    ///
    /// # Errors
    /// As of [`OnDevice::gradients`]; [`ModelError::Unsupported`] with what the GPU does not pass by its rule.
    ///
    /// # Panics
    /// As [`OnDevice::gradients`].
    pub fn pass_back(
        &self,
        composite: &Composite,
        seeds: Vec<DeviceSignal>,
        wanted: &[Tap],
    ) -> Result<Vec<DeviceSignal>, ModelError> {
        self.device.run.gpu().bind()?;
        signals(self.device.run, composite, seeds, wanted)
    }

    /// Memory for `len` values, which holds anything.
    ///
    /// # Errors
    /// If there is not enough.
    pub fn alloc<T: Scalar>(&self, len: usize) -> Result<DeviceMemory<T>, DeviceError> {
        self.device.run.gpu().alloc(len)
    }

    /// A copy of values on the GPU.
    ///
    /// # Errors
    /// If the GPU fails, or has not enough memory.
    pub fn upload<T: Scalar>(&self, values: &[T]) -> Result<DeviceMemory<T>, DeviceError> {
        let gpu = self.device.run.gpu();
        let copy = gpu.upload(values)?;
        // The copy reads the host's memory until it is done.
        gpu.wait()?;
        Ok(copy)
    }

    /// Starts a kernel of one's own to write `count` values. The source is compiled once for each GPU.
    ///
    /// # Errors
    /// If the source does not compile, or the GPU fails.
    ///
    /// # Panics
    /// If the arguments are not such as the kernel takes, or their memory is shorter than what it touches.
    pub fn launch(
        &self,
        source: KernelSource,
        name: &str,
        count: usize,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        self.device.run.gpu().launch_from(source, name, count, arguments)
    }

    /// Sends values to the host behind everything that was started. Their memory may be freed at once.
    ///
    /// # Errors
    /// If the GPU fails.
    pub fn send<T: Scalar>(
        &self,
        values: &DeviceMemory<T>,
        by: &mut Readback<T>,
    ) -> Result<Arriving<T>, DeviceError> {
        by.send(self.device.run.gpu(), values)
    }

    /// Waits for values that were sent, not for what was started after them, and gives the first `len`.
    ///
    /// # Errors
    /// If the GPU fails.
    ///
    /// # Panics
    /// If fewer were sent.
    pub fn take<T: Scalar>(
        &self,
        arriving: Arriving<T>,
        len: usize,
        by: &mut Readback<T>,
    ) -> Result<Vec<T>, DeviceError> {
        by.take(self.device.run.gpu(), arriving, len)
    }
}

/// Passes some signals back to the wanted taps, in whose order the signals there are.
fn signals(
    run: &GpuRun,
    composite: &Composite,
    seeds: Vec<DeviceSignal>,
    wanted: &[Tap],
) -> Result<Vec<DeviceSignal>, ModelError> {
    let nodes: Vec<NodeId> = wanted.iter().map(|tap| tap.node).collect();
    let seeds = seeds.into_iter().map(|signal| (signal.node, signal.values)).collect();
    let mut found = pass_there(run, composite, seeds, &nodes)?;
    let signal = |node: NodeId| match found.iter().position(|(found, _)| *found == node) {
        Some(at) => {
            let (node, values) = found.swap_remove(at);
            Ok(DeviceSignal { node, values })
        }
        // Rules let nothing through to it, as below a gate that is a constant.
        None => {
            let values = run.gpu().upload(&vec![0.0; run.value(node).len()])?;
            // The copy reads the host's memory until it is done.
            run.gpu().wait()?;
            Ok(DeviceSignal { node, values })
        }
    };
    nodes.into_iter().map(signal).collect()
}
