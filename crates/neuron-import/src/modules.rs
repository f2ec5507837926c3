//! What modules return, by the modules in which operators were recorded.

use std::collections::HashMap;

use crate::program::{Operator, Program, ValueId};

/// Every module and the value that it returns: of the last call, the last value made there that is read outside.
pub(crate) fn returned(program: &Program) -> Vec<(String, ValueId)> {
    // Calls in the order in which they begin, with where they begin.
    let mut calls: Vec<(&str, &str)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut made: HashMap<ValueId, Vec<usize>> = HashMap::new();
    for node in &program.nodes {
        let mut inside = Vec::new();
        for scope in node.scopes.iter().filter(|scope| !scope.module.is_empty()) {
            let index = *known.entry(&scope.call).or_insert_with(|| {
                calls.push((&scope.call, &scope.module));
                calls.len() - 1
            });
            inside.push(index);
        }
        node.outputs.iter().for_each(|output| {
            made.insert(*output, inside.clone());
        });
    }
    // The last value of each call that somebody outside of it reads.
    let mut returned: Vec<Option<ValueId>> = vec![None; calls.len()];
    let mut order: HashMap<ValueId, usize> = HashMap::new();
    let outputs = program.nodes.iter().flat_map(|node| &node.outputs);
    outputs.enumerate().for_each(|(at, output)| {
        order.insert(*output, at);
    });
    let mut read = |value: ValueId, reader: &[usize]| {
        for call in made.get(&value).into_iter().flatten().filter(|call| !reader.contains(call)) {
            let later = returned[*call].is_none_or(|known| order.get(&known) < order.get(&value));
            if later {
                returned[*call] = Some(value);
            }
        }
    };
    for node in &program.nodes {
        let inside: Vec<usize> =
            node.scopes.iter().filter_map(|scope| known.get(scope.call.as_str()).copied()).collect();
        node.reads().for_each(|value| read(value, &inside));
    }
    program.outputs.iter().for_each(|value| read(*value, &[]));
    let mut by_module: Vec<(String, ValueId)> = Vec::new();
    for ((_, module), value) in calls.iter().zip(returned) {
        let Some(value) = value else { continue };
        match by_module.iter_mut().find(|(known, _)| known == module) {
            Some((_, last)) => *last = value,
            None => by_module.push(((*module).to_owned(), value)),
        }
    }
    let gone = folded(program);
    by_module.retain(|(module, value)| {
        gone.get(module).is_none_or(|later| order.get(value).is_some_and(|at| at > later))
    });
    by_module
}

/// Modules whose last step an exporter folded into a later one, and when that comes: a convolution and the norm behind it are
/// recorded in the norm's module, so that what the convolution's returned is not there, unless something follows in it.
fn folded(program: &Program) -> HashMap<String, usize> {
    let mut folded = HashMap::new();
    let mut at = 0;
    for node in &program.nodes {
        if let Operator::Convolution { .. } | Operator::Linear = node.operator
            && let Some(weight) = node.inputs.get(1).and_then(|operand| operand.value())
            && let Some(parameter) = program.parameters.get(&weight)
            && let Some(owner) = parameter.name.strip_suffix(".weight")
            && node.scopes.iter().any(|scope| !scope.module.is_empty())
        {
            let ends = owner.match_indices('.').map(|(end, _)| end).chain([owner.len()]);
            for module in ends.map(|end| &owner[..end]) {
                if !node.scopes.iter().any(|scope| &*scope.module == module) {
                    folded.insert(module.to_owned(), at);
                }
            }
        }
        at += node.outputs.len();
    }
    folded
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::program::{Node, Operand, Scope};

    fn node(inputs: &[ValueId], output: ValueId, calls: &[(&str, &str)]) -> Node {
        let scope = |(call, module): &(&str, &str)| Scope { call: (*call).into(), module: (*module).into() };
        Node {
            name: "node".into(),
            operator: Operator::Identity,
            inputs: inputs.iter().map(|id| Operand::Value(*id)).collect(),
            outputs: vec![output],
            scopes: calls.iter().map(scope).collect(),
        }
    }

    #[test]
    fn a_module_returns_what_is_read_outside_at_its_last_call() {
        let mut program = Program {
            names: Vec::new(),
            image: (ValueId(0), vec![1, 3, 8, 8]),
            parameters: BTreeMap::new(),
            nodes: Vec::new(),
            outputs: Vec::new(),
            whole_quotients: false,
        };
        let values: Vec<ValueId> = (0..6).map(|index| program.add(index.to_string())).collect();
        let block = ("block", "block");
        program.nodes = vec![
            node(&[values[0]], values[1], &[block, ("relu", "block.relu")]),
            node(&[values[1]], values[2], &[block, ("conv", "block.conv")]),
            node(&[values[2]], values[3], &[block, ("relu@1", "block.relu")]),
            node(&[values[3]], values[4], &[block, ("conv", "block.conv")]),
            node(&[values[3], values[2]], values[5], &[]),
        ];
        program.outputs = vec![values[5]];
        let returned: BTreeMap<String, ValueId> = returned(&program).into_iter().collect();
        assert_eq!(returned["block"], values[3]);
        assert_eq!(returned["block.relu"], values[3]);
        assert_eq!(returned["block.conv"], values[2], "of the second, nobody reads what it makes");
    }
}
