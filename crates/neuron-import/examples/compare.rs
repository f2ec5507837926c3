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
        let Some(expected) = like(expected, found) else {
            other.push(format!("{name} {:?} {:?}", expected.dims(), found.dims()));
            continue;
        };
        let largest =
            expected.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
        let difference = (found - &expected).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
        let difference = f64::from(difference.to_scalar::<f32>().unwrap() / largest.max(1e-30));
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

fn like(expected: &Tensor, found: &Tensor) -> Option<Tensor> {
    let dims = found.dims().to_vec();
    let same = |tensor: candle_core::Result<Tensor>| tensor.ok().filter(|tensor| tensor.dims() == dims);
    if expected.dims() == dims {
        return Some(expected.clone());
    }
    match expected.dims().len() {
        4 => same(expected.permute((0, 3, 1, 2)).and_then(|t| t.contiguous())),
        3 if expected.dims()[0] == dims[0] => {
            same(expected.transpose(1, 2).and_then(|t| t.contiguous()?.reshape(dims.clone())))
        }
        2 if expected.dims()[0] == dims[0] => same(expected.reshape(dims.clone())),
        _ => None,
    }
}
