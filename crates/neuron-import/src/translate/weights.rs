//! Tensors for the nodes of the graph.

use std::sync::Arc;

use neuron_model::weights::WeightTensor;

use super::{Obstacle, Translator};
use crate::constant::{Constant, Kind};
use crate::program::{Operand, ValueId};

impl Translator<'_> {
    /// A parameter of the file as a constant to compute with.
    pub(super) fn stored(&self, id: ValueId) -> Result<Constant, Obstacle> {
        let parameter = &self.program.parameters[&id];
        let kind = match parameter.element {
            element if element.is_float() => Kind::Float,
            crate::program::Element::Bool => Kind::Bool,
            _ => Kind::Int,
        };
        let values = parameter.read(|value| value).map_err(|error| error.to_string())?;
        Constant::new(values, &parameter.shape, kind)
    }

    /// A tensor as weights; `None` if it is not there. Tied ones share their elements.
    pub(super) fn weight(&mut self, operand: Operand) -> Result<Option<WeightTensor>, Obstacle> {
        if let Operand::Value(id) = operand
            && let super::Value::Parameter(stored) = self.values[id.0]
        {
            if let Some(tensor) = self.floats.get(&stored) {
                return Ok(Some(tensor.clone()));
            }
            let parameter = &self.program.parameters[&stored];
            let data = parameter.read(|value| value as f32).map_err(|error| error.to_string())?;
            let tensor = WeightTensor::new(parameter.shape.clone(), data);
            self.floats.insert(stored, tensor.clone());
            return Ok(Some(tensor));
        }
        let Some(constant) = self.constant(operand)? else { return Ok(None) };
        Ok(Some(WeightTensor::new(constant.shape(), constant.floats()?)))
    }

    /// A vector of so many weights, or of one value if it is not there.
    pub(super) fn vector(
        &mut self,
        operand: Operand,
        len: usize,
        default: f32,
    ) -> Result<WeightTensor, Obstacle> {
        let Some(tensor) = self.weight(operand)? else {
            return Ok(WeightTensor::new([len], vec![default; len]));
        };
        match tensor.data.len() {
            found if found == len => Ok(WeightTensor { shape: vec![len], data: tensor.data }),
            1 => Ok(WeightTensor::new([len], vec![tensor.data[0]; len])),
            found => Err(format!("{found} weights for {len} channels")),
        }
    }

    /// Gives tensors to the node that was added last.
    pub(super) fn give<'t>(&mut self, tensors: impl IntoIterator<Item = (&'t str, WeightTensor)>) {
        let node = self.at.clone();
        for (suffix, tensor) in tensors {
            self.tensors.insert(format!("{node}.{suffix}"), tensor);
        }
    }
}

/// A tensor of these elements.
pub(super) fn tensor(shape: &[usize], data: impl Into<Arc<[f32]>>) -> WeightTensor {
    WeightTensor::new(shape, data)
}
