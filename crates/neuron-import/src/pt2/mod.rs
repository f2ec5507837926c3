//! `torch.export` archives (`.pt2`): a zip with the operators as JSON and weights as raw bytes.

mod archive;
mod arguments;
mod element;
mod operators;
mod schema;
mod scopes;
mod tensors;

use std::collections::HashMap;
use std::path::Path;

use crate::error::ImportError;
use crate::program::{Node, Operand, Operator, Program, ValueId};

use archive::Archive;
use arguments::Arguments;
use schema::{Argument, ExportedProgram, Graph, InputSpec, TensorName};

/// Reads an archive.
///
/// # Errors
/// [`ImportError`] if it is damaged, or of a layout that is not supported.
pub(crate) fn read(path: &Path) -> Result<Program, ImportError> {
    let archive = Archive::open(path)?;
    let exported: ExportedProgram = archive.json(archive.model()?)?;
    let graph = exported.graph_module.graph;
    let mut reader = Reader::new(path);
    let parameters = tensors::parameters(&archive)?;
    let mut image = None;
    for spec in &exported.graph_module.signature.input_specs {
        match spec {
            InputSpec::Parameter { arg, name } | InputSpec::Constant { arg, name } => {
                let parameter = parameters
                    .get(name)
                    .ok_or_else(|| reader.damaged(format!("it has no weights for {name}")))?;
                let id = reader.define(&arg.name);
                reader.program.parameters.insert(id, parameter.clone());
            }
            InputSpec::UserInput { arg: Argument::Tensor(TensorName { name }) } => {
                let id = reader.define(name);
                if image.replace((name.clone(), id)).is_some() {
                    return Err(reader.unsupported(
                        "it takes several tensors; export the part of the network that takes the image alone",
                    ));
                }
            }
            // A number or a flag that was fixed when the network was exported.
            InputSpec::UserInput { .. } => {}
            InputSpec::Other { kind } => {
                return Err(reader.unsupported(format!("it has an input of the kind {kind}")));
            }
        }
    }
    let (name, id) = image.ok_or_else(|| reader.unsupported("it takes no tensor"))?;
    let shape = graph.shape(&name).ok_or_else(|| reader.damaged("it says nothing of its input's shape"))?;
    reader.program.image = (id, shape);
    let returned = reader.nodes(&graph)?;
    reader.program.outputs = returned.into_iter().filter_map(Operand::value).collect();
    Ok(reader.program)
}

/// Collects a program from the graph and the graphs in it.
struct Reader<'a> {
    path: &'a Path,
    program: Program,
    by_name: HashMap<String, ValueId>,
}

impl<'a> Reader<'a> {
    fn new(path: &'a Path) -> Self {
        let program = Program {
            names: Vec::new(),
            image: (ValueId(0), Vec::new()),
            parameters: std::collections::BTreeMap::new(),
            nodes: Vec::new(),
            outputs: Vec::new(),
            whole_quotients: false,
        };
        Self { path, program, by_name: HashMap::new() }
    }

    fn damaged(&self, what: impl Into<String>) -> ImportError {
        ImportError::Damaged { path: self.path.into(), what: what.into() }
    }

    fn unsupported(&self, what: impl Into<String>) -> ImportError {
        ImportError::Unsupported { path: self.path.into(), what: what.into() }
    }

    /// A new value of that name.
    fn define(&mut self, name: &str) -> ValueId {
        let id = self.program.add(name);
        self.by_name.insert(name.to_owned(), id);
        id
    }

    /// Takes over the operators of a graph; what it returns.
    fn nodes(&mut self, graph: &Graph) -> Result<Vec<Operand>, ImportError> {
        for node in &graph.nodes {
            let scopes = scopes::of(node);
            if let Some(inner) = arguments::subgraph(&node.inputs).filter(|_| runs_once(&node.target)) {
                let arguments = Arguments::new(&node.inputs, &self.by_name);
                let operands = arguments.all_values();
                self.check(&arguments, node)?;
                self.inline(inner, &operands, node)?;
                continue;
            }
            // What was checked while it was exported; nothing comes of it.
            if node.target.contains("_assert_")
                || node.target.ends_with("sym_constrain_range_for_size.default")
            {
                continue;
            }
            let arguments = Arguments::new(&node.inputs, &self.by_name);
            let translated = operators::translate(&node.target, &arguments);
            let (operator, inputs) = translated.unwrap_or_else(|| {
                let operator = node.target.trim_start_matches("torch.ops.").to_owned();
                (Operator::Unknown { operator }, arguments.all_values())
            });
            self.check(&arguments, node)?;
            let outputs: Vec<ValueId> =
                node.outputs.iter().flat_map(Argument::names).map(|name| self.define(name)).collect();
            let written = match (operators::is_in_place(&node.target), inputs.first(), &outputs[..]) {
                (true, Some(of), [result]) => Some(vec![*of, Operand::Value(*result)]),
                _ => None,
            };
            let name = node.name().to_owned();
            self.program.nodes.push(Node {
                name: name.clone(),
                operator,
                inputs,
                outputs,
                scopes: scopes.clone(),
            });
            if let Some(inputs) = written {
                let operator = Operator::InPlace;
                self.program.nodes.push(Node { name, operator, inputs, outputs: Vec::new(), scopes });
            }
        }
        let defined = |name: &str| match self.by_name.get(name) {
            Some(id) => Ok(Operand::Value(*id)),
            None => Err(self.damaged(format!("it returns {name}, which nothing makes"))),
        };
        graph.outputs.iter().flat_map(Argument::names).map(defined).collect()
    }

    /// Checks that all that an operator reads is there.
    fn check(&self, arguments: &Arguments<'_>, node: &schema::Node) -> Result<(), ImportError> {
        let unknown = arguments.undefined();
        unknown.map_or(Ok(()), |unknown| {
            Err(self.damaged(format!("{} reads {unknown}, which nothing makes", node.name())))
        })
    }

    /// Puts the operators of a graph in the place of the one that calls it (`no_grad` and `autocast` blocks).
    fn inline(
        &mut self,
        inner: &Graph,
        operands: &[Operand],
        node: &schema::Node,
    ) -> Result<(), ImportError> {
        let outer = self.by_name.clone();
        for (name, operand) in inner.inputs.iter().flat_map(Argument::names).zip(operands) {
            if let Operand::Value(id) = operand {
                self.by_name.insert(name.to_owned(), *id);
            }
        }
        let returned = self.nodes(inner)?;
        self.by_name = outer;
        for (name, operand) in node.outputs.iter().flat_map(Argument::names).zip(returned) {
            if let Operand::Value(id) = operand {
                self.by_name.insert(name.to_owned(), id);
            }
        }
        Ok(())
    }
}

/// Whether an operator on a graph computes that graph, once and whatever the values: others choose among graphs or repeat one
/// (`cond`, `while_loop`, `scan`).
fn runs_once(target: &str) -> bool {
    const NAMES: [&str; 8] = [
        "wrap",
        "wrap_with_set_grad_enabled",
        "wrap_with_autocast",
        "wrap_activation_checkpoint",
        "tag_activation_checkpoint",
        "strict_mode",
        "hints_wrapper",
        "invoke_subgraph",
    ];
    let name = target.rsplit('.').find(|part| *part != "default").unwrap_or_default();
    NAMES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_computes_a_graph_once_is_inlined() {
        for (target, expected) in [
            ("torch.ops.higher_order.wrap_with_set_grad_enabled", true),
            ("torch.ops.higher_order.wrap_with_autocast", true),
            ("torch.ops.higher_order.cond", false),
            ("torch.ops.higher_order.while_loop", false),
            ("torch.ops.higher_order.scan", false),
        ] {
            assert_eq!(runs_once(target), expected, "{target}");
        }
    }
}
