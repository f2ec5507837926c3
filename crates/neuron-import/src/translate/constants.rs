//! Operators on values that do not depend on the image: computed here and now.

use super::map::product;
use super::pools::wrapped;
use super::value::Value;
use super::views::{resolved, squeezed, unsqueezed};
use super::{Obstacle, Translator};
use crate::constant::{self, Constant, Kind};
use crate::program::{Binary, Node, Operand, Operator, PadMode, Padding, Sizes, Unary};

impl Translator<'_> {
    /// The results of an operator on constants.
    pub(super) fn compute(&mut self, node: &Node) -> Result<Vec<Value>, Obstacle> {
        // A parameter that is handed on stays one: it is read when somebody needs it.
        if let (Operator::Identity, [Operand::Value(id)]) = (&node.operator, &node.inputs[..]) {
            return Ok(vec![self.values[id.0].clone()]);
        }
        let several = |parts: Vec<Constant>| parts.into_iter().map(Value::Constant).collect();
        match &node.operator {
            Operator::Chunk { .. } | Operator::Split { .. } | Operator::SplitSizes { .. } => {
                let x = self.first(node)?;
                let (axis, counts) = self.parts(node, x.shape())?;
                let mut start = 0;
                let part = |count: &usize| {
                    start += count;
                    x.sliced(axis, (start - count, start, 1))
                };
                Ok(several(counts.iter().map(part).collect::<Result<_, _>>()?))
            }
            Operator::Unbind { axis } => {
                let x = self.first(node)?;
                let axis = wrapped(*axis, x.shape().len())?;
                let part = |at: usize| without(&x.sliced(axis, (at, at + 1, 1))?, axis);
                Ok(several((0..x.shape()[axis]).map(part).collect::<Result<_, _>>()?))
            }
            Operator::MeshGrid { first_is_column } => Ok(several(self.mesh(node, *first_is_column)?)),
            _ => Ok(vec![Value::Constant(self.one(node)?)]),
        }
    }

    pub(super) fn first(&self, node: &Node) -> Result<Constant, Obstacle> {
        self.nth(node, 0)
    }

    pub(super) fn nth(&self, node: &Node, index: usize) -> Result<Constant, Obstacle> {
        let operand = node.inputs.get(index).copied().unwrap_or(Operand::Nothing);
        self.constant(operand)?.ok_or_else(|| "an input that is not there".to_owned())
    }

    fn all(&self, node: &Node) -> Result<Vec<Constant>, Obstacle> {
        (0..node.inputs.len()).map(|index| self.nth(node, index)).collect()
    }

    fn counts(&self, sizes: &Sizes) -> Result<Vec<usize>, Obstacle> {
        let counts = self.ints(sizes)?.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
        counts.map_err(|_| "a size below 0".to_owned())
    }

    fn one(&mut self, node: &Node) -> Result<Constant, Obstacle> {
        use Operator as O;
        let x = || self.first(node);
        match &node.operator {
            O::Identity => x(),
            O::ToFloat => x()?.of_kind(Kind::Float),
            O::ToInt => x()?.of_kind(Kind::Int),
            O::ToBool => x()?.of_kind(Kind::Bool),
            O::Unary(function) => constant::unary(*function, &x()?),
            O::Binary(function) => {
                constant::binary(*function, &x()?, &self.nth(node, 1)?, self.program.whole_quotients)
            }
            O::MultiplyAdd => {
                let product = constant::binary(Binary::Mul, &self.nth(node, 1)?, &self.nth(node, 2)?, false)?;
                constant::binary(Binary::Add, &x()?, &product, false)
            }
            O::Clamp => {
                let mut clamped = x()?;
                for (index, function) in [(1, Binary::Max), (2, Binary::Min)] {
                    let bound = node.inputs.get(index).copied().unwrap_or(Operand::Nothing);
                    if let Some(bound) = self.constant(bound)? {
                        clamped = constant::binary(function, &clamped, &bound, false)?;
                    }
                }
                Ok(clamped)
            }
            O::Standardise { eps } => self.standardised(node, *eps),
            O::BatchNorm { eps } => self.normed(node, *eps),
            O::Convolution { stride, padding, dilation, groups } => {
                let (weight, bias) =
                    (self.nth(node, 1)?, node.inputs.get(2).copied().unwrap_or(Operand::Nothing));
                let (Padding::Explicit { before, after }, [rows, ..], [down, ..]) =
                    (padding, &stride[..], &dilation[..])
                else {
                    return Err("an unusual convolution of constants".to_owned());
                };
                let amount = before.first().copied().unwrap_or(0);
                let is_even = before.iter().chain(after).all(|other| *other == amount);
                if !is_even
                    || stride.iter().any(|step| step != rows)
                    || dilation.iter().any(|step| step != down)
                {
                    return Err("an unusual convolution of constants".to_owned());
                }
                let x = x()?;
                fits((x.shape(), weight.shape()), (amount, *rows, *down, *groups))?;
                let sums = x.tensor.conv2d(&weight.tensor, amount, *rows, *down, *groups);
                let sums = Constant { kind: Kind::Float, ..x.with(sums)? };
                match self.constant(bias)? {
                    None => Ok(sums),
                    Some(bias) => {
                        let bias = bias.reshaped(&[1, bias.tensor.elem_count(), 1, 1])?;
                        constant::binary(Binary::Add, &sums, &bias, false)
                    }
                }
            }
            O::MatMul => x()?.matmul(&self.nth(node, 1)?),
            O::Einsum { equation } => self.einsum_of_constants(equation, node),
            O::Resize(resize) => self.resized(node, resize),
            O::Linear => {
                let weight = self.nth(node, 1)?;
                let product = x()?.matmul(&weight.turned()?)?;
                match self.constant(node.inputs.get(2).copied().unwrap_or(Operand::Nothing))? {
                    None => Ok(product),
                    Some(bias) => constant::binary(Binary::Add, &product, &bias, false),
                }
            }
            O::Gemm { alpha, beta, transpose } => {
                let turned = |matrix: Constant, turn: bool| if turn { matrix.turned() } else { Ok(matrix) };
                let product =
                    turned(x()?, transpose[0])?.matmul(&turned(self.nth(node, 1)?, transpose[1])?)?;
                let times = |value: &Constant, by: f64| {
                    constant::binary(Binary::Mul, value, &Constant::scalar(by, Kind::Float), false)
                };
                let product = times(&product, *alpha)?;
                match self.constant(node.inputs.get(2).copied().unwrap_or(Operand::Nothing))? {
                    None => Ok(product),
                    Some(bias) => constant::binary(Binary::Add, &product, &times(&bias, *beta)?, false),
                }
            }
            O::Reduce { kind, axes, keep } => {
                let x = x()?;
                let rank = x.shape().len();
                let mut dims = self
                    .ints(axes)?
                    .into_iter()
                    .map(|axis| wrapped(axis, rank))
                    .collect::<Result<Vec<_>, _>>()?;
                if dims.is_empty() {
                    dims = (0..rank).collect();
                }
                x.reduced(*kind, &dims, *keep)
            }
            O::Softmax { axis } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let highest = x.reduced(crate::program::Reduction::Max, &[axis], true)?;
                let above =
                    constant::unary(Unary::Exp, &constant::binary(Binary::Sub, &x, &highest, false)?)?;
                let sum = above.reduced(crate::program::Reduction::Sum, &[axis], true)?;
                constant::binary(Binary::Div, &above, &sum, false)
            }
            O::Reshape { sizes, copies_zero } => {
                let x = x()?;
                x.reshaped(&resolved(x.shape(), &self.ints(sizes)?, *copies_zero)?)
            }
            O::ReshapeAs => x()?.reshaped(&self.shape_of(&node.inputs, 1)?),
            O::Flatten { first, last } => {
                let x = x()?;
                let rank = x.shape().len();
                if rank == 0 {
                    return x.reshaped(&[1]);
                }
                let (first, last) = (wrapped(*first, rank)?, wrapped(*last, rank)?);
                let shape = x.shape().to_vec();
                let joint = product(shape[first..=last.max(first)].iter().copied());
                x.reshaped(&[&shape[..first], &[joint], &shape[last.max(first) + 1..]].concat())
            }
            O::Unflatten { axis, sizes } => {
                let x = x()?;
                let shape = x.shape().to_vec();
                let axis = wrapped(*axis, shape.len())?;
                let parts = resolved(&shape[axis..=axis], &self.ints(sizes)?, false)?;
                x.reshaped(&[&shape[..axis], &parts, &shape[axis + 1..]].concat())
            }
            O::Unsqueeze { axes } => {
                let x = x()?;
                x.reshaped(&unsqueezed(x.shape(), &self.ints(axes)?)?)
            }
            O::Squeeze { axes } => {
                let x = x()?;
                let axes = axes.as_ref().map(|axes| self.ints(axes)).transpose()?;
                x.reshaped(&squeezed(x.shape(), axes.as_deref())?)
            }
            O::Permute { axes } => {
                let x = x()?;
                let rank = x.shape().len();
                let axes = match &axes[..] {
                    [] => (0..rank).rev().collect(),
                    axes => axes.iter().map(|axis| wrapped(*axis, rank)).collect::<Result<Vec<_>, _>>()?,
                };
                x.with(x.tensor.permute(axes).and_then(|tensor| tensor.contiguous()))
            }
            O::Transpose { axes: [a, b] } => {
                let x = x()?;
                let rank = x.shape().len();
                let (a, b) = (wrapped(*a, rank)?, wrapped(*b, rank)?);
                x.with(x.tensor.transpose(a, b).and_then(|tensor| tensor.contiguous()))
            }
            O::Expand { sizes } => {
                let x = x()?;
                let wanted = self.ints(sizes)?;
                x.expanded(&broadcast(x.shape(), &wanted)?)
            }
            O::ExpandAs => {
                let wanted: Vec<i64> =
                    self.shape_of(&node.inputs, 1)?.into_iter().map(|size| size as i64).collect();
                let x = x()?;
                x.expanded(&broadcast(x.shape(), &wanted)?)
            }
            O::Tile { times } => x()?.tiled(&self.counts(times)?),
            O::Select { axis, index } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let index = wrapped(self.int(*index)?.ok_or("a place that is not known")?, x.shape()[axis])?;
                self.remember(node, x.shape(), (axis, (index, index + 1, 1)));
                without(&self.first(node)?.sliced(axis, (index, index + 1, 1))?, axis)
            }
            O::Slice { axis, start, end, step } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let range = self.range(x.shape()[axis], [*start, *end, *step])?;
                self.remember(node, x.shape(), (axis, range));
                x.sliced(axis, range)
            }
            O::Slices => self.slices(node),
            O::SliceScatter { axis, start, end, step } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let (start, end, step) = self.range(x.shape()[axis], [*start, *end, *step])?;
                if step != 1 {
                    return Err("writing every few places".to_owned());
                }
                let mut ranges: Vec<_> = x.shape().iter().map(|size| (0, *size)).collect();
                ranges[axis] = (start, end);
                x.assigned(&ranges, &self.nth(node, 1)?)
            }
            O::ScatterNd => scattered(&x()?, &self.nth(node, 1)?, &self.nth(node, 2)?),
            O::Concat { axis } => {
                let parts = self.all(node)?;
                let axis = wrapped(*axis, parts.first().map_or(0, |part| part.shape().len()))?;
                Constant::joined(&parts, axis)
            }
            O::Stack { axis } => {
                let parts = self.all(node)?;
                let axis = wrapped(*axis, parts.first().map_or(0, |part| part.shape().len()) + 1)?;
                let with_axis = |part: &Constant| part.reshaped(&unsqueezed(part.shape(), &[axis as i64])?);
                Constant::joined(&parts.iter().map(with_axis).collect::<Result<Vec<_>, _>>()?, axis)
            }
            O::Pad { .. } | O::PadAll { .. } => {
                let x = x()?;
                let (amounts, mode) = self.amounts(&node.operator, x.shape().len())?;
                if mode != PadMode::Constant {
                    return Err("a mirrored constant".to_owned());
                }
                let value = self.constant(node.inputs.get(1).copied().unwrap_or(Operand::Nothing))?;
                let value = value.and_then(|value| value.single()).unwrap_or(0.0);
                let mut padded = x;
                for (axis, amount) in amounts.into_iter().enumerate() {
                    let count =
                        |amount: i64| usize::try_from(amount).map_err(|_| "amounts below 0".to_owned());
                    padded = padded.padded(axis, [count(amount[0])?, count(amount[1])?], value)?;
                }
                Ok(padded)
            }
            O::Roll { shifts, axes } => {
                let mut rolled = x()?;
                for (shift, axis) in shifts.iter().zip(axes) {
                    let axis = wrapped(*axis, rolled.shape().len())?;
                    let length = rolled.shape()[axis].max(1) as i64;
                    rolled = rolled.rolled(axis, (-shift).rem_euclid(length) as usize)?;
                }
                Ok(rolled)
            }
            O::Flip { axes } => {
                let x = x()?;
                let axes =
                    axes.iter().map(|axis| wrapped(*axis, x.shape().len())).collect::<Result<Vec<_>, _>>()?;
                x.with(x.tensor.flip(&axes))
            }
            O::Gather { axis } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                x.gathered(axis, &self.nth(node, 1)?)
            }
            O::Index => self.indexed(node),
            O::Fill { value } => self.fill(node, *value),
            O::Copy => self.copy(node),
            O::Range { start, end, step } => self.counted(*start, *end, *step),
            O::Where => {
                let (condition, a, b) = (x()?, self.nth(node, 1)?, self.nth(node, 2)?);
                let chosen = constant::binary(
                    Binary::Mul,
                    &a,
                    &Constant::full(condition.shape(), 1.0, Kind::Int)?,
                    false,
                )?;
                let shape = constant::binary(Binary::Add, &chosen, &b, false)?.shape().to_vec();
                let [condition, a, b] = [&condition, &a, &b].map(|part| part.expanded(&shape)?.values());
                let values = condition?.into_iter().zip(a?.into_iter().zip(b?));
                let kind = if chosen.kind == Kind::Float { Kind::Float } else { self.nth(node, 2)?.kind };
                Constant::new(
                    values.map(|(is, (a, b))| if is != 0.0 { a } else { b }).collect(),
                    &shape,
                    kind,
                )
            }
            O::MaskedFill { value } => {
                let value = self
                    .constant(*value)?
                    .and_then(|value| value.single())
                    .ok_or("a value that is not known")?;
                let x = x()?;
                let mask = self.nth(node, 1)?.expanded(x.shape())?.values()?;
                let values = x.values()?.into_iter().zip(mask);
                let kind = x.kind;
                Constant::new(
                    values.map(|(x, is)| if is != 0.0 { value } else { x }).collect(),
                    x.shape(),
                    kind,
                )
            }
            O::Cumsum { axis } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let (length, inner) = (x.shape()[axis], x.shape()[axis + 1..].iter().product::<usize>());
                let mut values = x.values()?;
                for at in 0..values.len() {
                    if inner > 0 && at / inner % length.max(1) > 0 {
                        values[at] += values[at - inner];
                    }
                }
                Constant::new(values, x.shape(), x.kind)
            }
            O::Eye { rows, columns } => {
                let size = |operand: Operand| -> Result<usize, Obstacle> {
                    let size = self.int(operand)?.ok_or("a size that is not known")?;
                    usize::try_from(size).map_err(|_| "a size below 0".to_owned())
                };
                let (rows, columns) = (size(*rows)?, size(*columns)?);
                constant::within(&[rows, columns])?;
                let values = (0..rows * columns).map(|at| f64::from(u8::from(at / columns == at % columns)));
                Constant::new(values.collect(), &[rows, columns], Kind::Float)
            }
            O::RepeatInterleave { times, axis } => {
                let x = x()?;
                let axis = wrapped(*axis, x.shape().len())?;
                let times = self
                    .int(*times)?
                    .and_then(|times| usize::try_from(times).ok())
                    .ok_or("a number that is not known")?;
                constant::within(&[x.shape()[axis], times])?;
                let places: Vec<f64> =
                    (0..x.shape()[axis] * times).map(|at| (at / times.max(1)) as f64).collect();
                let count = places.len();
                x.gathered(axis, &Constant::new(places, &[count], Kind::Int)?)
            }
            O::Triangle { upper, diagonal } => {
                let x = x()?;
                let &[.., rows, columns] = x.shape() else { return Err("a triangle of a vector".to_owned()) };
                let kept = |at: usize| {
                    let (row, column) = ((at / columns % rows) as i64, (at % columns) as i64);
                    if *upper { column - row >= *diagonal } else { column - row <= *diagonal }
                };
                let values = x.values()?.into_iter().enumerate();
                Constant::new(
                    values.map(|(at, x)| if kept(at) { x } else { 0.0 }).collect(),
                    x.shape(),
                    x.kind,
                )
            }
            _ => Err("of constants".to_owned()),
        }
    }

    /// A batch norm of a constant, by means and variances that were computed before.
    fn normed(&self, node: &Node, eps: f64) -> Result<Constant, Obstacle> {
        let x = self.first(node)?;
        let mut places = vec![1; x.shape().len()];
        *places.get_mut(1).ok_or("a norm of a vector")? = x.shape()[1];
        let by = |index: usize| self.nth(node, index)?.reshaped(&places);
        let float = |value: f64| Constant::scalar(value, Kind::Float);
        let variance = constant::binary(Binary::Add, &by(4)?, &float(eps), false)?;
        let factor = constant::binary(
            Binary::Mul,
            &by(1)?,
            &constant::unary(Unary::ReciprocalSqrt, &variance)?,
            false,
        )?;
        let apart = constant::binary(Binary::Sub, &x, &by(3)?, false)?;
        constant::binary(Binary::Add, &constant::binary(Binary::Mul, &apart, &factor, false)?, &by(2)?, false)
    }

    /// Each place of axis 1 by its own mean and variance.
    fn standardised(&self, node: &Node, eps: f64) -> Result<Constant, Obstacle> {
        let x = self.first(node)?;
        let rank = x.shape().len();
        let axes: Vec<usize> = (0..rank).filter(|axis| *axis != 1).collect();
        let mean = |x: &Constant| x.reduced(crate::program::Reduction::Mean, &axes, true);
        let float = |value: f64| Constant::scalar(value, Kind::Float);
        let apart = constant::binary(Binary::Sub, &x, &mean(&x)?, false)?;
        let variance = mean(&constant::unary(Unary::Square, &apart)?)?;
        let variance = constant::binary(Binary::Add, &variance, &float(eps), false)?;
        let mut result = constant::binary(
            Binary::Mul,
            &apart,
            &constant::unary(Unary::ReciprocalSqrt, &variance)?,
            false,
        )?;
        let mut places = vec![1; rank];
        places[1] = x.shape()[1];
        for (index, function) in [(1, Binary::Mul), (2, Binary::Add)] {
            if let Some(by) = self.constant(node.inputs.get(index).copied().unwrap_or(Operand::Nothing))? {
                result = constant::binary(function, &result, &by.reshaped(&places)?, false)?;
            }
        }
        Ok(result)
    }

    fn slices(&self, node: &Node) -> Result<Constant, Obstacle> {
        let list = |index: usize| -> Result<Vec<i64>, Obstacle> {
            self.ints(&Sizes::Tensor(node.inputs.get(index).copied().unwrap_or(Operand::Nothing)))
        };
        let (starts, ends, axes, steps) = (list(1)?, list(2)?, list(3)?, list(4)?);
        let mut x = self.first(node)?;
        for (at, start) in starts.iter().enumerate() {
            let axis = wrapped(axes.get(at).copied().unwrap_or(at as i64), x.shape().len())?;
            let end = *ends.get(at).ok_or("fewer ends than starts")?;
            let step = steps.get(at).copied().unwrap_or(1);
            if step < 0 {
                // Backwards through all of an axis.
                let is_all = (*start == -1 || *start >= x.shape()[axis] as i64 - 1)
                    && end < -(x.shape()[axis] as i64)
                    && step == -1;
                if !is_all {
                    return Err("steps backwards".to_owned());
                }
                x = x.with(x.tensor.flip(&[axis]))?;
                continue;
            }
            x = x.sliced(axis, self.range(x.shape()[axis], [*start, end, step].map(Operand::Int))?)?;
        }
        Ok(x)
    }

    fn indexed(&self, node: &Node) -> Result<Constant, Obstacle> {
        let x = self.first(node)?;
        let mut tables = Vec::new();
        let (mut skipped, mut is_over) = (0, false);
        for operand in &node.inputs[1..] {
            match self.constant(*operand)? {
                None if tables.is_empty() => skipped += 1,
                // All places of an axis behind, as a rule of the last ones.
                None => is_over = true,
                Some(_) if is_over => return Err("places of axes that are no neighbours".to_owned()),
                Some(table) if table.kind == Kind::Bool => {
                    let places = table.values()?.into_iter().enumerate().filter(|(_, is)| *is != 0.0);
                    let places: Vec<f64> = places.map(|(at, _)| at as f64).collect();
                    if table.shape().len() != 1 {
                        return Err("a mask of several axes as an index".to_owned());
                    }
                    let count = places.len();
                    tables.push(Constant::new(places, &[count], Kind::Int)?);
                }
                Some(table) => tables.push(table),
            }
        }
        match (&tables[..], skipped) {
            ([table], axis) => x.gathered(axis, table),
            (tables, 0) => x.indexed(tables),
            _ => Err("an index of several axes that are not the first".to_owned()),
        }
    }

    fn counted(&self, start: Operand, end: Operand, step: Operand) -> Result<Constant, Obstacle> {
        let number = |operand: Operand| -> Result<(f64, bool), Obstacle> {
            let constant = self.constant(operand)?.ok_or("a number that is not there")?;
            let number = constant.single().ok_or("several numbers in the place of one")?;
            Ok((number, constant.kind == Kind::Float))
        };
        let ((start, a), (end, b), (step, c)) = (number(start)?, number(end)?, number(step)?);
        if step == 0.0 || !step.is_finite() {
            return Err("a step of 0".to_owned());
        }
        let count = ((end - start) / step).ceil().max(0.0);
        let count = count as usize;
        constant::within(&[count])?;
        let values = (0..count).map(|at| start + at as f64 * step).collect();
        Constant::new(values, &[count], if a || b || c { Kind::Float } else { Kind::Int })
    }

    fn mesh(&self, node: &Node, first_is_column: bool) -> Result<Vec<Constant>, Obstacle> {
        let mut lines = self.all(node)?;
        if first_is_column && lines.len() >= 2 {
            lines.swap(0, 1);
        }
        let shape: Vec<usize> = lines.iter().map(|line| line.shape().iter().product()).collect();
        let mut grids = Vec::new();
        for (axis, line) in lines.iter().enumerate() {
            let mut sizes = vec![1; shape.len()];
            sizes[axis] = shape[axis];
            grids.push(line.reshaped(&sizes)?.expanded(&shape)?);
        }
        if first_is_column && grids.len() >= 2 {
            grids.swap(0, 1);
        }
        Ok(grids)
    }
}

/// Checks that windows of such a weight fit into a constant: what computes them does not.
fn fits(
    (x, weight): (&[usize], &[usize]),
    (padding, stride, dilation, groups): (usize, usize, usize, usize),
) -> Result<(), Obstacle> {
    let (&[items, channels, ref sizes @ ..], &[out, per_group, ref kernel @ ..]) = (x, weight) else {
        return Err("a convolution of a vector".to_owned());
    };
    let fits_along = |(size, kernel): (&usize, &usize)| {
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?;
        let room = padding.checked_mul(2)?.checked_add(*size)?;
        (room < 1 << 20 && reach < room).then(|| (room - reach - 1) / stride.max(1) + 1)
    };
    let places: Option<Vec<usize>> = sizes.iter().zip(kernel).map(fits_along).collect();
    let are_sound = sizes.len() == 2
        && kernel.len() == 2
        && groups > 0
        && stride > 0
        && dilation > 0
        && per_group.checked_mul(groups) == Some(channels)
        && out.is_multiple_of(groups);
    let Some(places) = places.filter(|_| are_sound) else {
        return Err("a convolution of constants that do not fit".to_owned());
    };
    constant::within(&[&[items, out][..], &places].concat())?;
    // What each window covers is laid out beside the others.
    let covered = kernel.iter().fold(channels, |product, size| product.saturating_mul(*size));
    constant::within(&[&[items, covered][..], &places].concat())
}

fn without(part: &Constant, axis: usize) -> Result<Constant, Obstacle> {
    let shape = [&part.shape()[..axis], &part.shape()[axis + 1..]].concat();
    part.reshaped(&shape)
}

/// The shape of a tensor whose axes of size 1 are repeated to sizes, of which -1 leaves one as it is.
fn broadcast(from: &[usize], wanted: &[i64]) -> Result<Vec<usize>, Obstacle> {
    let rank = from.len().max(wanted.len());
    let from = [vec![1; rank - from.len()], from.to_vec()].concat();
    let wanted = [vec![-1; rank - wanted.len()], wanted.to_vec()].concat();
    let size = |(from, wanted): (&usize, &i64)| match *wanted {
        -1 | 1 => Ok(*from),
        size => usize::try_from(size).map_err(|_| "a size below 0".to_owned()),
    };
    from.iter().zip(&wanted).map(size).collect()
}

/// With other elements at places that a table names by their first axes.
fn scattered(x: &Constant, places: &Constant, updates: &Constant) -> Result<Constant, Obstacle> {
    let (&[ref rest @ .., depth], shape) = (places.shape(), x.shape()) else {
        return Err("places without axes".to_owned());
    };
    if depth > shape.len() {
        return Err("places of more axes than there are".to_owned());
    }
    let block: usize = shape[depth..].iter().product();
    let count: usize = rest.iter().product();
    let (places, updates) = (places.ints()?, updates.values()?);
    if updates.len() != count * block {
        return Err("another number of elements than of places".to_owned());
    }
    let mut values = x.values()?;
    for (at, place) in places.chunks_exact(depth.max(1)).enumerate() {
        let mut start = 0;
        for (axis, index) in place.iter().enumerate() {
            start = start * shape[axis] + wrapped(*index, shape[axis])?;
        }
        values[start * block..][..block].copy_from_slice(&updates[at * block..][..block]);
    }
    Constant::new(values, shape, x.kind)
}
