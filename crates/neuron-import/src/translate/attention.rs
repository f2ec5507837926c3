//! Attention, from the products that exporters write.

use neuron_model::ops::{
    Attention, BatchNorm, ChannelSlice, Concatenation, Convolution, CrossAttention, Linear, Places, Reach,
    Similarity,
};
use neuron_model::{ConvGeometry, NodeId, Operation, Shape};

use super::computed::of_rank;
use super::map::{Axis, Factor, product, size, whole};
use super::products::operand;
use super::scores::Scores;
use super::value::Value;
use super::weights::tensor;
use super::{Map, Obstacle, Translator};
use crate::constant::Kind;
use crate::program::{Binary, Operand};

/// What is added to a similarity to rule it out: torchvision and timm add -100, others more.
const FAR: f64 = -50.0;

impl Translator<'_> {
    /// `softmax(factor * q k^T + mask) v` as one operator.
    pub(super) fn scaled_attention(
        &mut self,
        inputs: &[Operand],
        factor: Option<f64>,
    ) -> Result<Value, Obstacle> {
        let [query, key, values] = [0, 1, 2].map(|index| self.map(inputs, index));
        let (query, key, values) = (query?, key?, values?);
        let width = query.dims.last().map_or(1, |dim| size(dim));
        let mask = operand(inputs, 3);
        if !matches!(mask, Operand::Nothing) && self.constant(mask).is_err() {
            return self.attention_of_maps([&query, &key, &values], factor, mask);
        }
        let mut scores = match self.similarity(query.clone(), key.clone()) {
            Ok(scores) => scores,
            Err(_) => return self.attention_of_maps([&query, &key, &values], factor, operand(inputs, 3)),
        };
        scores.factor *= factor.unwrap_or((width as f64).sqrt().recip());
        if let Some(mask) = self.constant(operand(inputs, 3))? {
            scores = match mask.kind {
                // What is false does not take part.
                Kind::Bool if mask.values()?.iter().all(|value| *value != 0.0) => scores,
                Kind::Bool => return Err("positions that are left out".to_owned()),
                _ => match scores.clone().with(&mask, Binary::Add) {
                    Ok(scores) => scores,
                    Err(_) => {
                        let [query, key] = [&scores.query, &scores.key];
                        let maps = [&query.clone(), &key.clone(), &values];
                        return self.attention_of_maps(maps, Some(scores.factor), operand(inputs, 3));
                    }
                },
            };
        }
        self.weighted(&Scores { is_weights: true, ..scores }, &values).map(Value::Map)
    }

    /// Attention of which no operation is known, product by product.
    fn attention_of_maps(
        &mut self,
        [query, key, values]: [&Map; 3],
        factor: Option<f64>,
        mask: Operand,
    ) -> Result<Value, Obstacle> {
        let width = query.dims.last().map_or(1, |dim| size(dim));
        let mut scores = self.matrix_product(query, key)?;
        scores.scale *= factor.unwrap_or((width as f64).sqrt().recip());
        if !matches!(mask, Operand::Nothing) {
            scores = match self.constant(mask) {
                Ok(Some(mask)) if mask.kind == Kind::Bool => {
                    return Err("positions that are left out".to_owned());
                }
                Ok(Some(mask)) => self.map_and_tensor(&scores, &mask, Binary::Add)?,
                Ok(None) => scores,
                Err(_) => {
                    let mask = self.map(&[mask], 0)?;
                    self.maps(&scores, &mask, Binary::Add)?
                }
            };
        }
        let rank = scores.dims.len();
        let weights = self.softmax_along(&scores, rank - 1)?;
        self.matrix_product(&weights, &of_rank(values, rank).turned()?).map(Value::Map)
    }

    /// The sums of values, by weights or by what similarities are: `[.., queries, width]`.
    pub(super) fn weighted(&mut self, scores: &Scores, values: &Map) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        if let Ok(mixed) = self.attention(scores, values) {
            return Ok(mixed);
        }
        self.at = at;
        let weights = self.scores_as_map(scores)?;
        self.matrix_product(&weights, &values.turned()?)
    }

    /// The means of values, by weights.
    fn attention(&mut self, scores: &Scores, values: &Map) -> Result<Map, Obstacle> {
        let Scores { query, key, .. } = scores;
        if !scores.is_weights {
            return Err("similarities that no softmax makes weights of".to_owned());
        }
        // Not the module's own name: what it has to give is called as the tensors of modules in it may be.
        let at = format!("{}.attention", self.at);
        let is_alike = |other: &Map| {
            other.dims == query.dims
                && other.rolled == query.rolled
                && other.first[1..] == query.first[1..]
                && [other.shape.height, other.shape.width, other.shape.extra]
                    == [query.shape.height, query.shape.width, query.shape.extra]
        };
        if !is_alike(key) || !is_alike(values) || !query.has_all_positions() {
            return self.cross_attention(scores, values);
        }
        let outer =
            query.dims[..query.dims.len() - 2].iter().flatten().find(|factor| factor.axis == Axis::Channel);
        let (heads, width) = (scores.heads(), scores.width());
        let channels = heads * width;
        if values.is_unit {
            return Err("values that are divided by their lengths".to_owned());
        }
        let reach = self.reach(scores)?;
        let joint = match outer {
            Some(outer) if outer.stride != width => {
                self.joint_of_heads_apart([query, key, values], (heads, width, outer.stride))?
            }
            _ => self.joint([query, key, values], channels)?,
        };
        let mut tensors = Vec::new();
        let similarity = if query.is_unit {
            let factors = if scores.by_head.is_empty() { vec![1.0; heads] } else { scores.by_head.clone() };
            let logits = factors.iter().map(|factor| (factor * scores.factor).ln() as f32);
            tensors.push(("logit_scale", tensor(&[heads, 1, 1], logits.collect::<Vec<_>>())));
            tensors.push(("qkv.bias", tensor(&[3 * channels], vec![0.0; 3 * channels])));
            Similarity::Cosine
        } else if scores.by_head.is_empty() {
            Similarity::Dot { factor: scores.factor as f32 }
        } else {
            return Err("a factor of each head".to_owned());
        };
        let places = if scores.bias.iter().all(|value| *value == 0.0) {
            Places::Nothing
        } else {
            let [queries, keys] = scores.pairs();
            let bias: Vec<f32> = scores.bias.iter().map(|value| *value as f32).collect();
            tensors.push(("bias", tensor(&[heads, queries, keys], bias)));
            let grid = match reach {
                Reach::All => [query.shape.height, query.shape.width],
                Reach::Windows { side, .. } | Reach::Spread { side } => [side; 2],
            };
            Places::Matrix { extra: query.shape.extra, grid }
        };
        let attention = Attention { channels, heads, reach, similarity, places };
        let (node, shape) = self.push_as(&at, attention, &[joint])?;
        self.give(tensors);
        let mut mixed = Map { node, shape, scale: values.scale, is_unit: false, ..query.clone() };
        mixed.first[0] = 0;
        for factor in mixed.dims[..query.dims.len() - 2].iter_mut().flatten() {
            if factor.axis == Axis::Channel {
                factor.stride = width;
            }
        }
        Ok(mixed)
    }

    /// Attention to the positions of another map, or by heads of other widths.
    fn cross_attention(&mut self, scores: &Scores, values: &Map) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let Scores { query, key, .. } = scores;
        let rank = query.dims.len();
        let is_plain =
            scores.mask.is_empty() && scores.by_head.is_empty() && !query.is_unit && !values.is_unit;
        if !is_plain || values.dims.len() != rank {
            return Err("queries of other positions than keys and values".to_owned());
        }
        let heads_of = |map: &Map| {
            let factors = map.dims[..rank - 2].iter().flatten();
            product(factors.filter(|factor| factor.axis == Axis::Channel).map(|factor| factor.size))
        };
        let width_of = |map: &Map| map.dims.last().map_or(1, |dim| size(dim));
        let (heads, key_heads) = (heads_of(query), heads_of(key));
        let (width, value_width) = (width_of(query), width_of(values));
        if heads_of(values) != key_heads || values.dims[rank - 2] != key.dims[rank - 2] {
            return Err("values of other positions than keys".to_owned());
        }
        let mut nodes = Vec::new();
        for (map, of, wide) in
            [(query, heads, width), (key, key_heads, width), (values, key_heads, value_width)]
        {
            nodes.push(self.heads_in_order(map, of, wide)?);
        }
        let pairs = scores.pairs();
        let has_bias = scores.bias.iter().any(|value| *value != 0.0);
        let attention = CrossAttention {
            heads,
            key_heads,
            width,
            value_width,
            factor: scores.factor as f32,
            places: has_bias.then_some(pairs),
        };
        let (node, shape) = self.push_as(&at, attention, &nodes)?;
        if has_bias {
            let bias: Vec<f32> = scores.bias.iter().map(|value| *value as f32).collect();
            self.give([("bias", tensor(&[heads, pairs[0], pairs[1]], bias))]);
        }
        let mut mixed = Map { node, shape, scale: values.scale, is_unit: false, ..query.clone() };
        mixed.first[0] = 0;
        for factor in mixed.dims[..rank - 2].iter_mut().flatten() {
            if factor.axis == Axis::Channel {
                factor.stride = value_width;
            }
        }
        mixed.dims[rank - 1] = whole(Axis::Channel, value_width);
        Ok(mixed)
    }

    /// A map's heads as all channels of a node, for attention among all positions.
    fn heads_in_order(&mut self, map: &Map, heads: usize, width: usize) -> Result<NodeId, Obstacle> {
        let rank = map.dims.len();
        let Shape { height, width: columns, extra, .. } = map.shape;
        let all = if extra > 0 {
            whole(Axis::Token, extra + height * columns)
        } else {
            [whole(Axis::Row, height), whole(Axis::Column, columns)].concat()
        };
        if map.dims[rank - 2] != all || map.rolled != [0; 2] || map.first[1..] != [0; 3] {
            return Err("attention to a part of the positions of another map".to_owned());
        }
        let channels = heads * width;
        let apart = map.dims[..rank - 2].iter().flatten().find(|factor| factor.axis == Axis::Channel);
        let (apart, first) = (apart.map_or(width, |factor| factor.stride), map.first(Axis::Channel));
        if apart != width {
            let order: Vec<usize> =
                (0..heads).flat_map(|head| (0..width).map(move |at| first + head * apart + at)).collect();
            return self.reordered(map.node, &order);
        }
        if first == 0 && map.shape.channels == channels {
            return Ok(map.node);
        }
        Ok(self.push(ChannelSlice { first, count: channels }, &[map.node])?.0)
    }

    /// Who attends to whom.
    fn reach(&self, scores: &Scores) -> Result<Reach, Obstacle> {
        let map = &scores.query;
        let tokens = &map.dims[map.dims.len() - 2];
        let [height, width] = [map.shape.height, map.shape.width];
        let all = if map.shape.extra > 0 {
            whole(Axis::Token, map.length(Axis::Token))
        } else {
            [whole(Axis::Row, height), whole(Axis::Column, width)].concat()
        };
        if *tokens == all {
            return if map.rolled == [0; 2] && scores.mask.is_empty() {
                Ok(Reach::All)
            } else {
                Err("a mask of single positions".to_owned())
            };
        }
        let &[
            Factor { axis: Axis::Row, size: rows, stride: down },
            Factor { axis: Axis::Column, size: columns, stride: right },
        ] = &tokens[..]
        else {
            return Err("attention among other positions than all, or a window".to_owned());
        };
        let side = rows;
        if rows != columns || height % side != 0 || width % side != 0 {
            return Err(format!("attention in windows of {rows} x {columns}"));
        }
        match [down, right] {
            [1, 1] if map.rolled[0] == map.rolled[1] => {
                let shift = map.rolled[0];
                if shift >= side {
                    return Err("windows that are moved farther than they are wide".to_owned());
                }
                let reach = Reach::Windows { side, shift, padded: false };
                if masks(scores, side, shift) {
                    Ok(reach)
                } else {
                    Err("a mask that is not that of shifted windows".to_owned())
                }
            }
            [down, right]
                if [down * side, right * side] == [height, width]
                    && scores.mask.is_empty()
                    && map.rolled == [0; 2] =>
            {
                Ok(Reach::Spread { side })
            }
            _ => Err("attention among positions that are neither a window nor spread evenly".to_owned()),
        }
    }

    /// As [`Translator::joint`], where the channels of one head's queries, keys and values lie beside one another: the layer
    /// that makes them is put in order.
    fn joint_of_heads_apart(
        &mut self,
        parts: [&Map; 3],
        (heads, width, stride): (usize, usize, usize),
    ) -> Result<NodeId, Obstacle> {
        let node = parts[0].node;
        if parts.iter().any(|map| map.node != node) {
            return Err("heads of several layers that lie apart".to_owned());
        }
        let firsts = parts.map(|map| map.first(Axis::Channel));
        let order: Vec<usize> = firsts
            .into_iter()
            .flat_map(|first| {
                (0..heads).flat_map(move |head| (0..width).map(move |at| first + head * stride + at))
            })
            .collect();
        self.reordered(node, &order)
    }

    /// A layer with its output channels in another order.
    fn reordered(&mut self, node: NodeId, order: &[usize]) -> Result<NodeId, Obstacle> {
        let (operation, inputs) = self.made.get(&node).cloned().ok_or("heads that lie apart")?;
        let name = self.node_names.get(&node).cloned().unwrap_or_default();
        let operation: Operation = match operation {
            Operation::Linear(layer) => Linear { out_features: order.len(), ..layer }.into(),
            Operation::Convolution(layer) if layer.geometry.groups == 1 => {
                let geometry = ConvGeometry { out_channels: order.len(), ..layer.geometry };
                Convolution { geometry, ..layer }.into()
            }
            Operation::BatchNorm(norm) => BatchNorm { channels: order.len(), ..norm }.into(),
            _ => return Err("heads that lie apart".to_owned()),
        };
        // A norm's channels are those of the layer below.
        let inputs = match operation {
            Operation::BatchNorm(_) => vec![self.reordered(inputs[0], order)?],
            _ => inputs,
        };
        let mut tensors = Vec::new();
        for suffix in ["weight", "bias", "running_mean", "running_var"] {
            let Some(known) = self.tensors.get(&format!("{name}.{suffix}")) else { continue };
            let row = known.data.len() / known.shape[0].max(1);
            let data: Vec<f32> =
                order.iter().flat_map(|channel| known.data[channel * row..][..row].iter().copied()).collect();
            let shape = [&[order.len()], &known.shape[1..]].concat();
            tensors.push((suffix, tensor(&shape, data)));
        }
        let (node, _) = self.push_as(&name, operation, &inputs)?;
        self.give(tensors);
        Ok(node)
    }

    /// Queries, keys and values as the channels of one node.
    fn joint(&mut self, parts: [&Map; 3], channels: usize) -> Result<NodeId, Obstacle> {
        let [query, key, values] = parts;
        let firsts = parts.map(|map| map.first(Axis::Channel));
        let is_joint = query.node == key.node && key.node == values.node;
        if is_joint && firsts == [0, channels, 2 * channels] && query.shape.channels == 3 * channels {
            return Ok(query.node);
        }
        let mut nodes = Vec::new();
        for (map, first) in parts.into_iter().zip(firsts) {
            let part = if first == 0 && map.shape.channels == channels {
                map.node
            } else {
                self.push(ChannelSlice { first, count: channels }, &[map.node])?.0
            };
            nodes.push(part);
        }
        Ok(self.push(Concatenation { inputs: nodes.len() }, &nodes)?.0)
    }
}

/// Whether what is added among windows keeps apart what only the edge of a shifted map brings together, and nothing else.
fn masks(scores: &Scores, side: usize, shift: usize) -> bool {
    let map = &scores.query;
    if scores.mask.is_empty() || shift == 0 {
        return scores.mask.iter().all(|value| *value == 0.0) && shift == 0;
    }
    let sizes = [map.shape.height, map.shape.width];
    // An axis that one window covers is not moved.
    if sizes.iter().any(|size| *size <= side) {
        return false;
    }
    let [queries, keys] = scores.pairs();
    let region = |at: usize, size: usize| match at {
        at if at < size - side => 0,
        at if at < size - shift => 1,
        _ => 2,
    };
    let rank = map.dims.len();
    let mut regions = vec![0; scores.windows() * queries];
    for position in map.positions() {
        // As it is moved.
        let moved = [0, 1].map(|axis| (position[axis] + sizes[axis] - shift) % sizes[axis]);
        let of = 3 * region(moved[0], sizes[0]) + region(moved[1], sizes[1]);
        regions[scores.window(position) * queries + map.place(rank - 2, 0, position)] = of;
    }
    scores.mask.iter().enumerate().all(|(at, value)| {
        let (window, query, key) = (at / (queries * keys), at / keys % queries, at % keys);
        let is_same = regions[window * queries + query] == regions[window * queries + key];
        if is_same { *value == 0.0 } else { *value <= FAR }
    })
}
