//! What is added around a map, or cut off.

use neuron_model::ops::{Filling, Pad};

use super::along::Matrix;
use super::map::{Map, size};
use super::pools::wrapped;
use super::products::operand;
use super::value::Value;
use super::{Axis, Obstacle, Translator};
use crate::constant::{Constant, Kind, within};
use crate::program::{Binary, Operand, Operator, PadMode, Sizes};

impl Translator<'_> {
    pub(super) fn pad(&mut self, inputs: &[Operand], operator: &Operator) -> Result<Value, Obstacle> {
        let input = self.map(inputs, 0)?;
        let (amounts, mode) = self.amounts(operator, input.dims.len())?;
        if amounts.iter().all(|amount| *amount == [0; 2]) {
            return Ok(Value::Map(input));
        }
        if amounts.iter().flatten().any(|amount| *amount < 0) {
            return self.padded_and_cut(&input, &amounts, inputs, mode).map(Value::Map);
        }
        let filling = match mode {
            PadMode::Constant => {
                let value =
                    self.constant(operand(inputs, 1))?.and_then(|value| value.single()).unwrap_or(0.0);
                Filling::Value(value as f32)
            }
            PadMode::Reflect => Filling::Mirror,
            PadMode::Edge => Filling::Edge,
        };
        let at = self.at.clone();
        if let Ok(padded) = self.grid_padded(&input, &amounts, filling, &at) {
            return Ok(Value::Map(padded));
        }
        let mut padded = input;
        for (dim, [before, after]) in amounts.into_iter().enumerate().filter(|(_, amount)| *amount != [0; 2])
        {
            let length = size(&padded.dims[dim]) as i64;
            let count = before.saturating_add(after).saturating_add(length);
            within(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
            let place = |at: i64| match filling {
                _ if (0..length).contains(&at) => Some(at),
                Filling::Mirror => Some(if at < 0 { -at } else { 2 * length - 2 - at }),
                Filling::Edge => Some(at.clamp(0, length - 1)),
                Filling::Value(_) => None,
            };
            let places: Vec<Option<usize>> = (-before..length.saturating_add(after))
                .map(|at| place(at).and_then(|at| usize::try_from(at).ok()))
                .collect();
            let matrix = Matrix::picking(length as usize, places.into_iter())?;
            padded = self.along(&padded, dim, matrix)?;
            if let Filling::Value(value) = filling
                && value != 0.0
            {
                // Zeros plus the value, and what is not around plus nothing.
                let around = |at: i64| if (0..length).contains(&at) { 0.0 } else { f64::from(value) };
                let mut shape = vec![1; padded.dims.len()];
                shape[dim] = size(&padded.dims[dim]);
                let values = (-before..length.saturating_add(after)).map(around).collect();
                let constant = Constant::new(values, &shape, Kind::Float)?;
                padded = self.map_and_tensor(&padded, &constant, Binary::Add)?;
            }
        }
        Ok(Value::Map(padded))
    }

    /// As torch's `pad` with amounts below 0, which cut.
    fn padded_and_cut(
        &mut self,
        input: &Map,
        amounts: &[[i64; 2]],
        inputs: &[Operand],
        mode: PadMode,
    ) -> Result<Map, Obstacle> {
        if mode != PadMode::Constant {
            return Err("amounts below 0".to_owned());
        }
        let value = self.constant(operand(inputs, 1))?.and_then(|value| value.single()).unwrap_or(0.0);
        let more: Vec<[i64; 2]> = amounts.iter().map(|pair| pair.map(|amount| amount.max(0))).collect();
        let at = self.at.clone();
        let mut cut = if more.iter().all(|amount| *amount == [0; 2]) {
            input.clone()
        } else {
            self.grid_padded(input, &more, Filling::Value(value as f32), &at)?
        };
        for (dim, pair) in amounts.iter().enumerate() {
            let [before, after] = pair.map(|amount| usize::try_from(-amount.min(0)).unwrap_or(usize::MAX));
            let length = size(&cut.dims[dim]);
            let end = length.checked_sub(after).ok_or("a map of which nothing is left")?;
            if before > 0 || after > 0 {
                cut = self.sliced(&cut, dim, (before, end, 1))?;
            }
        }
        Ok(cut)
    }

    /// With rows and columns around it.
    fn grid_padded(
        &mut self,
        input: &Map,
        amounts: &[[i64; 2]],
        filling: Filling,
        at: &str,
    ) -> Result<Map, Obstacle> {
        let input = self.arranged_by_parts(input)?;
        let mut added = [[0usize; 2]; 2];
        for (dim, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount != [0; 2]) {
            let axes = [Axis::Row, Axis::Column];
            let along =
                axes.iter().position(|axis| input.dims[dim] == super::map::whole(*axis, input.length(*axis)));
            let along = along.filter(|_| !input.dims[dim].is_empty() && input.rolled == [0; 2]);
            let along = along.ok_or("anything but rows and columns")?;
            added[along] = amount.map(|amount| amount as usize);
        }
        let pad =
            Pad { before: added.map(|[before, _]| before), after: added.map(|[_, after]| after), filling };
        let (node, shape) = self.push_as(at, pad, &[input.node])?;
        let mut padded = Map { node, shape, ..input.clone() };
        for factor in padded.dims.iter_mut().flatten() {
            match factor.axis {
                Axis::Row => factor.size = shape.height,
                Axis::Column => factor.size = shape.width,
                _ => {}
            }
        }
        Ok(padded)
    }

    /// Amounts before and after each of so many dimensions.
    pub(super) fn amounts(
        &self,
        operator: &Operator,
        rank: usize,
    ) -> Result<(Vec<[i64; 2]>, PadMode), Obstacle> {
        let mut all = vec![[0; 2]; rank];
        match operator {
            Operator::Pad { amounts, mode } => {
                let amounts = self.ints(amounts)?;
                for (from_end, pair) in amounts.chunks_exact(2).enumerate() {
                    let dim = rank.checked_sub(1 + from_end).ok_or("amounts for more axes than there are")?;
                    all[dim] = [pair[0], pair[1]];
                }
                Ok((all, *mode))
            }
            Operator::PadAll { amounts, axes, mode } => {
                let amounts = self.ints(amounts)?;
                let axes = match axes {
                    None | Some(Sizes::Tensor(Operand::Nothing)) => (0..rank as i64).collect(),
                    Some(axes) => self.ints(axes)?,
                };
                if amounts.len() != 2 * axes.len() {
                    return Err("another number of amounts than of axes".to_owned());
                }
                for (index, axis) in axes.iter().enumerate() {
                    all[wrapped(*axis, rank)?] = [amounts[index], amounts[axes.len() + index]];
                }
                Ok((all, *mode))
            }
            _ => Err("no padding".to_owned()),
        }
    }
}
