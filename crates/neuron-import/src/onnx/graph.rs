//! The nodes of a model, one after the other.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::attributes::Attributes;
use super::external::Folder;
use super::frame::{Frame, normal, read, versions};
use super::operators::{self, Call, Declared, Mapped, Work};
use super::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};
use super::refusal::Refusal;
use super::scopes::{self, Calls, own_name};
use super::{constant, image, tensor};
use crate::error::ImportError;
use crate::program::{Node, Operand, Operator, Parameter, Program, ValueId};

/// The oldest set of operators that is read: before it, many of them had other settings.
const OLDEST: i64 = 7;

/// Operators by domain, name and overload.
type Functions<'a> = HashMap<(&'a str, &'a str, &'a str), &'a FunctionProto>;

/// Builds a program from a model.
pub(super) struct Reader<'a> {
    path: &'a Path,
    folder: Folder,
    pub(super) functions: Functions<'a>,
    pub(super) program: Program,
    declared: HashMap<ValueId, Declared>,
    calls: Calls,
    /// What all functions take that were put in place of their calls.
    pub(super) inlined_bytes: usize,
}

/// The program of a model.
///
/// # Errors
/// [`ImportError`] if the model is damaged, or is no network for images.
pub(super) fn program(model: &ModelProto, path: &Path) -> Result<Program, ImportError> {
    let damaged = |what: &str| ImportError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let graph = model.graph.as_ref().ok_or_else(|| damaged("it holds no graph"))?;
    let functions = model
        .functions
        .iter()
        .map(|function| ((normal(&function.domain), &function.name[..], &function.overload[..]), function));
    let empty = Program {
        names: Vec::new(),
        image: (ValueId(0), Vec::new()),
        parameters: BTreeMap::new(),
        nodes: Vec::new(),
        outputs: Vec::new(),
        whole_quotients: true,
    };
    let reader = Reader {
        path,
        folder: Folder::of(path),
        functions: functions.collect(),
        program: empty,
        declared: HashMap::new(),
        calls: Calls::default(),
        inlined_bytes: 0,
    };
    reader.whole(graph, &model.opset_import)
}

impl<'a> Reader<'a> {
    pub(super) fn damaged(&self, what: impl Into<String>) -> ImportError {
        ImportError::Damaged { path: self.path.to_owned(), what: what.into() }
    }

    pub(super) fn unsupported(&self, what: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.to_owned(), what: what.into() }
    }

    fn whole(
        mut self,
        graph: &'a GraphProto,
        imports: &'a [OperatorSetIdProto],
    ) -> Result<Program, ImportError> {
        let versions = versions(imports);
        let version =
            *versions.get("").ok_or_else(|| self.damaged("it imports no set of operators (opset)"))?;
        if version < OLDEST {
            return Err(self.unsupported(format!(
                "its operators are those of opset {version}, and {OLDEST} is the oldest that is read; convert it with \
                 onnx.version_converter, or export it again"
            )));
        }
        let results = || graph.output.iter().map(|output| output.name.as_str());
        let mut frame = Frame { versions, read: read(&graph.node, results()), ..Frame::default() };
        self.initializers(graph, &mut frame)?;
        self.image(graph, &mut frame)?;
        let weights = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
        let modules = scopes::modules(&graph.node, &weights);
        for (node, modules) in graph.node.iter().zip(&modules) {
            self.node(node, modules, &mut frame)?;
        }
        self.program.outputs = self.results(results(), &frame)?;
        if self.program.outputs.is_empty() {
            return Err(self.damaged("it has no outputs"));
        }
        Ok(self.program)
    }

    /// The weights that a graph reads, and what is declared of its values.
    pub(super) fn initializers(
        &mut self,
        graph: &'a GraphProto,
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        if !graph.sparse_initializer.is_empty() {
            return Err(self.unsupported("it has sparse weights; export it with dense ones"));
        }
        for tensor in &graph.initializer {
            if !frame.read.contains(&tensor.name[..]) {
                continue;
            }
            let name = format!("{}{}", frame.prefix, tensor.name);
            let parameter = tensor::parameter(tensor, name, &mut self.folder)?;
            self.parameter(parameter, &tensor.name, frame)?;
        }
        let infos = graph.value_info.iter().chain(&graph.output);
        frame.infos = infos.map(|info| (info.name.as_str(), image::declared(info))).collect();
        Ok(())
    }

    /// The one input that is no weight.
    fn image(&mut self, graph: &'a GraphProto, frame: &mut Frame<'_, 'a>) -> Result<(), ImportError> {
        // Old files list weights among the inputs, and some list what no node reads.
        let fed = |input: &&ValueInfoProto| {
            !frame.names.contains_key(&input.name[..]) && frame.read.contains(&input.name[..])
        };
        let inputs: Vec<_> = graph.input.iter().filter(fed).collect();
        let [input] = inputs[..] else {
            let names: Vec<_> = inputs.iter().map(|input| input.name.as_str()).collect();
            return Err(self.unsupported(match names[..] {
                [] => "nothing in it reads an input".to_owned(),
                _ => format!(
                    "it has {} inputs ({}), and a network here has one, the image",
                    names.len(),
                    names.join(", ")
                ),
            }));
        };
        let declared = image::declared(input);
        let shape = image::shape(input).map_err(|what| self.unsupported(what))?;
        let value = self.value(&input.name, frame)?;
        self.declared.insert(value, declared);
        self.program.image = (value, shape);
        Ok(())
    }

    /// A new value of this name.
    fn value(&mut self, name: &'a str, frame: &mut Frame<'_, 'a>) -> Result<ValueId, ImportError> {
        let value = self.program.add(format!("{}{name}", frame.prefix));
        self.bind(name, value, frame)?;
        Ok(value)
    }

    pub(super) fn bind(
        &self,
        name: &'a str,
        value: ValueId,
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        match frame.names.insert(name, Operand::Value(value)) {
            None => Ok(()),
            Some(_) => Err(self.damaged(format!("two of its values have the name {name:?}"))),
        }
    }

    fn parameter(
        &mut self,
        parameter: Parameter,
        name: &'a str,
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        let value = self.value(name, frame)?;
        self.program.parameters.insert(value, parameter);
        Ok(())
    }

    pub(super) fn results(
        &self,
        names: impl Iterator<Item = &'a str>,
        frame: &Frame<'_, 'a>,
    ) -> Result<Vec<ValueId>, ImportError> {
        let made = |name| {
            let found = frame.find(name).and_then(Operand::value);
            found.ok_or_else(|| self.damaged(format!("its output {name:?} is made by no node")))
        };
        names.map(made).collect()
    }

    pub(super) fn node(
        &mut self,
        node: &'a NodeProto,
        modules: &[String],
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        let inputs = self.inputs(node, frame)?;
        let attributes = Attributes::of(node, &frame.attributes);
        if let Some(function) = self.called(node) {
            return self.put_function(node, function, (&inputs, attributes), modules, frame);
        }
        if !normal(&node.domain).is_empty() {
            return self.operator(node, inputs, attributes, modules, frame);
        }
        match (&node.op_type[..], outputs(node)) {
            ("Constant" | "Identity", [output]) => {
                let name = format!("{}{output}", frame.prefix);
                if let Some(parameter) = self.constant(node, &inputs, &attributes, name)? {
                    return self.parameter(parameter, output, frame);
                }
            }
            ("If", _) => {
                if let Some(branch) = self.branch(node, &inputs, &attributes)? {
                    return self.put_branch(node, branch, modules, frame);
                }
            }
            _ => {}
        }
        self.operator(node, inputs, attributes, modules, frame)
    }

    /// What does not depend on the image from the start: constants, and copies of weights. (Equal weights are written
    /// once, under one of their names; the others are copies of it.)
    fn constant(
        &mut self,
        node: &NodeProto,
        inputs: &[Operand],
        attributes: &Attributes,
        name: String,
    ) -> Result<Option<Parameter>, ImportError> {
        if node.op_type == "Constant" {
            let made = constant::parameter(attributes, name, &mut self.folder);
            return made.map_err(|refusal| self.told(node, refusal));
        }
        let copied = inputs.first().and_then(|input| self.program.parameters.get(&input.value()?));
        Ok(copied.map(|weight| Parameter { name, ..weight.clone() }))
    }

    fn inputs(&self, node: &NodeProto, frame: &Frame<'_, 'a>) -> Result<Vec<Operand>, ImportError> {
        let operand = |name: &String| {
            if name.is_empty() {
                return Ok(Operand::Nothing);
            }
            frame.find(name).ok_or_else(|| {
                self.damaged(format!(
                    "node {} reads {name:?}, which no node before it makes (nodes that read one another in a circle, or \
                     in a wrong order, are no network)",
                    own_name(node)
                ))
            })
        };
        node.input.iter().map(operand).collect()
    }

    /// What a refusal means for the whole, if it is not that of an unknown operator.
    pub(super) fn told(&self, node: &NodeProto, refusal: Refusal) -> ImportError {
        let name = own_name(node);
        match refusal {
            Refusal::Damaged(what) => self.damaged(format!("node {name} ({}): {what}", node.op_type)),
            Refusal::Unknown(why) => {
                let why = why.unwrap_or_default();
                self.unsupported(format!("node {name} ({}) is not supported {why}", node.op_type))
            }
            Refusal::Import(error) => error,
        }
    }

    /// The operators of a node that stands for itself.
    fn operator(
        &mut self,
        node: &'a NodeProto,
        inputs: Vec<Operand>,
        attributes: Attributes<'a>,
        modules: &[String],
        frame: &mut Frame<'_, 'a>,
    ) -> Result<(), ImportError> {
        let name = format!("{}{}", frame.prefix, own_name(node));
        let outputs = outputs(node);
        let version = frame.versions.get(normal(&node.domain)).copied().unwrap_or(OLDEST);
        let call = Call { operator: &node.op_type, version, attributes, inputs, outputs: outputs.len() };
        let Translated { steps, last: (operator, inputs), known } = self.translated(node, call, &name)?;
        let scopes = self.calls.scopes(modules);
        let node_of = |operator, inputs, outputs| Node {
            name: name.clone(),
            operator,
            inputs,
            outputs,
            scopes: scopes.clone(),
        };
        let steps =
            steps.into_iter().map(|(operator, inputs, output)| node_of(operator, inputs, vec![output]));
        self.program.nodes.extend(steps);
        let made = match operator {
            Operator::SplitSizes { .. } | Operator::Chunk { .. } | Operator::Unknown { .. } => outputs.len(),
            _ => outputs.len().min(1),
        };
        let (made, others) = outputs.split_at(made);
        let made = made.iter().map(|output| self.output(output, &known, frame)).collect::<Result<_, _>>()?;
        self.program.nodes.push(node_of(operator, inputs.clone(), made));
        // Masks, places and statistics: mostly, nobody reads them.
        for other in others {
            if frame.read.contains(other.as_str()) {
                let output = self.output(other, &Declared::default(), frame)?;
                let operator =
                    Operator::Unknown { operator: unknown(node, Some("with more than one result")) };
                self.program.nodes.push(node_of(operator, inputs.clone(), vec![output]));
            }
        }
        Ok(())
    }

    /// The operators for a call, with what is known of the result; an unknown one, if it cannot be expressed.
    fn translated(&mut self, node: &NodeProto, call: Call, name: &str) -> Result<Translated, ImportError> {
        let before = self.program.names.len();
        let mut work =
            Work { program: &mut self.program, declared: &self.declared, node: name, steps: Vec::new() };
        let mapped = match normal(&node.domain) {
            "" => operators::map(&call, &mut work),
            _ => Err(Refusal::Unknown(None)),
        };
        match mapped {
            Ok(last) => {
                let known = operators::result(&last.0, &last.1, &work);
                Ok(Translated { steps: work.steps, last, known })
            }
            Err(Refusal::Unknown(why)) => {
                self.program.names.truncate(before);
                let operator = Operator::Unknown { operator: unknown(node, why.as_deref()) };
                Ok(Translated {
                    steps: Vec::new(),
                    last: (operator, call.inputs),
                    known: Declared::default(),
                })
            }
            Err(refusal) => Err(self.told(node, refusal)),
        }
    }

    /// What a node makes, of which so much is known. A result without a name is one that nobody reads.
    fn output(
        &mut self,
        name: &'a str,
        known: &Declared,
        frame: &mut Frame<'_, 'a>,
    ) -> Result<ValueId, ImportError> {
        if name.is_empty() {
            return Ok(self.program.add(""));
        }
        let value = self.value(name, frame)?;
        let declared = frame.infos.remove(name).unwrap_or_default();
        let element = declared.element.or(known.element);
        let shape = declared.shape.or_else(|| known.shape.clone());
        self.declared.insert(value, Declared { element, shape });
        Ok(value)
    }
}

/// What a node becomes: some operators with one result each, then the one that has the node's results.
struct Translated {
    steps: Vec<(Operator, Vec<Operand>, ValueId)>,
    last: Mapped,
    known: Declared,
}

/// The outputs of a node without the last ones that are left out.
fn outputs(node: &NodeProto) -> &[String] {
    let count = node.output.iter().rposition(|output| !output.is_empty()).map_or(0, |last| last + 1);
    &node.output[..count]
}

/// The name of an operator that cannot be expressed, with the reason.
fn unknown(node: &NodeProto, why: Option<&str>) -> String {
    let domain = if normal(&node.domain).is_empty() { "ai.onnx" } else { &node.domain };
    let overload = if node.overload.is_empty() { String::new() } else { format!(":{}", node.overload) };
    let why = why.map(|why| format!(" {why}")).unwrap_or_default();
    format!("{domain} {}{overload}{why}", node.op_type)
}
