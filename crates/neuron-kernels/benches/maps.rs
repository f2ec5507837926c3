//! What is no convolution: activations, norms, attention, pools, gates and moved channels, over maps as networks have
//! them.
//!
//! ```text
//! cargo bench -p neuron-kernels --bench maps                          # 1 thread, batch 1
//! cargo bench -p neuron-kernels --bench maps -- --threads 2 --batch 8
//! cargo bench -p neuron-kernels --bench maps -- --only attention      # or elementwise, norms, pools, gates, channels
//! ```
//!
//! `GB/s` counts what is read and written once, as if it came from memory; in a batch of 1 it is in the caches. Of attention, it is `GFLOP/s`, of
//! the two products; a gradient has the same counted, though it takes five.

use std::time::{Duration, Instant};

use neuron_geometry::Window;
use neuron_kernels::{
    Activation, AdaptiveAveragePool, Attention, AveragePool, Buffer, Divisor, MaxPool, Neighbourhoods,
    Similarity, View, activate, activation_gradient, add, attention, attention_gradient, attention_transpose,
    concatenate, flatten_channels_first, gate_gradient, global_average_pool, layer_norm, layer_norm_gradient,
    multiply_by_gate, scale_shift, shuffle_channels, take_channels,
};

/// Measurements of each kernel at least, and for how long: the fastest counts, as what disturbs only ever slows down.
const RUNS: usize = 25;
const TIME: Duration = Duration::from_millis(200);

fn main() {
    let (mut batch, mut threads, mut only) = (1, 1, String::new());
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{flag} needs a value"));
        let number = || value.parse().unwrap_or_else(|_| panic!("{flag} needs a number"));
        match flag.as_str() {
            "--batch" => batch = number(),
            "--threads" => threads = number(),
            "--only" => only = value,
            _ => panic!("unknown flag {flag}: there are --batch, --threads and --only"),
        }
    }
    let pool = neuron_threads::Pool::new(threads).expect("threads can be started");
    pool.install(|| {
        println!("batch {batch}, {threads} threads\n{:38} {:>9} {:>8}", "", "ms", "GB/s");
        let section = |name: &str, section: fn(usize)| {
            if name.starts_with(&only) {
                section(batch);
            }
        };
        section("elementwise", elementwise);
        section("norms", norms);
        section("pools", pools);
        section("gates", gates);
        section("channels", channels);
        section("attention", attentions);
    });
}

/// A name and the values that are read and written.
fn line(name: &str, values: usize, run: impl FnMut()) {
    let secs = fastest(run);
    println!("{name:38} {:9.3} {:8.1}", secs * 1e3, (4 * values) as f64 / secs / 1e9);
}

fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let (mut best, begin, mut runs) = (f64::INFINITY, Instant::now(), 0);
    while runs < RUNS || begin.elapsed() < TIME {
        runs += 1;
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn elementwise(batch: usize) {
    let len = batch * 28 * 28 * 240;
    let (input, other, mut output) = (noise(len), noise(len), Buffer::zeros(len));
    use Activation::*;
    for activation in [Relu, Relu6, HardSigmoid, HardSwish, Sigmoid, Silu, Gelu] {
        let name = format!("{activation:?} 28x28x240");
        line(&name, 2 * len, || activate(activation, &input, &mut output));
    }
    for activation in [Relu, HardSwish, Silu, Gelu] {
        let name = format!("gradient of {activation:?} 28x28x240");
        line(&name, 3 * len, || activation_gradient(activation, &input, &mut output));
    }
    line("add, ReLU 28x28x240", 3 * len, || add(&input, &other, Some(Relu), &mut output));
}

fn norms(batch: usize) {
    for (size, channels) in [(56, 64), (28, 256), (14, 512)] {
        let len = batch * size * size * channels;
        let (input, mut output) = (noise(len), Buffer::zeros(len));
        let (scale, shift) = (noise(channels), noise(channels));
        let name = format!("batch norm, ReLU {size}x{size}x{channels}");
        line(&name, 2 * len, || scale_shift(&input, &scale, &shift, Some(Activation::Relu), &mut output));
    }
    for (size, channels) in [(56, 96), (28, 192), (14, 384), (7, 768)] {
        let len = batch * size * size * channels;
        let (input, signal, mut output) = (noise(len), noise(len), Buffer::zeros(len));
        let (weight, bias) = (noise(channels), noise(channels));
        let view = View::new(batch, size, size, channels, &input);
        let name = format!("layer norm {size}x{size}x{channels}");
        line(&name, 2 * len, || layer_norm(view, &weight, &bias, 1e-6, &mut output));
        let name = format!("gradient of layer norm {size}x{size}x{channels}");
        line(&name, 3 * len, || layer_norm_gradient(view, &weight, 1e-6, &signal, &mut output));
    }
}

fn pools(batch: usize) {
    let square = Window::square;
    for (name, window, size, channels) in [
        ("average pool 3x3 /1 padded", square(3, 1, 1), 35, 288),
        ("average pool 2x2 /2", square(2, 2, 0), 56, 128),
    ] {
        for divisor in [Divisor::Padded, Divisor::Inside] {
            let pool = AveragePool::new(window, divisor).expect("a window that an average pool can have");
            let [rows, columns] = window.positions([size; 2]);
            let (len, outputs) = (batch * size * size * channels, batch * rows * columns * channels);
            let (input, mut output) = (noise(len), Buffer::zeros(outputs));
            let view = View::new(batch, size, size, channels, &input);
            let name = format!("{name} {size}x{size}x{channels} {divisor:?}");
            line(&name, len + outputs, || pool.forward(view, &mut output));
        }
    }
    for (name, window, size, channels) in [
        ("max-pool 3x3 /2 padded", square(3, 2, 1), 112, 64),
        ("max-pool 3x3 /1 padded", square(3, 1, 1), 28, 256),
        ("max-pool 2x2 /2", square(2, 2, 0), 112, 128),
    ] {
        let pool = MaxPool::new(window).expect("a window that a max-pool can have");
        let [rows, columns] = window.positions([size; 2]);
        let (len, outputs) = (batch * size * size * channels, batch * rows * columns * channels);
        let (input, mut output) = (noise(len), Buffer::zeros(outputs));
        let mut argmax = vec![0; outputs];
        let view = View::new(batch, size, size, channels, &input);
        line(&format!("{name} {size}x{size}x{channels}"), len + outputs, || {
            pool.forward(view, &mut output, None);
        });
        line(&format!("{name} {size}x{size}x{channels} kept"), len + outputs, || {
            pool.forward(view, &mut output, Some(&mut argmax));
        });
    }
    let len = batch * 7 * 7 * 1280;
    let (input, mut output) = (noise(len), Buffer::zeros(batch * 1280));
    let view = View::new(batch, 7, 7, 1280, &input);
    line("global average pool 7x7x1280", len, || global_average_pool(view, &mut output));
    let (input, mut output) = (noise(batch * 56 * 56 * 144), Buffer::zeros(batch * 144));
    let view = View::new(batch, 56, 56, 144, &input);
    line("global average pool 56x56x144", input.len(), || global_average_pool(view, &mut output));
    let (input, mut output) = (noise(batch * 14 * 14 * 512), Buffer::zeros(batch * 7 * 7 * 512));
    let view = View::new(batch, 14, 14, 512, &input);
    let pool = AdaptiveAveragePool { positions: [7, 7] };
    line("adaptive average pool 14x14x512 to 7x7", input.len() + output.len(), || {
        pool.forward(view, &mut output);
    });
}

fn gates(batch: usize) {
    for (size, channels) in [(28, 240), (7, 1152)] {
        let len = batch * size * size * channels;
        let (input, signal, mut output) = (noise(len), noise(len), Buffer::zeros(len));
        let (gate, mut gradient) = (noise(batch * channels), Buffer::zeros(batch * channels));
        let view = View::new(batch, size, size, channels, &input);
        let name = format!("gate {size}x{size}x{channels}");
        line(&name, 2 * len, || multiply_by_gate(view, &gate, &mut output));
        line(&format!("gradient of {name}"), 2 * len, || gate_gradient(view, &signal, &mut gradient));
    }
}

fn channels(batch: usize) {
    let (size, part) = (28, 116);
    let len = batch * size * size * part;
    let (left, right, mut both, mut mixed) =
        (noise(len), noise(len), Buffer::zeros(2 * len), Buffer::zeros(2 * len));
    let of = |data| View::new(batch, size, size, part, data);
    line("concatenate 28x28x(116 + 116)", 4 * len, || concatenate(&[of(&left), of(&right)], &mut both));
    let view = View::new(batch, size, size, 2 * part, &both);
    line("shuffle 28x28x232", 4 * len, || shuffle_channels(view, 2, &mut mixed));
    line("take 116 of 28x28x232", 2 * len, || take_channels(view, part, part, &mut mixed[..len]));
    let map = noise(batch * 7 * 7 * 512);
    let view = View::new(batch, 7, 7, 512, &map);
    line("flatten 7x7x512", 2 * map.len(), || flatten_channels_first(view, &mut both[..map.len()]));
    // DenseNet's last layers of a block: many narrow maps.
    let maps: Vec<Buffer> = (0..24).map(|_| noise(batch * 14 * 14 * 32)).collect();
    let views: Vec<View<'_>> = maps.iter().map(|map| View::new(batch, 14, 14, 32, map)).collect();
    let mut all = Buffer::zeros(batch * 14 * 14 * 24 * 32);
    line("concatenate 14x14x(24 x 32)", 2 * all.len(), || concatenate(&views, &mut all));
}

fn attentions(batch: usize) {
    println!("\n{:38} {:>9} {:>8}", "attention", "ms", "GFLOP/s");
    let windows = Neighbourhoods::windows;
    let factors = [10.0; 32];
    for (name, neighbourhoods, [height, width], heads, head, cosine) in [
        ("ViT-B/16", Neighbourhoods::all(197), [1, 197], 12, 64, false),
        ("ViT-B/32", Neighbourhoods::all(50), [1, 50], 12, 64, false),
        ("ViT-H/14", Neighbourhoods::all(257), [1, 257], 16, 80, false),
        ("ViT-B/16 384", Neighbourhoods::all(577), [1, 577], 12, 64, false),
        ("Swin-T stage 1 moved", windows([56; 2], 7, 3), [56; 2], 3, 32, false),
        ("Swin-T stage 3", windows([14; 2], 7, 0), [14; 2], 12, 32, false),
        ("Swin V2-T stage 1 moved", windows([64; 2], 8, 4), [64; 2], 3, 32, true),
        ("MaxViT-T stage 2 spread", Neighbourhoods::spread([28; 2], 7), [28; 2], 4, 32, false),
    ] {
        let (channels, group) = (heads * head, neighbourhoods.group_len());
        let len = batch * height * width * channels;
        let (map, signal, bias) = (noise(3 * len), noise(len), noise(heads * group * group));
        let (mut output, mut back) = (Buffer::zeros(len), Buffer::zeros(3 * len));
        let similarity = match cosine {
            true => Similarity::Cosine { factors: &factors[..heads] },
            false => Similarity::Dot { factor: 1.0 / (head as f32).sqrt() },
        };
        let bias = (group < 100).then_some(&bias[..]);
        let by = Attention {
            neighbourhoods: &neighbourhoods,
            heads,
            similarity,
            bias,
            outside: None,
            key_offset: None,
        };
        let map = View::new(batch, height, width, 3 * channels, &map);
        let operations = (4 * len * group) as f64;
        let line = |name: &str, secs: f64| {
            println!("{name:38} {:9.3} {:8.1}", secs * 1e3, operations / secs / 1e9);
        };
        let name = format!("{name} {group} x {head}");
        line(&name, fastest(|| attention(map, &by, &mut output)));
        line("  gradient", fastest(|| attention_gradient(map, &by, &signal, &mut back)));
        line("  transpose", fastest(|| attention_transpose(map, &by, &signal, &mut back)));
    }
}

/// Values in (-4, 4).
fn noise(len: usize) -> Buffer {
    let mut state = 1u64;
    let mut buffer = Buffer::zeros(len);
    for value in buffer.iter_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *value = ((state >> 40) as f32 / (1 << 23) as f32 - 1.0) * 4.0;
    }
    buffer
}
