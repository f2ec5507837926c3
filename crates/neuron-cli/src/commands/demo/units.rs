//! Which units the demo shows: those that are most selective for a class, one for each class.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;

use crate::rows::Selection;

/// Columns of `topk.parquet` that are read; its rows are ordered by channel and rank.
const COLUMNS: [&str; 2] = ["channel", "class"];

/// A unit, and the class that it tells from the others.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(super) struct DemoUnit {
    pub(super) channel: i32,
    pub(super) class: String,
    /// Of the unit as a detector of the class, 0..1: 1 if all of the class's images are ranked above all others.
    pub(super) average_precision: f64,
}

/// The channels as they are typed.
pub(super) fn channels(units: &[DemoUnit]) -> String {
    let mut channels: Vec<i32> = units.iter().map(|unit| unit.channel).collect();
    channels.sort_unstable();
    channels.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}

/// The units of a table of `select-images` with the highest average precision, at most one for each class.
pub(super) fn choose(table: &Path, per_class: usize, count: usize) -> anyhow::Result<Vec<DemoUnit>> {
    let lists = read(table).with_context(|| format!("cannot read {}", table.display()))?;
    let units = lists.iter().filter_map(|(channel, classes)| best_class(*channel, classes, per_class));
    Ok(most_selective(units.collect(), count))
}

/// The class of every image in each channel's list, best first.
fn read(path: &Path) -> anyhow::Result<BTreeMap<i32, Vec<String>>> {
    let mut lists = BTreeMap::<i32, Vec<String>>::new();
    Selection::of(&COLUMNS).read(path, |row| {
        lists.entry(row.int(0)?).or_default().push(row.text(1)?.to_owned());
        Ok(())
    })?;
    Ok(lists)
}

/// The class that a unit detects best; of several the first by name.
fn best_class(channel: i32, ranked: &[String], per_class: usize) -> Option<DemoUnit> {
    let classes: BTreeSet<&String> = ranked.iter().collect();
    let units = classes.into_iter().map(|class| DemoUnit {
        channel,
        class: class.clone(),
        average_precision: average_precision(ranked, class, per_class),
    });
    units.rev().max_by(|a, b| a.average_precision.total_cmp(&b.average_precision))
}

/// Mean over a class's images of the share of that class among the images up to each; 0 for one that is not listed
/// (Manning, Raghavan and Schütze, "Introduction to Information Retrieval", 2008, section 8.4).
fn average_precision(ranked: &[String], class: &str, per_class: usize) -> f64 {
    let hits = ranked.iter().enumerate().filter(|(_, found)| *found == class);
    let precisions = hits.zip(1..).map(|((rank, _), so_far)| f64::from(so_far) / (rank + 1) as f64);
    precisions.sum::<f64>() / per_class as f64
}

fn most_selective(mut units: Vec<DemoUnit>, count: usize) -> Vec<DemoUnit> {
    units.sort_by(|a, b| b.average_precision.total_cmp(&a.average_precision).then(a.channel.cmp(&b.channel)));
    let mut classes = BTreeSet::new();
    units.retain(|unit| classes.insert(unit.class.clone()));
    units.truncate(count);
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(classes: &str) -> Vec<String> {
        classes.chars().map(String::from).collect()
    }

    #[test]
    fn average_precision_follows_its_definition() {
        assert_eq!(average_precision(&ranked("aabb"), "a", 2), 1.0);
        assert_eq!(average_precision(&ranked("baba"), "a", 2), (1.0 / 2.0 + 2.0 / 4.0) / 2.0);
        assert_eq!(average_precision(&ranked("ab"), "a", 4), 0.25, "three of four are not listed");
    }

    #[test]
    fn one_unit_for_each_class_the_most_selective_first() {
        let unit = |channel, ranking: &str| best_class(channel, &ranked(ranking), 2).unwrap();
        let units = vec![unit(0, "abba"), unit(1, "aabb"), unit(2, "aabb"), unit(3, "bbaa"), unit(4, "cabc")];
        let chosen = most_selective(units, 2);
        let chosen: Vec<_> = chosen.iter().map(|unit| (unit.channel, unit.class.as_str())).collect();
        assert_eq!(chosen, [(1, "a"), (3, "b")]);
    }
}
