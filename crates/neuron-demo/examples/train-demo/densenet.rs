//! `densenet_demo`: layers that each add channels to those that they read.

use candle_core::{Result, Tensor};

use crate::layers::{Builder, Convolution, Norm, average_pool, max_pool};
use crate::maps::Maps;
use crate::unfold::Windows;

/// Channels that a layer adds.
const GROWTH: usize = 12;
/// Channels of a layer's first convolution for each channel that it adds.
const BOTTLENECK: usize = 4;
/// Layers of each block.
const DEPTHS: [usize; 4] = [2, 2, 3, 4];
/// Channels of the stem.
const STEM: usize = 24;

const POINT: Windows = Windows { kernel: 1, stride: 1, padding: 0 };

pub(crate) struct DenseNet {
    stem: (Convolution, Norm),
    blocks: Vec<Block>,
    norm: Norm,
}

/// Layers, and what halves channels and resolution behind them.
struct Block {
    layers: Vec<[Active; 2]>,
    transition: Option<Active>,
}

/// A batch norm, a ReLU and a convolution, in this order.
struct Active {
    norm: Norm,
    convolution: Convolution,
}

impl DenseNet {
    /// The network before training, and the channels of its last maps.
    pub(crate) fn new(build: &mut Builder<'_>) -> Result<(Self, usize)> {
        let windows = Windows { kernel: 7, stride: 2, padding: 3 };
        let stem =
            (build.convolution("features.conv0", [3, STEM], windows)?, build.norm("features.norm0", STEM)?);
        let (mut blocks, mut channels) = (Vec::new(), STEM);
        for (block, depth) in (1..).zip(DEPTHS) {
            let name = format!("features.denseblock{block}");
            let mut layers = Vec::new();
            for layer in 1..=depth {
                layers.push(dense_layer(build, &format!("{name}.denselayer{layer}"), channels)?);
                channels += GROWTH;
            }
            let mut transition = None;
            if block < DEPTHS.len() {
                let names = ["norm", "conv"].map(|part| format!("features.transition{block}.{part}"));
                transition = Some(Active::new(build, &names, [channels, channels / 2], POINT)?);
                channels /= 2;
            }
            blocks.push(Block { layers, transition });
        }
        let norm = build.norm("features.norm5", channels)?;
        Ok((Self { stem, blocks, norm }, channels))
    }
}

impl Maps for DenseNet {
    fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let (convolution, norm) = &self.stem;
        let stem = max_pool(&norm.forward(&convolution.forward(images)?)?.relu()?)?;
        let maps = self.blocks.iter().try_fold(stem, |maps, block| block.forward(maps))?;
        self.norm.forward(&maps)?.relu()
    }
}

fn dense_layer(build: &mut Builder<'_>, name: &str, channels: usize) -> Result<[Active; 2]> {
    let names = |index: usize| ["norm", "conv"].map(|part| format!("{name}.{part}{index}"));
    let inner = BOTTLENECK * GROWTH;
    let three = Windows { kernel: 3, stride: 1, padding: 1 };
    Ok([
        Active::new(build, &names(1), [channels, inner], POINT)?,
        Active::new(build, &names(2), [inner, GROWTH], three)?,
    ])
}

impl Block {
    fn forward(&self, mut maps: Tensor) -> Result<Tensor> {
        for [first, second] in &self.layers {
            let new = second.forward(&first.forward(&maps)?)?;
            maps = Tensor::cat(&[&maps, &new], 0)?;
        }
        match &self.transition {
            Some(transition) => average_pool(&transition.forward(&maps)?),
            None => Ok(maps),
        }
    }
}

impl Active {
    fn new(
        build: &mut Builder<'_>,
        [norm, convolution]: &[String; 2],
        channels: [usize; 2],
        windows: Windows,
    ) -> Result<Self> {
        Ok(Self {
            norm: build.norm(norm, channels[0])?,
            convolution: build.convolution(convolution, channels, windows)?,
        })
    }

    fn forward(&self, maps: &Tensor) -> Result<Tensor> {
        self.convolution.forward(&self.norm.forward(maps)?.relu()?)
    }
}
