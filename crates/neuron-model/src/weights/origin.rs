//! Where in a file weights were found.

use std::collections::{BTreeMap, BTreeSet};

/// Where in a file weights were found, and what of the file was not taken.
///
/// Empty for weights that were made in memory, and for a file that holds the network's tensors and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The names that lead to the dictionary that was taken, joined by dots (`state_dict`); empty for the outermost.
    pub dictionary: String,
    /// What was dropped from the start of every name (`module.`); ends with a dot, or is empty.
    pub prefix: String,
    /// Words of torch's own wrappers that were dropped from the middle of names (`_orig_mod`).
    pub wrappers: BTreeSet<String>,
    /// How many entries have a name of an older version in the file, and today's here.
    pub renamed: usize,
    /// The names of other places from which a network could have been taken.
    pub others: Vec<String>,
    /// Groups of tensors that were not taken (`module.encoder_k`, `optimizer`), and how many each has.
    pub passed_over: BTreeMap<String, usize>,
}

impl Origin {
    /// The name of the place: dictionary and prefix, joined by a dot.
    pub fn place(&self) -> String {
        let prefix = self.prefix.trim_end_matches('.');
        let names = [self.dictionary.as_str(), prefix];
        names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".")
    }
}
