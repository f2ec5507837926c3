//! The settings of a node.

use std::collections::HashMap;

use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, kind};
use super::refusal::Refusal;

/// Settings by their names.
#[derive(Clone, Default)]
pub(super) struct Attributes<'a>(HashMap<&'a str, &'a AttributeProto>);

impl<'a> Attributes<'a> {
    /// Those of a node; inside a function, some of them are `outer`'s: the settings of the function's call.
    pub(super) fn of(node: &'a NodeProto, outer: &Attributes<'a>) -> Self {
        let resolved = node.attribute.iter().filter_map(|attribute| {
            let referred = attribute.ref_attr_name.as_str();
            let held = if referred.is_empty() { attribute } else { *outer.0.get(referred)? };
            Some((attribute.name.as_str(), held))
        });
        Self(resolved.collect())
    }

    /// With `defaults` for those that are not there.
    pub(super) fn or(mut self, defaults: &'a [AttributeProto]) -> Self {
        for attribute in defaults {
            self.0.entry(attribute.name.as_str()).or_insert(attribute);
        }
        self
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The attribute, if it is there. Its kind is left out by some old exporters.
    fn get(&self, name: &str, kind: i32) -> Result<Option<&'a AttributeProto>, Refusal> {
        match self.0.get(name) {
            Some(found) if found.kind == kind || found.kind == kind::UNDEFINED => Ok(Some(found)),
            Some(_) => Err(Refusal::damaged(format!("its attribute {name} is of another kind"))),
            None => Ok(None),
        }
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, Refusal> {
        Ok(self.get(name, kind::INT)?.map_or(default, |attribute| attribute.i))
    }

    pub(super) fn optional_int(&self, name: &str) -> Result<Option<i64>, Refusal> {
        Ok(self.get(name, kind::INT)?.map(|attribute| attribute.i))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    pub(super) fn float(&self, name: &str, default: f64) -> Result<f64, Refusal> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    pub(super) fn optional_float(&self, name: &str) -> Result<Option<f64>, Refusal> {
        Ok(self.get(name, kind::FLOAT)?.map(|attribute| decimal(attribute.f)))
    }

    pub(super) fn ints(&self, name: &str) -> Result<Option<&'a [i64]>, Refusal> {
        Ok(self.get(name, kind::INTS)?.map(|attribute| &attribute.ints[..]))
    }

    pub(super) fn floats(&self, name: &str) -> Result<Option<&'a [f32]>, Refusal> {
        Ok(self.get(name, kind::FLOATS)?.map(|attribute| &attribute.floats[..]))
    }

    pub(super) fn text(&self, name: &str, default: &'a str) -> Result<&'a str, Refusal> {
        let Some(attribute) = self.get(name, kind::STRING)? else { return Ok(default) };
        std::str::from_utf8(&attribute.s)
            .map_err(|_| Refusal::damaged(format!("its attribute {name} is no text")))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<&'a TensorProto>, Refusal> {
        Ok(self.get(name, kind::TENSOR)?.and_then(|attribute| attribute.t.as_deref()))
    }

    pub(super) fn graph(&self, name: &str) -> Result<Option<&'a GraphProto>, Refusal> {
        Ok(self.get(name, kind::GRAPH)?.and_then(|attribute| attribute.g.as_deref()))
    }
}

/// The shortest decimal number that this is the nearest `f32` to: what the network's author wrote (`1e-5`, where
/// the `f32` itself is `9.99999974e-6`), and what the other format has. As `f32`, both are the same.
pub(super) fn decimal(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_those_that_were_written() {
        for (value, written) in [(1e-5f32, 1e-5), (0.1, 0.1), (-3.4028235e38, -3.4028235e38), (2.0, 2.0)] {
            assert_eq!(decimal(value), written);
        }
        assert_eq!(decimal(f32::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(decimal(f32::NAN).is_nan());
    }

    #[test]
    fn a_setting_of_another_kind_is_an_error() {
        let attribute =
            AttributeProto { name: "axis".into(), kind: kind::FLOAT, f: 1.0, ..Default::default() };
        let node = NodeProto { attribute: vec![attribute], ..Default::default() };
        let attributes = Attributes::of(&node, &Attributes::default());
        assert!(attributes.int("axis", 0).is_err());
        assert_eq!(attributes.float("axis", 0.0).ok(), Some(1.0));
        assert_eq!(attributes.int("other", 7).ok(), Some(7));
    }

    #[test]
    fn inside_a_function_settings_are_those_of_its_call() {
        let named = |name: &str, reference: &str, i| AttributeProto {
            name: name.into(),
            ref_attr_name: reference.into(),
            kind: kind::INT,
            i,
            ..Default::default()
        };
        let call = NodeProto { attribute: vec![named("dim", "", 3)], ..Default::default() };
        let defaults = [named("dim", "", 5), named("keep", "", 1)];
        let outer = Attributes::of(&call, &Attributes::default()).or(&defaults);
        let inner = [named("axis", "dim", 0), named("keepdims", "keep", 0), named("start", "nowhere", 0)];
        let node = NodeProto { attribute: inner.to_vec(), ..Default::default() };
        let attributes = Attributes::of(&node, &outer);
        assert_eq!(attributes.int("axis", 9).ok(), Some(3));
        assert_eq!(attributes.int("keepdims", 9).ok(), Some(1));
        assert_eq!(attributes.int("start", 9).ok(), Some(9));
    }
}
