//! A convolution's weights as bf16 numbers, and what their shape says about how maps are read.
use super::bands::Depth;
use super::number::{self, Terms};
use super::packed::{PANEL, Packed, STEP};
use crate::microkernel::Buffer;
use crate::shape::ConvGeometry;
use neuron_geometry::Window;

/// Maps of up to this many positions run position by position, if there are at least so many items.
const SMALL: usize = 64;
const MANY: usize = 32;

/// Rounded and packed weights.
#[derive(Debug)]
pub(super) struct Frozen {
    pub(super) geometry: ConvGeometry,
    pub(super) terms: Terms,
    pub(super) depth: Depth,
    /// One matrix a block of channels, and the biases of its panels, which begin at cache lines: tiles are loaded with them.
    pub(super) blocks: Vec<(Packed, Buffer)>,
    /// Channels in and out of a block.
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

impl Frozen {
    /// As [`Bf16Convolution::new`](super::Bf16Convolution::new).
    pub(super) fn new(geometry: ConvGeometry, weight: &[f32], bias: Option<&[f32]>, terms: Terms) -> Self {
        geometry.check(weight);
        let ConvGeometry { in_channels, out_channels, groups, window } = geometry;
        assert!(bias.is_none_or(|bias| bias.len() == out_channels), "bias of {geometry:?}");
        let [group_in, group_out] = geometry.group();
        // Narrow groups share a panel, with zeros between them.
        let fits = |merged: &usize| groups.is_multiple_of(*merged) && merged * group_out <= PANEL;
        let merged = (1..=groups).filter(fits).max().unwrap_or(1);
        let (inputs, outputs) = (merged * group_in, merged * group_out);
        let depth = Depth::new(window, in_channels, inputs, terms);
        let places: Vec<_> = (0..depth.steps() * STEP).map(|at| depth.place(at)).collect();
        let block = |block: usize| {
            let at = |([row, place], channel): ([usize; 2], usize), column: usize| {
                if channel / group_in != column / group_out {
                    return 0.0;
                }
                let out = block * outputs + column;
                let [height, width] = window.kernel;
                weight[((out * group_in + channel % group_in) * height + row) * width + place]
            };
            let packed = Packed::new(&places, outputs, terms, at);
            let mut biases = Buffer::lasting_zeros(packed.panels * PANEL);
            if let Some(bias) = bias {
                let bias = &bias[block * outputs..][..outputs];
                biases.iter_mut().zip(bias).for_each(|(to, bias)| *to = number::bias(*bias));
            }
            (packed, biases)
        };
        let blocks = (0..groups / merged).map(block).collect();
        Self { geometry, terms, depth, blocks, inputs, outputs }
    }

    /// Whether each output position is a product by itself, whose rows are the items: nothing is copied, and places in
    /// the padding are left out.
    pub(super) fn runs_by_position(&self, batch: usize, positions: usize) -> bool {
        positions <= SMALL && batch >= MANY && self.depth.steps_of([0, 0]).is_some()
    }

    /// Whether rows are read where they lie.
    pub(super) fn reads_in_place(&self) -> bool {
        let Window { kernel, stride, padding, .. } = self.geometry.window;
        let pointwise = (kernel, stride, padding) == ([1; 2], [1; 2], [0; 2]);
        // Whole steps, so that nothing is read behind the last row.
        pointwise && self.inputs.is_multiple_of(STEP)
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Bytes of all blocks.
    pub(super) fn bytes(&self) -> usize {
        self.blocks.iter().map(|(packed, _)| size_of_val(packed.numbers())).sum()
    }
}
