//! What all vision transformers share (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021): patches become
//! tokens, a class token and positions are added, and blocks follow. Names are those of whoever trained it.

use neuron_geometry::Window;
use neuron_kernels::{Activation, ConvGeometry};

use super::blocks::layer_norm;
use super::transformer::{Block, Names};
use crate::graph::GraphBuilder;
use crate::ops::{Convolution, Enlargement, PositionTable, TokenInsertion};
use crate::prepared::tensor_name;
use crate::value::NodeId;
use crate::weights::Weights;

/// Sizes of a transformer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Side of a patch, in pixels.
    pub(super) patch: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
    /// Width of the middle layer of a block.
    pub(super) hidden: usize,
    /// Side of the image that its usual table of positions is for, in pixels.
    pub(super) image: usize,
}

/// The usual layers of a tower: the patches and every quarter of the blocks, by what stands before their numbers.
macro_rules! quarters {
    ($patches:literal, $block:literal, $($number:literal)+) => {
        $crate::families::Layers::new(
            &[($patches, 0.1), $((concat!($block, $number), 1.0)),+],
            *[$(concat!($block, $number)),+].last().unwrap(),
        )
    };
}
pub(super) use quarters;

impl Sizes {
    /// The usual ones: heads of 64 channels, and four times as many channels in a block's middle layer.
    pub(super) const fn usual([patch, image]: [usize; 2], depth: usize, width: usize) -> Self {
        Self { patch, depth, heads: width / 64, width, hidden: 4 * width, image }
    }
}

/// What is the same in all towers of one author.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) names: &'static TowerNames,
    pub(super) activation: Activation,
    /// What layer norms add to the variance.
    pub(super) eps: f64,
    /// How a table of positions for one size of images becomes that for another.
    pub(super) enlargement: Enlargement,
    /// Number of register tokens (Darcet et al., "Vision Transformers Need Registers", ICLR 2024), which come behind the
    /// class token and have no place in the table.
    pub(super) registers: usize,
}

/// What a tower calls its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct TowerNames {
    /// The convolution over patches, and whether it has a bias.
    pub(super) patches: (&'static str, bool),
    /// Modules that return the patches, too.
    pub(super) patches_too: &'static [&'static str],
    pub(super) class: Learned,
    pub(super) table: Learned,
    /// Empty where no tower has any.
    pub(super) registers: Learned,
    /// Modules that return the tokens with their positions, and with the registers where there are some.
    pub(super) embedded: &'static [&'static str],
    /// The norm before the first block.
    pub(super) first_norm: Option<&'static str>,
    /// What stands before a block's number.
    pub(super) block: &'static str,
    pub(super) parts: Names,
    /// Modules that return what the last block does.
    pub(super) encoded: &'static [&'static str],
    /// Those of the usual spelling, if it is another: patches and blocks are found by its names, too.
    pub(super) usual: Option<&'static TowerNames>,
}

/// A tensor of vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Learned {
    /// What its name begins with.
    pub(super) node: &'static str,
    /// The last part of its name.
    pub(super) tensor: &'static str,
    /// Whether it has an axis of length 1 before the others.
    pub(super) has_batch: bool,
}

impl Learned {
    /// One with an axis for images.
    pub(super) const fn of(node: &'static str, tensor: &'static str) -> Self {
        Self { node, tensor, has_batch: true }
    }

    /// One without.
    pub(super) const fn bare(node: &'static str, tensor: &'static str) -> Self {
        Self { node, tensor, has_batch: false }
    }
}

/// Extra positions that tables know: the class token.
const CLASS: usize = 1;

impl Style {
    /// Adds everything up to the last block.
    pub(super) fn add(
        &self,
        graph: &mut GraphBuilder,
        sizes: &Sizes,
        image: NodeId,
        weights: &Weights,
    ) -> NodeId {
        let Sizes { patch, width: channels, heads, hidden, .. } = *sizes;
        let TowerNames { patches: (patches, bias), class, registers, .. } = *self.names;
        let window = Window::square(patch, patch, 0);
        let geometry =
            ConvGeometry { in_channels: graph.channels(image), out_channels: channels, groups: 1, window };
        let value = graph.module(patches, Convolution { geometry, bias }, &[image]);
        self.names.patches_too.iter().for_each(|name| graph.name(name, value));
        if let Some(usual) = self.names.usual {
            [usual.patches.0].iter().chain(usual.patches_too).for_each(|name| graph.also(name, value));
        }
        let Learned { node, tensor, has_batch } = class;
        let class = TokenInsertion { channels, count: CLASS, at: 0, tensor, has_batch };
        let value = graph.push(node, class, &[value]);
        let mut value = self.with_positions(graph, sizes, value, weights);
        if self.registers > 0 {
            let Learned { node, tensor, has_batch } = registers;
            let registers = TokenInsertion { channels, count: self.registers, at: CLASS, tensor, has_batch };
            value = graph.push(node, registers, &[value]);
        }
        self.names.embedded.iter().for_each(|name| graph.name(name, value));
        if let Some(norm) = self.names.first_norm {
            value = layer_norm(graph, norm, self.eps, value);
        }
        let names = &self.names.parts;
        let block = Block { names, heads, hidden, activation: self.activation, eps: self.eps };
        for index in 0..sizes.depth {
            value = block.add(graph, &format!("{}{index}", self.names.block), value);
            if let Some(usual) = self.names.usual {
                graph.also(&format!("{}{index}", usual.block), value);
            }
        }
        self.names.encoded.iter().for_each(|name| graph.name(name, value));
        value
    }

    fn with_positions(
        &self,
        graph: &mut GraphBuilder,
        sizes: &Sizes,
        value: NodeId,
        weights: &Weights,
    ) -> NodeId {
        let Learned { node, tensor, has_batch } = self.names.table;
        let table = weights.tensor(&tensor_name(node, tensor)).map(|tensor| tensor.shape.as_slice());
        // The table says for which size of images it is, where it is there.
        let side = match table {
            Some([positions, _] | [1, positions, _]) if *positions > CLASS => (positions - CLASS).isqrt(),
            _ => sizes.image / sizes.patch,
        };
        let (channels, enlargement) = (sizes.width, self.enlargement);
        let table = PositionTable { channels, extra: CLASS, grid: [side; 2], tensor, has_batch, enlargement };
        graph.push(node, table, &[value])
    }
}
