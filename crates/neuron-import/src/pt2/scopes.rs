//! The modules in which an operator was recorded.

use serde_json::Value;

use super::schema::Node;
use crate::program::Scope;

/// From `nn_module_stack`: `key,name,class` from the outside in, joined by `;`. A key tells calls of one module apart.
pub(super) fn of(node: &Node) -> Vec<Scope> {
    let stack = node.metadata.get("nn_module_stack").and_then(Value::as_str).unwrap_or_default();
    let scope = |entry: &str| {
        let mut parts = entry.splitn(3, ',');
        let (call, module) = (parts.next()?, parts.next()?);
        // A second call keeps its mark in some versions.
        let module = module.split('@').next().unwrap_or_default();
        Some(Scope { call: call.to_owned(), module: module.to_owned() })
    };
    stack.split(';').filter_map(scope).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_one_module_are_told_apart() {
        let stack = "L__self__,,models.ResNet;L__self__layer1.0,layer1.0,models.Block;\
                     L__self__layer1.0.relu@1,layer1.0.relu,torch.nn.ReLU";
        let node = serde_json::json!({
            "target": "relu", "inputs": [], "outputs": [], "metadata": {"nn_module_stack": stack}
        });
        let scopes = of(&serde_json::from_value(node).unwrap());
        let last = Scope { call: "L__self__layer1.0.relu@1".into(), module: "layer1.0.relu".into() };
        assert_eq!(scopes.len(), 3);
        assert_eq!(scopes[0].module, "");
        assert_eq!(scopes[2], last);
    }
}
