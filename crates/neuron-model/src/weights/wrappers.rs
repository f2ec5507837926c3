//! The names that torch's own wrappers add to those of what they wrap.

use std::borrow::Cow;

use super::renaming;

/// What torch names the module inside a wrapper: `DataParallel`, `torch.compile`, activation checkpointing, `FSDP`
/// and the first form of it.
const WRAPPERS: [&str; 5] =
    ["module", "_orig_mod", "_checkpoint_wrapped_module", "_fsdp_wrapped_module", "_fpw_module"];

/// Wrappers around one tensor's modules: more are not looked behind.
const MAX_WRAPPERS: usize = 16;

/// Whether this word of a name is a wrapper's.
pub(super) fn is_wrapper(word: &str) -> bool {
    WRAPPERS.contains(&word)
}

/// The wrapper that a name begins with, with its dot.
pub(super) fn first(name: &str) -> Option<&str> {
    let (word, _) = name.split_once('.')?;
    is_wrapper(word).then(|| &name[..=word.len()])
}

/// How many words of a name are wrappers', as far as they are looked behind.
pub(super) fn count(name: &str) -> usize {
    name.split('.').filter(|word| is_wrapper(word)).count().min(MAX_WRAPPERS)
}

/// A name without the wrappers in its middle (`layer1.0._orig_mod.conv1.weight`). Its first word stays.
pub(super) fn without(name: &str) -> Cow<'_, str> {
    let mut words = name.split('.').enumerate();
    if !words.clone().any(|(index, word)| index > 0 && is_wrapper(word)) {
        return Cow::Borrowed(name);
    }
    let mut bare = String::with_capacity(name.len());
    for (index, word) in words.by_ref().filter(|(index, word)| *index == 0 || !is_wrapper(word)) {
        bare.push_str(if index == 0 { "" } else { "." });
        bare.push_str(word);
    }
    Cow::Owned(bare)
}

/// The names of one network without wrappers, in their order, but for those that would then be another's, too.
pub(super) fn all_without<'n>(names: &[&'n str]) -> Vec<Cow<'n, str>> {
    let bare = names.iter().map(|name| without(name)).collect();
    renaming::apart(names.iter().map(|name| Cow::Borrowed(*name)), bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_dropped_from_the_middle_and_nothing_else_is() {
        for (name, bare) in [
            ("layer1.0._orig_mod.conv1.weight", "layer1.0.conv1.weight"),
            ("conv1._orig_mod.weight", "conv1.weight"),
            ("layer1._fsdp_wrapped_module.0._checkpoint_wrapped_module.module.bn1.bias", "layer1.0.bn1.bias"),
            ("module.a", "module.a"),
            ("layer1.modules.weight", "layer1.modules.weight"),
            ("fc", "fc"),
        ] {
            assert_eq!(without(name), bare);
        }
    }

    #[test]
    fn names_that_would_become_equal_stay_apart() {
        let names = ["a._orig_mod.w", "a.w", "b.module.w"];
        assert_eq!(all_without(&names), ["a._orig_mod.w", "a.w", "b.w"]);
    }
}
