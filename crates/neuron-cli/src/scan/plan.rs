//! What a scan would cost: `--dry-run`, and `neuron plan`.

use std::path::PathBuf;
use std::time::Instant;

use neuron_model::Network;
use serde_json::json;

use crate::numbers::size;

/// Bytes of one entry of a list, with the room that lists keep to grow.
const ENTRY_BYTES: f64 = 12.0 * 1.25;

/// What a scan would do and cost.
pub(crate) struct Plan {
    pub(crate) command: &'static str,
    pub(crate) layers: Vec<String>,
    /// Images that go through the network for each image of the data set: itself, or its windows.
    pub(crate) forwards_per_image: usize,
    pub(crate) channels: usize,
    pub(crate) kept_per_channel: usize,
    /// Memory beside the network, its buffers and the lists of what is kept.
    pub(crate) other_memory_bytes: f64,
    /// Of the results.
    pub(crate) disk_bytes: f64,
    pub(crate) seconds_per_forward: f64,
    pub(crate) output: PathBuf,
    /// What of the data is left out, and how it is read.
    pub(crate) notices: Vec<String>,
}

/// What it takes to go through some images.
pub(super) struct Costs {
    pub(super) images: usize,
    pub(super) forwards: usize,
    pub(super) memory_bytes: f64,
    /// Of the lists, as a checkpoint and a shard hold them.
    pub(super) list_bytes: f64,
    pub(super) seconds: f64,
}

impl Plan {
    /// Of so many images, with what loading one takes beside the network: both compute on the same cores.
    pub(super) fn costs(&self, network: &Network, images: usize, seconds_to_load: f64) -> Costs {
        let forwards = images * self.forwards_per_image;
        let list_bytes = self.channels as f64 * self.kept_per_channel.min(images) as f64 * ENTRY_BYTES;
        Costs {
            images,
            forwards,
            memory_bytes: list_bytes + network_bytes(network) + self.other_memory_bytes,
            list_bytes,
            seconds: self.seconds_per_forward * forwards as f64 + seconds_to_load * images as f64,
        }
    }

    pub(super) fn as_json(&self, costs: &Costs, start: &str) -> String {
        let plan = json!({
            "command": self.command,
            "images": costs.images,
            "forwards": costs.forwards,
            "layers": self.layers,
            "channels": self.channels,
            "kept_per_channel": self.kept_per_channel,
            "memory_bytes": costs.memory_bytes.round(),
            "disk_bytes": self.disk_bytes.round(),
            "seconds": costs.seconds,
            "output": self.output.display().to_string(),
            "start": start,
            "notices": self.notices,
        });
        format!("{plan:#}\n")
    }

    pub(super) fn as_text(&self, costs: &Costs, start: &str) -> String {
        format!(
            "images      {}\nforward     {} passes\nlists       {} channels x {}\nmemory      about {}\n\
             disk        about {} in {}\ntime        about {}\nstart       {start}\n{}",
            costs.images,
            costs.forwards,
            self.channels,
            self.kept_per_channel,
            size(costs.memory_bytes),
            size(self.disk_bytes),
            self.output.display(),
            duration(costs.seconds),
            self.notes(),
        )
    }

    /// What is to be noted, a line each.
    pub(super) fn notes(&self) -> String {
        self.notices.iter().map(|notice| format!("note        {notice}\n")).collect()
    }
}

/// Weights, their packed and transformed forms, buffers and crops.
fn network_bytes(network: &Network) -> f64 {
    let elements: usize = network.weights().iter().map(|(_, tensor)| tensor.data.len()).sum();
    3.0 * 4.0 * elements as f64 + 300e6
}

/// Seconds that the second of two equal pieces of work takes; the first packs kernels and makes buffers.
pub(crate) fn seconds_of<T, E>(mut work: impl FnMut() -> Result<T, E>) -> Result<f64, E> {
    work()?;
    let started = Instant::now();
    work()?;
    Ok(started.elapsed().as_secs_f64())
}

pub(super) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
