//! Functions of one value.

use neuron_kernels::Activation as Smooth;
use neuron_model::ops::{Activation, Add, Function, Pointwise, Relu, Softmax};
use neuron_model::{NodeId, Operation};

use super::map::{Axis, Factor};
use super::pools::wrapped;
use super::products::operand;
use super::rearrange::Grid;
use super::scores::Scores;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::SELU;
use crate::program::{Operand, Unary};

impl Translator<'_> {
    pub(super) fn unary(&mut self, inputs: &[Operand], function: Unary) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        if function == Unary::Selu {
            let (alpha, factor) = SELU;
            let inner =
                self.applied(&input, Pointwise { function: Function::Elu { alpha: alpha as f32 } }.into())?;
            return Ok(Value::Map(Map { scale: factor, ..inner }));
        }
        if function == Unary::Neg {
            return Ok(Value::Map(Map { scale: -input.scale, ..input }));
        }
        self.applied(&input, operation(function)?).map(Value::Map)
    }

    /// An operation on every element by itself, wherever it stands.
    pub(super) fn applied(&mut self, input: &Map, operation: Operation) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let input = self.with_lengths(input)?;
        let input = self.scaled(&input)?;
        let (node, shape) = self.push_as(&at, operation, &[input.node])?;
        Ok(Map { node, shape, ..input })
    }

    /// `max(x, 0) - slope * max(-x, 0)` (He et al., "Delving Deep into Rectifiers", ICCV 2015).
    pub(super) fn parametric_relu(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let at = self.at.clone();
        let map = self.map(inputs, 0)?;
        let map = self.arranged(&map)?;
        if map.channel_dim().is_some_and(|dim| dim != 1) {
            return Err("slopes along positions".to_owned());
        }
        let channels = map.shape.channels;
        let slopes = self.vector(operand(inputs, 1), channels, 0.0)?;
        let above = self.applied(&map, Relu.into())?;
        let below = self.applied(&Map { scale: -1.0, ..map }, Relu.into())?;
        let below =
            self.affine(&below, slopes.data.iter().map(|slope| -slope).collect(), vec![0.0; channels])?;
        let (node, shape) = self.push_as(&at, Add, &[above.node, below.node])?;
        Ok(Value::Map(Map { node, shape, ..above }))
    }

    pub(super) fn clamp(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let bound = |translator: &Self, index: usize| -> Result<Option<f64>, Obstacle> {
            let Some(bound) = translator.constant(operand(inputs, index))? else { return Ok(None) };
            bound.single().map(Some).ok_or_else(|| "bounds for every element".to_owned())
        };
        let (low, high) = (bound(self, 1)?, bound(self, 2)?);
        let (low, high) = (low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        match self.value(inputs, 0)? {
            // What keeps a divisor off 0.
            Value::Lengths(map) if low < 1e-4 && high == f64::INFINITY => Ok(Value::Lengths(map)),
            other => {
                let map = self.as_map(other)?;
                self.clamped(&map, low, high).map(Value::Map)
            }
        }
    }

    pub(super) fn clamped(&mut self, map: &Map, low: f64, high: f64) -> Result<Map, Obstacle> {
        let operation: Operation = match (low, high) {
            (0.0, f64::INFINITY) => Relu.into(),
            (0.0, 6.0) => Activation { function: Smooth::Relu6 }.into(),
            (low, high) => {
                Pointwise { function: Function::Clamp { low: low as f32, high: high as f32 } }.into()
            }
        };
        self.applied(map, operation)
    }

    pub(super) fn softmax(&mut self, inputs: &[Operand], axis: i64) -> Result<Value, Obstacle> {
        match self.value(inputs, 0)? {
            Value::Scores(scores) => {
                let rank = scores.sizes().len();
                let axis = wrapped(axis, rank)?;
                if axis != rank - 1 || scores.is_weights {
                    let scores = self.scores_as_map(&scores)?;
                    return self.softmax_along(&scores, axis).map(Value::Map);
                }
                Ok(Value::Scores(Box::new(Scores { is_weights: true, ..*scores })))
            }
            other => {
                let map = self.as_map(other)?;
                let axis = wrapped(axis, map.dims.len())?;
                self.softmax_along(&map, axis).map(Value::Map)
            }
        }
    }

    /// Places along a dimension as parts of a whole.
    pub(super) fn softmax_along(&mut self, map: &Map, dim: usize) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let before = map;
        let channels = map.shape.channels;
        let is_complete = map.covers(Axis::Channel) && map.has_all_positions() && !map.is_unit;
        let (apart, map) = match map.dims[dim][..] {
            [Factor { axis: Axis::Channel, size, stride }] if size * stride == channels && is_complete => {
                (stride, map.clone())
            }
            _ => (1, self.rearranged(map, &[dim], Grid::Kept)?),
        };
        let map = self.scaled(&map)?;
        let (node, shape) = self.push_as(&at, Softmax { apart }, &[map.node])?;
        self.with_units_of(before, Map { node, shape, ..map })
    }

    /// What an activation is applied to, if a node is one.
    pub(super) fn activation_of(&self, node: NodeId) -> Option<(Smooth, NodeId)> {
        match self.made.get(&node)? {
            (Operation::Activation(activation), inputs) => Some((activation.function, *inputs.first()?)),
            _ => None,
        }
    }
}

/// A function as an operation.
fn operation(function: Unary) -> Result<Operation, Obstacle> {
    let smooth = |function| Ok(Activation { function }.into());
    let other = |function| Ok(Pointwise { function }.into());
    match function {
        Unary::Relu => Ok(Relu.into()),
        Unary::Relu6 => smooth(Smooth::Relu6),
        Unary::Gelu => smooth(Smooth::Gelu),
        Unary::GeluTanh => smooth(Smooth::GeluTanh),
        Unary::Silu => smooth(Smooth::Silu),
        Unary::Sigmoid => smooth(Smooth::Sigmoid),
        Unary::HardSigmoid => smooth(Smooth::HardSigmoid),
        Unary::HardSwish => smooth(Smooth::HardSwish),
        Unary::Tanh => smooth(Smooth::Tanh),
        Unary::LeakyRelu { slope } => other(Function::LeakyRelu { slope: slope as f32 }),
        Unary::Elu { alpha } => other(Function::Elu { alpha: alpha as f32 }),
        Unary::Mish => other(Function::Mish),
        Unary::Softplus => other(Function::Softplus),
        Unary::Exp => other(Function::Exp),
        Unary::Log => other(Function::Log),
        Unary::Sqrt => other(Function::Sqrt),
        Unary::ReciprocalSqrt => other(Function::ReciprocalSqrt),
        Unary::Reciprocal => other(Function::Reciprocal),
        Unary::Square => other(Function::Square),
        Unary::Abs => other(Function::Abs),
        Unary::Erf => other(Function::Erf),
        Unary::Sin => other(Function::Sin),
        Unary::Cos => other(Function::Cos),
        function => Err(format!("{function:?} of a map")),
    }
}
