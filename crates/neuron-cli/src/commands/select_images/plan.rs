//! `--dry-run`: what a scan would cost.

use std::time::Instant;

use neuron_data::{Dataset, Preprocessing};
use neuron_model::{ChannelsLast, Keep, Network};
use serde_json::json;

use super::{Args, Settings};
use crate::cli::Global;
use crate::outcome::Outcome;
use crate::output;
use crate::scan::Shard;

/// Bytes of one entry of a list, with the room that lists keep to grow.
const ENTRY_BYTES: f64 = 12.0 * 1.25;
/// Images that are timed to estimate how long all will take.
const TIMED: usize = 8;

/// What the plan is made from.
pub(super) struct Request<'a> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) network: &'a Network,
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) settings: &'a Settings,
    pub(super) dataset: &'a Dataset,
    pub(super) shard: Option<Shard>,
}

/// Prints the plan; writes nothing.
pub(super) fn print(request: &Request<'_>) -> anyhow::Result<Outcome> {
    let Request { args, global, network, preprocessing, settings, dataset, shard } = *request;
    let images = shard.map_or(dataset.len(), |shard| shard.range(dataset.len()).len());
    let kept = settings.topk_images.min(dataset.len());
    let channels: usize = settings.layers.iter().map(|layer| layer.channels.len()).sum();
    let list_bytes = channels as f64 * kept as f64 * ENTRY_BYTES;
    let weight_bytes: usize = network
        .weights()
        .names()
        .filter_map(|name| network.weights().tensor(name))
        .map(|tensor| 4 * tensor.data.len())
        .sum();
    // Kernels are packed, some of them in transformed form, beside the weights themselves.
    let memory = list_bytes + 3.0 * weight_bytes as f64 + 300e6;
    let longest_name = (0..dataset.len().min(1000)).map(|index| dataset.path(index).as_os_str().len()).max();
    let disk = channels as f64 * kept as f64 * (longest_name.unwrap_or(0) as f64 + 1.0 + 12.0);
    let seconds = seconds_per_image(args, network, preprocessing)? * images as f64;
    if global.json {
        let plan = json!({
            "command": "select-images",
            "images": images,
            "forwards": images,
            "layers": settings.layers.iter().map(|layer| &layer.tap).collect::<Vec<_>>(),
            "channels": channels,
            "kept_per_channel": kept,
            "memory_bytes": memory.round(),
            "disk_bytes": disk.round(),
            "seconds": seconds,
        });
        output::print(&format!("{plan:#}\n"))?;
    } else {
        output::print(&format!(
            "images      {images}\nforwards    {images}\nlists       {channels} channels x {kept} images\nmemory      about {:.1} GB\ndisk        about {:.2} GB in {}\ntime        about {}\n",
            memory / 1e9,
            disk / 1e9,
            args.out.join(&settings.arch).display(),
            duration(seconds),
        ))?;
    }
    Ok(Outcome::Done)
}

/// Measures the network on noise-free images; a scan takes as long where decoding keeps up.
fn seconds_per_image(args: &Args, network: &Network, preprocessing: &Preprocessing) -> anyhow::Result<f64> {
    let taps = super::taps(network, &args.target_layer)?;
    let side = preprocessing.crop;
    let pixels = vec![0.5; TIMED * side * side * 3];
    let images = ChannelsLast::new(&pixels, side, side);
    let mut session = network.session(&taps, Keep::Taps);
    // The first run packs the kernels.
    session.run(&images, &mut |_| {})?;
    let started = Instant::now();
    session.run(&images, &mut |_| {})?;
    Ok(started.elapsed().as_secs_f64() / TIMED as f64)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} seconds"),
        s if s < 7200.0 => format!("{:.0} minutes", s / 60.0),
        s => format!("{:.1} hours", s / 3600.0),
    }
}
