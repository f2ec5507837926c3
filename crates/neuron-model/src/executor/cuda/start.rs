//! Where a pass starts on a GPU, as [`Start::write`] has it over values of the host.

use super::run::GpuRun;
use crate::cuda::gpu::Floats;
use crate::cuda::memory::DeviceMemory;
use crate::error::DeviceError;
use crate::traversal::Start;
use crate::value::NodeId;

/// The channels of the last start, and where they are on the GPU.
pub(crate) struct Channels(Option<(Vec<usize>, DeviceMemory<i64>)>);

impl Channels {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Channels as whole numbers on the run's GPU.
    pub(crate) fn on_device(
        &mut self,
        run: &GpuRun,
        channels: &[usize],
    ) -> Result<&DeviceMemory<i64>, DeviceError> {
        self.0.take_if(|(known, _)| known != channels);
        let (_, on_gpu) = match &mut self.0 {
            Some(known) => known,
            empty => {
                let values: Vec<i64> = channels.iter().map(|channel| *channel as i64).collect();
                let on_gpu = run.gpu().upload(&values)?;
                // The copy reads the host's memory until it is done.
                run.gpu().wait()?;
                empty.insert((channels.to_vec(), on_gpu))
            }
        };
        Ok(on_gpu)
    }
}

/// The signal at `target` that a backward pass starts with, from one channel of each item.
pub(crate) fn signal(
    run: &GpuRun,
    target: NodeId,
    channels: &DeviceMemory<i64>,
    start: Start,
) -> Result<Floats, DeviceError> {
    let (gpu, shape, activations) = (run.gpu(), run.shape(target), run.value(target));
    let (items, sizes) = (channels.len(), [shape.positions().into(), shape.channels.into()]);
    let places = gpu.alloc::<i64>(items)?;
    let kind: usize = match start {
        Start::Activations => 0,
        Start::MostAligned => {
            let shares = gpu.alloc::<f64>(items * shape.positions())?;
            let pointers = [activations.into(), channels.into(), (&shares).into()];
            run.launch("alignment", shares.len(), &[&pointers, &sizes[..]].concat())?;
            let arguments = [(&shares).into(), (&places).into(), shape.positions().into()];
            run.launch("most_aligned", items, &arguments)?;
            1
        }
        Start::Mean => 2,
    };
    let signal = gpu.alloc(run.len(target))?;
    let pointers = [activations.into(), channels.into(), (&places).into(), (&signal).into()];
    run.launch("seed", signal.len(), &[&pointers, &sizes[..], &[kind.into()]].concat())?;
    Ok(signal)
}
