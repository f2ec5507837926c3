//! Reads a tap of a photo: `cargo run --release -p neuron-model --example tap -- WEIGHTS PHOTO [TAP]`.

use neuron_data::{Limits, Preprocessing};
use neuron_model::{ChannelsLast, Keep, Network};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [weights, photo, rest @ ..] = &arguments[..] else {
        return Err("usage: tap WEIGHTS PHOTO [TAP]".into());
    };
    let network = Network::open("resnet50", weights.as_ref())?;
    let tap = network.tap(rest.first().map_or("layer4", String::as_str))?;

    let preprocessing = Preprocessing::from_metadata(network.weights().metadata())?;
    let side = preprocessing.crop;
    let pixels = preprocessing.load(photo.as_ref(), &Limits::default())?;

    network.session(&[tap], Keep::Taps)?.run(&ChannelsLast::new(&pixels, side, side), &mut |tapped| {
        let largest = tapped.map.data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        println!("{} x {} x {}, largest {largest}", tapped.map.channels, tapped.map.height, tapped.map.width);
    })?;
    Ok(())
}
