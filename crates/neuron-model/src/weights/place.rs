//! Where in a file a network's tensors are: in which dictionary, and behind which prefix of their names.
//!
//! Training scripts wrap networks, and put them beside others: `checkpoint["state_dict"]["module.conv1.weight"]`,
//! `model_ema`, `module.encoder_q.` beside `module.encoder_k.`. No list of such names would be complete, so none is
//! kept: a place is where the tensors are that a known network has, by name and by shape.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;

use super::listing::{Dictionary, Source};
use super::origin::Origin;
use super::wrappers;
use crate::error::ModelError;

/// The name of a tensor that checkpoints of older versions call otherwise; `None` for every other name.
type CurrentName = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A network's tensors, by which it is found.
pub(crate) struct Expected {
    /// Names and shapes.
    pub(crate) tensors: Vec<(String, Vec<usize>)>,
    /// What older versions called otherwise.
    pub(crate) current_name: Box<CurrentName>,
}

/// What is renamed cannot be listed.
impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("tensors", &self.tensors).finish_non_exhaustive()
    }
}

/// What helps to choose where a file holds several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Choice<'c> {
    /// A part of the place's name, whole words between dots; `[1]` is a word, too.
    pub(crate) key: Option<&'c str>,
    /// The network that is to be filled, where that is known, in every spelling of its tensors' names.
    pub(crate) wanted: &'c [Expected],
    /// Every network that is known.
    pub(crate) known: &'c [Expected],
}

/// A dictionary, and the tensors in it whose names begin with a prefix.
#[derive(Clone, Debug)]
pub(super) struct Place<'c> {
    /// Index among the source's dictionaries.
    pub(super) dictionary: usize,
    /// Ends with a dot, or is empty.
    pub(super) prefix: String,
    /// The network that most of the tensors are known from.
    pub(super) network: Option<&'c Expected>,
}

/// Two are the same if the tensors are, whatever network they belong to.
impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.dictionary == other.dictionary && self.prefix == other.prefix
    }
}

/// Words for copies of a network that were averaged over its training: of two that fit, the trained one is meant.
const AVERAGED: [&str; 9] =
    ["ema", "swa", "averaged", "average", "momentum", "teacher", "target", "shadow", "k"];

/// Words that a name of an older version may have more than today's (`norm.1` for `norm1`).
const MORE_WORDS: usize = 2;

/// Places that are named in an error.
const SHOWN: usize = 12;

/// The place of the network's tensors, and what is told of it.
///
/// # Errors
/// [`ModelError::UnknownKey`] if no place has the wanted name; the source's doubt if nothing known fits.
pub(super) fn choose<'a, 'c>(
    source: &dyn Source<'a>,
    choice: &Choice<'c>,
    path: &Path,
) -> Result<(Place<'c>, Origin), ModelError> {
    let names = |places: &[Place<'_>]| places.iter().map(|place| name(source, place)).collect::<Vec<_>>();
    let fitting = fitting(source, choice);
    let all = by_size(source);
    let (place, key) = match choice.key {
        // A place that fits no known network may be named, too.
        Some(key) => {
            let of_key = by_key(&fitting, &names(&fitting), key);
            (of_key.into_iter().chain(by_key(&all, &names(&all), key)).next(), key)
        }
        None => match source.doubt() {
            Some(doubt) if fitting.is_empty() => return Err(doubt),
            _ => (fitting.iter().chain(&all).next().cloned(), ""),
        },
    };
    let Some(place) = place else {
        let mut known = names(if fitting.is_empty() { &all } else { &fitting });
        known.truncate(SHOWN);
        return Err(ModelError::UnknownKey { path: path.into(), key: key.to_owned(), known });
    };
    let origin = origin(source, &place, names(&fitting));
    Ok((place, origin))
}

/// Where the wanted network fits, else where any known one does; the best first.
fn fitting<'a, 'c>(source: &dyn Source<'a>, choice: &Choice<'c>) -> Vec<Place<'c>> {
    let wanted: Vec<_> = choice.wanted.iter().flat_map(|expected| of_network(source, expected)).collect();
    if !wanted.is_empty() {
        return ranked(source, wanted);
    }
    let mut all: Vec<(usize, Place<'_>)> = Vec::new();
    for (count, place) in choice.known.iter().flat_map(|expected| of_network(source, expected)) {
        match all.iter_mut().find(|(_, known)| *known == place) {
            Some(known) if known.0 < count => *known = (count, place),
            Some(_) => {}
            None => all.push((count, place)),
        }
    }
    ranked(source, all)
}

/// The places that hold at least half of a network's tensors, with how many, in the file's order.
fn of_network<'a, 'c>(source: &dyn Source<'a>, expected: &'c Expected) -> Vec<(usize, Place<'c>)> {
    let Expected { tensors, current_name } = expected;
    let shapes: HashMap<&str, &[usize]> =
        tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect();
    let most_dots = shapes.keys().map(|name| name.matches('.').count()).max().unwrap_or(0);
    let mut found = Vec::new();
    for (index, dictionary) in source.dictionaries().iter().enumerate() {
        let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
        for (position, entry) in dictionary.tensors().enumerate() {
            let dots = entry.name.rmatch_indices('.').map(|(at, _)| at + 1);
            // Up to as many words as the longest name has, and the whole name.
            for begin in dots.take(most_dots + 1 + MORE_WORDS + wrappers::count(entry.name)).chain([0]) {
                let (prefix, rest) = entry.name.split_at(begin);
                // What wraps the whole network belongs to the prefix.
                let rest = if wrappers::first(rest).is_some() { continue } else { wrappers::without(rest) };
                let current = || current_name(&rest).and_then(|name| shapes.get(name.as_str()));
                let Some(&shape) = shapes.get(&*rest).or_else(current) else { continue };
                if source.shape(entry).is_some_and(|found| found == shape) {
                    counts.entry(prefix).or_insert((0, position)).0 += 1;
                }
            }
        }
        let enough = counts.into_iter().filter(|(_, (count, _))| 2 * count >= shapes.len());
        let mut places: Vec<_> = enough.map(|(prefix, (count, first))| (first, prefix, count)).collect();
        places.sort_unstable();
        let network = Some(expected);
        let place = |prefix: &str| Place { dictionary: index, prefix: prefix.to_owned(), network };
        found.extend(places.into_iter().map(|(_, prefix, count)| (count, place(prefix))));
    }
    found
}

/// Most tensors first; of equals the one that was not averaged; of those the first in the file.
fn ranked<'a, 'c>(source: &dyn Source<'a>, mut places: Vec<(usize, Place<'c>)>) -> Vec<Place<'c>> {
    places.sort_by_key(|(count, place)| (std::cmp::Reverse(*count), is_averaged(&name(source, place))));
    places.into_iter().map(|(_, place)| place).collect()
}

fn is_averaged(name: &str) -> bool {
    name.split(['.', '_', '-']).any(|word| AVERAGED.contains(&word.to_ascii_lowercase().as_str()))
}

/// Every dictionary, the one with most tensors first, without what torch itself put before all of its names.
fn by_size<'a>(source: &dyn Source<'a>) -> Vec<Place<'static>> {
    let place = |(index, dictionary): (usize, &Dictionary<'a>)| {
        let place = Place { dictionary: index, prefix: torch_prefix(dictionary), network: None };
        (dictionary.tensors().count(), place)
    };
    ranked(source, source.dictionaries().iter().enumerate().map(place).collect())
}

/// The prefixes of torch's own that all tensors of a dictionary share.
fn torch_prefix(dictionary: &Dictionary<'_>) -> String {
    let Some(first) = dictionary.tensors().next() else { return String::new() };
    let mut length = 0;
    // All names are alike up to there: comparing that again for every part would take long where names are long.
    while let Some(next) = wrappers::first(&first.name[length..]) {
        let has_next = |name: &str| name.get(length..).is_some_and(|rest| rest.starts_with(next));
        if !dictionary.tensors().all(|entry| has_next(entry.name)) {
            break;
        }
        length += next.len();
    }
    first.name[..length].to_owned()
}

/// The places that a key names: those of exactly that name before those of which it is a part.
fn by_key<'c>(places: &[Place<'c>], names: &[String], key: &str) -> Vec<Place<'c>> {
    // The number of a list's item is a word of its own: "model" is a part of "model[0]".
    let dotted = |text: &str| format!(".{}.", text.replace('[', ".[").trim_matches('.'));
    let key = dotted(key);
    let with_names = || places.iter().zip(names.iter().map(|name| dotted(name)));
    let exact = with_names().filter(|(_, name)| *name == key);
    // The key "" is the outermost dictionary, not a part of every name.
    let part = with_names().filter(|(_, name)| *name != key && key != ".." && name.contains(&key));
    exact.chain(part).map(|(place, _)| place.clone()).collect()
}

/// The names that lead to a place, joined by dots.
fn name<'a>(source: &dyn Source<'a>, place: &Place<'_>) -> String {
    let path = &source.dictionaries()[place.dictionary].path;
    let prefix = place.prefix.trim_end_matches('.');
    if path.is_empty() || prefix.is_empty() { format!("{path}{prefix}") } else { format!("{path}.{prefix}") }
}

/// What is told of a place that was taken; `known` are the names of all that could have been.
fn origin<'a>(source: &dyn Source<'a>, place: &Place<'_>, known: Vec<String>) -> Origin {
    let taken = name(source, place);
    let others: Vec<String> = known.into_iter().filter(|other| *other != taken).collect();
    let mut passed_over: BTreeMap<String, usize> = BTreeMap::new();
    for (index, dictionary) in source.dictionaries().iter().enumerate() {
        let here = index == place.dictionary;
        let not_taken = dictionary.tensors().filter(|entry| !here || !entry.name.starts_with(&place.prefix));
        for entry in not_taken {
            let group = if here || dictionary.path.is_empty() {
                sibling(entry.name, &place.prefix)
            } else {
                &dictionary.path
            };
            *passed_over.entry(group.to_owned()).or_default() += 1;
        }
    }
    let dictionary = &source.dictionaries()[place.dictionary];
    let taken = dictionary.entries.iter().filter_map(|entry| entry.name.strip_prefix(&place.prefix));
    let inside = taken.flat_map(|name| name.split('.').skip(1)).filter(|word| wrappers::is_wrapper(word));
    let wrappers = inside.map(str::to_owned).collect();
    let (dictionary, prefix) = (dictionary.path.clone(), place.prefix.clone());
    Origin { dictionary, prefix, wrappers, renamed: 0, others, passed_over }
}

/// As much of a name as tells it from those that begin with `prefix`: the words they share, and one more.
fn sibling<'n>(name: &'n str, prefix: &str) -> &'n str {
    let shared: usize = name
        .split_inclusive('.')
        .zip(prefix.split_inclusive('.'))
        .take_while(|(a, b)| a == b)
        .map(|(word, _)| word.len())
        .sum();
    let end = name[shared..].find('.').map_or(name.len(), |dot| shared + dot);
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::WeightTensor;
    use crate::weights::listing::Entry;

    /// Dictionaries of tensors, all of shape `[1]` but those whose names end in `odd`.
    struct Fake(Vec<Dictionary<'static>>);

    impl Source<'static> for Fake {
        fn dictionaries(&self) -> &[Dictionary<'static>] {
            &self.0
        }

        fn shape(&self, entry: &Entry<'static>) -> Option<Vec<usize>> {
            Some(if entry.name.ends_with("odd") { vec![2] } else { vec![1] })
        }

        fn kind(&self, _: &Entry<'static>) -> String {
            unreachable!("all are tensors")
        }

        fn tensor(&mut self, _: &Entry<'static>) -> Result<WeightTensor, ModelError> {
            unreachable!("nothing is decoded to choose")
        }
    }

    /// The names of the small network's tensors, each behind a prefix.
    fn network(prefix: &str) -> Vec<&'static str> {
        ["stem.weight", "layer.0.weight", "layer.0.bias", "head.weight"]
            .map(|name| &*format!("{prefix}{name}").leak())
            .to_vec()
    }

    /// Once, the network called its layers `stack.modules.N`.
    fn expected() -> Vec<Expected> {
        let current_name =
            |name: &str| name.strip_prefix("stack.modules.").map(|rest| format!("layer.{rest}"));
        let tensors = network("").into_iter().map(|name| (name.to_owned(), vec![1])).collect();
        vec![Expected { tensors, current_name: Box::new(current_name) }]
    }

    fn fake(dictionaries: &[(&str, Vec<&'static str>)]) -> Fake {
        let dictionary = |(path, names): &(&str, Vec<&'static str>)| Dictionary {
            path: (*path).to_owned(),
            entries: names.iter().map(|name| Entry { name, at: 0, is_tensor: true }).collect(),
        };
        Fake(dictionaries.iter().map(dictionary).collect())
    }

    fn chosen(source: &Fake, key: Option<&str>) -> Result<(String, Origin), ModelError> {
        let known = expected();
        let choice = Choice { key, wanted: &[], known: &known };
        choose(source, &choice, "w".as_ref()).map(|(_, origin)| (origin.place(), origin))
    }

    #[test]
    fn any_prefix_and_any_dictionary_is_found() {
        for prefix in
            ["", "module.", "_orig_mod.", "model._orig_mod.", "net.backbone.encoder.", "x-y.", "a.b.c.d.e.f."]
        {
            for path in ["", "state_dict", "weights.inner", "something else"] {
                let (_, origin) = chosen(&fake(&[(path, network(prefix))]), None).unwrap();
                assert_eq!((origin.dictionary.as_str(), origin.prefix.as_str()), (path, prefix));
                assert!(origin.others.is_empty() && origin.passed_over.is_empty());
            }
        }
    }

    #[test]
    fn wrappers_of_torch_inside_names_hide_nothing() {
        let wrapped =
            vec!["p.stem._orig_mod.weight", "p.layer._fsdp_wrapped_module.0.module.weight", "p.layer.0.bias"];
        let (place, origin) = chosen(&fake(&[("", wrapped)]), None).unwrap();
        assert_eq!(place, "p");
        assert!(origin.wrappers.iter().eq(["_fsdp_wrapped_module", "_orig_mod", "module"]));
        let whole = network("module._fsdp_wrapped_module.");
        assert_eq!(chosen(&fake(&[("", whole)]), None).unwrap().0, "module._fsdp_wrapped_module");
    }

    #[test]
    fn names_of_older_versions_hide_nothing() {
        for prefix in ["", "module.", "a.b.c.d.e.f."] {
            let older = ["stack.modules.0.weight", "stack.modules.0.bias"];
            let older = older.map(|name| &*format!("{prefix}{name}").leak()).to_vec();
            let known = expected();
            let choice = Choice { known: &known, ..Choice::default() };
            let (place, origin) =
                choose(&fake(&[("", vec!["head.weight"]), ("x", older)]), &choice, "w".as_ref()).unwrap();
            assert_eq!((origin.dictionary.as_str(), origin.prefix.as_str()), ("x", prefix));
            assert!(place.network.is_some(), "whose names they are is known");
        }
    }

    #[test]
    fn what_stands_beside_the_network_is_passed_over() {
        let names = [network("model."), vec!["loss.weight", "model.ema.decay", "queue"]].concat();
        let (place, origin) =
            chosen(&fake(&[("state_dict", names), ("optimizer", vec!["m", "v"])]), None).unwrap();
        assert_eq!(place, "state_dict.model");
        let passed_over: Vec<_> = origin.passed_over.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        assert_eq!(passed_over, [("loss", 1), ("optimizer", 2), ("queue", 1)]);
    }

    #[test]
    fn of_two_the_trained_one_is_taken_and_the_key_takes_the_other() {
        let moco =
            [network("module.encoder_k."), network("module.encoder_q."), vec!["module.queue"]].concat();
        let ema_first = fake(&[("model_ema", network("module.")), ("model", network(""))]);
        for (source, taken, other, keys) in [
            (fake(&[("", moco)]), "module.encoder_q", "module.encoder_k", ["encoder_k", "module.encoder_k"]),
            (ema_first, "model", "model_ema.module", ["model_ema", "model_ema.module"]),
        ] {
            let (place, origin) = chosen(&source, None).unwrap();
            assert_eq!(place, taken);
            assert_eq!(origin.others, [other]);
            for key in keys {
                assert_eq!(chosen(&source, Some(key)).unwrap().0, other, "{key}");
            }
        }
    }

    #[test]
    fn a_key_that_is_not_there_is_an_error_with_those_that_are() {
        let source = fake(&[("", vec!["step"]), ("model", network("")), ("ema", network(""))]);
        let message = chosen(&source, Some("teacher")).unwrap_err().to_string();
        assert_eq!(message, "w holds no weights under \"teacher\"; it holds them under \"model\", \"ema\"");
        // A part of a word is no name.
        assert!(chosen(&source, Some("mod")).is_err());
        assert_eq!(
            chosen(&source, Some("")).unwrap().0,
            "",
            "the outermost, although nothing known is there"
        );
    }

    #[test]
    fn half_a_network_is_one_and_less_is_not() {
        let half = fake(&[("", vec!["a.stem.weight", "a.layer.0.weight", "b.c", "d.e"])]);
        assert_eq!(chosen(&half, None).unwrap().0, "a");
        let less = fake(&[("", vec!["a.stem.weight", "b.layer.0.weight"])]);
        assert_eq!(chosen(&less, None).unwrap().0, "");
        let misshapen = fake(&[("", vec!["a.stem.weight", "a.odd"])]);
        assert_eq!(chosen(&misshapen, None).unwrap().0, "");
    }

    #[test]
    fn of_an_unknown_network_only_torchs_own_prefixes_are_dropped() {
        let other = fake(&[
            ("few", vec!["module.x"]),
            ("many", vec!["module._orig_mod.a.x", "module._orig_mod.a.y"]),
        ]);
        let (place, origin) = chosen(&other, None).unwrap();
        assert_eq!(place, "many.module._orig_mod");
        assert!(origin.others.is_empty(), "nothing that fits lies elsewhere");
    }
}
