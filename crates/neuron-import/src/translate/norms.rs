//! Normalisations.

use neuron_model::ops::{BatchNorm, GroupNorm, LayerNorm, RmsNorm};
use neuron_model::weights::WeightTensor;

use super::map::{Factor, Map, size, whole};
use super::products::operand;
use super::rearrange::Grid;
use super::value::Value;
use super::weights::tensor;
use super::{Axis, Obstacle, Translator};
use crate::program::{Binary, Operand};

impl Translator<'_> {
    pub(super) fn batch_norm(&mut self, inputs: &[Operand], eps: f64) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let at = self.at.clone();
        let input = self.with_channels_at(&input, 1)?;
        let channels = input.shape.channels;
        let tensors = [
            ("weight", self.vector(operand(inputs, 1), channels, 1.0)?),
            ("bias", self.vector(operand(inputs, 2), channels, 0.0)?),
            ("running_mean", self.vector(operand(inputs, 3), channels, 0.0)?),
            ("running_var", self.vector(operand(inputs, 4), channels, 1.0)?),
        ];
        let (node, shape) = self.push_as(&at, BatchNorm { channels, eps }, &[input.node])?;
        self.give(tensors);
        Ok(Value::Map(input.moved_to(node, shape)))
    }

    pub(super) fn layer_norm(
        &mut self,
        inputs: &[Operand],
        (axes, eps): (usize, f64),
    ) -> Result<Value, Obstacle> {
        let before = self.map(inputs, 0)?;
        let at = self.at.clone();
        let input = self.over_channels(&before, axes)?;
        let channels = input.shape.channels;
        let tensors = [
            ("weight", self.vector(operand(inputs, 1), channels, 1.0)?),
            ("bias", self.vector(operand(inputs, 2), channels, 0.0)?),
        ];
        let (node, shape) = self.push_as(&at, LayerNorm { channels, eps }, &[input.node])?;
        self.give(tensors);
        self.with_units_of(&before, Map { node, shape, ..input }).map(Value::Map)
    }

    pub(super) fn rms_norm(
        &mut self,
        inputs: &[Operand],
        (axes, eps): (usize, f64),
    ) -> Result<Value, Obstacle> {
        let before = self.map(inputs, 0)?;
        let at = self.at.clone();
        let input = self.over_channels(&before, axes)?;
        let channels = input.shape.channels;
        let weight = self.vector(operand(inputs, 1), channels, 1.0)?;
        let (node, shape) = self.push_as(&at, RmsNorm { channels, eps }, &[input.node])?;
        self.give([("weight", weight)]);
        self.with_units_of(&before, Map { node, shape, ..input }).map(Value::Map)
    }

    pub(super) fn instance_norm(&mut self, inputs: &[Operand], eps: f64) -> Result<Value, Obstacle> {
        let channels = self.map(inputs, 0)?.shape.channels;
        self.group_norm(inputs, (channels, eps))
    }

    /// As exporters spell an instance norm out: a norm of the channels of all items, which are one axis.
    pub(super) fn standardise(&mut self, inputs: &[Operand], eps: f64) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let channels = input.shape.channels;
        let of_items = [whole(Axis::Item, self.items), whole(Axis::Channel, channels)].concat();
        let is_complete = input.covers(Axis::Channel) && input.has_all_positions() && input.scale == 1.0;
        // With statistics to be updated, it is a batch norm also where the batch is one image.
        let is_updated = !matches!(operand(inputs, 3), Operand::Nothing);
        if input.dims.get(1) != Some(&of_items) || !is_complete || is_updated {
            let why = "a batch norm in training, whose values differ among batches: call model.eval() before exporting";
            return Err(why.to_owned());
        }
        let mut first = |operand: Operand, default: f32| -> Result<WeightTensor, Obstacle> {
            // The same for every item.
            let Some(all) = self.weight(operand)? else {
                return Ok(tensor(&[channels], vec![default; channels]));
            };
            match all.data.get(..channels) {
                Some(first) => Ok(tensor(&[channels], first)),
                None => Err("fewer weights than channels".to_owned()),
            }
        };
        let tensors =
            [("weight", first(operand(inputs, 1), 1.0)?), ("bias", first(operand(inputs, 2), 0.0)?)];
        let (node, shape) = self.push(GroupNorm { channels, groups: channels, eps }, &[input.node])?;
        self.give(tensors);
        Ok(Value::Map(Map { node, shape, ..input }))
    }

    pub(super) fn group_norm(
        &mut self,
        inputs: &[Operand],
        (groups, eps): (usize, f64),
    ) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let at = self.at.clone();
        if let Some(grouped) = self.spelled_out(&input, inputs, (groups, eps))? {
            return Ok(Value::Map(grouped));
        }
        let dim_of_channels = input.dims.get(1).map_or(1, |dim| size(dim));
        let has_them_elsewhere = input
            .dims
            .iter()
            .enumerate()
            .any(|(dim, factors)| dim != 1 && factors.iter().any(|factor| factor.axis == Axis::Channel));
        if has_them_elsewhere && dim_of_channels == groups {
            return self.norm_of_rows(&input, inputs, eps).map(Value::Map);
        }
        let input = self.with_channels_at(&input, 1)?;
        let channels = input.shape.channels;
        let tensors = [
            ("weight", self.vector(operand(inputs, 1), channels, 1.0)?),
            ("bias", self.vector(operand(inputs, 2), channels, 0.0)?),
        ];
        let (node, shape) = self.push_as(&at, GroupNorm { channels, groups, eps }, &[input.node])?;
        self.give(tensors);
        Ok(Value::Map(input.moved_to(node, shape)))
    }

    /// An instance norm over whatever stands behind the second dimension.
    fn norm_of_rows(&mut self, input: &Map, inputs: &[Operand], eps: f64) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let over: Vec<usize> = (2..input.dims.len()).collect();
        let rows = self.rearranged(input, &over, Grid::Kept)?;
        let rows = self.scaled(&rows)?;
        let channels = rows.shape.channels;
        let (node, shape) = self.push_as(&at, LayerNorm { channels, eps }, &[rows.node])?;
        self.give([
            ("weight", tensor(&[channels], vec![1.0; channels])),
            ("bias", tensor(&[channels], vec![0.0; channels])),
        ]);
        let mut normed = Map { node, shape, ..rows };
        let mut places = vec![1; input.dims.len()];
        places[1] = size(&input.dims[1]);
        for (index, function) in [(1, Binary::Mul), (2, Binary::Add)] {
            if let Some(by) = self.constant(operand(inputs, index))? {
                let is_nothing = by.single() == Some(if function == Binary::Mul { 1.0 } else { 0.0 });
                if !is_nothing {
                    normed = self.map_and_tensor(&normed, &by.reshaped(&places)?, function)?;
                }
            }
        }
        self.with_units_of(input, normed)
    }

    /// A group norm as an instance norm of groups, `[items, groups, everything in one]`, by whose weights groups are multiplied.
    fn spelled_out(
        &mut self,
        input: &Map,
        inputs: &[Operand],
        (groups, eps): (usize, f64),
    ) -> Result<Option<Map>, Obstacle> {
        let channels = input.shape.channels;
        let is_complete = input.covers(Axis::Channel) && input.has_all_positions() && input.scale == 1.0;
        let wide = channels / groups.max(1);
        let expected =
            whole(Axis::Channel, groups).into_iter().map(|factor| Factor { stride: wide, ..factor });
        let is_grouped =
            input.dims.len() == 3 && groups < channels && input.dims[1].iter().copied().eq(expected);
        if !is_grouped || !is_complete || wide * groups != channels {
            return Ok(None);
        }
        let of_groups = |tensor: WeightTensor| -> Vec<f32> {
            tensor.data.iter().flat_map(|value| std::iter::repeat_n(*value, wide)).collect()
        };
        let weight = of_groups(self.vector(operand(inputs, 1), groups, 1.0)?);
        let bias = of_groups(self.vector(operand(inputs, 2), groups, 0.0)?);
        let (node, shape) = self.push(GroupNorm { channels, groups, eps }, &[input.node])?;
        self.give([("weight", tensor(&[channels], weight)), ("bias", tensor(&[channels], bias))]);
        Ok(Some(Map { node, shape, ..input.clone() }))
    }

    /// A map whose last dimension is its channels.
    fn over_channels(&mut self, input: &Map, axes: usize) -> Result<Map, Obstacle> {
        let whole_map = self.arranged(input)?;
        let channels = whole(Axis::Channel, whole_map.shape.channels);
        if axes == 1 && whole_map.dims.last() == Some(&channels) {
            return Ok(whole_map);
        }
        let rank = input.dims.len();
        let first = rank.checked_sub(axes).ok_or("a norm over more axes than there are")?;
        let over: Vec<usize> = (first..rank).collect();
        let ordered = self.rearranged(input, &over, Grid::Kept)?;
        self.scaled(&ordered)
    }

    /// A map whose channels are that dimension.
    fn with_channels_at(&mut self, input: &Map, dim: usize) -> Result<Map, Obstacle> {
        let whole_map = self.arranged(input)?;
        let found = whole_map.channel_dim();
        if found == Some(dim) || found.is_none() && whole_map.shape.channels == 1 {
            return Ok(whole_map);
        }
        let ordered = self.rearranged(input, &[dim], Grid::Kept)?;
        self.scaled(&ordered)
    }
}
