//! Compares every tap of an exported network with recorded values: `compare FILE.pt2 VALUES.safetensors`.
//!
//! The values are `input` `[items, 3, height, width]` and what modules returned, under their names.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device as CandleDevice, Tensor};
use neuron_model::{Device, Network, Tap};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let start = std::time::Instant::now();
    let imported = neuron_import::open(Path::new(&args[1])).unwrap_or_else(|error| {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        println!("FAIL {} {text}", args[1]);
        std::process::exit(1)
    });
    let opened = start.elapsed();
    for missing in &imported.missing {
        println!(
            "MISSING {} first in {} ({} times, {} affected)",
            missing.operator, missing.first, missing.count, missing.affected
        );
    }
    let partial = !imported.missing.is_empty();
    let values = candle_core::safetensors::load(&args[2], &CandleDevice::Cpu).unwrap();
    let network = match Network::from_graph(Device::default(), "x", imported.graph, imported.weights, 0) {
        Ok(network) => network,
        Err(error) => {
            println!("FAIL {} {error}", args[1]);
            std::process::exit(1)
        }
    };
    let taps: Vec<Tap> = network.graph().taps().collect();
    let names: Vec<&String> = taps.iter().map(|tap| &tap.name).collect();
    let missing: Vec<&String> =
        values.keys().filter(|name| *name != "input" && !names.contains(name)).collect();
    let input = values["input"].to_dtype(candle_core::DType::F32).unwrap();
    let mut worst = (0.0f64, String::new());
    let mut compared = 0;
    let mut other = Vec::new();
    let found = match network.activations(&input, &names.iter().map(|name| name.as_str()).collect::<Vec<_>>())
    {
        Ok(found) => found,
        Err(error) => {
            println!("FAIL {} {error}", args[1]);
            std::process::exit(1)
        }
    };
    let by_name: HashMap<&String, &Tensor> = names.iter().copied().zip(&found).collect();
    for name in &names {
        let Some(expected) = values.get(*name) else { continue };
        let found = by_name[name];
        let orders = orders(expected, found);
        let Some(difference) = orders.iter().map(|expected| difference(expected, found)).reduce(f64::min)
        else {
            other.push(format!("{name} {:?} {:?}", expected.dims(), found.dims()));
            continue;
        };
        compared += 1;
        if difference > 1e-4 && std::env::var_os("ALL").is_some() {
            println!("  {name} {difference:.1e}");
        }
        if difference.is_nan() || difference > worst.0 {
            worst = (difference, (*name).clone());
        }
    }
    let verdict = if worst.0 > 1e-4 {
        "DIFF"
    } else if partial {
        "PART"
    } else {
        "OK"
    };
    println!(
        "{verdict} {} taps {compared} worst {:.1e} at {} opened {opened:.1?} not tapped {}: {:?}",
        args[1],
        worst.0,
        worst.1,
        missing.len(),
        missing.iter().take(4).collect::<Vec<_>>()
    );
    for text in other.iter().take(5) {
        println!("  shape {text}");
    }
}

/// The largest difference, in parts of the largest value.
fn difference(expected: &Tensor, found: &Tensor) -> f64 {
    let largest = |tensor: &Tensor| {
        let all = tensor.abs().unwrap().flatten_all().unwrap();
        f64::from(all.max(0).unwrap().to_scalar::<f32>().unwrap())
    };
    largest(&(found - expected).unwrap()) / largest(expected).max(1e-30)
}

/// A module's result in every order of axes that a tap may have it in: channels come first, and several other axes are
/// positions.
fn orders(expected: &Tensor, found: &Tensor) -> Vec<Tensor> {
    let rank = expected.dims().len();
    if expected.dims() == found.dims() {
        return vec![expected.clone()];
    }
    if expected.elem_count() != found.elem_count() {
        return Vec::new();
    }
    let with_channels = |axis: usize| {
        // Of one image, what looks like a batch is positions.
        let first: &[usize] = if found.dims()[0] > 1 { &[0] } else { &[] };
        let others = (first.len()..rank).filter(|other| *other != axis);
        let order: Vec<usize> = first.iter().copied().chain([axis]).chain(others).collect();
        expected.permute(order).and_then(|turned| turned.contiguous()?.reshape(found.dims()))
    };
    let channels = found.dims().get(1).copied();
    (0..rank)
        .filter(|axis| expected.dims().get(*axis).copied() == channels)
        .filter_map(|axis| with_channels(axis).ok())
        .collect()
}
