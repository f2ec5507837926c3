//! The network `resnet10_demo` with gradients. Maps are `[channels, batch, height, width]`: a convolution is then one
//! matrix product, and a channel's batch statistics are sums along a row.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::BatchNorm;
use neuron_demo::{Class, Dice};
use neuron_model::weights::WeightTensor;

use crate::unfold::Windows;

const WIDTH: usize = 16;
const LAYERS: usize = 4;

struct Convolution {
    weight: Var,
    windows: Windows,
    norm: BatchNorm,
    norm_name: String,
}

impl Convolution {
    fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        let (_, batch, height, width) = maps.dims4()?;
        let (height, width) = (self.windows.count(height), self.windows.count(width));
        let out_channels = self.weight.dim(0)?;
        let rows = self.weight.flatten_from(1)?.matmul(&self.windows.unfold(maps)?)?;
        let maps = rows.reshape((out_channels, batch, height, width))?;
        // candle wants the batch first, and turns it back itself: no copy is made.
        self.norm.forward_train(&maps.transpose(0, 1)?)?.transpose(0, 1)
    }
}

struct Block {
    first: Convolution,
    second: Convolution,
    shortcut: Option<Convolution>,
}

impl Block {
    fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        [&self.first, &self.second].into_iter().chain(&self.shortcut)
    }

    fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        let main = self.second.forward(&self.first.forward(maps)?.relu()?)?;
        let shortcut = match &self.shortcut {
            Some(projection) => projection.forward(maps)?,
            None => maps.clone(),
        };
        (main + shortcut)?.relu()
    }
}

/// What a forward pass returns.
pub(crate) struct Outputs {
    /// `[batch, classes]`.
    pub(crate) logits: Tensor,
    /// The last maps' means, `[batch, channels]`.
    pub(crate) features: Tensor,
}

/// The network in training.
pub(crate) struct Network {
    variables: BTreeMap<String, Var>,
    stem: Convolution,
    blocks: Vec<Block>,
    classifier: (Var, Var),
}

impl Network {
    /// The network before training, from numbers of `dice`.
    pub(crate) fn new(dice: &mut Dice) -> Result<Self> {
        let mut build = Builder { variables: BTreeMap::new(), dice };
        let stem =
            build.convolution(["conv1", "bn1"], [3, WIDTH], Windows { kernel: 7, stride: 2, padding: 3 })?;
        let (mut blocks, mut channels) = (Vec::new(), WIDTH);
        for layer in 0..LAYERS {
            let out_channels = WIDTH << layer;
            blocks.push(build.block(&format!("layer{}.0", layer + 1), channels, out_channels)?);
            channels = out_channels;
        }
        let classes = Class::ALL.len();
        let classifier = (
            build.variable("fc.weight", &[classes, channels], (1.0 / channels as f32).sqrt())?,
            build.variable("fc.bias", &[classes], 0.0)?,
        );
        Ok(Self { variables: build.variables, stem, blocks, classifier })
    }

    /// What training changes.
    pub(crate) fn variables(&self) -> Vec<Var> {
        self.variables.values().cloned().collect()
    }

    /// # Shapes
    /// * `images`: `[3, batch, height, width]`, normalised
    pub(crate) fn forward(&self, images: &Tensor) -> Result<Outputs> {
        let maps = self.stem.forward(images)?.relu()?;
        let mut maps = max_pool(&maps)?;
        for block in &self.blocks {
            maps = block.forward(&maps)?;
        }
        let features = maps.flatten_from(2)?.mean(2)?.t()?.contiguous()?;
        let (weight, bias) = &self.classifier;
        let logits = features.matmul(&weight.t()?)?.broadcast_add(bias)?;
        Ok(Outputs { logits, features })
    }

    /// Every tensor by torchvision's name.
    pub(crate) fn tensors(&self) -> Result<Vec<(String, WeightTensor)>> {
        let mut tensors = Vec::new();
        let mut push = |name: String, tensor: &Tensor| -> Result<()> {
            tensors.push((name, WeightTensor::new(tensor.dims(), tensor.flatten_all()?.to_vec1::<f32>()?)));
            Ok(())
        };
        for (name, variable) in &self.variables {
            push(name.clone(), variable)?;
        }
        for convolution in self.convolutions() {
            push(format!("{}.running_mean", convolution.norm_name), convolution.norm.running_mean())?;
            push(format!("{}.running_var", convolution.norm_name), convolution.norm.running_var())?;
        }
        Ok(tensors)
    }

    fn convolutions(&self) -> impl Iterator<Item = &Convolution> {
        std::iter::once(&self.stem).chain(self.blocks.iter().flat_map(Block::convolutions))
    }
}

/// 3x3, stride 2. Zeros around the map change nothing: it is never negative.
fn max_pool(maps: &Tensor) -> Result<Tensor> {
    let windows = Windows { kernel: 3, stride: 2, padding: 1 };
    let (channels, batch, height, width) = maps.dims4()?;
    let taps = windows.unfold(maps)?.reshape((channels, windows.kernel * windows.kernel, ()))?;
    taps.max(1)?.reshape((channels, batch, windows.count(height), windows.count(width)))
}

struct Builder<'a> {
    variables: BTreeMap<String, Var>,
    dice: &'a mut Dice,
}

impl Builder<'_> {
    fn block(&mut self, name: &str, channels: usize, out_channels: usize) -> Result<Block> {
        let stride = if channels == out_channels { 1 } else { 2 };
        let three = |stride| Windows { kernel: 3, stride, padding: 1 };
        let part = |part: &str| format!("{name}.{part}");
        let shortcut = if stride == 1 {
            None
        } else {
            let names = [&*part("downsample.0"), &part("downsample.1")];
            let windows = Windows { kernel: 1, stride, padding: 0 };
            Some(self.convolution(names, [channels, out_channels], windows)?)
        };
        Ok(Block {
            first: self.convolution(
                [&part("conv1"), &part("bn1")],
                [channels, out_channels],
                three(stride),
            )?,
            second: self.convolution([&part("conv2"), &part("bn2")], [out_channels; 2], three(1))?,
            shortcut,
        })
    }

    /// A convolution and its batch norm; He et al., "Delving Deep into Rectifiers" (2015) decide the start.
    fn convolution(
        &mut self,
        [name, norm_name]: [&str; 2],
        [in_channels, out_channels]: [usize; 2],
        windows: Windows,
    ) -> Result<Convolution> {
        let fan_in = in_channels * windows.kernel * windows.kernel;
        let shape = [out_channels, in_channels, windows.kernel, windows.kernel];
        let weight = self.variable(&format!("{name}.weight"), &shape, (6.0 / fan_in as f32).sqrt())?;
        let scale = self.constant(&format!("{norm_name}.weight"), out_channels, 1.0)?;
        let shift = self.constant(&format!("{norm_name}.bias"), out_channels, 0.0)?;
        let statistic = |value: f64| Tensor::full(value as f32, out_channels, &Device::Cpu);
        let norm = BatchNorm::new(
            out_channels,
            statistic(0.0)?,
            statistic(1.0)?,
            scale.as_tensor().clone(),
            shift.as_tensor().clone(),
            1e-5,
        )?;
        Ok(Convolution { weight, windows, norm, norm_name: norm_name.to_owned() })
    }

    /// Uniform in `-range..range`.
    fn variable(&mut self, name: &str, shape: &[usize], range: f32) -> Result<Var> {
        let len = shape.iter().product();
        let values: Vec<f32> = (0..len).map(|_| self.dice.between(-range, range)).collect();
        self.keep(name, Var::from_vec(values, shape, &Device::Cpu)?)
    }

    fn constant(&mut self, name: &str, len: usize, value: f64) -> Result<Var> {
        let variable = Var::ones(len, DType::F32, &Device::Cpu)?;
        variable.set(&variable.affine(value, 0.0)?)?;
        self.keep(name, variable)
    }

    fn keep(&mut self, name: &str, variable: Var) -> Result<Var> {
        self.variables.insert(name.to_owned(), variable.clone());
        Ok(variable)
    }
}
