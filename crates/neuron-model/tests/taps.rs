//! Names, shapes and receptive fields of taps, and what a pass promises about them.

use std::collections::BTreeMap;

use neuron_model::weights::WeightTensor;
use neuron_model::{Architecture, ChannelsLast, Keep, ModelError, Network, Tap, Weights};

fn network(name: &str, threads: usize) -> Network {
    let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
    let mut state = 3u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let tensors = graph.expected_tensors().into_iter().map(|(name, shape)| {
        let len: usize = shape.iter().product();
        let scale = (12.0 / (len / shape[0]) as f32).sqrt();
        let data: Vec<f32> = (0..len)
            .map(|_| if shape.len() == 1 { 0.5 + noise() } else { (noise() - 0.5) * scale })
            .collect();
        (name, WeightTensor::new(shape, data))
    });
    Network::new(name, Weights::from_tensors(tensors.collect::<Vec<_>>(), BTreeMap::new()), threads).unwrap()
}

fn pixels(items: usize, height: usize, width: usize) -> Vec<f32> {
    (0..items * height * width * 3).map(|i| ((i * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0).collect()
}

/// All values of some taps, item after item.
fn values(network: &Network, taps: &[&str], images: &ChannelsLast<'_>, keep: Keep) -> Vec<Vec<u32>> {
    let taps: Vec<Tap> = taps.iter().map(|name| network.tap(name).unwrap()).collect();
    let mut values = vec![Vec::new(); taps.len()];
    let mut session = network.session(&taps, keep).unwrap();
    let run = session.run(images, &mut |tapped| {
        values[tapped.tap].extend(tapped.map.data.iter().map(|value| value.to_bits()));
    });
    run.unwrap();
    values
}

#[test]
fn every_architecture_has_torchvisions_modules() {
    for (name, modules, tensors, classifier) in [
        ("resnet18", "layer4.1.bn2", 102, 512),
        ("resnet34", "layer3.5.conv2", 182, 512),
        ("resnet50", "layer3.5.conv3", 267, 2048),
        ("resnet101", "layer3.22.bn3", 522, 2048),
        ("resnet152", "layer3.35.conv1", 777, 2048),
        ("wide_resnet50_2", "layer2.0.downsample.1", 267, 2048),
        ("wide_resnet101_2", "layer3.22.bn3", 522, 2048),
        ("resnext50_32x4d", "layer1.0.conv2", 267, 2048),
        ("resnext101_32x8d", "layer4.2.relu", 522, 2048),
        ("resnext101_64x4d", "layer4.0.downsample", 522, 2048),
    ] {
        let graph = Architecture::from_name(name).unwrap().graph(&Weights::default());
        graph.tap(modules).unwrap();
        let expected = graph.expected_tensors();
        // torchvision's state dict without `num_batches_tracked`, which nothing needs.
        assert_eq!(expected.len(), tensors, "{name}");
        assert!(expected.contains(&("fc.weight".into(), vec![1000, classifier])), "{name}");
    }
    let graph = Architecture::from_name("resnext50_32x4d").unwrap().graph(&Weights::default());
    assert!(graph.expected_tensors().contains(&("layer1.0.conv2.weight".into(), vec![128, 4, 3, 3])));
    let graph = Architecture::from_name("wide_resnet50_2").unwrap().graph(&Weights::default());
    assert!(graph.expected_tensors().contains(&("layer4.0.conv2.weight".into(), vec![1024, 1024, 3, 3])));
}

#[test]
fn an_unknown_name_comes_with_the_nearest() {
    let network = network("resnet18", 1);
    let Err(ModelError::UnknownTap { tap, nearest }) = network.tap("layer4_1_conv3") else {
        panic!("a basic block has no third convolution");
    };
    assert_eq!(tap, "layer4_1_conv3");
    assert!(nearest.contains(&"layer4.1.conv2".to_owned()), "{nearest:?}");
    assert_eq!(network.tap("layer4_1_conv2").unwrap(), network.tap("layer4.1.conv2").unwrap());
}

#[test]
fn taps_know_their_maps() {
    let graph = Architecture::from_name("resnet50").unwrap().graph(&Weights::default());
    let infos = graph.tap_infos(224, 160).unwrap();
    let info = |name: &str| infos.iter().find(|info| info.name == name).unwrap();
    let conv1 = info("conv1");
    assert_eq!((conv1.channels, conv1.height, conv1.width), (64, 112, 80));
    assert_eq!(
        (conv1.stride_px, conv1.start_px, conv1.receptive_field_px),
        (Some([2; 2]), Some([-3; 2]), Some([7; 2]))
    );
    let layer4 = info("layer4");
    assert_eq!((layer4.channels, layer4.height, layer4.width), (2048, 7, 5));
    assert_eq!((layer4.stride_px, layer4.receptive_field_px), (Some([32; 2]), Some([427; 2])));
    assert_eq!(info("fc").receptive_field_px, None);

    // Where the strides sit on the 1x1 convolutions every 3x3 sees twice as far: the 483 of Araujo et al. (2019).
    let metadata = BTreeMap::from([("stride_in_1x1".to_owned(), "true".to_owned())]);
    let weights = Weights::from_tensors(std::iter::empty(), metadata);
    let graph = Architecture::from_name("resnet50").unwrap().graph(&weights);
    let infos = graph.tap_infos(224, 224).unwrap();
    let layer4 = infos.iter().find(|info| info.name == "layer4").unwrap();
    assert_eq!(layer4.receptive_field_px, Some([483; 2]));
}

#[test]
fn looking_at_one_value_changes_no_other() {
    let pixels = pixels(3, 40, 56);
    let images = ChannelsLast::new(&pixels, 40, 56);
    // Batch norms, additions and activations in the convolutions below; gates in those above; chains of convolutions.
    for (name, deepest) in [
        ("resnet10_demo", "layer4"),
        ("regnet_y_400mf", "trunk_output"),
        ("mobilenet_v2", "features"),
        ("shufflenet_v2_x0_5", "conv5"),
    ] {
        let network = network(name, 2);
        let alone = values(&network, &[deepest], &images, Keep::Taps);
        let all: Vec<String> = network.graph().taps().map(|tap| tap.name).collect();
        let names: Vec<&str> = all.iter().map(String::as_str).collect();
        let at = names.iter().position(|name| *name == deepest).unwrap();
        for keep in [Keep::Taps, Keep::Gradient, Keep::Relevance] {
            assert!(values(&network, &names, &images, keep)[at] == alone[0], "{name}, {keep:?}");
        }
    }
}

#[test]
fn an_item_does_not_depend_on_its_batch_or_on_threads() {
    for (name, taps) in [("resnet10_demo", ["layer1", "fc"]), ("mnasnet0_5", ["layers.8", "classifier"])] {
        let (one_thread, three_threads) = (network(name, 1), network(name, 3));
        for (items, height, width) in [(5, 64, 48), (150, 32, 32)] {
            let pixels = pixels(items, height, width);
            let whole = values(&three_threads, &taps, &ChannelsLast::new(&pixels, height, width), Keep::Taps);
            let mut alone = vec![Vec::new(); 2];
            for item in pixels.chunks_exact(height * width * 3) {
                let one = values(&one_thread, &taps, &ChannelsLast::new(item, height, width), Keep::Taps);
                alone.iter_mut().zip(one).for_each(|(all, one)| all.extend(one));
            }
            assert!(whole == alone, "{name}: {items} items of {height} x {width}");
        }
    }
}
