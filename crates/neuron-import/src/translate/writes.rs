//! Values of which a part is written over, by constants or by what depends on the image.

use super::map::size;
use super::value::Value;
use super::views::View;
use super::{Map, Obstacle, Translator};
use crate::constant::Constant;
use crate::program::{Node, Operand, Operator, ValueId};

impl Translator<'_> {
    /// A value written over another one, which may be a part of a third; what it was is forgotten.
    pub(super) fn copied(&mut self, node: &Node) -> Result<Value, Obstacle> {
        let source = self.value(&node.inputs, 1)?;
        let sizes = self.shape_of(&node.inputs, 0)?;
        let source = match source {
            Value::Constant(_) | Value::Parameter(_) => {
                let constant = self.constant(node.inputs[1])?.ok_or("nothing to write")?;
                let beside = self.beside(&node.inputs[..1])?;
                let whole = constant.expanded(&sizes)?;
                self.table(&beside, &whole)?
            }
            source => self.as_map(source)?,
        };
        if source.sizes() != sizes {
            return Err(format!("{:?} written over {sizes:?}", source.sizes()));
        }
        let Some(of) = node.inputs[0].value() else { return Ok(Value::Map(source)) };
        match self.views.get(&of).cloned() {
            Some(view) => self.written_to(&view, &source)?,
            None => self.check_own(of)?,
        }
        self.values[of.0] = Value::Map(source.clone());
        Ok(Value::Map(source))
    }

    /// What an operator computed in the place of its first input, `x, result`: what that is a part of has it, too. Who reads the
    /// first input itself has read it before, as modules do whose results are written over.
    pub(super) fn written_in_place(&mut self, node: &Node) -> Result<(), Obstacle> {
        let Some(view) = node.inputs[0].value().and_then(|of| self.views.get(&of).cloned()) else {
            return Ok(());
        };
        let later = self.program.nodes.iter().skip(self.step + 1);
        if !later.flat_map(Node::reads).any(|value| value == view.root) {
            return Ok(());
        }
        match self.value(&node.inputs, 1)? {
            Value::Constant(constant) if !matches!(self.values[view.root.0], Value::Map(_)) => {
                self.write_to(&view, &constant)
            }
            _ => {
                let beside = self.beside(&node.inputs[1..])?;
                let source = self.whole_of(node.inputs[1], &beside)?;
                self.written_to(&view, &source)
            }
        }
    }

    /// Writes a map over the part of another value that a view is.
    fn written_to(&mut self, View { root, ranges, axes }: &View, source: &Map) -> Result<(), Obstacle> {
        let whole = self.whole_of(Operand::Value(*root), source)?;
        let dims = (0..ranges.len()).map(|axis| match axes.iter().position(|own| *own == axis) {
            Some(own) => source.dims.get(own).cloned().unwrap_or_default(),
            None => Vec::new(),
        });
        let source = Map { dims: dims.collect(), ..source.clone() };
        let written = self.replaced(&whole, ranges, &source)?;
        self.values[root.0] = Value::Map(written);
        Ok(())
    }

    /// Checks that a value that is written over is not another one in another arrangement, which would have to change, too.
    pub(super) fn check_own(&self, value: ValueId) -> Result<(), Obstacle> {
        use Operator as O;
        let maker = self.program.nodes.iter().find(|node| node.outputs.contains(&value));
        let is_arranged = maker.is_some_and(|maker| {
            matches!(
                maker.operator,
                O::Reshape { .. }
                    | O::ReshapeAs
                    | O::Flatten { .. }
                    | O::Unflatten { .. }
                    | O::Permute { .. }
                    | O::Transpose { .. }
                    | O::Unsqueeze { .. }
                    | O::Squeeze { .. }
                    | O::Expand { .. }
                    | O::ExpandAs
                    | O::Select { .. }
                    | O::Slice { .. }
                    | O::Chunk { .. }
                    | O::Split { .. }
                    | O::SplitSizes { .. }
                    | O::Unbind { .. }
            )
        });
        if is_arranged { Err("writing through another arrangement of a value".to_owned()) } else { Ok(()) }
    }

    /// `x, source`, with a range of an axis replaced.
    pub(super) fn slice_replaced(
        &mut self,
        node: &Node,
        axis: usize,
        (start, end, step): (usize, usize, usize),
    ) -> Result<Value, Obstacle> {
        if step != 1 {
            return Err("writing every few places".to_owned());
        }
        let beside = self.beside(&node.inputs)?;
        let whole = self.whole_of(node.inputs[0], &beside)?;
        let source = self.whole_of(node.inputs[1], &beside)?;
        let mut ranges: Vec<(usize, usize)> = whole.sizes().into_iter().map(|size| (0, size)).collect();
        ranges[axis] = (start, end.min(ranges[axis].1));
        self.replaced(&whole, &ranges, &source).map(Value::Map)
    }

    /// `x, source`, with one place of an axis replaced.
    pub(super) fn place_replaced(
        &mut self,
        node: &Node,
        axis: usize,
        index: usize,
    ) -> Result<Value, Obstacle> {
        let beside = self.beside(&node.inputs)?;
        let whole = self.whole_of(node.inputs[0], &beside)?;
        let mut source = self.whole_of(node.inputs[1], &beside)?;
        if source.dims.len() + 1 != whole.dims.len() {
            return Err("another number of axes written over one place".to_owned());
        }
        source.dims.insert(axis, Vec::new());
        let mut ranges: Vec<(usize, usize)> = whole.sizes().into_iter().map(|size| (0, size)).collect();
        ranges[axis] = (index, index + 1);
        self.replaced(&whole, &ranges, &source).map(Value::Map)
    }

    /// The first of some values that depends on the image.
    pub(super) fn beside(&mut self, inputs: &[Operand]) -> Result<Map, Obstacle> {
        for index in 0..inputs.len() {
            match self.value(inputs, index)? {
                Value::Constant(_) | Value::Parameter(_) => {}
                value => return self.as_map(value),
            }
        }
        Err("nothing that depends on the image".to_owned())
    }

    /// A value as a map; a constant as one of another map's image.
    pub(super) fn whole_of(&mut self, operand: Operand, beside: &Map) -> Result<Map, Obstacle> {
        match self.value(&[operand], 0)? {
            Value::Constant(_) | Value::Parameter(_) => {
                let constant = self.constant(operand)?.ok_or("a value that is not there")?;
                self.table(beside, &constant)
            }
            value => self.as_map(value),
        }
    }

    /// With a range of every axis replaced.
    fn replaced(&mut self, map: &Map, ranges: &[(usize, usize)], by: &Map) -> Result<Map, Obstacle> {
        let sizes = map.sizes();
        let is_part = |at: &usize| ranges[*at] != (0, sizes[*at]);
        let Some(axis) = (0..sizes.len()).find(is_part) else { return Ok(by.clone()) };
        let (start, end) = ranges[axis];
        let mut inner = ranges.to_vec();
        inner[axis] = (0, end - start);
        let middle = self.sliced(map, axis, (start, end, 1))?;
        let mut parts = Vec::new();
        if start > 0 {
            parts.push(self.sliced(map, axis, (0, start, 1))?);
        }
        parts.push(self.replaced(&middle, &inner, by)?);
        if end < size(&map.dims[axis]) {
            parts.push(self.sliced(map, axis, (end, size(&map.dims[axis]), 1))?);
        }
        self.joined_along(&parts, axis)
    }

    /// Notes where a part lies, so that who writes to it writes to the whole.
    pub(super) fn remember(
        &mut self,
        node: &Node,
        shape: &[usize],
        (axis, (start, end, step)): (usize, (usize, usize, usize)),
    ) {
        let ([Operand::Value(of), ..], [part]) = (&node.inputs[..], &node.outputs[..]) else { return };
        if step != 1 {
            return;
        }
        let ranges = || shape.iter().map(|size| (0, *size)).collect();
        let whole = || View { root: *of, ranges: ranges(), axes: (0..shape.len()).collect() };
        let mut view = self.views.get(of).cloned().unwrap_or_else(whole);
        let own = view.axes[axis];
        let (first, _) = view.ranges[own];
        view.ranges[own] = (first + start, first + end);
        if matches!(node.operator, Operator::Select { .. }) {
            view.axes.remove(axis);
        }
        self.views.insert(*part, view);
    }

    /// Writes a constant over the part of another one that a view is.
    pub(super) fn write_to(&mut self, view: &View, source: &Constant) -> Result<(), Obstacle> {
        let whole = self.constant(Operand::Value(view.root))?.ok_or("a value that is not there")?;
        let shape: Vec<usize> = view.ranges.iter().map(|(start, end)| end - start).collect();
        self.set(view.root, whole.assigned(&view.ranges, &source.reshaped(&shape)?)?);
        Ok(())
    }

    /// Overwrites a value, and what it is a part of.
    pub(super) fn fill(&mut self, node: &Node, value: Operand) -> Result<Constant, Obstacle> {
        let x = self.first(node)?;
        let number =
            self.constant(value)?.and_then(|value| value.single()).ok_or("a value that is not known")?;
        let filled = Constant::full(x.shape(), number, x.kind)?;
        let Some(of) = node.inputs[0].value() else { return Ok(filled) };
        match self.views.get(&of).cloned() {
            Some(view) => self.write_to(&view, &filled)?,
            None => self.check_own(of)?,
        }
        self.set(of, filled.clone());
        Ok(filled)
    }

    /// Writes a constant over another one, and over what that is a part of.
    pub(super) fn copy(&mut self, node: &Node) -> Result<Constant, Obstacle> {
        let x = self.first(node)?;
        let source = self.nth(node, 1)?.expanded(x.shape())?.of_kind(x.kind)?;
        let Some(of) = node.inputs[0].value() else { return Ok(source) };
        match self.views.get(&of).cloned() {
            Some(view) => self.write_to(&view, &source)?,
            None => self.check_own(of)?,
        }
        self.set(of, source.clone());
        Ok(source)
    }

    fn set(&mut self, value: ValueId, constant: Constant) {
        self.values[value.0] = Value::Constant(constant);
    }
}
