//! Positions that nobody reads are not computed, which nobody sees.

#[allow(dead_code, reason = "the definitions are other tests'")]
mod definition;

use std::sync::Arc;

use definition::{pixels, random_weights_v1};
use neuron_model::{ChannelsLast, DeviceEvent, DeviceRequest, Keep, Network, Observer, Precision};

/// Each tap's bits for `items` images.
fn bits(network: &Network, taps: &[&str], [items, height, width]: [usize; 3]) -> Vec<Vec<u32>> {
    let taps: Vec<_> = taps.iter().map(|tap| network.tap(tap).expect("the network has it")).collect();
    let pixels = pixels(items, height, width, 0);
    let mut session = network.session(&taps, Keep::Taps).expect("the taps are the network's");
    let mut bits = vec![Vec::new(); taps.len()];
    let run = session.run(&ChannelsLast::new(&pixels, height, width), &mut |tapped| {
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
        // Odd sizes; and windows, whose small maps run position by position.
        for images in [[2, 75, 61], [40, 32, 32]] {
            let alone = bits(&network, &["layer4"], images);
            for taps in [
                &["layer1", "layer2", "layer3", "layer4"][..],
                &["layer1.2.conv2", "layer2.3.bn2", "layer3.5.bn3", "layer4"],
            ] {
                let beside = bits(&network, taps, images);
                assert!(beside.last() == alone.last(), "{precision}, {images:?} beside {taps:?}");
            }
        }
    }
}
