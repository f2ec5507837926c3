//! Places of a value by their numbers.

use super::along::Matrix;
use super::map::{Axis, product, size};
use super::pools::wrapped;
use super::rearrange::stepping;
use super::{Map, Obstacle, Translator};
use crate::constant::{Kind, within};
use crate::program::Operand;

/// As many parts of a value are joined rather than picked one by one.
const MOST_RUNS: usize = 16;

impl Translator<'_> {
    /// Some places of a dimension, by their numbers.
    pub(super) fn picked(&mut self, map: &Map, axis: usize, places: &[i64]) -> Result<Map, Obstacle> {
        let length = size(&map.dims[axis]);
        let places = places.iter().map(|place| wrapped(*place, length)).collect::<Result<Vec<_>, _>>()?;
        if length == 1 {
            let mut repeated = map.clone();
            repeated.dims[axis] = stepping(Axis::Repeat, places.len(), 1);
            return Ok(repeated);
        }
        let runs = runs(&places);
        if runs.len() <= MOST_RUNS && runs.len() < places.len() {
            let parts = runs.into_iter().map(|(start, end)| self.sliced(map, axis, (start, end, 1)));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            return if let [only] = &parts[..] { Ok(only.clone()) } else { self.joined_along(&parts, axis) };
        }
        let matrix = Matrix::picking(length, places.into_iter().map(Some))?;
        self.along(map, axis, matrix)
    }

    /// `x[.., table, .., table, ..]`: one table, or several for neighbouring axes, which are broadcast together.
    pub(super) fn places(&mut self, map: &Map, tables: &[Operand]) -> Result<Map, Obstacle> {
        let from = map.sizes();
        let mut given = Vec::new();
        for (axis, table) in tables.iter().enumerate() {
            let Some(table) = self.constant(*table)? else { continue };
            if table.kind == Kind::Bool || axis >= from.len() {
                return Err("places by a mask".to_owned());
            }
            given.push((axis, table));
        }
        let first = given.first().ok_or("places without a table")?.0;
        let count = given.len();
        if given.iter().enumerate().any(|(at, (axis, _))| *axis != first + at) {
            return Err("places of axes that are no neighbours".to_owned());
        }
        let mut shape = Vec::new();
        for (_, table) in &given {
            shape = super::computed::broadcast(&shape, table.shape())?;
        }
        within(&shape)?;
        // Tables of which each is for other axes of the result: axis by axis.
        let of_rank = |table: &[usize]| [vec![1; shape.len() - table.len()], table.to_vec()].concat();
        let varies: Vec<Vec<usize>> = given
            .iter()
            .map(|(_, table)| {
                let own = of_rank(table.shape());
                (0..own.len()).filter(|at| own[*at] > 1).collect()
            })
            .collect();
        let picked = if varies.concat().is_sorted_by(|a, b| a < b) {
            let mut picked = map.clone();
            for (axis, table) in &given {
                picked = self.picked(&picked, *axis, &table.ints()?)?;
            }
            picked
        } else {
            let mut flat = vec![0; product(shape.iter().copied())];
            for (axis, table) in &given {
                let values = table.expanded(&shape)?.ints()?;
                for (flat, value) in flat.iter_mut().zip(values) {
                    *flat = *flat * from[*axis] as i64 + wrapped(value, from[*axis])? as i64;
                }
            }
            let joint = product(from[first..first + count].iter().copied());
            let line = self.reshaped(map, &[&from[..first], &[joint], &from[first + count..]].concat())?;
            self.picked(&line, first, &flat)?
        };
        self.reshaped(&picked, &[&from[..first], &shape, &from[first + count..]].concat())
    }

    /// `x, indices, updates`: with other places of an axis, as long as all elements of a place are replaced alike.
    pub(super) fn elements_replaced(&mut self, inputs: &[Operand], axis: i64) -> Result<Map, Obstacle> {
        let [x, table, updates] = inputs[..] else { return Err("no updates".to_owned()) };
        let beside = self.beside(&[x, updates])?;
        let whole = self.whole_of(x, &beside)?;
        let updates = self.whole_of(updates, &beside)?;
        let table = self.constant(table)?.ok_or("places that are not there")?;
        let (from, shape) = (whole.sizes(), table.shape().to_vec());
        let axis = wrapped(axis, from.len())?;
        let is_other = |(at, (of, size)): (usize, (&usize, &usize))| at == axis || of == size;
        if shape.len() != from.len() || !shape.iter().zip(&from).enumerate().all(is_other) {
            return Err("a part of the elements at some places".to_owned());
        }
        let (inner, count) = (product(shape[axis + 1..].iter().copied()), shape[axis]);
        let places = table.ints()?;
        let first: Vec<i64> = (0..count).map(|at| places[at * inner]).collect();
        if places.iter().enumerate().any(|(at, place)| *place != first[at / inner % count]) {
            return Err("other places for every element".to_owned());
        }
        let length = from[axis];
        let mut source: Vec<i64> = (0..length as i64).collect();
        for (at, place) in first.into_iter().enumerate() {
            source[wrapped(place, length)?] = (length + at) as i64;
        }
        let both = self.joined_along(&[whole, updates], axis)?;
        self.picked(&both, axis, &source)
    }

    /// `x, indices, updates`: with other values at places that a table names by the first axes.
    pub(super) fn rows_replaced(&mut self, inputs: &[Operand]) -> Result<Map, Obstacle> {
        let [x, table, updates] = inputs[..] else { return Err("no updates".to_owned()) };
        let beside = self.beside(&[x, updates])?;
        let whole = self.whole_of(x, &beside)?;
        let updates = self.whole_of(updates, &beside)?;
        let table = self.constant(table)?.ok_or("places that are not there")?;
        let (from, places) = (whole.sizes(), table.shape().to_vec());
        let Some((&depth, outer)) = places.split_last() else { return Err("places without axes".to_owned()) };
        if depth == 0 || depth > from.len() {
            return Err("places by more axes than there are".to_owned());
        }
        let (rows, count) = (product(from[..depth].iter().copied()), product(outer.iter().copied()));
        within(&[rows])?;
        let mut source: Vec<i64> = (0..rows as i64).collect();
        for (at, place) in table.ints()?.chunks_exact(depth).enumerate() {
            let mut row = 0;
            for (digit, size) in place.iter().zip(&from) {
                row = row * size + wrapped(*digit, *size)?;
            }
            source[row] = (rows + at) as i64;
        }
        let rest = product(from[depth..].iter().copied());
        let whole = self.reshaped(&whole, &[rows, rest])?;
        let updates = self.reshaped(&updates, &[count, rest])?;
        let both = self.joined_along(&[whole, updates], 0)?;
        let replaced = self.picked(&both, 0, &source)?;
        self.reshaped(&replaced, &from)
    }
}

/// Numbers that follow one another, as ranges.
fn runs(places: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for place in places {
        match runs.last_mut() {
            Some((_, end)) if *end == *place => *end += 1,
            _ => runs.push((*place, *place + 1)),
        }
    }
    runs
}
