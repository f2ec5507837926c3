//! `resnet10_demo`: one block of two convolutions in each layer.

use candle_core::{Result, Tensor};

use crate::layers::{Builder, Convolution, Norm, max_pool};
use crate::maps::Maps;
use crate::unfold::Windows;

const WIDTH: usize = 16;
const LAYERS: usize = 4;

pub(crate) struct ResNet {
    stem: Normed,
    blocks: Vec<Block>,
}

/// A convolution and the batch norm behind it.
struct Normed {
    convolution: Convolution,
    norm: Norm,
}

struct Block {
    first: Normed,
    second: Normed,
    shortcut: Option<Normed>,
}

impl ResNet {
    /// The network before training, and the channels of its last maps.
    pub(crate) fn new(build: &mut Builder<'_>) -> Result<(Self, usize)> {
        let windows = Windows { kernel: 7, stride: 2, padding: 3 };
        let stem = Normed::new(build, ["conv1", "bn1"], [3, WIDTH], windows)?;
        let (mut blocks, mut channels) = (Vec::new(), WIDTH);
        for layer in 0..LAYERS {
            let out_channels = WIDTH << layer;
            blocks.push(Block::new(build, &format!("layer{}.0", layer + 1), channels, out_channels)?);
            channels = out_channels;
        }
        Ok((Self { stem, blocks }, channels))
    }
}

impl Maps for ResNet {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let stem = max_pool(&self.stem.forward(images)?.relu()?)?;
        self.blocks.iter().try_fold(stem, |maps, block| block.forward(&maps))
    }
}

impl Normed {
    fn new(
        build: &mut Builder<'_>,
        [name, norm]: [&str; 2],
        [in_channels, out_channels]: [usize; 2],
        windows: Windows,
    ) -> Result<Self> {
        Ok(Self {
            convolution: build.convolution(name, [in_channels, out_channels], windows)?,
            norm: build.norm(norm, out_channels)?,
        })
    }

    fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        self.norm.forward(&self.convolution.forward(maps)?)
    }
}

impl Block {
    fn new(build: &mut Builder<'_>, name: &str, channels: usize, out_channels: usize) -> Result<Self> {
        let stride = if channels == out_channels { 1 } else { 2 };
        let three = |stride| Windows { kernel: 3, stride, padding: 1 };
        let part = |part: &str| format!("{name}.{part}");
        let shortcut = if stride == 1 {
            None
        } else {
            let names = [&*part("downsample.0"), &part("downsample.1")];
            let windows = Windows { kernel: 1, stride, padding: 0 };
            Some(Normed::new(build, names, [channels, out_channels], windows)?)
        };
        let first = [&*part("conv1"), &part("bn1")];
        let second = [&*part("conv2"), &part("bn2")];
        Ok(Self {
            first: Normed::new(build, first, [channels, out_channels], three(stride))?,
            second: Normed::new(build, second, [out_channels; 2], three(1))?,
            shortcut,
        })
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
