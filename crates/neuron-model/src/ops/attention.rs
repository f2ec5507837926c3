use std::sync::Arc;

use neuron_geometry::ReceptiveField;
use neuron_kernels::{
    self as kernels, Neighbourhoods, View, attention, attention_gradient, attention_transpose, stabilised,
    update,
};
use serde::{Deserialize, Serialize};

use super::host::{Backward, Forward, HostOp, Pool, Signal, Weighted};
use super::op::{Op, Saves, TensorSpec};
use crate::error::ShapeError;
use crate::rule::Rule;
use crate::value::{Keep, Shape};

/// Each position's mean of the values of others, by how alike their keys are to its query (Vaswani et al., "Attention Is
/// All You Need", 2017).
///
/// The input holds queries, keys and values, a third of the channels each. Tensors, where they are used:
/// `relative_position_bias_table` `[(2 side - 1)^2, heads]`, or
/// `bias` `[heads, positions, positions]`; `cpb_mlp.0.weight` `[hidden, 2]`, `cpb_mlp.0.bias` `[hidden]` and
/// `cpb_mlp.2.weight` `[heads, hidden]`; `logit_scale` `[heads, 1, 1]`; and of windows that may reach beyond the grid
/// `qkv.bias` `[3 channels]`, which is what is found there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// Channels of the output.
    pub channels: usize,
    /// Number of heads, among which the channels are shared out.
    pub heads: usize,
    /// Who attends to whom.
    pub reach: Reach,
    /// How alike queries and keys are.
    pub similarity: Similarity,
    /// What their places add to it.
    pub places: Places,
}

/// Which positions attend to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// All, extra positions included.
    All,
    /// Those of a window of the grid ([`Neighbourhoods::windows`]).
    Windows {
        /// Height and width of a window.
        side: usize,
        /// How far windows are moved.
        shift: usize,
        /// Whether they may reach beyond the grid, where queries, keys and values are `qkv.bias`.
        padded: bool,
    },
    /// Those that lie equally far apart ([`Neighbourhoods::spread`]).
    Spread {
        /// How many along each axis.
        side: usize,
    },
}

/// How alike a query and a key are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Similarity {
    /// Their scalar product times a factor.
    Dot {
        /// The factor.
        factor: f32,
    },
    /// The cosine of their angle times `exp` of the head's `logit_scale`, which is at most 100; keys have no bias (Liu et
    /// al., "Swin Transformer V2", CVPR 2022).
    Cosine,
}

/// What is added to the similarity of two positions for how they lie to one another in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Places {
    /// Nothing.
    Nothing,
    /// An entry of a table.
    Table,
    /// What a small network says of the logarithms of their distances, between 0 and 16 (Swin Transformer V2).
    Network {
        /// Width of its middle layer.
        hidden: usize,
    },
    /// An entry of a table of all pairs, as exported networks hold it, where other forms were computed. Among all positions it
    /// fixes the size of the image.
    Matrix {
        /// Extra positions among them.
        extra: usize,
        /// Height and width of the grid, or of a window.
        grid: [usize; 2],
    },
}

/// Of the factor of a cosine.
const LARGEST_FACTOR: f64 = 100.0;

impl Attention {
    fn side(&self) -> usize {
        match self.reach {
            Reach::All => 0,
            Reach::Windows { side, .. } | Reach::Spread { side } => side,
        }
    }

    /// Whether it reads what layers make of nothing.
    fn has_outside(&self) -> bool {
        matches!(self.reach, Reach::Windows { padded: true, .. }) || self.similarity == Similarity::Cosine
    }

    fn neighbourhoods(&self, [height, width]: [usize; 2]) -> Neighbourhoods {
        match self.reach {
            Reach::All => Neighbourhoods::all(height * width),
            Reach::Windows { side, shift, .. } => Neighbourhoods::windows([height, width], side, shift),
            Reach::Spread { side } => Neighbourhoods::spread([height, width], side),
        }
    }

    /// Does `body` with what the kernels compute by.
    fn with<R>(
        &self,
        weights: Weighted<'_>,
        map: View<'_>,
        body: impl FnOnce(&kernels::Attention<'_>) -> R,
    ) -> R {
        let Weighted { prepared, owner, .. } = weights;
        let neighbourhoods = self.neighbourhoods(map.size());
        let outside = self.has_outside().then(|| prepared.tensor(owner, OUTSIDE));
        let by_place = (self.places != Places::Nothing)
            .then(|| prepared.derived(owner, "bias of places", || self.bias(weights)));
        let factors = (self.similarity == Similarity::Cosine).then(|| {
            prepared.derived(owner, "factors", || {
                let largest = LARGEST_FACTOR.ln();
                let logits = prepared.tensor(owner, LOGIT_SCALE).iter();
                logits.map(|logit| f64::from(*logit).min(largest).exp() as f32).collect()
            })
        });
        let similarity = match (self.similarity, &factors) {
            (Similarity::Dot { factor }, _) => kernels::Similarity::Dot { factor },
            (Similarity::Cosine, factors) => kernels::Similarity::Cosine {
                factors: factors.as_ref().map(|factors| factors.as_slice()).unwrap_or_default(),
            },
        };
        let key_offset = outside.filter(|_| self.similarity == Similarity::Cosine);
        body(&kernels::Attention {
            neighbourhoods: &neighbourhoods,
            heads: self.heads,
            similarity,
            bias: by_place.as_ref().map(|bias| bias.as_slice()),
            outside,
            key_offset: key_offset.map(|bias| &bias[self.channels..2 * self.channels]),
        })
    }

    /// `[heads, side^2, side^2]`, for every pair of positions of a window.
    fn bias(&self, weights: Weighted<'_>) -> Vec<f32> {
        let (side, reach) = (self.side(), (2 * self.side()).saturating_sub(1));
        let table = match self.places {
            Places::Network { hidden } => self.table_of_network(weights, hidden),
            Places::Matrix { .. } => return weights.prepared.tensor(weights.owner, MATRIX).to_vec(),
            _ => weights.prepared.tensor(weights.owner, TABLE).to_vec(),
        };
        let along = |query: usize, key: usize| query + side - 1 - key;
        let entry = |query: usize, key: usize| {
            along(query / side, key / side) * reach + along(query % side, key % side)
        };
        let len = side * side;
        let heads = (0..self.heads).flat_map(|head| (0..len * len).map(move |pair| (head, pair)));
        heads.map(|(head, pair)| table[entry(pair / len, pair % len) * self.heads + head]).collect()
    }

    /// `[(2 side - 1)^2, heads]`
    fn table_of_network(&self, weights: Weighted<'_>, hidden: usize) -> Vec<f32> {
        let tensor = |suffix| weights.prepared.tensor(weights.owner, suffix);
        let [first, bias, second] = NETWORK.map(tensor);
        let reach = 2 * self.side() - 1;
        let farthest = (self.side() as f64 - 1.0).max(1.0);
        // Up to 8 at the farthest, whose logarithm is then 1.
        let coordinate = |at: usize| {
            let distance = 8.0 * (at as f64 - (self.side() as f64 - 1.0)) / farthest;
            distance.signum() * (distance.abs() + 1.0).log2() / 8f64.log2()
        };
        let mut table = Vec::with_capacity(reach * reach * self.heads);
        for at in 0..reach * reach {
            let place = [coordinate(at / reach), coordinate(at % reach)];
            let inner = (0..hidden).map(|unit| {
                let weights = [0, 1].map(|axis| f64::from(first[2 * unit + axis]) * place[axis]);
                (weights[0] + weights[1] + f64::from(bias[unit])).max(0.0)
            });
            let inner: Vec<f64> = inner.collect();
            for row in second.chunks_exact(hidden) {
                let sum: f64 = row.iter().zip(&inner).map(|(weight, value)| f64::from(*weight) * value).sum();
                table.push((16.0 / (1.0 + (-sum).exp())) as f32);
            }
        }
        table
    }
}

const TABLE: &str = "relative_position_bias_table";
const NETWORK: [&str; 3] = ["cpb_mlp.0.weight", "cpb_mlp.0.bias", "cpb_mlp.2.weight"];
const MATRIX: &str = "bias";
const LOGIT_SCALE: &str = "logit_scale";
const OUTSIDE: &str = "qkv.bias";

impl Op for Attention {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, ShapeError> {
        let (expected, input) = (3 * self.channels, inputs[0]);
        if expected != input.channels {
            return Err(ShapeError::Channels { expected, found: input.channels });
        }
        if self.heads == 0 || !self.channels.is_multiple_of(self.heads) {
            return Err(ShapeError::Groups { groups: self.heads, channels: self.channels });
        }
        if let Reach::Windows { side, shift, .. } = self.reach
            && shift >= side
        {
            return Err(ShapeError::Windows { side, height: input.height, width: input.width });
        }
        if self.reach != Reach::All && input.extra > 0 {
            return Err(ShapeError::Extra { extra: input.extra });
        }
        if let Reach::Spread { side } | Reach::Windows { side, padded: false, .. } = self.reach
            && !(input.height.is_multiple_of(side) && input.width.is_multiple_of(side))
        {
            return Err(ShapeError::Windows { side, height: input.height, width: input.width });
        }
        if let Places::Matrix { extra, grid } = self.places {
            let found = match self.reach {
                Reach::All => [input.height, input.width],
                Reach::Windows { side, .. } | Reach::Spread { side } => [side; 2],
            };
            if extra != input.extra {
                return Err(ShapeError::Extra { extra: input.extra });
            }
            if grid != found {
                return Err(ShapeError::Grid { expected: grid, found });
            }
        }
        Ok(Shape { channels: self.channels, ..input })
    }

    fn channels(&self, _: &[usize]) -> usize {
        self.channels
    }

    fn only_grid(&self) -> Option<[usize; 2]> {
        match (self.places, self.reach) {
            (Places::Matrix { grid, .. }, Reach::All) => Some(grid),
            _ => None,
        }
    }

    fn tensors(&self) -> Vec<TensorSpec> {
        let spec = |suffix, shape: &[usize]| TensorSpec { suffix, shape: shape.to_vec() };
        let (heads, reach) = (self.heads, (2 * self.side()).saturating_sub(1));
        let mut tensors = match self.places {
            Places::Nothing => Vec::new(),
            Places::Table => vec![spec(TABLE, &[reach * reach, heads])],
            Places::Network { hidden } => {
                let shapes: [&[usize]; 3] = [&[hidden, 2], &[hidden], &[heads, hidden]];
                NETWORK.into_iter().zip(shapes).map(|(name, shape)| spec(name, shape)).collect()
            }
            Places::Matrix { extra, grid: [height, width] } => {
                let len = extra + height * width;
                vec![spec(MATRIX, &[heads, len, len])]
            }
        };
        if self.similarity == Similarity::Cosine {
            tensors.push(spec(LOGIT_SCALE, &[heads, 1, 1]));
        }
        tensors
    }

    /// Each position sees what all others see.
    fn field(&self, _: ReceptiveField) -> Option<ReceptiveField> {
        None
    }

    fn cell(&self, input: ReceptiveField) -> Option<ReceptiveField> {
        Some(input)
    }

    fn is_non_negative(&self, inputs: &[bool]) -> bool {
        inputs[0]
    }

    /// Both its gradient and relevance compute the weights again.
    fn saves(&self, keep: Keep) -> Saves {
        Saves { inputs: keep != Keep::Taps, ..Saves::default() }
    }

    /// Relevance flows through the values, by weights that count as constants (Ali et al., "XAI for Transformers: Better
    /// Explanations through Conservative Propagation", ICML 2022).
    fn knows(&self, rule: &Rule) -> bool {
        matches!(rule, Rule::Gradient | Rule::ZPlus { .. } | Rule::ZPlusSigned { .. } | Rule::Epsilon { .. })
    }
}

impl HostOp for Attention {
    fn forward(&self, call: &Forward<'_>, output: &mut [f32], _: Option<&mut [u8]>) {
        self.with(call.weights, call.input, |by| attention(call.input, by, output));
    }

    fn backward(&self, call: &Backward<'_>, signal: Signal, pool: &mut Pool) -> Vec<Signal> {
        let map = call.input(0);
        let mut output = pool.take(map.data.len());
        self.with(call.weights, map, |by| match *call.rule {
            // In proportion to magnitudes, as at a sum: values below 0 make up many means alone, and nothing is lost there.
            Rule::ZPlus { eps } | Rule::ZPlusSigned { eps } => {
                let share = |z: f32, signal: f32| signal / (z + eps);
                relevance(map, by, &signal, (f32::abs, share), pool, &mut output);
            }
            Rule::Epsilon { eps } => {
                let share = |z: f32, signal: f32| signal / stabilised(z, eps);
                relevance(map, by, &signal, (|value| value, share), pool, &mut output);
            }
            _ => attention_gradient(map, by, &signal, &mut output),
        });
        pool.release(signal);
        vec![Arc::new(output)]
    }
}

/// `v * weights^T (signal / (weights v))` at the values, of which `part` says what counts, and 0 at queries and keys.
fn relevance(
    map: View<'_>,
    by: &kernels::Attention<'_>,
    signal: &[f32],
    (part, share): (impl Fn(f32) -> f32, impl Fn(f32, f32) -> f32 + Sync),
    pool: &mut Pool,
    output: &mut [f32],
) {
    let channels = map.channels / 3;
    let mut counted = map.data.to_vec();
    for position in counted.chunks_exact_mut(map.channels) {
        position[2 * channels..].iter_mut().for_each(|value| *value = part(*value));
    }
    let mut outside = by.outside.map(<[f32]>::to_vec);
    for value in outside.iter_mut().flat_map(|outside| &mut outside[2 * channels..]) {
        *value = part(*value);
    }
    let counted = View { data: &counted, ..map };
    let by = kernels::Attention { outside: outside.as_deref(), ..*by };
    let quotient = pool.scratch(signal.len());
    attention(counted, &by, quotient);
    update(quotient, signal, share);
    attention_transpose(counted, &by, quotient, output);
    update(output, counted.data, |back, value| back * value);
}
