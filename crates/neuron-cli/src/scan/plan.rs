//! `--dry-run`: what a scan would cost.

use std::path::PathBuf;
use std::time::Instant;

use neuron_model::Network;
use serde_json::json;

use crate::outcome::Outcome;
use crate::output;

/// Bytes of one entry of a list, with the room that lists keep to grow.
const ENTRY_BYTES: f64 = 12.0 * 1.25;

/// What a scan would do and cost.
pub(crate) struct Plan {
    pub(crate) command: &'static str,
    pub(crate) layers: Vec<String>,
    pub(crate) images: usize,
    /// Images that go through the network for each image of the data set: itself, or its windows.
    pub(crate) forwards_per_image: usize,
    pub(crate) channels: usize,
    pub(crate) kept_per_channel: usize,
    /// Memory beside the network, its buffers and the lists of what is kept.
    pub(crate) other_memory_bytes: f64,
    pub(crate) disk_bytes: f64,
    pub(crate) seconds_per_forward: f64,
    pub(crate) output: PathBuf,
    /// Where the scan would begin, or why it would be refused.
    pub(crate) start: String,
    /// What of the data is left out, and how it is read.
    pub(crate) notices: Vec<String>,
}

impl Plan {
    /// Prints the plan, as JSON if asked.
    pub(crate) fn print(&self, network: &Network, as_json: bool) -> anyhow::Result<Outcome> {
        let forwards = self.images * self.forwards_per_image;
        let list_bytes = self.channels as f64 * self.kept_per_channel as f64 * ENTRY_BYTES;
        let memory = list_bytes + network_bytes(network) + self.other_memory_bytes;
        let seconds = self.seconds_per_forward * forwards as f64;
        if as_json {
            let plan = json!({
                "command": self.command,
                "images": self.images,
                "forwards": forwards,
                "layers": self.layers,
                "channels": self.channels,
                "kept_per_channel": self.kept_per_channel,
                "memory_bytes": memory.round(),
                "disk_bytes": self.disk_bytes.round(),
                "seconds": seconds,
                "output": self.output.display().to_string(),
                "start": self.start,
                "notices": self.notices,
            });
            output::print(&format!("{plan:#}\n"))?;
        } else {
            let notices: String =
                self.notices.iter().map(|notice| format!("note        {notice}\n")).collect();
            output::print(&format!(
                "images      {}\nforward     {forwards} passes\nlists       {} channels x {}\nmemory      about {:.1} GB\ndisk        about {:.2} GB in {}\ntime        about {}\nstart       {}\n{notices}",
                self.images,
                self.channels,
                self.kept_per_channel,
                memory / 1e9,
                self.disk_bytes / 1e9,
                self.output.display(),
                duration(seconds),
                self.start,
            ))?;
        }
        Ok(Outcome::Done)
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

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
