//! Stand-ins until the kernels are merged.
use crate::shape::View;
use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    Relu,
    Relu6,
    Sigmoid,
    HardSigmoid,
    Silu,
    HardSwish,
    Gelu,
}

fn erf(x: f64) -> f64 {
    // series / continued fraction
    let a = x.abs();
    let v = if a < 3.0 {
        let (mut sum, mut term, mut n) = (a, a, 0.0);
        while term.abs() > 1e-17 {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    } else {
        let mut f = 0.0;
        for k in (1..60).rev() {
            f = f64::from(k) / 2.0 / (a + f);
        }
        1.0 - (-a * a).exp() / std::f64::consts::PI.sqrt() / (a + f)
    };
    v.copysign(x)
}

impl Activation {
    pub fn of(self, x: f32) -> f32 {
        let s = |x: f64| 1.0 / (1.0 + (-x).exp());
        let d = f64::from(x);
        match self {
            Self::Relu => {
                if x < 0.0 {
                    0.0
                } else {
                    x
                }
            }
            Self::Relu6 => x.clamp(0.0, 6.0),
            Self::Sigmoid => s(d) as f32,
            Self::HardSigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Silu => (d * s(d)) as f32,
            Self::HardSwish => x * ((x + 3.0).clamp(0.0, 6.0) / 6.0),
            Self::Gelu => (d * 0.5 * (1.0 + erf(d / 2f64.sqrt()))) as f32,
        }
    }
    pub fn derivative(self, x: f32) -> f32 {
        let s = |x: f64| 1.0 / (1.0 + (-x).exp());
        let d = f64::from(x);
        match self {
            Self::Relu => f32::from(u8::from(x > 0.0)),
            Self::Relu6 => f32::from(u8::from(x > 0.0 && x < 6.0)),
            Self::Sigmoid => (s(d) * (1.0 - s(d))) as f32,
            Self::HardSigmoid => {
                if x > -3.0 && x < 3.0 {
                    1.0 / 6.0
                } else {
                    0.0
                }
            }
            Self::Silu => (s(d) * (1.0 + d * (1.0 - s(d)))) as f32,
            Self::HardSwish => {
                if x <= -3.0 {
                    0.0
                } else if x < 3.0 {
                    x / 3.0 + 0.5
                } else {
                    1.0
                }
            }
            Self::Gelu => {
                (0.5 * (1.0 + erf(d / 2f64.sqrt()))
                    + d * (-d * d / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()) as f32
            }
        }
    }
}

pub fn activate(a: Activation, input: &[f32], output: &mut [f32]) {
    output.iter_mut().zip(input).for_each(|(o, i)| *o = a.of(*i));
}
pub fn activation_gradient(a: Activation, input: &[f32], signal: &mut [f32]) {
    signal.iter_mut().zip(input).for_each(|(o, i)| *o *= a.derivative(*i));
}
pub fn activation_gradient_guided(a: Activation, input: &[f32], signal: &mut [f32]) {
    signal.iter_mut().zip(input).for_each(|(o, i)| *o = (*o * a.derivative(*i)).max(0.0));
}

pub fn layer_norm(input: View<'_>, weight: &[f32], bias: &[f32], eps: f64, output: &mut [f32]) {
    let c = input.channels;
    for (x, o) in input.data.chunks_exact(c).zip(output.chunks_exact_mut(c)) {
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / c as f64;
        let var = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / c as f64;
        let r = 1.0 / (var + eps).sqrt();
        for i in 0..c {
            o[i] = ((f64::from(x[i]) - mean) * r) as f32 * weight[i] + bias[i];
        }
    }
}
pub fn layer_norm_gradient(input: View<'_>, weight: &[f32], eps: f64, signal: &[f32], output: &mut [f32]) {
    let c = input.channels;
    for ((x, g), o) in input.data.chunks_exact(c).zip(signal.chunks_exact(c)).zip(output.chunks_exact_mut(c))
    {
        let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / c as f64;
        let var = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / c as f64;
        let r = 1.0 / (var + eps).sqrt();
        let gw: Vec<f64> = (0..c).map(|i| f64::from(g[i]) * f64::from(weight[i])).collect();
        let hat: Vec<f64> = x.iter().map(|v| (f64::from(*v) - mean) * r).collect();
        let m1 = gw.iter().sum::<f64>() / c as f64;
        let m2 = gw.iter().zip(&hat).map(|(a, b)| a * b).sum::<f64>() / c as f64;
        for i in 0..c {
            o[i] = (r * (gw[i] - m1 - hat[i] * m2)) as f32;
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveAveragePool {
    pub positions: [usize; 2],
}
impl AdaptiveAveragePool {
    fn bin(i: usize, n: usize, m: usize) -> Range<usize> {
        i * n / m..((i + 1) * n).div_ceil(m)
    }
    pub fn forward(&self, input: View<'_>, output: &mut [f32]) {
        let [h, w] = self.positions;
        let c = input.channels;
        for b in 0..input.batch {
            for y in 0..h {
                for x in 0..w {
                    let (ys, xs) = (Self::bin(y, input.height, h), Self::bin(x, input.width, w));
                    let n = (ys.len() * xs.len()) as f32;
                    for ch in 0..c {
                        let mut s = 0.0;
                        for yy in ys.clone() {
                            for xx in xs.clone() {
                                s += input.data[((b * input.height + yy) * input.width + xx) * c + ch];
                            }
                        }
                        output[((b * h + y) * w + x) * c + ch] = s / n;
                    }
                }
            }
        }
    }
    pub fn backward(&self, signal: View<'_>, size: [usize; 2], output: &mut [f32]) {
        let [h, w] = self.positions;
        let c = signal.channels;
        output.fill(0.0);
        for b in 0..signal.batch {
            for y in 0..h {
                for x in 0..w {
                    let (ys, xs) = (Self::bin(y, size[0], h), Self::bin(x, size[1], w));
                    let n = (ys.len() * xs.len()) as f32;
                    for ch in 0..c {
                        let s = signal.data[((b * h + y) * w + x) * c + ch] / n;
                        for yy in ys.clone() {
                            for xx in xs.clone() {
                                output[((b * size[0] + yy) * size[1] + xx) * c + ch] += s;
                            }
                        }
                    }
                }
            }
        }
    }
}

pub fn multiply_by_gate(input: View<'_>, gate: &[f32], output: &mut [f32]) {
    let c = input.channels;
    let per_item = input.item_len();
    for (b, (x, o)) in input.data.chunks_exact(per_item).zip(output.chunks_exact_mut(per_item)).enumerate() {
        for (i, (x, o)) in x.iter().zip(o).enumerate() {
            *o = x * gate[b * c + i % c];
        }
    }
}
pub fn gate_gradient(input: View<'_>, signal: &[f32], output: &mut [f32]) {
    let (c, per_item) = (input.channels, input.item_len());
    for (b, x) in input.data.chunks_exact(per_item).enumerate() {
        let mut sums = vec![0f64; c];
        for (i, x) in x.iter().enumerate() {
            sums[i % c] += f64::from(*x) * f64::from(signal[b * per_item + i]);
        }
        for i in 0..c {
            output[b * c + i] = sums[i] as f32;
        }
    }
}
pub fn concatenate(inputs: &[View<'_>], output: &mut [f32]) {
    let total: usize = inputs.iter().map(|v| v.channels).sum();
    for (p, o) in output.chunks_exact_mut(total).enumerate() {
        let mut at = 0;
        for v in inputs {
            o[at..at + v.channels].copy_from_slice(&v.data[p * v.channels..][..v.channels]);
            at += v.channels;
        }
    }
}
pub fn take_channels(input: View<'_>, first: usize, count: usize, output: &mut [f32]) {
    for (x, o) in input.data.chunks_exact(input.channels).zip(output.chunks_exact_mut(count)) {
        o.copy_from_slice(&x[first..first + count]);
    }
}
pub fn put_channels(part: View<'_>, first: usize, channels: usize, output: &mut [f32]) {
    output.fill(0.0);
    for (x, o) in part.data.chunks_exact(part.channels).zip(output.chunks_exact_mut(channels)) {
        o[first..first + part.channels].copy_from_slice(x);
    }
}
pub fn shuffle_channels(input: View<'_>, groups: usize, output: &mut [f32]) {
    let (c, each) = (input.channels, input.channels / groups);
    for (x, o) in input.data.chunks_exact(c).zip(output.chunks_exact_mut(c)) {
        for g in 0..groups {
            for i in 0..each {
                o[i * groups + g] = x[g * each + i];
            }
        }
    }
}
pub fn flatten_channels_first(input: View<'_>, output: &mut [f32]) {
    let (c, positions) = (input.channels, input.height * input.width);
    for (x, o) in input.data.chunks_exact(input.item_len()).zip(output.chunks_exact_mut(input.item_len())) {
        for p in 0..positions {
            for ch in 0..c {
                o[ch * positions + p] = x[p * c + ch];
            }
        }
    }
}
pub fn unflatten_channels_first(signal: &[f32], size: [usize; 2], channels: usize, output: &mut [f32]) {
    let positions = size[0] * size[1];
    for (x, o) in signal.chunks_exact(positions * channels).zip(output.chunks_exact_mut(positions * channels))
    {
        for p in 0..positions {
            for ch in 0..channels {
                o[p * channels + ch] = x[ch * positions + p];
            }
        }
    }
}
