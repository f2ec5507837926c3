//! Other names for the tensors of one network.

use std::borrow::Cow;
use std::collections::HashMap;

/// Today's names of one network's tensors, in their order, but for those that would then be another's, too.
pub(super) fn all_current<'n>(
    names: Vec<Cow<'n, str>>,
    current_name: &dyn Fn(&str) -> Option<String>,
) -> Vec<Cow<'n, str>> {
    let current =
        names.iter().map(|name| current_name(name).map_or_else(|| name.clone(), Cow::Owned)).collect();
    apart(names, current)
}

/// The second of two names for each tensor, unless it is another's, too: then the first, as which of the two tensors is
/// meant is not for this crate to guess.
pub(super) fn apart<'n>(
    names: impl IntoIterator<Item = Cow<'n, str>>,
    renamed: Vec<Cow<'n, str>>,
) -> Vec<Cow<'n, str>> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    renamed.iter().for_each(|name| *counts.entry(name).or_default() += 1);
    let is_alone: Vec<bool> = renamed.iter().map(|name| counts[&**name] == 1).collect();
    let chosen = |((name, renamed), is_alone)| if is_alone { renamed } else { name };
    names.into_iter().zip(renamed).zip(is_alone).map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_not_given_again() {
        let names = ["a.1.w", "a1.w", "b.1.w", "c.w"].map(Cow::Borrowed).to_vec();
        let current = |name: &str| name.contains(".1.").then(|| name.replace(".1.", "1."));
        assert_eq!(all_current(names, &current), ["a.1.w", "a1.w", "b1.w", "c.w"]);
    }
}
