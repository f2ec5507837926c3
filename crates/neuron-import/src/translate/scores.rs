//! How alike positions are: what attention weighs values by, before it is known that there are values.

use super::map::{Axis, Factor, Map, product, size};
use super::{Obstacle, Translator};
use crate::constant::Constant;
use crate::program::Binary;

/// Products of queries and keys, `[.., queries, keys]`, times a factor, plus what was added.
#[derive(Clone, Debug)]
pub(super) struct Scores {
    /// `[.., queries, width]`
    pub(super) query: Map,
    /// `[.., keys, width]`
    pub(super) key: Map,
    pub(super) factor: f64,
    /// A factor of each head; none if there is none.
    pub(super) by_head: Vec<f64>,
    /// `[heads, queries, keys]`; none if nothing was added.
    pub(super) bias: Vec<f64>,
    /// `[windows, queries, keys]`, windows as the batch counts them; none if nothing differs among windows.
    pub(super) mask: Vec<f64>,
    /// Whether a softmax made weights of them.
    pub(super) is_weights: bool,
}

impl Translator<'_> {
    /// How alike `[.., queries, width]` and `[.., keys, width]` are.
    pub(super) fn similarity(&mut self, query: Map, key: Map) -> Result<Scores, Obstacle> {
        let rank = query.dims.len();
        let same_batch =
            rank >= 2 && key.dims.len() == rank && (0..rank - 2).all(|dim| is_same(&query, &key, dim));
        let along = |map: &Map| {
            matches!(
                map.dims.last().map(Vec::as_slice),
                Some([Factor { axis: Axis::Channel, stride: 1, .. }])
            )
        };
        if !same_batch || query.dims.last() != key.dims.last() || !along(&query) {
            return Err(format!("a product of maps of {:?} and {:?}", query.sizes(), key.sizes()));
        }
        if query.is_unit != key.is_unit {
            return Err("a cosine of one side alone".to_owned());
        }
        let factor = query.scale * key.scale;
        let plain = |map: Map| Map { scale: 1.0, ..map };
        let (query, key) = (plain(query), plain(key));
        let none = Vec::new;
        Ok(Scores { query, key, factor, by_head: none(), bias: none(), mask: none(), is_weights: false })
    }
}

/// Whether a dimension is the same of both: positions of one map are others than another's, and one head of keys may be shared.
fn is_same(query: &Map, key: &Map, dim: usize) -> bool {
    let (query, key) = (&query.dims[dim], &key.dims[dim]);
    query == key
        || key.is_empty() && query.iter().all(|factor| factor.axis == Axis::Channel)
        || matches!((&query[..], &key[..]), ([a], [b]) if a.axis == Axis::Channel && b.axis == Axis::Channel && a.size == b.size)
}

impl Scores {
    /// `[.., queries, keys]`
    pub(super) fn sizes(&self) -> Vec<usize> {
        let mut sizes = self.query.sizes();
        let keys = self.key.sizes();
        if let (Some(last), [.., keys, _]) = (sizes.last_mut(), &keys[..]) {
            *last = *keys;
        }
        sizes
    }

    /// The dimensions before queries and keys.
    fn batch(&self) -> std::ops::Range<usize> {
        0..self.query.dims.len() - 2
    }

    /// Width of a head.
    pub(super) fn width(&self) -> usize {
        self.query.dims.last().map_or(1, |dim| size(dim))
    }

    /// Number of heads.
    pub(super) fn heads(&self) -> usize {
        let factors = self.query.dims[self.batch()].iter().flatten();
        product(factors.filter(|factor| factor.axis == Axis::Channel).map(|factor| factor.size))
    }

    /// `[queries, keys]`
    pub(super) fn pairs(&self) -> [usize; 2] {
        let sizes = self.sizes();
        [sizes[sizes.len() - 2], sizes[sizes.len() - 1]]
    }

    /// Number of groups of positions that are alike among themselves.
    pub(super) fn windows(&self) -> usize {
        let factors = self.query.dims[self.batch()].iter().flatten();
        let is_position = |factor: &&Factor| matches!(factor.axis, Axis::Row | Axis::Column | Axis::Token);
        product(factors.filter(is_position).map(|factor| factor.size))
    }

    /// The window of a position, by how the batch counts them.
    pub(super) fn window(&self, position: [usize; 3]) -> usize {
        self.batch().fold(0, |window, dim| {
            let positions: Vec<Factor> = self.query.dims[dim]
                .iter()
                .copied()
                .filter(|factor| matches!(factor.axis, Axis::Row | Axis::Column | Axis::Token))
                .collect();
            let mut of_positions = self.query.clone();
            of_positions.dims[dim] = positions;
            window * size(&of_positions.dims[dim]) + of_positions.place(dim, 0, position)
        })
    }

    /// With other dimensions before queries and keys.
    pub(super) fn reshaped(&self, sizes: &[usize]) -> Result<Self, Obstacle> {
        let rank = sizes.len();
        let [queries, keys] = self.pairs();
        if rank < 2 || sizes[rank - 2..] != [queries, keys] {
            return Err(format!("similarities of {:?} as {sizes:?}", self.sizes()));
        }
        let width = self.width();
        let with = |count: usize| [&sizes[..rank - 2], &[count, width]].concat();
        Ok(Self {
            query: self.query.reshaped(&with(queries))?,
            key: self.key.reshaped(&with(keys))?,
            ..self.clone()
        })
    }

    /// With a constant that multiplies them, or is added.
    pub(super) fn with(mut self, constant: &Constant, function: Binary) -> Result<Self, Obstacle> {
        if self.is_weights {
            return Err("weights of positions that are changed".to_owned());
        }
        if let Some(number) = constant.single() {
            match function {
                Binary::Mul | Binary::Div if self.bias.is_empty() && self.mask.is_empty() => {
                    self.factor *= if function == Binary::Mul { number } else { number.recip() };
                    return Ok(self);
                }
                // The same at every key.
                Binary::Add | Binary::Sub => return Ok(self),
                _ => {}
            }
        }
        let sizes = self.sizes();
        let rank = sizes.len();
        let missing = rank.checked_sub(constant.shape().len()).ok_or("a constant of too many axes")?;
        let shape = [vec![1; missing], constant.shape().to_vec()].concat();
        if shape.iter().zip(&sizes).any(|(len, size)| *len != 1 && len != size) {
            return Err(format!("a constant of {:?} and similarities of {sizes:?}", constant.shape()));
        }
        let values = constant.values()?;
        let (heads, windows) = (self.heads(), self.windows());
        // How far apart heads are: their queries, keys and values may lie beside one another.
        let apart =
            self.query.dims[self.batch()].iter().flatten().find(|factor| factor.axis == Axis::Channel);
        let apart = apart.map_or(1, |factor| factor.stride);
        let [queries, keys] = self.pairs();
        let varies = |axis: &dyn Fn(Axis) -> bool| {
            self.batch()
                .any(|dim| shape[dim] > 1 && self.query.dims[dim].iter().any(|factor| axis(factor.axis)))
        };
        let among_heads = varies(&|axis| axis == Axis::Channel);
        let among_windows = varies(&|axis| matches!(axis, Axis::Row | Axis::Column | Axis::Token));
        let among_pairs = shape[rank - 2..].iter().any(|len| *len > 1);
        let value = |head: usize, position: [usize; 3], query: usize, key: usize| {
            let at = (0..rank).fold(0, |at, dim| {
                let place = match dim {
                    _ if shape[dim] == 1 => 0,
                    dim if dim == rank - 2 => query,
                    dim if dim == rank - 1 => key,
                    dim => self.query.place(dim, head * apart, position),
                };
                at * shape[dim] + place
            });
            values[at]
        };
        let pairs = || (0..queries).flat_map(|query| (0..keys).map(move |key| (query, key)));
        match function {
            Binary::Mul
                if among_heads
                    && !among_windows
                    && !among_pairs
                    && self.bias.is_empty()
                    && self.mask.is_empty() =>
            {
                let factors: Vec<f64> = (0..heads).map(|head| value(head, [0; 3], 0, 0)).collect();
                self.by_head = match &self.by_head[..] {
                    [] => factors,
                    known => known.iter().zip(&factors).map(|(a, b)| a * b).collect(),
                };
            }
            Binary::Add if !among_windows => {
                let more: Vec<f64> = (0..heads)
                    .flat_map(|head| pairs().map(move |pair| (head, pair)))
                    .map(|(head, (query, key))| value(head, [0; 3], query, key))
                    .collect();
                self.bias = added(&self.bias, more);
            }
            Binary::Add if !among_heads => {
                let mut more = vec![0.0; windows * queries * keys];
                for position in self.query.positions() {
                    let window = self.window(position);
                    let query = self.query.place(rank - 2, 0, position);
                    for key in 0..keys {
                        more[(window * queries + query) * keys + key] = value(0, position, query, key);
                    }
                }
                self.mask = added(&self.mask, more);
            }
            other => {
                return Err(format!("{other:?} of similarities and a constant of {:?}", constant.shape()));
            }
        }
        Ok(self)
    }
}

fn added(known: &[f64], more: Vec<f64>) -> Vec<f64> {
    if known.is_empty() { more } else { known.iter().zip(more).map(|(a, b)| a + b).collect() }
}
