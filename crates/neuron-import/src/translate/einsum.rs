//! Sums of products by Einstein's convention, as far as they are products of matrices.

use super::map::product;
use super::products::{operand, transposed};
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::Constant;
use crate::program::{Node, Operand};

impl Translator<'_> {
    pub(super) fn einsum(&mut self, equation: &str, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let letters =
            |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).collect::<Vec<char>>();
        let (of, out) = equation.split_once("->").ok_or("an equation without a result")?;
        let parts: Vec<Vec<char>> = of.split(',').map(letters).collect();
        let ([a, b], out, false) = (&parts[..], letters(out), equation.contains('.')) else {
            return Err(format!("the equation {equation}"));
        };
        let unknown = || format!("the equation {equation}");
        let summed: Vec<char> =
            a.iter().copied().filter(|letter| b.contains(letter) && !out.contains(letter)).collect();
        let shared: Vec<char> =
            out.iter().copied().filter(|letter| a.contains(letter) && b.contains(letter)).collect();
        let only = |of: &[char], other: &[char]| -> Vec<char> {
            out.iter().copied().filter(|letter| of.contains(letter) && !other.contains(letter)).collect()
        };
        let general = |translator: &mut Self| -> Result<Value, Obstacle> {
            if let Some(layer) = translator.einsum_with_weights((a, b, &out, &summed), inputs) {
                return layer;
            }
            let [x, y] = [0, 1].map(|index| translator.value(inputs, index));
            let maps = translator.maps_of(inputs, vec![x?, y?])?;
            translator.products([(&maps[0], a), (&maps[1], b)], &out).map(Value::Map)
        };
        let (&[sum], &[row], &[column]) = (&summed[..], &only(a, b)[..], &only(b, a)[..]) else {
            return general(self);
        };
        let order = |from: &[char], to: &[char]| -> Option<Vec<usize>> {
            let places = to.iter().map(|letter| from.iter().position(|known| known == letter));
            places.collect::<Option<Vec<_>>>().filter(|places| places.len() == from.len())
        };
        let with = |last: [char; 2]| [&shared[..], &last].concat();
        match (self.value(inputs, 0)?, self.value(inputs, 1)?) {
            (Value::Map(x), Value::Map(y)) => {
                let (x, y, ends) = if out.ends_with(&[row, column]) {
                    ((x, order(a, &with([row, sum]))), (y, order(b, &with([column, sum]))), true)
                } else {
                    (
                        (y, order(b, &with([column, sum]))),
                        (x, order(a, &with([row, sum]))),
                        out.ends_with(&[column, row]),
                    )
                };
                let (Some(first), Some(second), true) = (x.1, y.1, ends) else { return general(self) };
                match self.similarity(x.0.permuted(&first), y.0.permuted(&second)) {
                    Ok(scores) => Ok(Value::scores(scores)),
                    Err(_) => general(self),
                }
            }
            (Value::Scores(scores), Value::Map(values)) if *a == with([row, sum]) => {
                let (Some(axes), made) = (order(b, &with([sum, column])), with([row, column])) else {
                    return Err(unknown());
                };
                let mixed = self.weighted(&scores, &values.permuted(&axes))?;
                let back = order(&made, &out).ok_or_else(unknown)?;
                Ok(Value::Map(mixed.permuted(&back)))
            }
            _ => general(self),
        }
    }

    /// Products of two maps with these letters, as products of matrices.
    fn products(&mut self, [(x, a), (y, b)]: [(&Map, &[char]); 2], out: &[char]) -> Result<Map, Obstacle> {
        let shared = |letter: &char| a.contains(letter) && b.contains(letter);
        let batch: Vec<char> = out.iter().copied().filter(shared).collect();
        let rows: Vec<char> = out.iter().copied().filter(|letter| !b.contains(letter)).collect();
        let columns: Vec<char> = out.iter().copied().filter(|letter| !a.contains(letter)).collect();
        let summed: Vec<char> =
            a.iter().copied().filter(|letter| b.contains(letter) && !out.contains(letter)).collect();
        let lengths = |map: &Map, of: &[char], letters: &[char]| -> Result<Vec<usize>, Obstacle> {
            let sizes = map.sizes();
            let place = |letter: &char| of.iter().position(|known| known == letter);
            let sizes = letters.iter().map(|letter| place(letter).and_then(|at| sizes.get(at).copied()));
            sizes.collect::<Option<Vec<_>>>().ok_or_else(|| "an equation for other axes".to_owned())
        };
        let mut matrix = |map: &Map, of: &[char], own: &[char]| -> Result<Map, Obstacle> {
            let order = [&batch[..], own, &summed].concat();
            let axes: Option<Vec<usize>> =
                order.iter().map(|letter| of.iter().position(|known| known == letter)).collect();
            let axes = axes.filter(|axes| axes.len() == of.len() && map.dims.len() == of.len());
            let axes = axes.ok_or("an equation that sums one side alone")?;
            let many = |letters: &[char]| lengths(map, of, letters).map(product);
            let sizes = [lengths(map, of, &batch)?, vec![many(own)?, many(&summed)?]].concat();
            self.reshaped(&map.permuted(&axes), &sizes)
        };
        let (first, second) = (matrix(x, a, &rows)?, matrix(y, b, &columns)?);
        let made = self.matrix_product(&first, &second)?;
        let sizes = [lengths(x, a, &batch)?, lengths(x, a, &rows)?, lengths(y, b, &columns)?].concat();
        let made = self.reshaped(&made, &sizes)?;
        let order = [&batch[..], &rows, &columns].concat();
        let back: Option<Vec<usize>> =
            out.iter().map(|letter| order.iter().position(|known| known == letter)).collect();
        Ok(made.permuted(&back.ok_or("an equation with letters from nowhere")?))
    }

    /// A map and a matrix of weights: a fully connected layer.
    fn einsum_with_weights(
        &mut self,
        (a, b, out, summed): (&[char], &[char], &[char], &[char]),
        inputs: &[Operand],
    ) -> Option<Result<Value, Obstacle>> {
        let (Ok(Value::Map(input)), &[from, to]) = (self.value(inputs, 0), b) else { return None };
        let &[sum] = summed else { return None };
        let (kept, turned) = if sum == from { (to, true) } else { (from, false) };
        let expected: Vec<char> =
            a.iter().map(|letter| if *letter == sum { kept } else { *letter }).collect();
        if a.last() != Some(&sum) || expected != out {
            return None;
        }
        let layer = |translator: &mut Self| -> Result<Value, Obstacle> {
            let weight = translator.weight(operand(inputs, 1))?.ok_or("a layer without weights")?;
            let weight = if turned { transposed(&weight)? } else { weight };
            translator.fully_connected(&input, weight, None).map(Value::Map)
        };
        Some(layer(self))
    }

    /// Sums of products of two constants.
    pub(super) fn einsum_of_constants(&self, equation: &str, node: &Node) -> Result<Constant, Obstacle> {
        let unknown = || format!("the equation {equation}");
        let letters =
            |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).collect::<Vec<char>>();
        let (of, out) = equation.split_once("->").ok_or_else(unknown)?;
        let parts: Vec<Vec<char>> = of.split(',').map(letters).collect();
        let ([a, b], out, false) = (&parts[..], letters(out), equation.contains('.')) else {
            return Err(unknown());
        };
        let (x, y) = (self.first(node)?, self.nth(node, 1)?);
        if x.shape().len() != a.len() || y.shape().len() != b.len() {
            return Err(unknown());
        }
        let both = |letter: &char| a.contains(letter) && b.contains(letter);
        let batch: Vec<char> = out.iter().copied().filter(both).collect();
        let rows: Vec<char> = out.iter().copied().filter(|letter| !b.contains(letter)).collect();
        let columns: Vec<char> = out.iter().copied().filter(|letter| !a.contains(letter)).collect();
        let summed: Vec<char> =
            a.iter().copied().filter(|letter| b.contains(letter) && !out.contains(letter)).collect();
        let matrix = |x: &Constant, of: &[char], order: [&[char]; 2]| -> Result<Constant, Obstacle> {
            let order = [&batch[..], order[0], order[1]].concat();
            let axes: Option<Vec<usize>> =
                order.iter().map(|letter| of.iter().position(|known| known == letter)).collect();
            let axes = axes.filter(|axes| axes.len() == of.len()).ok_or_else(unknown)?;
            x.with(x.tensor.permute(axes).and_then(|tensor| tensor.contiguous()))
        };
        let sizes = |x: &Constant, of: &[char], letters: &[char]| -> Vec<usize> {
            let size =
                |letter: &char| of.iter().position(|known| known == letter).map_or(1, |at| x.shape()[at]);
            letters.iter().map(size).collect()
        };
        let joint = |letters: Vec<usize>| product(letters);
        let (batches, inner) = (sizes(&x, a, &batch), joint(sizes(&x, a, &summed)));
        let left = matrix(&x, a, [&rows, &summed])?;
        let left = left.reshaped(&[joint(batches.clone()), joint(sizes(&x, a, &rows)), inner])?;
        let right = matrix(&y, b, [&summed, &columns])?;
        let right = right.reshaped(&[joint(batches.clone()), inner, joint(sizes(&y, b, &columns))])?;
        let made = left.matmul(&right)?;
        let made = made.reshaped(&[batches, sizes(&x, a, &rows), sizes(&y, b, &columns)].concat())?;
        let order = [&batch[..], &rows, &columns].concat();
        let back: Option<Vec<usize>> =
            out.iter().map(|letter| order.iter().position(|known| known == letter)).collect();
        let back = back.ok_or_else(unknown)?;
        made.with(made.tensor.permute(back).and_then(|tensor| tensor.contiguous()))
    }
}
