//! From operators to operations of a graph.
//!
//! Operators are gone through in order. What depends on no image is computed; what only changes the arrangement of a value
//! is remembered ([`map`]); everything else becomes a node of the graph, one file for each kind.

mod along;
mod arrange;
mod attention;
mod blocks;
mod choices;
mod combine;
mod computed;
mod constants;
mod convolutions;
mod einsum;
mod functions;
mod join;
mod map;
mod norms;
mod paddings;
mod pick;
mod pixels;
mod pools;
mod products;
mod rearrange;
mod reductions;
mod resizing;
mod scores;
mod tokens;
mod value;
mod views;
mod weights;
mod writes;

use std::collections::{BTreeMap, HashMap, HashSet};

use neuron_model::ops::{Function, Pointwise};
use neuron_model::weights::WeightTensor;
use neuron_model::{Graph, GraphBuilder, GraphError, NodeId, Operation, Shape};

use crate::constant::{self, Constant, Kind};
use crate::error::Missing;
use crate::modules;
use crate::program::{Node, Operand, Operator, Program, Sizes, ValueId};

use map::{Axis, Map, Obstacle};
use value::Value;

/// A translated network.
pub(crate) struct Translation {
    pub(crate) graph: Graph,
    pub(crate) tensors: BTreeMap<String, WeightTensor>,
    pub(crate) missing: Vec<Missing>,
}

/// Translates a program. What it computes by itself may be as large as what the file has `stored`, in elements.
///
/// # Errors
/// [`GraphError`] if the graph does not fit together.
pub(crate) fn translate(program: &Program, stored: usize) -> Result<Translation, GraphError> {
    let left = stored.saturating_mul(MOST_COPIES).saturating_add(LEAST_CONSTANTS);
    constant::limited(stored.saturating_add(LEAST_CONSTANT), || {
        let mut translator = Translator::new(program, left);
        for (step, node) in program.nodes.iter().enumerate() {
            translator.step = step;
            translator.node(node);
        }
        translator.finish()
    })
}

/// Elements that a constant may have, whatever weights there are: a table of some hundred positions in some heads.
const LEAST_CONSTANT: usize = 1 << 19;
/// Elements that all of them may have, whatever weights there are.
const LEAST_CONSTANTS: usize = 1 << 21;
/// How many as large as all weights together may be held at once: a weight is standardised in half a dozen steps.
const MOST_COPIES: usize = 16;

fn elements(value: &Value) -> usize {
    if let Value::Constant(constant) = value { constant.tensor.elem_count() } else { 0 }
}

struct Translator<'p> {
    program: &'p Program,
    graph: GraphBuilder,
    /// The node that is the image.
    image: NodeId,
    shapes: HashMap<NodeId, Shape>,
    values: Vec<Value>,
    /// Values that are stored where another one is, which whoever writes to them changes.
    views: HashMap<ValueId, views::View>,
    tensors: BTreeMap<String, WeightTensor>,
    floats: HashMap<ValueId, WeightTensor>,
    names: HashSet<String>,
    /// What every node computes, from which nodes.
    made: HashMap<NodeId, (Operation, Vec<NodeId>)>,
    same: HashMap<(String, Vec<NodeId>), NodeId>,
    node_names: HashMap<NodeId, String>,
    items: usize,
    /// The shape of the last map with extra positions before its grid.
    tokens: Option<Shape>,
    /// Elements that constants may have that are yet to be computed.
    left: usize,
    missing: Vec<Missing>,
    /// The operator that is translated, and the name that its node gets.
    at: String,
    /// Its place among all.
    step: usize,
}

impl<'p> Translator<'p> {
    fn new(program: &'p Program, left: usize) -> Self {
        let (image, shape) = &program.image;
        let [items, channels, height, width] = [0, 1, 2, 3].map(|axis| shape.get(axis).copied().unwrap_or(1));
        let (mut graph, input) = GraphBuilder::new(channels);
        graph.tables_are_for([height, width]);
        let mut values = vec![Value::Unknown; program.names.len()];
        for id in program.parameters.keys() {
            values[id.0] = Value::Parameter(*id);
        }
        let shape = Shape::grid(channels, height, width);
        values[image.0] = Value::Map(Map::image(input, shape, items));
        Self {
            program,
            graph,
            image: input,
            shapes: HashMap::from([(input, shape)]),
            values,
            views: HashMap::new(),
            tensors: BTreeMap::new(),
            floats: HashMap::new(),
            names: HashSet::from(["input".to_owned()]),
            made: HashMap::new(),
            same: HashMap::new(),
            node_names: HashMap::new(),
            items,
            tokens: None,
            left,
            missing: Vec::new(),
            at: String::new(),
            step: 0,
        }
    }

    /// Translates one operator, or notes that it cannot be.
    fn node(&mut self, node: &Node) {
        let reads_gone = node.reads().any(|value| matches!(self.values[value.0], Value::Gone));
        if let (Operator::InPlace, true) = (&node.operator, reads_gone) {
            self.lose_root(node);
            return;
        }
        if reads_gone {
            node.outputs.iter().for_each(|output| self.values[output.0] = Value::Gone);
            self.missing.iter_mut().for_each(|missing| missing.affected += 1);
            return;
        }
        self.at = self.name_of(node);
        match self.translated(node) {
            Ok(results) => {
                for (output, value) in node.outputs.iter().zip(results) {
                    self.values[output.0] = value;
                }
            }
            Err(why) => {
                self.lose_root(node);
                node.outputs.iter().for_each(|output| self.values[output.0] = Value::Gone);
                self.note(node, &why);
            }
        }
    }

    fn note(&mut self, node: &Node, why: &str) {
        let operator = match &node.operator {
            Operator::Unknown { operator } => operator.clone(),
            known => {
                let shown = format!("{known:?}");
                let name = shown.split([' ', '(', '{']).next().unwrap_or_default();
                format!("{name} ({why})")
            }
        };
        if let Some(known) = self.missing.iter_mut().find(|missing| missing.operator == operator) {
            known.count += 1;
            known.affected += 1;
            return;
        }
        let module = if node.module().is_empty() { "the network itself" } else { node.module() };
        let first = format!("{module} ({})", node.name);
        self.missing.push(Missing { operator, first, count: 1, affected: 1 });
    }

    fn translated(&mut self, node: &Node) -> Result<Vec<Value>, Obstacle> {
        if let Operator::InPlace = node.operator {
            return self.written_in_place(node).map(|()| Vec::new());
        }
        if let Some(results) = self.sizes_of_values(node)? {
            return Ok(results);
        }
        let depends = |operand: Operand| match operand.value() {
            Some(id) => !matches!(self.values[id.0], Value::Constant(_) | Value::Parameter(_)),
            None => false,
        };
        let is_constant =
            !node.inputs.iter().chain(node.operator.operands()).any(|operand| depends(*operand));
        if is_constant && !matches!(node.operator, Operator::Unknown { .. }) {
            let results = self.compute(node)?;
            self.afford(results.iter().map(elements).sum())?;
            return Ok(results);
        }
        self.operation(node)
    }

    /// Counts elements that are made here, of which a damaged file could ask for any number.
    fn afford(&mut self, elements: usize) -> Result<(), Obstacle> {
        self.left = self.left.checked_sub(elements).ok_or("too many constants for its weights")?;
        Ok(())
    }

    /// One operator on values that depend on the image.
    fn operation(&mut self, node: &Node) -> Result<Vec<Value>, Obstacle> {
        use Operator as O;
        let inputs = &node.inputs;
        let one = |value: Result<Value, Obstacle>| value.map(|value| vec![value]);
        match &node.operator {
            O::Identity | O::ToFloat => one(self.value(inputs, 0)),
            O::Convolution { stride, padding, dilation, groups } => {
                one(self.convolution(inputs, (stride, padding, dilation, *groups)))
            }
            O::TransposedConvolution { stride, padding, output_padding, dilation, groups } => {
                one(self.transposed_convolution(inputs, [stride, padding, output_padding, dilation], *groups))
            }
            O::Linear => one(self.linear(inputs)),
            O::MatMul => one(self.matmul(inputs)),
            O::Gemm { alpha, beta, transpose } => one(self.gemm(inputs, (*alpha, *beta), *transpose)),
            O::Einsum { equation } => one(self.einsum(equation, inputs)),
            O::BatchNorm { eps } => one(self.batch_norm(inputs, *eps)),
            O::Standardise { eps } => one(self.standardise(inputs, *eps)),
            O::InstanceNorm { eps } => one(self.instance_norm(inputs, *eps)),
            O::LayerNorm { axes, eps } => one(self.layer_norm(inputs, (*axes, *eps))),
            O::RmsNorm { axes, eps } => one(self.rms_norm(inputs, (*axes, *eps))),
            O::GroupNorm { groups, eps } => one(self.group_norm(inputs, (*groups, *eps))),
            O::Unary(function) => one(self.unary(inputs, *function)),
            O::Binary(function) => one(self.binary(inputs, *function)),
            O::ParametricRelu => one(self.parametric_relu(inputs)),
            O::LogSoftmax { axis } => {
                let parts = self.softmax(inputs, *axis)?;
                let Value::Map(parts) = parts else { return Err("a logarithm of similarities".to_owned()) };
                one(self.applied(&parts, Pointwise { function: Function::Log }.into()).map(Value::Map))
            }
            O::Clamp => one(self.clamp(inputs)),
            O::MultiplyAdd => one(self.multiply_add(inputs)),
            O::Pool { kind, kernel, stride, padding, dilation, ceil } => {
                let results = node.outputs.len();
                let pooled = self.pool(inputs, *kind, (kernel, stride, padding, dilation, *ceil))?;
                // The places of maxima, which nobody reads in a network without gradients.
                Ok([vec![pooled], vec![Value::Unknown; results.saturating_sub(1)]].concat())
            }
            O::AdaptivePool { kind, sizes } => one(self.adaptive_pool(inputs, *kind, sizes)),
            O::Reduce { kind, axes, keep } => {
                let axes = self.ints(axes)?;
                let reduced = self.reduce(inputs, (*kind, *keep), &axes)?;
                Ok([vec![reduced], vec![Value::Unknown; node.outputs.len().saturating_sub(1)]].concat())
            }
            O::Softmax { axis } => one(self.softmax(inputs, *axis)),
            O::Where => one(self.chosen(inputs)),
            O::Copy => one(self.copied(node)),
            O::Variance { axes, keep, correction } => {
                let axes = self.ints(axes)?;
                one(self.variance(inputs, &axes, (*keep, *correction)))
            }
            O::Attention { factor, causal: false } => one(self.scaled_attention(inputs, *factor)),
            O::Attention { .. } => Err("positions that see only those before them".to_owned()),
            O::Concat { axis } => one(self.concat(inputs, *axis)),
            O::Stack { axis } => one(self.stack(inputs, *axis)),
            O::Resize(resize) => one(self.resize(inputs, resize)),
            O::PadAll { .. } | O::Pad { .. } => one(self.pad(inputs, &node.operator)),
            O::Unknown { .. } => Err(String::new()),
            _ => self.view(node),
        }
    }

    /// The value of an input.
    fn value(&self, inputs: &[Operand], index: usize) -> Result<Value, Obstacle> {
        match inputs.get(index).copied().unwrap_or(Operand::Nothing) {
            Operand::Value(id) => Ok(self.values[id.0].clone()),
            Operand::Int(value) => Ok(Value::Constant(Constant::scalar(value as f64, Kind::Int))),
            Operand::Float(value) => Ok(Value::Constant(Constant::scalar(value, Kind::Float))),
            Operand::Nothing => Err("an input that is not there".to_owned()),
        }
    }

    /// An input that depends on the image.
    fn map(&mut self, inputs: &[Operand], index: usize) -> Result<Map, Obstacle> {
        let value = self.value(inputs, index)?;
        self.as_map(value)
    }

    /// An input that does not; `None` if it is not there.
    fn constant(&self, operand: Operand) -> Result<Option<Constant>, Obstacle> {
        match operand {
            Operand::Nothing => Ok(None),
            Operand::Int(value) => Ok(Some(Constant::scalar(value as f64, Kind::Int))),
            Operand::Float(value) => Ok(Some(Constant::scalar(value, Kind::Float))),
            Operand::Value(id) => match &self.values[id.0] {
                Value::Constant(constant) => Ok(Some(constant.clone())),
                Value::Parameter(id) => self.stored(*id).map(Some),
                other => Err(format!("{} in the place of a constant", other.what())),
            },
        }
    }

    /// Whole numbers.
    fn ints(&self, sizes: &Sizes) -> Result<Vec<i64>, Obstacle> {
        let number =
            |operand: Operand| self.constant(operand)?.ok_or("a number that is not there".to_owned())?.ints();
        match sizes {
            Sizes::Tensor(Operand::Nothing) => Ok(Vec::new()),
            Sizes::Tensor(tensor) => number(*tensor),
            Sizes::List(list) => {
                let numbers = list.iter().map(|operand| number(*operand));
                Ok(numbers.collect::<Result<Vec<_>, _>>()?.concat())
            }
        }
    }

    /// One whole number.
    fn int(&self, operand: Operand) -> Result<Option<i64>, Obstacle> {
        match self.constant(operand)? {
            None => Ok(None),
            Some(constant) => Ok(constant.ints()?.first().copied()),
        }
    }

    /// Adds a node; its name is that of the operator at hand, or of the module that holds its weights.
    fn push(
        &mut self,
        operation: impl Into<Operation>,
        inputs: &[NodeId],
    ) -> Result<(NodeId, Shape), Obstacle> {
        let name = self.at.clone();
        self.push_as(&name, operation, inputs)
    }

    fn push_as(
        &mut self,
        name: &str,
        operation: impl Into<Operation>,
        inputs: &[NodeId],
    ) -> Result<(NodeId, Shape), Obstacle> {
        let operation = operation.into();
        operation.check()?;
        // What was computed already: parts and orders of channels are asked for by several readers.
        if operation.op().tensors().is_empty()
            && let Some(node) = self.same.get(&(format!("{operation:?}"), inputs.to_vec()))
        {
            return Ok((*node, self.shapes[node]));
        }
        let shapes: Vec<Shape> = inputs.iter().map(|input| self.shapes[input]).collect();
        let shape = operation.shape(&shapes).map_err(|error| error.to_string())?;
        let name = self.unique(name);
        let node = self.graph.push(&name, operation, inputs);
        self.shapes.insert(node, shape);
        self.tokens = Some(shape).filter(|shape| shape.extra > 0).or(self.tokens);
        self.made.insert(node, (operation, inputs.to_vec()));
        self.same.insert((format!("{operation:?}"), inputs.to_vec()), node);
        self.node_names.insert(node, name.clone());
        self.at = name;
        Ok((node, shape))
    }

    /// A name that no node has, for tensors and messages.
    fn unique(&mut self, wanted: &str) -> String {
        let wanted = wanted.trim_matches(['.', '_', '/', ' ']);
        let wanted = if wanted.is_empty() { "value" } else { wanted };
        let names =
            (0..).map(|count| if count == 0 { wanted.to_owned() } else { format!("{wanted}.{count}") });
        let mut free = names.filter(|name| !self.names.contains(name));
        let name = free.next().expect("there are more names than nodes");
        self.names.insert(name.clone());
        name
    }

    /// The name for what an operator becomes: that of its weights, else of its module.
    fn name_of(&self, node: &Node) -> String {
        let weight = node.inputs.iter().skip(1).filter_map(|operand| operand.value());
        let named = weight.filter_map(|id| self.program.parameters.get(&id)).map(|parameter| &parameter.name);
        let owner = named.filter_map(|name| name.strip_suffix(".weight")).next();
        let module = node.module();
        match owner {
            Some(owner) => owner.to_owned(),
            None if module.is_empty() => node.name.clone(),
            None => module.to_owned(),
        }
    }

    fn finish(mut self) -> Result<Translation, GraphError> {
        self.name_taps();
        let Self { graph, tensors, missing, .. } = self;
        Ok(Translation { graph: graph.finish()?, tensors, missing })
    }

    /// Names what modules return, and what the network does.
    fn name_taps(&mut self) {
        let mut taps: Vec<(NodeId, String)> = Vec::new();
        for (module, value) in modules::returned(self.program) {
            self.at.clone_from(&module);
            if let Some(node) = self.tapped(value) {
                taps.push((node, module));
            }
        }
        let count = self.program.outputs.len();
        for (index, value) in self.program.outputs.iter().enumerate() {
            let mut name = if count == 1 { "output".to_owned() } else { format!("output.{index}") };
            // A module of that name is another thing.
            while taps.iter().any(|(_, known)| *known == name) {
                name.insert(0, '_');
            }
            self.at.clone_from(&name);
            taps.extend(self.tapped(*value).map(|node| (node, name)));
        }
        // Inner modules return before outer ones, which return the same.
        taps.sort_by_key(|(node, _)| *node);
        taps.iter().for_each(|(node, name)| self.graph.name(name, *node));
    }

    /// What an operator would have written over is not known any more.
    fn lose_root(&mut self, node: &Node) {
        if let Operator::InPlace | Operator::Copy | Operator::Fill { .. } = node.operator
            && let Some(of) = node.inputs.first().and_then(|input| input.value())
            && let Some(view) = self.views.get(&of)
        {
            self.values[view.root.0] = Value::Gone;
        }
    }

    /// The node whose map a value is, as far as it is one of channels and positions.
    fn tapped(&mut self, value: ValueId) -> Option<NodeId> {
        let Value::Map(map) = self.values[value.0].clone() else { return None };
        let map = self.arranged(&map).ok()?;
        let turned = if map.is_turned() { self.as_image(&map).ok() } else { None };
        let node = turned.unwrap_or(map.node);
        // The image is a layer of its own.
        self.made.contains_key(&node).then_some(node)
    }
}
