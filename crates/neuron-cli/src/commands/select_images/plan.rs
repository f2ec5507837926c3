use neuron_data::{Dataset, Preprocessing};
use neuron_model::{ChannelsLast, Keep, Network, Tap};

use super::{Args, Settings};
use crate::exported;
use crate::scan::{self, Plan};

/// Images that are timed to estimate how long all will take.
const TIMED: usize = 8;

/// What the plan is made from.
pub(super) struct Request<'a> {
    pub(super) args: &'a Args,
    pub(super) network: &'a Network,
    pub(super) taps: &'a [Tap],
    pub(super) preprocessing: &'a Preprocessing,
    pub(super) settings: &'a Settings,
    pub(super) dataset: &'a Dataset,
}

/// What the scan would do and cost; a scan takes as long as the network where decoding keeps up.
pub(super) fn plan(request: &Request<'_>) -> anyhow::Result<Plan> {
    let Request { args, network, taps, preprocessing, settings, dataset } = *request;
    let kept = settings.topk_images.min(dataset.len());
    let channels: usize = settings.layers.iter().map(|layer| layer.channels.len()).sum();
    let longest_name = (0..dataset.len().min(1000)).map(|index| dataset.entry(index).len()).max();

    let side = preprocessing.crop;
    let pixels = vec![0.5; TIMED * side * side * 3];
    let mut session = network.session(taps, Keep::Taps)?;
    let seconds = scan::seconds_of(|| session.run(&ChannelsLast::new(&pixels, side, side), &mut |_| {}))?;
    Ok(Plan {
        command: "select-images",
        layers: settings.layers.iter().map(|layer| layer.tap.clone()).collect(),
        forwards_per_image: 1,
        channels,
        kept_per_channel: kept,
        other_memory_bytes: 0.0,
        disk_bytes: channels as f64 * kept as f64 * (longest_name.unwrap_or(0) as f64 + 1.0 + 12.0),
        seconds_per_forward: seconds / TIMED as f64,
        output: args.out.join(exported::name(&settings.arch)),
        notices: dataset.notices().iter().map(ToString::to_string).collect(),
    })
}
