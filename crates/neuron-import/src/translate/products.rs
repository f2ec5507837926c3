//! Fully connected layers and products of matrices.

use neuron_model::Shape;
use neuron_model::ops::{Exchange, Linear, Stored};
use neuron_model::weights::WeightTensor;

use super::map::{Axis, size, whole};
use super::rearrange::Grid;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::program::Operand;

impl Translator<'_> {
    pub(super) fn linear(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
        let bias = self.weight(operand(inputs, 2))?;
        let input = self.map(inputs, 0)?;
        self.fully_connected(&input, weight, bias).map(Value::Map)
    }

    /// A fully connected layer along the last dimension.
    pub(super) fn fully_connected(
        &mut self,
        input: &Map,
        weight: WeightTensor,
        bias: Option<WeightTensor>,
    ) -> Result<Map, Obstacle> {
        let &[out_features, in_features] = &weight.shape[..] else {
            return Err("weights of another rank".to_owned());
        };
        let at = self.at.clone();
        let last = input.dims.len().checked_sub(1).ok_or("a map without dimensions")?;
        let tokens = self.in_tokens(input)?;
        let input = tokens.as_ref().unwrap_or(input);
        let whole = self.arranged(input)?;
        let whole = if whole.channel_dim() == Some(last) { whole } else { self.exchanged(&whole)? };
        let fits =
            |map: &Map| in_features == map.shape.channels && map.channel_dim().is_none_or(|dim| dim == last);
        let input = if fits(&whole) {
            whole
        } else {
            let ordered = self.rearranged(input, &[last], Grid::Kept)?;
            self.scaled(&ordered)?
        };
        if !fits(&input) {
            return Err(format!("a layer of {in_features} inputs along {} places", size(&input.dims[last])));
        }
        let stored = if bias.is_some() { Stored::WithBias } else { Stored::WithoutBias };
        let (node, shape) = self.push_as(&at, Linear { in_features, out_features, stored }, &[input.node])?;
        self.give(
            [("weight", Some(weight)), ("bias", bias)]
                .into_iter()
                .filter_map(|(name, tensor)| Some((name, tensor?))),
        );
        Ok(input.moved_to(node, shape))
    }

    /// Positions as channels, where all of them are the last dimension.
    fn exchanged(&mut self, input: &Map) -> Result<Map, Obstacle> {
        let Shape { channels, height, width, extra } = input.shape;
        let positions = [whole(Axis::Row, height), whole(Axis::Column, width)].concat();
        let is_along = extra == 0
            && height * width > 1
            && input.dims.last() == Some(&positions)
            && input.rolled == [0; 2];
        let Some(dim) = input.channel_dim().filter(|_| is_along) else { return Ok(input.clone()) };
        let exchange = Exchange { from: [height, width], to: [channels, 1] };
        let (node, shape) = self.push(exchange, &[input.node])?;
        let mut dims = input.dims.clone();
        dims[dim] = whole(Axis::Row, channels);
        dims.pop();
        dims.push(whole(Axis::Channel, shape.channels));
        Ok(Map { exchanged: Some([height, width]), ..Map::of(node, shape, dims) })
    }

    /// Positions in their places again, once they come before the channels.
    pub(super) fn exchanged_back(&mut self, map: Map) -> Result<Map, Obstacle> {
        let Shape { channels, height, width, .. } = map.shape;
        let Some(grid) = map.exchanged.filter(|grid| grid[0] * grid[1] == channels) else { return Ok(map) };
        let last = map.dims.len().saturating_sub(1);
        let is_back =
            map.dims.last() == Some(&whole(Axis::Row, height)) && width == 1 && map.has_all_channels();
        let Some(dim) = map.channel_dim().filter(|dim| is_back && *dim != last) else { return Ok(map) };
        let map = self.scaled(&map)?;
        let (node, shape) = self.push(Exchange { from: [height, 1], to: grid }, &[map.node])?;
        let mut dims = map.dims.clone();
        dims[dim] = [whole(Axis::Row, grid[0]), whole(Axis::Column, grid[1])].concat();
        dims[last] = whole(Axis::Channel, shape.channels);
        Ok(Map::of(node, shape, dims))
    }

    pub(super) fn matmul(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        match (self.value(inputs, 0)?, self.value(inputs, 1)?) {
            (Value::Map(input), Value::Constant(_) | Value::Parameter(_)) => {
                let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
                match transposed(&weight) {
                    Ok(weight) => self.fully_connected(&input, weight, None).map(Value::Map),
                    Err(_) => {
                        let constant = self.constant(inputs[1])?.ok_or("a product without a factor")?;
                        let table = self.table(&input, &constant)?;
                        self.matrix_product(&input, &table.turned()?).map(Value::Map)
                    }
                }
            }
            (Value::Map(a), Value::Map(b)) => {
                let turned = b.turned()?;
                match self.similarity(a.clone(), turned.clone()) {
                    Ok(scores) => Ok(Value::scores(scores)),
                    Err(_) => self.matrix_product(&a, &turned).map(Value::Map),
                }
            }
            (Value::Scores(scores), Value::Map(values)) => self.weighted(&scores, &values).map(Value::Map),
            (Value::Constant(_) | Value::Parameter(_), b) => {
                // As `(b' a')'`.
                let b = self.as_map(b)?;
                let a = self.weight(operand(inputs, 0))?.ok_or("a product without a factor")?;
                let [.., rows, inner] = a.shape[..] else { return Err("a vector times a map".to_owned()) };
                if a.data.len() != rows * inner {
                    return Err("several matrices times a map".to_owned());
                }
                let a = WeightTensor { shape: vec![rows, inner], data: a.data };
                self.fully_connected(&b.turned()?, a, None)?.turned().map(Value::Map)
            }
            (a, b) => {
                let (a, b) = (self.as_map(a)?, self.as_map(b)?);
                self.matrix_product(&a, &b.turned()?).map(Value::Map)
            }
        }
    }

    /// `alpha * a b + beta * c`
    pub(super) fn gemm(
        &mut self,
        inputs: &[Operand],
        (alpha, beta): (f64, f64),
        [of_a, of_b]: [bool; 2],
    ) -> Result<Value, Obstacle> {
        let weight = self.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
        let weight = if of_b { weight } else { transposed(&weight)? };
        let times = |tensor: WeightTensor, by: f64| {
            if by == 1.0 {
                return tensor;
            }
            let data: Vec<f32> = tensor.data.iter().map(|value| (f64::from(*value) * by) as f32).collect();
            WeightTensor::new(tensor.shape, data)
        };
        let out = weight.shape.first().copied().unwrap_or(0);
        let bias = match operand(inputs, 2) {
            Operand::Nothing => None,
            bias => Some(times(self.vector(bias, out, 0.0)?, beta)),
        };
        let mut input = self.map(inputs, 0)?;
        if of_a {
            input = input.permuted(&[1, 0]);
        }
        self.fully_connected(&input, times(weight, alpha), bias).map(Value::Map)
    }
}

/// The operand at a place, which may not be there.
pub(super) fn operand(inputs: &[Operand], index: usize) -> Operand {
    inputs.get(index).copied().unwrap_or(Operand::Nothing)
}

/// Two numbers, of which a single one is both.
pub(super) fn pair(list: &[usize]) -> Result<[usize; 2], Obstacle> {
    match *list {
        [both] => Ok([both; 2]),
        [down, right] => Ok([down, right]),
        _ => Err(format!("windows over {} axes", list.len())),
    }
}

/// A matrix with rows for columns.
pub(super) fn transposed(matrix: &WeightTensor) -> Result<WeightTensor, Obstacle> {
    let &[rows, columns] = &matrix.shape[..] else { return Err("weights of another rank".to_owned()) };
    let data: Vec<f32> = (0..columns)
        .flat_map(|column| (0..rows).map(move |row| matrix.data[row * columns + column]))
        .collect();
    Ok(WeightTensor::new([columns, rows], data))
}
