//! What crosses every border in this crate: shapes, and the values that a pass shows.
//!
//! Nothing in here knows a graph, a network or a device.

use std::ops::Range;

use neuron_kernels::{self as kernels, View};
use serde::{Deserialize, Serialize};

/// Index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) usize);

/// The shape of one item's map: `[extra + height * width, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Number of channels.
    pub channels: usize,
    /// Positions along the vertical axis.
    pub height: usize,
    /// Positions along the horizontal axis.
    pub width: usize,
    /// Positions before the grid, such as class and register tokens; 0 in convolutional networks.
    pub extra: usize,
}

impl Shape {
    /// A grid of positions without extra ones.
    pub fn grid(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width, extra: 0 }
    }

    /// Number of values of one item's map.
    pub fn len(&self) -> usize {
        // Of hostile sizes, as many as there can be.
        self.channels.saturating_mul(self.positions())
    }

    /// Whether the map has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows and columns as kernels see them: with extra positions a map is one line, which they begin.
    pub(crate) fn lines(&self) -> [usize; 2] {
        if self.extra > 0 { [1, self.positions()] } else { [self.height, self.width] }
    }

    /// The values of some items as kernels see them.
    pub(crate) fn view<'a>(&self, batch: usize, data: &'a [f32]) -> View<'a> {
        let [height, width] = self.lines();
        View::new(batch, height, width, self.channels, data)
    }

    /// Number of positions.
    pub fn positions(&self) -> usize {
        self.extra.saturating_add(self.height.saturating_mul(self.width))
    }

    /// Row and column of a position in the grid; `None` for the extra ones before it, which have no place.
    pub fn place(&self, position: usize) -> Option<(usize, usize)> {
        let position = position.checked_sub(self.extra)?;
        (self.width > 0).then(|| (position / self.width, position % self.width))
    }
}

/// What a forward pass remembers beside its taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Nothing: buffers are reused as soon as their last reader is done.
    Taps,
    /// What gradients need: the outputs of ReLUs and the positions of maxima.
    Gradient,
    /// What gradients and layer-wise relevance propagation need: also the inputs of every operation and both
    /// terms of every addition.
    Relevance,
}

/// How a map becomes one number for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The greatest value, as [`reduce_max`](neuron_kernels::reduce_max) finds it.
    Max,
    /// The mean, as [`reduce_mean`](neuron_kernels::reduce_mean) computes it.
    Mean,
}

impl Reduction {
    /// Reduces some maps; positions of means are left as they are.
    ///
    /// # Shapes
    /// * `scores`, `positions`: `[batch, channels]`
    ///
    /// # Panics
    /// If they are of another length.
    pub fn reduce(self, maps: View<'_>, scores: &mut [f32], positions: &mut [u32]) {
        match self {
            Self::Max => kernels::reduce_max(maps, scores, positions),
            Self::Mean => kernels::reduce_mean(maps, scores),
        }
    }
}

impl Reduction {
    /// As [`Reduction::reduce`] over a range of each map's positions; those of maxima stay positions of the whole map.
    ///
    /// # Panics
    /// As [`Reduction::reduce`], and if there are no such positions.
    pub fn reduce_range(
        self,
        maps: View<'_>,
        range: Range<usize>,
        scores: &mut [f32],
        positions: &mut [u32],
    ) {
        let (channels, item_len) = (maps.channels, maps.item_len());
        if range == (0..maps.height * maps.width) || item_len == 0 {
            return self.reduce(maps, scores, positions);
        }
        let outputs = scores.chunks_exact_mut(channels).zip(positions.chunks_exact_mut(channels));
        for (map, (scores, positions)) in maps.data.chunks_exact(item_len).zip(outputs) {
            let values = &map[range.start * channels..range.end * channels];
            self.reduce(View::new(1, 1, range.len(), channels, values), scores, positions);
            if self == Self::Max {
                positions.iter_mut().for_each(|position| *position += range.start as u32);
            }
        }
    }
}

/// Which positions of a map count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positions {
    /// All of them, class and register tokens too.
    #[default]
    All,
    /// Those of the grid.
    Grid,
    /// The class token, which comes first.
    Class,
}

impl Positions {
    /// These positions of maps with so many extra ones before a grid; `None` for the class token where there is none.
    pub fn range(self, extra: usize, positions: usize) -> Option<Range<usize>> {
        match self {
            Self::All => Some(0..positions),
            Self::Grid => Some(extra..positions),
            Self::Class => (extra > 0).then_some(0..1),
        }
    }
}

/// The number that a map becomes for each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scoring {
    /// How.
    pub reduction: Reduction,
    /// Of which positions.
    pub positions: Positions,
}

/// Of all positions.
impl From<Reduction> for Scoring {
    fn from(reduction: Reduction) -> Self {
        Self { reduction, positions: Positions::All }
    }
}

/// The value of one tap for some neighbouring items of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Tapped<'a> {
    /// Which of the session's taps.
    pub tap: usize,
    /// Index in the batch of the map's first item.
    pub first_item: usize,
    /// Positions before those of the grid. With some of them, the map is one line of positions.
    pub extra: usize,
    /// The values, channels-last.
    pub map: View<'a>,
}

/// The scores of one tap for some neighbouring items of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// Which of the session's taps.
    pub tap: usize,
    /// Index in the batch of the first item.
    pub first_item: usize,
    /// Channels of the tap.
    pub channels: usize,
    /// `[items, channels]`
    pub scores: &'a [f32],
    /// `[items, channels]`: where each maximum is first reached, `extra + y * width + x`; 0 for means. [`Shape::place`]
    /// gives `(y, x)`.
    pub positions: &'a [u32],
}

impl Scored<'_> {
    /// Where these scores belong in `[batch, channels]`.
    pub fn range(&self) -> Range<usize> {
        let start = self.first_item * self.channels;
        start..start + self.scores.len()
    }
}

/// Is shown each tap's maps.
pub(crate) type Visit<'a> = &'a mut (dyn FnMut(Tapped<'_>) + Send);
/// Is shown each tap's scores.
pub(crate) type VisitScores<'a> = &'a mut (dyn FnMut(Scored<'_>) + Send);
