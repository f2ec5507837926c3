//! The modules in which nodes were recorded.
//!
//! Three exporters, three ways to say it. The dynamo exporter of PyTorch writes the list of modules to every node's
//! metadata. Its TorchScript exporter has paths as names of nodes. In other files, what is left is the names of
//! weights, which are those of the state dict.

use std::collections::{HashMap, HashSet};

use super::proto::NodeProto;
use crate::program::Scope;

/// What the dynamo exporter calls the list of modules.
const NAME_SCOPES: &str = "pkg.torch.onnx.name_scopes";

/// What it writes in place of modules where it does not know them: for the lengths of axes.
const NO_SCOPES: &str = "_empty_nn_module_stack";

/// Modules nest less deeply than this; a name with more parts says something else. It bounds what names of modules take.
const MOST_PARTS: usize = 64;

/// The dotted names of the modules of every node, outermost first, without the network itself.
pub(super) fn modules(nodes: &[NodeProto], weights: &HashSet<&str>) -> Vec<Vec<String>> {
    let recorded: Vec<_> = nodes.iter().map(recorded).collect();
    if recorded.iter().any(Option::is_some) {
        return filled(nodes, &recorded);
    }
    let paths = Paths::of(nodes, weights);
    if !paths.seen.is_empty() {
        let placed = nodes.iter().map(|node| paths.modules(&node.name).or_else(|| by_weight(node, weights)));
        return filled(nodes, &placed.collect::<Vec<_>>());
    }
    let named = |node: &NodeProto| vec![own_name(node).to_owned()];
    nodes.iter().map(|node| by_weight(node, weights).unwrap_or_else(|| named(node))).collect()
}

/// What a node is called.
pub(super) fn own_name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// The list in the metadata: of all but its last text, which is the operator's.
fn recorded(node: &NodeProto) -> Option<Vec<String>> {
    let entry = node.metadata_props.iter().find(|entry| entry.key == NAME_SCOPES)?;
    let mut scopes = python_list(&entry.value)?;
    scopes.pop();
    if scopes.first().is_some_and(|first| first.starts_with(NO_SCOPES)) {
        return None;
    }
    scopes.retain(|module| !module.is_empty());
    (scopes.len() <= MOST_PARTS).then_some(scopes)
}

/// The texts of a list as Python prints it: `['', 'layer1', "it's"]`.
fn python_list(text: &str) -> Option<Vec<String>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let mut texts = Vec::new();
    let mut rest = inner.trim_start();
    while let Some(quote) = rest.chars().next() {
        if quote != '\'' && quote != '"' {
            return None;
        }
        let mut text = String::new();
        let mut characters = rest[1..].char_indices();
        let end = loop {
            match characters.next()? {
                (at, character) if character == quote => break at + 2,
                (_, '\\') => text.push(characters.next()?.1),
                (_, character) => text.push(character),
            }
        };
        texts.push(text);
        rest = rest[end..].trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(texts)
}

/// Nodes that an optimiser made say nothing; they stand in the modules that their neighbours have in common. (In that of
/// their source alone, they would pass for its last operator, and so for what it returns.)
fn filled(nodes: &[NodeProto], placed: &[Option<Vec<String>>]) -> Vec<Vec<String>> {
    let counts = |at: usize| nodes[at].op_type != "Constant" && placed[at].is_some();
    let mut after = vec![None; placed.len()];
    let mut next: Option<usize> = None;
    for at in (0..placed.len()).rev() {
        after[at] = next;
        if counts(at) {
            next = Some(at);
        }
    }
    let mut before: Option<usize> = None;
    let mut all: Vec<Vec<String>> = Vec::with_capacity(placed.len());
    for at in 0..placed.len() {
        let modules = match (&placed[at], before, after[at]) {
            (Some(modules), ..) => modules.clone(),
            (None, Some(before), Some(after)) => {
                let (before, after) = (placed[before].iter().flatten(), placed[after].iter().flatten());
                let both = before.zip(after).take_while(|(before, after)| before == after);
                both.map(|(module, _)| module.clone()).collect()
            }
            _ => Vec::new(),
        };
        if counts(at) {
            before = Some(at);
        }
        all.push(modules);
    }
    all
}

/// The module of the first weight that a node reads, alone: nothing says which other nodes the modules around it have.
fn by_weight(node: &NodeProto, weights: &HashSet<&str>) -> Option<Vec<String>> {
    let dotted = |name: &&String| weights.contains(name.as_str()) && !name.contains([':', '/']);
    let (module, _) = node.input.iter().filter(dotted).find_map(|name| name.rsplit_once('.'))?;
    Some(vec![module.to_owned()])
}

/// Names of nodes as the TorchScript exporter has them: `/layer1/layer1.0/relu_1/Relu`.
struct Paths<'a> {
    /// All beginnings of them, to know a second call of a module from a module whose name ends in a number.
    seen: HashSet<&'a str>,
    /// Modules that have weights.
    known: HashSet<&'a str>,
}

impl<'a> Paths<'a> {
    fn of(nodes: &'a [NodeProto], weights: &HashSet<&'a str>) -> Self {
        let paths = nodes.iter().map(|node| node.name.as_str()).filter(|name| name.starts_with('/'));
        let seen = paths.flat_map(|name| name.match_indices('/').map(|(at, _)| &name[..at])).collect();
        let known =
            weights.iter().flat_map(|name| name.match_indices('.').map(|(at, _)| &name[..at])).collect();
        Self { seen, known }
    }

    /// The modules that a path goes through.
    fn modules(&self, name: &str) -> Option<Vec<String>> {
        let (path, _operator) = name.strip_prefix('/')?.rsplit_once('/').unwrap_or_default();
        if path.split('/').count() > MOST_PARTS {
            return None;
        }
        let mut modules: Vec<String> = Vec::new();
        let mut parent = "";
        let mut end = 0;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            let above = &name[..end];
            end += 1 + part.len();
            let whole = self.module(modules.last().map(String::as_str), parent, part);
            let once = first_call(part).filter(|once| {
                !self.known.contains(whole.as_str()) && self.seen.contains(format!("{above}/{once}").as_str())
            });
            let part = once.unwrap_or(part);
            modules.push(self.module(modules.last().map(String::as_str), parent, part));
            parent = part;
        }
        Some(modules)
    }

    /// The dotted name of a part of a path. Where a module numbers its children, a part begins with that module's own
    /// part (`block` and `block.0`), if it is called; if it is a mere list, then its part is left out.
    fn module(&self, outer: Option<&str>, parent: &str, part: &str) -> String {
        let Some(outer) = outer else { return part.to_owned() };
        let child = format!("{outer}.{part}");
        let numbered = part.strip_prefix(parent).filter(|rest| rest.starts_with('.'));
        let Some(numbered) = numbered.map(|rest| format!("{outer}{rest}")) else { return child };
        if self.known.contains(child.as_str()) && !self.known.contains(numbered.as_str()) {
            child
        } else {
            numbered
        }
    }
}

/// The part that a module's first call has, if this is that of a later one (`relu_1`).
fn first_call(part: &str) -> Option<&str> {
    let (once, number) = part.rsplit_once('_')?;
    (!number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())).then_some(once)
}

/// The calls of modules. Files do not say where one ends and the next one begins: it is another call if something outside
/// of the module came in between.
#[derive(Default)]
pub(super) struct Calls {
    counts: HashMap<String, usize>,
    open: Vec<Scope>,
}

impl Calls {
    /// The scopes of a node in these modules, which follows the one that was asked for before.
    pub(super) fn scopes(&mut self, modules: &[String]) -> Vec<Scope> {
        let root = Scope { call: String::new(), module: String::new() };
        if self.open.is_empty() {
            self.open.push(root);
        }
        let same = self.open[1..].iter().zip(modules).take_while(|(scope, module)| scope.module == **module);
        self.open.truncate(1 + same.count());
        for module in &modules[self.open.len() - 1..] {
            let count = self.counts.entry(module.clone()).or_insert(0);
            let call = if *count == 0 { module.clone() } else { format!("{module}@{count}") };
            *count += 1;
            self.open.push(Scope { call, module: module.clone() });
        }
        self.open.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::proto::StringStringEntryProto;
    use super::*;

    fn node(name: &str, inputs: &[&str]) -> NodeProto {
        NodeProto {
            name: name.to_owned(),
            op_type: "Relu".to_owned(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            ..Default::default()
        }
    }

    fn scoped(scopes: &str) -> NodeProto {
        let metadata = StringStringEntryProto { key: NAME_SCOPES.to_owned(), value: scopes.to_owned() };
        NodeProto { metadata_props: vec![metadata], ..node("node", &[]) }
    }

    fn found(nodes: &[NodeProto], weights: &[&str]) -> Vec<String> {
        let weights = weights.iter().copied().collect();
        modules(nodes, &weights).iter().map(|modules| modules.join(" ")).collect()
    }

    #[test]
    fn lists_of_python_are_read() {
        assert_eq!(python_list("['', 'layer1', \"it's\", 'a\\'b']").unwrap(), ["", "layer1", "it's", "a'b"]);
        assert_eq!(python_list("[]").unwrap(), [""; 0]);
        for damaged in ["", "[", "['a'", "['a]", "['a' 'b']", "[a]", "['a\\", "['ä', 3]"] {
            assert!(python_list(damaged).is_none(), "{damaged}");
        }
    }

    #[test]
    fn metadata_name_modules_and_what_has_none_stands_where_its_neighbours_do() {
        let nodes = [
            scoped("['', 'attn', 'attn.qkv', 'linear']"),
            node("node_Split_1", &[]),
            scoped("['', 'attn', 'reshape']"),
            scoped("['_empty_nn_module_stack_from_metadata_hook', 'sym_size_int']"),
            scoped("['', 'attn', 'attn.proj', 'linear']"),
            scoped("['', 'add']"),
        ];
        assert_eq!(found(&nodes, &[]), ["attn attn.qkv", "attn", "attn", "attn", "attn attn.proj", ""]);
    }

    #[test]
    fn paths_become_dotted_names() {
        let nodes = [
            node("/layer1/layer1.0/relu/Relu", &[]),
            node("/layer1/layer1.0/relu_1/Relu", &[]),
            node("/blocks.0/layers.0/layers/pre_norm/Add", &[]),
            node("/features/features.1/block/block.0/block.0.2/Relu", &[]),
            node("/Mixed_5b/branch5x5_1/conv/Conv", &[]),
            node("/head/conv_1/Conv", &[]),
            node("/head/conv/Conv", &[]),
            node("/stage/stage.0/Conv", &[]),
            node("/Flatten", &[]),
        ];
        let weights = ["head.conv.weight", "head.conv_1.weight", "stage.stage.0.weight"];
        assert_eq!(
            found(&nodes, &weights),
            [
                "layer1 layer1.0 layer1.0.relu",
                "layer1 layer1.0 layer1.0.relu",
                "blocks.0 blocks.0.layers.0 blocks.0.layers.0.layers blocks.0.layers.0.layers.pre_norm",
                "features features.1 features.1.block features.1.block.0 features.1.block.0.2",
                "Mixed_5b Mixed_5b.branch5x5_1 Mixed_5b.branch5x5_1.conv",
                "head head.conv_1",
                "head head.conv",
                "stage stage.stage.0",
                "",
            ]
        );
    }

    #[test]
    fn weights_name_modules_where_nothing_else_does() {
        let nodes = [
            node("Conv_0", &["x", "layer4.2.conv2.weight"]),
            node("Relu_1", &["y"]),
            node("Conv_2", &["layer4.2.conv3.weight"]),
            node("", &["onnx::Conv_1.5"]),
        ];
        let weights = ["layer4.2.conv2.weight", "onnx::Conv_1.5"];
        assert_eq!(found(&nodes, &weights), ["layer4.2.conv2", "Relu_1", "Conv_2", ""]);
    }

    #[test]
    fn a_later_call_has_another_key() {
        let mut calls = Calls::default();
        let mut keys = |modules: &[&str]| {
            let modules: Vec<_> = modules.iter().map(|module| (*module).to_owned()).collect();
            calls.scopes(&modules).iter().map(|scope| scope.call.clone()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&["a", "a.relu"]), ["", "a", "a.relu"]);
        assert_eq!(keys(&["a"]), ["", "a"]);
        assert_eq!(keys(&["a", "a.relu"]), ["", "a", "a.relu@1"]);
        assert_eq!(keys(&["a", "a.relu"]), ["", "a", "a.relu@1"]);
        assert_eq!(keys(&[]), [""]);
        assert_eq!(keys(&["a", "a.relu"]), ["", "a@1", "a.relu@2"]);
    }
}
