//! Positions that nobody reads are not computed, which nobody sees.

#[allow(dead_code, reason = "the definitions are other tests'")]
mod definition;

use std::sync::Arc;

use definition::{pixels, random_weights_v1};
use neuron_model::{ChannelsLast, DeviceEvent, DeviceRequest, Keep, Network, Observer, Precision};

/// Each tap's bits for two images of odd sizes.
fn bits(network: &Network, taps: &[&str]) -> Vec<Vec<u32>> {
    let taps: Vec<_> = taps.iter().map(|tap| network.tap(tap).expect("the network has it")).collect();
    let pixels = pixels(2, 75, 61, 0);
    let mut session = network.session(&taps, Keep::Taps).expect("the taps are the network's");
    let mut bits = vec![Vec::new(); taps.len()];
    let run = session.run(&ChannelsLast::new(&pixels, 75, 61), &mut |tapped| {
        bits[tapped.tap].extend(tapped.map.data.iter().map(|value| value.to_bits()));
    });
    run.expect("a pass");
    bits
}

#[test]
fn looking_at_all_positions_changes_no_bit_above() {
    for precision in [Precision::F32, Precision::Bf16, Precision::Bf16x3] {
        let silent: Observer = Arc::new(|_: &DeviceEvent| {});
        let device = DeviceRequest::Cpu.open(precision, &silent).expect("the CPU computes in it");
        let network = Network::on(device, "resnet50", random_weights_v1(5), 2).expect("the weights fit");
        let alone = bits(&network, &["layer4"]);
        for taps in [
            &["layer1", "layer2", "layer3", "layer4"][..],
            &["layer1.2.conv2", "layer2.3.bn2", "layer3.5.bn3", "layer4"],
        ] {
            assert!(bits(&network, taps).last() == alone.last(), "{precision} beside {taps:?}");
        }
    }
}
