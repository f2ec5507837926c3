//! For every element one of two values.

use neuron_model::ops::Choice;

use super::combine::is_complete;
use super::computed::broadcast;
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::{Constant, Kind};
use crate::program::{Binary, Operand};

impl Translator<'_> {
    /// `condition, x, y`
    pub(super) fn chosen(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        if let Value::Map(which) = self.value(inputs, 0)? {
            return self.chosen_by(&which, inputs).map(Value::Map);
        }
        let condition = self.constant(inputs[0])?.ok_or("a condition that is not there")?;
        let values = condition.values()?;
        match values.first() {
            Some(first) if values.iter().all(|is| (*is != 0.0) == (*first != 0.0)) => {
                self.value(inputs, if *first != 0.0 { 1 } else { 2 })
            }
            _ => self.chosen_by_table(&condition, &inputs[1..]).map(Value::Map),
        }
    }

    /// For every element one of two values, as a constant says: each of them where it counts and 0 elsewhere, and their sum.
    fn chosen_by_table(&mut self, condition: &Constant, branches: &[Operand]) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let mut sum: Option<Map> = None;
        let mut table: Option<Constant> = None;
        for (index, wanted) in [(0, true), (1, false)] {
            let counts = |is: f64| (is != 0.0) == wanted;
            match self.value(branches, index)? {
                Value::Constant(_) | Value::Parameter(_) => {
                    let branch = self.constant(branches[index])?.ok_or("a choice that is not there")?;
                    let shape = broadcast(condition.shape(), branch.shape())?;
                    let values = branch.expanded(&shape)?.values()?;
                    let which = condition.expanded(&shape)?.values()?;
                    let values = values.into_iter().zip(which);
                    // Not a product: what does not count may be infinite.
                    let values = values.map(|(value, is)| if counts(is) { value } else { 0.0 }).collect();
                    table = Some(Constant::new(values, &shape, Kind::Float)?);
                }
                branch => {
                    let branch = self.as_map(branch)?;
                    let values = condition.values()?.into_iter().map(|is| f64::from(u8::from(counts(is))));
                    let mask = Constant::new(values.collect(), condition.shape(), Kind::Float)?;
                    self.at.clone_from(&at);
                    let part = self.map_and_tensor(&branch, &mask, Binary::Mul)?;
                    sum = Some(match sum {
                        None => part,
                        Some(sum) => self.maps(&sum, &part, Binary::Add)?,
                    });
                }
            }
        }
        let sum = sum.ok_or("a choice between constants")?;
        self.at = at;
        match table {
            Some(table) => self.map_and_constant(&sum, &table, (Binary::Add, false)),
            None => Ok(sum),
        }
    }

    fn chosen_by(&mut self, which: &Map, inputs: &[Operand]) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let mut nodes = vec![which.node];
        for operand in &inputs[1..] {
            let branch = match self.constant(*operand) {
                Err(_) => self.map(&[*operand], 0)?,
                Ok(number) => {
                    let number =
                        number.and_then(|number| number.single()).ok_or("a choice of several constants")?;
                    let channels = which.shape.channels;
                    self.affine(which, vec![0.0; channels], vec![number as f32; channels])?
                }
            };
            let branch = self.with_lengths(&branch)?;
            let branch = self.scaled(&branch)?;
            if !branch.is_arranged_as(which) || !is_complete(&branch) || branch.is_unit {
                return Err("a choice among values of other arrangements".to_owned());
            }
            nodes.push(branch.node);
        }
        let (node, shape) = self.push_as(&at, Choice, &nodes)?;
        Ok(Map { node, shape, ..which.clone() })
    }
}
