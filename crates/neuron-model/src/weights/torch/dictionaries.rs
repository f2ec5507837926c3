//! The dictionaries of a checkpoint that hold tensors, wherever a training script put them.

use std::borrow::Cow;
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

/// Longer lists are a log of a training, not networks one after the other.
const MAX_ITEMS: usize = 256;

/// What was found in a checkpoint.
#[derive(Debug, Default)]
pub(super) struct Found<'a> {
    /// Those with at least one tensor, in the order in which the file leads to them.
    pub(super) dictionaries: Vec<Dictionary<'a>>,
    /// The class of the first whole module.
    pub(super) module: Option<Name<'a>>,
    /// The first array of numbers by name that nothing here reads.
    pub(super) unread: Option<Entry<'a>>,
}

/// Follows the names, and the items of lists, from the outermost object down.
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
            let mut numbers = entries.iter().filter(|entry| holds_unread_numbers(pickle, entry));
            found.unread = found.unread.or(numbers.next().copied());
            for (name, inner) in inner(pickle, id, &entries) {
                if seen.len() < MAX_DICTIONARIES && seen.insert(inner.0) {
                    below.push((join(&path, &name), inner));
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

/// What may lead on to tensors, below a value whose named entries are known: a list's items are `[0]`, `[1]` and so on.
fn inner<'e>(pickle: &Pickle<'_>, id: Id, entries: &'e [Entry<'_>]) -> Vec<(Cow<'e, str>, Id)> {
    let may_lead_on =
        |id| matches!(pickle.get(id), Value::Dict(_) | Value::Object(_) | Value::List(_) | Value::Tuple(_));
    let named = entries.iter().map(|entry| (Cow::Borrowed(entry.name), Id(entry.at as u32)));
    let items = match pickle.get(id) {
        // A list of names and tensors was a dictionary.
        Value::List(items) | Value::Tuple(items) if entries.is_empty() => items.as_slice(),
        _ => &[],
    };
    let numbered = items.iter().take(MAX_ITEMS).enumerate();
    let numbered = numbered.map(|(index, &item)| (Cow::Owned(format!("[{index}]")), item));
    named.chain(numbered).filter(|&(_, id)| may_lead_on(id)).collect()
}

/// The path to what is `name` in what is at `path`: names are joined by dots, the numbers of a list's items by nothing.
fn join(path: &str, name: &str) -> String {
    let dot = if path.is_empty() || name.starts_with('[') { "" } else { "." };
    format!("{path}{dot}{name}")
}

/// The entries of a dictionary, or of a list of pairs of a name and what it names (`list(state_dict.items())`).
fn entries(pickle: &Pickle<'_>, id: Id) -> Vec<(Id, Id)> {
    let pair = |&item: &Id| match pickle.get(item) {
        Value::List(pair) | Value::Tuple(pair) => match pair.as_slice() {
            &[name, value] if matches!(pickle.get(name), Value::Text(_)) => Some((name, value)),
            _ => None,
        },
        _ => None,
    };
    match pickle.get(id) {
        Value::List(items) | Value::Tuple(items) => items.iter().map(pair).collect::<Option<_>>(),
        _ => pickle.entries(id).map(<[_]>::to_vec),
    }
    .unwrap_or_default()
}

/// The entries whose keys are names; of equal names the last counts, in the place of the first.
fn names<'a>(pickle: &Pickle<'a>, id: Id) -> Vec<Entry<'a>> {
    let mut names: Vec<Entry<'a>> = Vec::new();
    let mut places = HashMap::new();
    for (key, value) in entries(pickle, id) {
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

/// Whether this is an array of NumPy, or a tensor of numbers that no network here reads.
fn holds_unread_numbers(pickle: &Pickle<'_>, entry: &Entry<'_>) -> bool {
    match pickle.get(Id(entry.at as u32)) {
        Value::Tensor(_) => !entry.is_tensor,
        Value::Object(object) => object.class.makes_array(),
        _ => false,
    }
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
