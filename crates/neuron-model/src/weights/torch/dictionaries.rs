//! The dictionaries of a checkpoint that hold tensors, wherever a training script put them.

use std::collections::{HashMap, HashSet};

use super::pickle::Pickle;
use super::value::{Element, Id, Name, Value};
use crate::weights::listing::{Dictionary, Entry};

/// Longer names are not names; and comparing many of them would take long.
const MAX_NAME_BYTES: usize = 1024;

/// Dictionaries in dictionaries: `checkpoint["model"]["state_dict"]` is the second.
const MAX_DEPTH: usize = 4;

/// More dictionaries are a log or an optimiser's state by name.
const MAX_DICTIONARIES: usize = 4096;

/// What was found in a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// Those with at least one tensor, in the order in which the file leads to them.
    pub(super) dictionaries: Vec<Dictionary<'a>>,
    /// The class of the first whole module.
    pub(super) module: Option<Name<'a>>,
}

/// Follows the names from the outermost object down.
pub(super) fn find<'a>(pickle: &Pickle<'a>) -> Found<'a> {
    let mut found = Found::default();
    let mut seen = HashSet::from([pickle.root.0]);
    let mut level = vec![(String::new(), pickle.root)];
    for _ in 0..=MAX_DEPTH {
        let mut below = Vec::new();
        for (path, id) in std::mem::take(&mut level) {
            if let Value::Object(object) = pickle.get(id)
                && is_module(pickle, object.attributes)
            {
                found.module.get_or_insert(object.class);
            }
            let entries = names(pickle, id);
            for Entry { name, at, .. } in entries.iter().filter(|entry| !entry.is_tensor) {
                let inner = Id(*at as u32);
                let may_lead_on = matches!(pickle.get(inner), Value::Dict(_) | Value::Object(_));
                if may_lead_on && seen.len() < MAX_DICTIONARIES && seen.insert(inner.0) {
                    let path = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
                    below.push((path, inner));
                }
            }
            if entries.iter().any(|entry| entry.is_tensor) {
                found.dictionaries.push(Dictionary { path, entries });
            }
        }
        level = below;
    }
    found
}

/// The entries whose keys are names; of equal names the last counts, in the place of the first.
fn names<'a>(pickle: &Pickle<'a>, id: Id) -> Vec<Entry<'a>> {
    let mut names: Vec<Entry<'a>> = Vec::new();
    let mut places = HashMap::new();
    for &(key, value) in pickle.entries(id).unwrap_or_default() {
        let &Value::Text(name) = pickle.get(key) else { continue };
        if name.len() > MAX_NAME_BYTES {
            continue;
        }
        let entry = Entry { name, at: value.0 as usize, is_tensor: is_float_tensor(pickle, value) };
        match places.get(name) {
            Some(&place) => names[place] = entry,
            None => {
                places.insert(name, names.len());
                names.push(entry);
            }
        }
    }
    names
}

fn is_float_tensor(pickle: &Pickle<'_>, id: Id) -> bool {
    let Value::Tensor(view) = pickle.get(id) else { return false };
    matches!(pickle.get(view.storage), Value::Storage(storage) if matches!(storage.element, Element::Float(_)))
}

/// Whether these are the attributes of a `torch.nn.Module`.
fn is_module(pickle: &Pickle<'_>, attributes: Option<Id>) -> bool {
    let has = |name| attributes.and_then(|attributes| pickle.entry(attributes, name)).is_some();
    has("_modules") && has("_parameters")
}

/// The first names of the outermost dictionary, for the message that nothing in it is a tensor.
pub(super) fn some_names(pickle: &Pickle<'_>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = names(pickle, pickle.root).iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    let mut shown: Vec<String> =
        names.iter().take(SHOWN).map(|name| name.escape_debug().to_string()).collect();
    if names.is_empty() {
        shown.push("nothing by name".into());
    } else if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    shown.join(", ")
}
