//! The names that somebody may have meant.

/// How many are told.
const MOST: usize = 4;

/// The known names that are most like `wanted`, best first: by how many letters change until it is a part of a name, then until
/// it is the name. Neither case counts nor what stands between letters and digits.
pub(crate) fn nearest<'n>(wanted: &str, known: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let wanted = letters(wanted);
    let key = |name: &str| {
        let name = letters(name);
        (part_distance(&wanted, &name), edit_distance(&wanted, &name))
    };
    let mut names: Vec<_> = known.into_iter().map(|name| (key(name), name)).collect();
    names.sort_unstable();
    names.into_iter().take(MOST).map(|(_, name)| name.to_owned()).collect()
}

/// A name without what is easily mistaken in it.
fn letters(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance: insertions, deletions and replacements that lead from `from` to `to`.
fn edit_distance(from: &str, to: &str) -> usize {
    let start = (0..=to.chars().count()).collect();
    *distances(from, to, start).last().expect("one more than letters")
}

/// The smallest such distance to a part of `to` (Sellers, "The theory and computation of evolutionary distances", 1980).
fn part_distance(from: &str, to: &str) -> usize {
    let start = vec![0; to.chars().count() + 1];
    distances(from, to, start).into_iter().min().expect("one more than letters")
}

/// How far `from` is from what ends behind each letter of `to`; `row` says so of an empty `from`.
fn distances(from: &str, to: &str, mut row: Vec<usize>) -> Vec<usize> {
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distances_by_hand() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("layer5", "layer4"), 1);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(part_distance("", "abc"), 0);
        assert_eq!(part_distance("mlp0", "layer1mlp0sum"), 0);
        assert_eq!(part_distance("mpl0", "layer1mlp0sum"), 2);
        assert_eq!(part_distance("abc", ""), 3);
    }

    #[test]
    fn a_part_of_a_name_comes_before_a_similar_one() {
        let blocks =
            ["encoder", "encoder.layers.block_1", "encoder.layers.block_1.mlp.0", "encoder.layers.block_11"];
        assert_eq!(nearest("block_1.mlp.0", blocks)[0], "encoder.layers.block_1.mlp.0");
        assert_eq!(nearest("block_1.mpl.0", blocks)[0], "encoder.layers.block_1.mlp.0");
        assert_eq!(nearest("block.1", blocks)[..2], ["encoder.layers.block_1", "encoder.layers.block_11"]);
        // As its authors write it.
        assert_eq!(nearest("ViT-B/32", ["vit_l_32", "vit_b_16", "vit_b_32"])[0], "vit_b_32");
        assert_eq!(nearest("", ["bb", "a"]), ["a", "bb"]);
    }
}
