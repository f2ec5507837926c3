//! Sums of products by Einstein's convention, as far as they are products of matrices.

use super::map::product;
use super::products::{operand, transposed};
use super::value::Value;
use super::{Map, Obstacle, Translator};
use crate::constant::Constant;
use crate::program::{Node, Operand};

impl Translator<'_> {
    pub(super) fn einsum(&mut self, text: &str, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let equation = Equation::parse(text)?;
        let Equation { a, b, out, batch, rows, columns, summed } = &equation;
        let unknown = || format!("the equation {text}");
        let general = |translator: &mut Self| -> Result<Value, Obstacle> {
            if let Some(layer) = translator.einsum_with_weights(&equation, inputs) {
                return layer;
            }
            let [x, y] = [0, 1].map(|index| translator.value(inputs, index));
            let maps = translator.maps_of(inputs, vec![x?, y?])?;
            translator.products([&maps[0], &maps[1]], &equation).map(Value::Map)
        };
        let (&[sum], &[row], &[column]) = (&summed[..], &rows[..], &columns[..]) else {
            return general(self);
        };
        let with = |last: [char; 2]| [&batch[..], &last].concat();
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
                let back = order(&made, out).ok_or_else(unknown)?;
                Ok(Value::Map(mixed.permuted(&back)))
            }
            _ => general(self),
        }
    }

    /// Products of two maps, as products of matrices.
    fn products(&mut self, [x, y]: [&Map; 2], equation: &Equation) -> Result<Map, Obstacle> {
        let Equation { a, b, out, batch, rows, columns, summed } = equation;
        let mut matrix = |map: &Map, of: &[char], own: &[char]| -> Result<Map, Obstacle> {
            let axes = order(of, &[&batch[..], own, summed].concat());
            let axes = axes.filter(|axes| axes.len() == map.dims.len());
            let axes = axes.ok_or("an equation that sums one side alone")?;
            let lengths = |letters: &[char]| lengths(&map.sizes(), of, letters);
            let sizes = [lengths(batch), vec![product(lengths(own)), product(lengths(summed))]].concat();
            self.reshaped(&map.permuted(&axes), &sizes)
        };
        let (first, second) = (matrix(x, a, rows)?, matrix(y, b, columns)?);
        let made = self.matrix_product(&first, &second)?;
        let made = self.reshaped(&made, &equation.sizes([&x.sizes(), &y.sizes()]))?;
        let back = order(&[&batch[..], rows, columns].concat(), out);
        Ok(made.permuted(&back.ok_or("an equation with letters from nowhere")?))
    }

    /// A map and a matrix of weights: a fully connected layer.
    fn einsum_with_weights(
        &mut self,
        Equation { a, b, out, summed, .. }: &Equation,
        inputs: &[Operand],
    ) -> Option<Result<Value, Obstacle>> {
        let (Ok(Value::Map(input)), &[from, to]) = (self.value(inputs, 0), &b[..]) else { return None };
        let &[sum] = &summed[..] else { return None };
        let (kept, turned) = if sum == from { (to, true) } else { (from, false) };
        let expected: Vec<char> =
            a.iter().map(|letter| if *letter == sum { kept } else { *letter }).collect();
        if a.last() != Some(&sum) || expected != *out {
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
    pub(super) fn einsum_of_constants(&self, text: &str, node: &Node) -> Result<Constant, Obstacle> {
        let equation = Equation::parse(text)?;
        let Equation { a, b, out, batch, rows, columns, summed } = &equation;
        let unknown = || format!("the equation {text}");
        let (x, y) = (self.first(node)?, self.nth(node, 1)?);
        let matrix = |x: &Constant, of: &[char], parts: [&[char]; 2]| -> Result<Constant, Obstacle> {
            let axes = order(of, &[&batch[..], parts[0], parts[1]].concat());
            let axes = axes.filter(|axes| axes.len() == x.shape().len()).ok_or_else(unknown)?;
            let lengths = |letters: &[char]| product(lengths(x.shape(), of, letters));
            let shape = [lengths(batch), lengths(parts[0]), lengths(parts[1])];
            x.with(x.tensor.permute(axes).and_then(|tensor| tensor.contiguous()))?.reshaped(&shape)
        };
        let made = matrix(&x, a, [rows, summed])?.matmul(&matrix(&y, b, [summed, columns])?)?;
        let made = made.reshaped(&equation.sizes([x.shape(), y.shape()]))?;
        let back = order(&[&batch[..], rows, columns].concat(), out).ok_or_else(unknown)?;
        made.with(made.tensor.permute(back).and_then(|tensor| tensor.contiguous()))
    }
}

/// An equation of two factors: a letter for each axis.
struct Equation {
    a: Vec<char>,
    b: Vec<char>,
    out: Vec<char>,
    /// Of both factors and the result.
    batch: Vec<char>,
    /// Of the first factor and the result.
    rows: Vec<char>,
    /// Of the second factor and the result.
    columns: Vec<char>,
    /// Of both factors, and not of the result.
    summed: Vec<char>,
}

impl Equation {
    fn parse(text: &str) -> Result<Self, Obstacle> {
        let letters =
            |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).collect::<Vec<char>>();
        let (of, out) = text.split_once("->").ok_or("an equation without a result")?;
        let parts: Vec<Vec<char>> = of.split(',').map(letters).collect();
        let ([a, b], out, false) = (&parts[..], letters(out), text.contains('.')) else {
            return Err(format!("the equation {text}"));
        };
        let among = |of: &[char], is: &dyn Fn(&char) -> bool| of.iter().copied().filter(|c| is(c)).collect();
        Ok(Self {
            batch: among(&out, &|letter| a.contains(letter) && b.contains(letter)),
            rows: among(&out, &|letter| a.contains(letter) && !b.contains(letter)),
            columns: among(&out, &|letter| b.contains(letter) && !a.contains(letter)),
            summed: among(a, &|letter| b.contains(letter) && !out.contains(letter)),
            a: a.clone(),
            b: b.clone(),
            out,
        })
    }

    /// The sizes of the batch, rows and columns, of factors of these sizes.
    fn sizes(&self, [x, y]: [&[usize]; 2]) -> Vec<usize> {
        let of_first = |letters| lengths(x, &self.a, letters);
        [of_first(&self.batch), of_first(&self.rows), lengths(y, &self.b, &self.columns)].concat()
    }
}

/// Where each letter of a list stands in another one, if that has the same letters.
fn order(from: &[char], to: &[char]) -> Option<Vec<usize>> {
    let places = to.iter().map(|letter| from.iter().position(|known| known == letter));
    places.collect::<Option<Vec<_>>>().filter(|places| places.len() == from.len())
}

/// The sizes of some letters' axes; 1 of those that are not there.
fn lengths(sizes: &[usize], of: &[char], letters: &[char]) -> Vec<usize> {
    let size = |letter: &char| of.iter().position(|known| known == letter).and_then(|at| sizes.get(at));
    letters.iter().map(|letter| size(letter).copied().unwrap_or(1)).collect()
}
