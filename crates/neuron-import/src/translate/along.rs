//! What is linear along one dimension and has no operation of its own: a layer with constant weights.

use neuron_model::ops::{Linear, Stored};

use super::map::{Axis, size};
use super::rearrange::{Grid, stepping};
use super::weights::tensor;
use super::{Map, Obstacle, Translator};

/// A matrix `[places after, places before]`, row by row.
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) data: Vec<f32>,
}

impl Matrix {
    /// Of zeros.
    pub(super) fn zeros(rows: usize, columns: usize) -> Result<Self, Obstacle> {
        let count = rows.checked_mul(columns).filter(|count| *count <= super::LEAST_CONSTANT * 8);
        let count = count.ok_or("a table without end")?;
        Ok(Self { rows, columns, data: vec![0.0; count] })
    }

    /// Adds to a weight.
    pub(super) fn add(&mut self, row: usize, column: usize, weight: f64) {
        self.data[row * self.columns + column] += weight as f32;
    }

    /// Each row picks one place, or none.
    pub(super) fn picking(
        columns: usize,
        places: impl ExactSizeIterator<Item = Option<usize>>,
    ) -> Result<Self, Obstacle> {
        let mut matrix = Self::zeros(places.len(), columns)?;
        for (row, place) in places.enumerate() {
            match place {
                Some(place) if place < columns => matrix.add(row, place, 1.0),
                Some(place) => return Err(format!("place {place} of {columns}")),
                None => {}
            }
        }
        Ok(matrix)
    }
}

impl Translator<'_> {
    /// A value with other places along a dimension, which are sums of those that it had.
    pub(super) fn along(&mut self, map: &Map, dim: usize, matrix: Matrix) -> Result<Map, Obstacle> {
        if size(&map.dims[dim]) != matrix.columns || matrix.rows == 0 {
            return Err(format!("{} places instead of {}", size(&map.dims[dim]), matrix.columns));
        }
        self.afford(matrix.data.len())?;
        let at = self.at.clone();
        let before = map;
        let map = self.rearranged(map, &[dim], Grid::Kept)?;
        let (in_features, out_features) = (matrix.columns, matrix.rows);
        let layer = Linear { in_features, out_features, stored: Stored::WithoutBias };
        let (node, shape) = self.push_as(&format!("{at}.along"), layer, &[map.node])?;
        self.give([("weight", tensor(&[out_features, in_features], matrix.data))]);
        self.at = at;
        let mut after = Map { node, shape, ..map };
        after.dims[dim] = stepping(Axis::Channel, out_features, 1);
        self.with_units_of(before, after)
    }

    /// A value with its channels in the dimension in which another had them: what the units of a layer are is not for an
    /// operation to say that works along other dimensions.
    pub(super) fn with_units_of(&mut self, before: &Map, after: Map) -> Result<Map, Obstacle> {
        match before.channel_dim() {
            Some(dim) if after.channel_dim() != Some(dim) => self.rearranged(&after, &[dim], Grid::Kept),
            _ => Ok(after),
        }
    }
}
