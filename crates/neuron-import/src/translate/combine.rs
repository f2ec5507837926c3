//! Functions of two values.

use neuron_kernels::Activation as Smooth;
use neuron_model::ops::{
    Activation, Add, Enlargement, Function, Gate, Pointwise, PositionTable, Product, Relu, Spread,
    TableProduct,
};
use neuron_model::{NodeId, Operation, Shape};

use super::computed::{broadcast, of_rank, repeated};
use super::map::{Axis, Factor, joined, size, whole};
use super::rearrange::{Grid, stepping};
use super::value::Value;
use super::weights::tensor;
use super::{Map, Obstacle, Translator};
use crate::constant::{Constant, Kind};
use crate::program::{Binary, Operand};

impl Translator<'_> {
    pub(super) fn binary(&mut self, inputs: &[Operand], function: Binary) -> Result<Value, Obstacle> {
        let (a, b) = (self.value(inputs, 0)?, self.value(inputs, 1)?);
        match (a, b) {
            (Value::Map(a), Value::Map(b)) => self.maps(&a, &b, function).map(Value::Map),
            (Value::Map(a), Value::Lengths(of)) if function == Binary::Div && a == of => {
                Ok(Value::Map(Map { is_unit: true, scale: 1.0, ..a }))
            }
            (Value::Map(a), Value::Constant(_) | Value::Parameter(_)) => {
                let constant = self.constant(inputs[1])?.ok_or("a number that is not there")?;
                self.map_and_constant(&a, &constant, (function, false)).map(Value::Map)
            }
            (Value::Constant(_) | Value::Parameter(_), Value::Map(b)) => {
                let constant = self.constant(inputs[0])?.ok_or("a number that is not there")?;
                self.map_and_constant(&b, &constant, (function, true)).map(Value::Map)
            }
            (Value::Scores(scores), Value::Constant(_) | Value::Parameter(_)) => {
                let constant = self.constant(inputs[1])?.ok_or("a number that is not there")?;
                // Whether a row is ruled out as a whole, as a softmax that is spelled out asks: no number here is infinite.
                if function == Binary::Equal
                    && constant.single() == Some(f64::NEG_INFINITY)
                    && scores.mask.is_empty()
                {
                    return Ok(Value::Constant(Constant::full(&scores.sizes(), 0.0, Kind::Bool)?));
                }
                match scores.clone().with(&constant, function) {
                    Ok(scores) => Ok(Value::scores(scores)),
                    Err(_) => {
                        let scores = self.scores_as_map(&scores)?;
                        self.map_and_constant(&scores, &constant, (function, false)).map(Value::Map)
                    }
                }
            }
            (Value::Constant(_) | Value::Parameter(_), Value::Scores(scores)) => {
                let constant = self.constant(inputs[0])?.ok_or("a number that is not there")?;
                let goes_both_ways = matches!(function, Binary::Add | Binary::Mul);
                match scores.clone().with(&constant, function) {
                    Ok(scores) if goes_both_ways => Ok(Value::scores(scores)),
                    _ => {
                        let scores = self.scores_as_map(&scores)?;
                        self.map_and_constant(&scores, &constant, (function, true)).map(Value::Map)
                    }
                }
            }
            (a, Value::Constant(_) | Value::Parameter(_)) => {
                let (a, constant) = (self.as_map(a)?, self.constant(inputs[1])?);
                let constant = constant.ok_or("a number that is not there")?;
                self.map_and_constant(&a, &constant, (function, false)).map(Value::Map)
            }
            (Value::Constant(_) | Value::Parameter(_), b) => {
                let (b, constant) = (self.as_map(b)?, self.constant(inputs[0])?);
                let constant = constant.ok_or("a number that is not there")?;
                self.map_and_constant(&b, &constant, (function, true)).map(Value::Map)
            }
            (a, b) => {
                let (a, b) = (self.as_map(a)?, self.as_map(b)?);
                self.maps(&a, &b, function).map(Value::Map)
            }
        }
    }

    /// `x + a b`
    pub(super) fn multiply_add(&mut self, inputs: &[Operand]) -> Result<Value, Obstacle> {
        let product = self.binary(&inputs[1..], Binary::Mul)?;
        match (self.value(inputs, 0)?, product) {
            (Value::Map(a), Value::Map(b)) => self.maps(&a, &b, Binary::Add).map(Value::Map),
            (Value::Constant(_) | Value::Parameter(_), Value::Map(b)) => {
                let constant = self.constant(inputs[0])?.ok_or("a number that is not there")?;
                self.map_and_constant(&b, &constant, (Binary::Add, true)).map(Value::Map)
            }
            (a, b) => Err(format!("{} and {}", a.what(), b.what())),
        }
    }

    pub(super) fn maps(&mut self, a: &Map, b: &Map, function: Binary) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let (a, b) = (self.with_lengths(a)?, self.with_lengths(b)?);
        let (a, b) = padded_to_rank(a, b);
        let (a, b) = (without_repeats(&a, &b), without_repeats(&b, &a));
        match function {
            Binary::Sub => return self.maps(&a, &Map { scale: -b.scale, ..b }, Binary::Add),
            Binary::Div => {
                let divisor = self.applied(&b, Pointwise { function: Function::Reciprocal }.into())?;
                self.at = at;
                return self.maps(&a, &divisor, Binary::Mul);
            }
            // `max(a, b)` is `b + max(a - b, 0)`, and `min(a, b)` is `a - max(a - b, 0)`.
            Binary::Max | Binary::Min => {
                let apart = self.maps(&a, &Map { scale: -b.scale, ..b.clone() }, Binary::Add)?;
                let above = self.applied(&apart, Relu.into())?;
                self.at = at;
                let (of, sign) = if function == Binary::Max { (b, 1.0) } else { (a, -1.0) };
                return self.maps(&of, &Map { scale: sign * above.scale, ..above }, Binary::Add);
            }
            Binary::Add | Binary::Mul => {}
            other => return Err(format!("{other:?} of two maps")),
        }
        // A factor stays a factor of a product.
        let (scale, a, b) = match function {
            Binary::Mul => (a.scale * b.scale, Map { scale: 1.0, ..a }, Map { scale: 1.0, ..b }),
            _ => (1.0, self.scaled(&a)?, self.scaled(&b)?),
        };
        let combined = if a.is_arranged_as(&b) && is_complete(&a) {
            let (node, shape) = self.together(&at, function, [a.node, b.node])?;
            Map { node, shape, ..a }
        } else {
            let mut whole =
                |map: &Map| if is_complete(map) { Ok(map.clone()) } else { self.arranged_by_parts(map) };
            let (x, y) = match (whole(&a), whole(&b)) {
                (Ok(a), Ok(b)) => (a, b),
                _ => (a.clone(), b.clone()),
            };
            let are_whole = is_complete(&x) && is_complete(&y);
            if are_whole && x.is_arranged_as(&y) {
                let (node, shape) = self.together(&at, function, [x.node, y.node])?;
                Map { node, shape, ..x }
            } else if are_whole && spreads(&x, &y) {
                self.spread(&at, function, &x, &y)?
            } else if are_whole && spreads(&y, &x) {
                self.spread(&at, function, &y, &x)?
            } else {
                self.put_beside(&at, function, &a, &b)?
            }
        };
        Ok(Map { scale, ..combined })
    }

    /// Two values of any arrangement, each repeated where it is of size 1 and the other is not.
    fn put_beside(&mut self, at: &str, function: Binary, a: &Map, b: &Map) -> Result<Map, Obstacle> {
        let sizes = broadcast(&a.sizes(), &b.sizes())?;
        let [a, b] = [a, b].map(|map| repeated(map, &sizes, self.items));
        if let Some(joined) = self.of_tokens(at, function, [&a, &b])? {
            return Ok(joined);
        }
        // As one of them is, if that is a grid.
        let is_like = |map: &Map| is_grid(map) && map.sizes() == sizes;
        let (channels, grid) = match [&a, &b].into_iter().find(|map| is_like(map)) {
            Some(like) => {
                let channels = like.channel_dim().ok_or("maps without channels")?;
                (channels, Grid::Of([like.shape.height, like.shape.width]))
            }
            None => {
                let known = [&a, &b].into_iter().find_map(Map::channel_dim);
                (known.unwrap_or(sizes.len().saturating_sub(1)), Grid::Lines)
            }
        };
        let mut ordered = Vec::new();
        for map in [&a, &b] {
            let is_there = match grid {
                Grid::Of(sides) => {
                    let Shape { height, width, .. } = map.shape;
                    is_like(map) && map.channel_dim() == Some(channels) && [height, width] == sides
                }
                _ => false,
            };
            ordered.push(if is_there { map.clone() } else { self.rearranged(map, &[channels], grid)? });
        }
        let nodes = [ordered[0].node, ordered[1].node];
        let (node, shape) = self.together(at, function, nodes)?;
        Ok(Map { node, shape, ..ordered.swap_remove(0) })
    }

    /// Two values of which one has extra positions before its grid: so does what comes of both.
    fn of_tokens(&mut self, at: &str, function: Binary, [a, b]: [&Map; 2]) -> Result<Option<Map>, Obstacle> {
        let (tokens, other) = match (a.shape.extra, b.shape.extra) {
            (1.., 0) => (a, b),
            (0, 1..) => (b, a),
            _ => return Ok(None),
        };
        let Some(other) = self.in_tokens(other)? else { return Ok(None) };
        if !tokens.is_whole() || !tokens.is_arranged_as(&other) {
            return Ok(None);
        }
        let nodes =
            if std::ptr::eq(tokens, a) { [tokens.node, other.node] } else { [other.node, tokens.node] };
        let (node, shape) = self.together(at, function, nodes)?;
        Ok(Some(Map { node, shape, ..other }))
    }

    /// A constant as a map, computed beside another one.
    pub(super) fn table(&mut self, beside: &Map, constant: &Constant) -> Result<Map, Obstacle> {
        let sizes = constant.shape();
        let last = sizes.len().checked_sub(1).ok_or("a number in the place of a map")?;
        let dims = sizes.iter().map(|size| stepping(Axis::Repeat, *size, 1)).collect();
        let anything = Map { dims, rolled: [0; 2], first: [0; 4], ..beside.clone() };
        let anything = Map { scale: 1.0, is_unit: false, ..anything };
        let map = self.rearranged(&anything, &[last], Grid::Lines)?;
        let channels = map.shape.channels;
        let nothing = self.affine(&map, vec![0.0; channels], vec![0.0; channels])?;
        self.map_and_tensor(&nothing, constant, Binary::Add)
    }

    /// Two nodes of one shape.
    fn together(
        &mut self,
        at: &str,
        function: Binary,
        nodes: [NodeId; 2],
    ) -> Result<(NodeId, Shape), Obstacle> {
        if function == Binary::Add {
            return self.push_as(at, Add, &nodes);
        }
        // Activations that an exporter spelled out.
        for [x, factor] in [nodes, [nodes[1], nodes[0]]] {
            let whole = match self.activation_of(factor) {
                Some((Smooth::Sigmoid, of)) if of == x => Smooth::Silu,
                Some((Smooth::HardSigmoid, of)) if of == x => Smooth::HardSwish,
                _ => continue,
            };
            return self.push_as(at, Activation { function: whole }, &[x]);
        }
        // What lies between 0 and 1 lets more or less of the other through.
        let is_gate = |node: NodeId| match self.made.get(&node) {
            Some((Operation::Activation(activation), _)) => {
                matches!(activation.function, Smooth::Sigmoid | Smooth::HardSigmoid)
            }
            Some((Operation::Softmax(_) | Operation::Spread(_), _)) => true,
            _ => false,
        };
        match nodes.map(is_gate) {
            [false, true] => self.push_as(at, Product { is_gate: true }, &nodes),
            [true, false] => self.push_as(at, Product { is_gate: true }, &[nodes[1], nodes[0]]),
            _ => self.push_as(at, Product { is_gate: false }, &nodes),
        }
    }

    /// A map with one that has no positions, or one channel.
    fn spread(&mut self, at: &str, function: Binary, map: &Map, small: &Map) -> Result<Map, Obstacle> {
        let has_positions = small.shape.positions() > 1;
        let nodes = [map.node, small.node];
        let (node, shape) = match (function, has_positions, small.shape.channels == map.shape.channels) {
            (Binary::Mul, false, true) => self.push_as(at, Gate, &nodes)?,
            _ => {
                let (spread, _) = self.push(Spread, &nodes)?;
                let operation: Operation =
                    if function == Binary::Add { Add.into() } else { Product { is_gate: true }.into() };
                self.push_as(at, operation, &[map.node, spread])?
            }
        };
        Ok(Map { node, shape, ..map.clone() })
    }

    pub(super) fn map_and_constant(
        &mut self,
        map: &Map,
        constant: &Constant,
        (function, constant_first): (Binary, bool),
    ) -> Result<Map, Obstacle> {
        if let Some(number) = constant.single().filter(|_| constant.shape().len() <= map.dims.len()) {
            return self.map_and_number(map, number, (function, constant_first));
        }
        let negated = Map { scale: -map.scale, ..map.clone() };
        let other = |function| crate::constant::unary(function, constant);
        match function {
            Binary::Sub if constant_first => self.map_and_tensor(&negated, constant, Binary::Add),
            Binary::Sub => self.map_and_tensor(map, &other(crate::program::Unary::Neg)?, Binary::Add),
            Binary::Div if !constant_first => {
                self.map_and_tensor(map, &other(crate::program::Unary::Reciprocal)?, Binary::Mul)
            }
            Binary::Add | Binary::Mul => self.map_and_tensor(map, constant, function),
            other => Err(format!("{other:?} of a map and a constant")),
        }
    }

    fn map_and_number(
        &mut self,
        map: &Map,
        number: f64,
        (function, constant_first): (Binary, bool),
    ) -> Result<Map, Obstacle> {
        let scaled = |by: f64| Ok(Map { scale: map.scale * by, ..map.clone() });
        match (function, constant_first) {
            (Binary::Mul, _) => scaled(number),
            (Binary::Div, false) => scaled(number.recip()),
            (Binary::Div, true) => {
                let reciprocal = self.applied(map, Pointwise { function: Function::Reciprocal }.into())?;
                Ok(Map { scale: number, ..reciprocal })
            }
            (Binary::Add, _) => self.shifted(map, number),
            (Binary::Sub, false) => self.shifted(map, -number),
            (Binary::Sub, true) => self.shifted(&Map { scale: -map.scale, ..map.clone() }, number),
            (Binary::Max, _) => self.clamped(map, number, f64::INFINITY),
            (Binary::Min, _) => self.clamped(map, f64::NEG_INFINITY, number),
            // Backwards from the other side: `x < b` is `-x > -b`.
            (Binary::Greater, false) | (Binary::Less, true) => {
                self.stepped(map, Function::Above { bound: number as f32 })
            }
            (Binary::GreaterEqual, false) | (Binary::LessEqual, true) => {
                self.stepped(map, Function::AtLeast { bound: number as f32 })
            }
            (Binary::Less, false) | (Binary::Greater, true) => {
                let turned = Map { scale: -map.scale, ..map.clone() };
                self.stepped(&turned, Function::Above { bound: -number as f32 })
            }
            (Binary::LessEqual, false) | (Binary::GreaterEqual, true) => {
                let turned = Map { scale: -map.scale, ..map.clone() };
                self.stepped(&turned, Function::AtLeast { bound: -number as f32 })
            }
            (Binary::Pow, false) => {
                let function = match number {
                    1.0 => return Ok(map.clone()),
                    2.0 => Function::Square,
                    0.5 => Function::Sqrt,
                    -0.5 => Function::ReciprocalSqrt,
                    -1.0 => Function::Reciprocal,
                    other => return Err(format!("a power of {other}")),
                };
                self.applied(map, Pointwise { function }.into())
            }
            (other, _) => Err(format!("{other:?} of a map and a number")),
        }
    }

    fn stepped(&mut self, map: &Map, function: Function) -> Result<Map, Obstacle> {
        self.applied(map, Pointwise { function }.into())
    }

    /// Plus a number at every element.
    fn shifted(&mut self, map: &Map, number: f64) -> Result<Map, Obstacle> {
        if number == 0.0 {
            return Ok(map.clone());
        }
        let map = &self.with_lengths(map)?;
        let channels = map.shape.channels;
        self.affine(map, vec![map.scale as f32; channels], vec![number as f32; channels])
    }

    /// A map and a constant that differs among channels, or positions.
    pub(super) fn map_and_tensor(
        &mut self,
        map: &Map,
        constant: &Constant,
        function: Binary,
    ) -> Result<Map, Obstacle> {
        let at = self.at.clone();
        let map = of_rank(map, constant.shape().len());
        let missing = map.dims.len() - constant.shape().len();
        let shape = [vec![1; missing], constant.shape().to_vec()].concat();
        let fits = shape.iter().zip(&map.dims).all(|(len, dim)| *len == 1 || *len == size(dim));
        let map = if fits {
            map
        } else {
            let sizes = broadcast(&map.sizes(), &shape)?;
            let last = sizes.len() - 1;
            self.rearranged(&repeated(&map, &sizes, self.items), &[last], Grid::Lines)?
        };
        let map = if is_complete(&map) && !map.is_unit { map } else { self.arranged(&map)? };
        let values = constant.values()?;
        let varies: Vec<usize> = (0..shape.len()).filter(|dim| shape[*dim] > 1).collect();
        let value = |channel: usize, position: [usize; 3]| {
            let at = varies.iter().fold(0, |at, dim| at * shape[*dim] + map.place(*dim, channel, position));
            values[at] as f32
        };
        let of_channels =
            varies.iter().all(|dim| map.dims[*dim].iter().all(|factor| factor.axis == Axis::Channel));
        let Shape { channels, height, width, extra } = map.shape;
        self.at.clone_from(&at);
        if of_channels {
            let by: Vec<f32> = (0..channels).map(|channel| value(channel, [0; 3])).collect();
            let scale = map.scale as f32;
            return match function {
                Binary::Mul => {
                    self.affine(&map, by.iter().map(|by| by * scale).collect(), vec![0.0; channels])
                }
                _ => self.affine(&map, vec![scale; channels], by),
            };
        }
        if varies.iter().any(|dim| map.dims[*dim].iter().any(|factor| factor.axis == Axis::Item)) {
            return Err("a constant that differs among images".to_owned());
        }
        let map = self.scaled(&map)?;
        self.afford(map.shape.len())?;
        let table: Vec<f32> = map
            .positions()
            .flat_map(|position| (0..channels).map(move |channel| (channel, position)))
            .map(|(channel, position)| value(channel, position))
            .collect();
        let positions = extra + height * width;
        if function == Binary::Mul {
            let product = TableProduct { channels, extra, grid: [height, width] };
            let (node, shape) = self.push_as(&at, product, &[map.node])?;
            self.give([("factors", tensor(&[positions, channels], table))]);
            return Ok(Map { node, shape, ..map });
        }
        let table_op = PositionTable {
            channels,
            extra,
            grid: [height, width],
            tensor: "table",
            has_batch: false,
            enlargement: Enlargement::Never,
        };
        let (node, shape) = self.push_as(&at, table_op, &[map.node])?;
        self.give([("table", tensor(&[positions, channels], table))]);
        Ok(Map { node, shape, ..map })
    }
}

/// Whether every element of the node is there, so that what happens to each by itself can happen to the node.
pub(super) fn is_complete(map: &Map) -> bool {
    map.covers(Axis::Channel) && map.has_all_positions()
}

/// Whether a map is all of its node, position by position of a grid.
fn is_grid(map: &Map) -> bool {
    let Shape { height, width, extra, .. } = map.shape;
    let channels = map.channel_dim();
    let others = map.dims.iter().enumerate().filter(|(dim, _)| Some(*dim) != channels);
    let positions: Vec<Factor> =
        others.flat_map(|(_, dim)| dim.clone()).filter(|factor| factor.axis != Axis::Item).collect();
    channels.is_some()
        && map.is_whole()
        && extra == 0
        && map.rolled == [0; 2]
        && joined(positions) == [whole(Axis::Row, height), whole(Axis::Column, width)].concat()
}

/// Without repetitions where the other one has the same size by itself: whoever combines them repeats what is of size 1.
fn without_repeats(map: &Map, other: &Map) -> Map {
    let is_repeat =
        |dim: &Vec<Factor>| !dim.is_empty() && dim.iter().all(|factor| factor.axis == Axis::Repeat);
    let mut map = map.clone();
    for (dim, other) in map.dims.iter_mut().zip(&other.dims) {
        if is_repeat(dim) && !is_repeat(other) && size(other) == size(dim) {
            dim.clear();
        }
    }
    map
}

/// Whether a value is repeated along positions or channels to meet a map.
fn spreads(map: &Map, small: &Map) -> bool {
    let fits = map.dims.iter().zip(&small.dims).all(|(dim, small)| small.is_empty() || small == dim);
    map.dims.len() == small.dims.len()
        && fits
        && (small.shape.positions() == 1 && small.shape.channels == map.shape.channels
            || small.shape.channels == 1
                && small.rolled == map.rolled
                && (small.shape.positions() == 1 || small.shape.positions() == map.shape.positions()))
}

/// With as many dimensions each: those that are missing come first.
fn padded_to_rank(mut a: Map, mut b: Map) -> (Map, Map) {
    let rank = a.dims.len().max(b.dims.len());
    for map in [&mut a, &mut b] {
        let missing = rank - map.dims.len();
        map.dims.splice(0..0, std::iter::repeat_n(Vec::new(), missing));
    }
    (a, b)
}
