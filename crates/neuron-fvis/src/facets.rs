//! The facets of a unit: groups of references for which it responds by different features of the layer below.
//!
//! After PURE (Dreyer et al., "PURE: Turning Polysemantic Neurons Into Pure Features by Identifying Relevant Circuits", CVPR
//! Workshops 2024): what of the layer below is relevant to the unit says which of its roles a reference shows. Groups are
//! made by Ward's criterion ("Hierarchical Grouping to Optimize an Objective Function", JASA 1963), which needs no random
//! start, and their number by the silhouette (Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation
//! of cluster analysis", 1987).

use std::str::FromStr;

use neuron_model::{Attributor, ImageRange, Images, Network, Positions, RelevanceMethod, Tap};

use crate::error::FvisError;

/// The most facets that are looked for.
const MOST: usize = 6;
/// References that a facet has at least; fewer that lie apart are outliers.
const SMALLEST: usize = 3;
/// A mean silhouette below that is no structure (Kaufman and Rousseeuw, "Finding Groups in Data", 1990).
const STRUCTURE: f64 = 0.25;

/// How many facets are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FacetCount {
    /// As many as the references fall into; one if they do not.
    Auto,
    /// So many.
    Exactly(usize),
}

/// A text that is no [`FacetCount`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected auto or a number of facets, at least 1; found {found}")]
pub struct ParseFacetCountError {
    /// The text.
    pub found: String,
}

impl FromStr for FacetCount {
    type Err = ParseFacetCountError;

    fn from_str(text: &str) -> Result<Self, ParseFacetCountError> {
        match text.parse() {
            Ok(count) if count > 0 => Ok(Self::Exactly(count)),
            _ if text.eq_ignore_ascii_case("auto") => Ok(Self::Auto),
            _ => Err(ParseFacetCountError { found: text.to_owned() }),
        }
    }
}

/// A unit's references in groups.
#[derive(Clone, Debug, PartialEq)]
pub struct Facets {
    /// The references of each facet, in their order; the largest facet first.
    pub members: Vec<Vec<usize>>,
    /// References that are far from all others.
    pub outliers: Vec<usize>,
    /// How well the groups are apart, -1 to 1: the mean silhouette. 0 of one facet.
    pub silhouette: f64,
}

/// What of a layer is relevant to a unit in each of its references: the relevance of its channels, summed over positions,
/// as a vector of length 1 (of length 0 where nothing is).
///
/// # Errors
/// Those of the network.
pub fn relevant_channels(
    network: &Network,
    (target, channel, positions): (&Tap, usize, Positions),
    below: &Tap,
    references: &dyn Images,
    at_once: usize,
) -> Result<Vec<Vec<f32>>, FvisError> {
    let wanted = std::slice::from_ref(below);
    let attributor = Attributor::new(network, target, wanted, RelevanceMethod::Lrp)?;
    let mut attributor = attributor.at_positions(positions);
    let count = references.count();
    let mut vectors = Vec::with_capacity(count);
    for first in (0..count).step_by(at_once) {
        let part = ImageRange::new(references, first..count.min(first + at_once));
        let found = attributor.run(&part, &vec![channel; part.count()])?;
        let relevance = found.at(below).expect("the layer lies below the target");
        for item in relevance.data.chunks_exact(relevance.item_len()) {
            let mut sums = vec![0.0; relevance.channels];
            for position in item.chunks_exact(relevance.channels) {
                sums.iter_mut().zip(position).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
            let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
            vectors.push(sums.into_iter().map(|sum| (scale * sum) as f32).collect());
        }
    }
    Ok(vectors)
}

impl Facets {
    /// Groups references by the vectors that say what each of them shows.
    pub fn of(vectors: &[Vec<f32>], wanted: FacetCount) -> Self {
        let distances = Distances::between(vectors);
        let counts = match wanted {
            FacetCount::Exactly(count) => count..=count,
            // Fewer fall into no groups of that size.
            FacetCount::Auto if vectors.len() < 2 * SMALLEST => 1..=1,
            FacetCount::Auto => 2..=MOST.min(vectors.len() / 2),
        };
        let merges = ward(&distances);
        let grouped = counts.map(|count| Self::cut(&merges, &distances, count.min(vectors.len()), wanted));
        // Of equal ones the first: fewer facets.
        let best =
            grouped.reduce(|best, other| if other.silhouette > best.silhouette { other } else { best });
        match (best, wanted) {
            (Some(best), FacetCount::Exactly(_)) => best,
            (Some(best), FacetCount::Auto) if best.silhouette >= STRUCTURE => best,
            _ => Self { members: vec![(0..vectors.len()).collect()], outliers: Vec::new(), silhouette: 0.0 },
        }
    }

    /// The groups that are left when all but the last merges were done.
    fn cut(merges: &[(usize, usize)], distances: &Distances, count: usize, wanted: FacetCount) -> Self {
        let mut group: Vec<usize> = (0..distances.count).collect();
        for (kept, joined) in &merges[..distances.count.saturating_sub(count.max(1))] {
            group.iter_mut().filter(|group| **group == *joined).for_each(|group| *group = *kept);
        }
        let mut members: Vec<Vec<usize>> = Vec::new();
        for first in 0..distances.count {
            if group[first] == first {
                members.push((first..distances.count).filter(|at| group[*at] == first).collect());
            }
        }
        let silhouette = distances.silhouette(&members);
        let mut outliers = Vec::new();
        if wanted == FacetCount::Auto {
            let (kept, small): (Vec<_>, Vec<_>) = members.into_iter().partition(|of| of.len() >= SMALLEST);
            (members, outliers) = (kept, small.concat());
            outliers.sort_unstable();
        }
        members.sort_by_key(|of| (std::cmp::Reverse(of.len()), of.first().copied()));
        Self { members, outliers, silhouette }
    }
}

/// Squared Euclidean distances between some vectors.
struct Distances {
    count: usize,
    /// `[count, count]`
    values: Vec<f64>,
}

impl Distances {
    fn between(vectors: &[Vec<f32>]) -> Self {
        let count = vectors.len();
        let mut values = vec![0.0; count * count];
        for (a, b) in (0..count).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let squares = vectors[a].iter().zip(&vectors[b]).map(|(x, y)| f64::from(x - y).powi(2));
            let distance = squares.sum();
            (values[a * count + b], values[b * count + a]) = (distance, distance);
        }
        Self { count, values }
    }

    fn at(&self, a: usize, b: usize) -> f64 {
        self.values[a * self.count + b]
    }

    /// The mean over all members of `(b - a) / max(a, b)`: `a` is the mean distance to the others of the own group, `b`
    /// that to the nearest other group. 0 of a member that is alone, and of a single group.
    fn silhouette(&self, groups: &[Vec<usize>]) -> f64 {
        if groups.len() < 2 {
            return 0.0;
        }
        let mean = |at: usize, group: &[usize]| {
            let others = group.iter().filter(|other| **other != at);
            let count = others.clone().count().max(1) as f64;
            others.map(|other| self.at(at, *other).sqrt()).sum::<f64>() / count
        };
        let mut sum = 0.0;
        for (own, group) in groups.iter().enumerate().filter(|(_, group)| group.len() > 1) {
            for at in group {
                let within = mean(*at, group);
                let others = groups.iter().enumerate().filter(|(other, _)| *other != own);
                let nearest = others.map(|(_, other)| mean(*at, other)).fold(f64::INFINITY, f64::min);
                let largest = within.max(nearest);
                sum += if largest > 0.0 { (nearest - within) / largest } else { 0.0 };
            }
        }
        sum / self.count as f64
    }
}

/// The order in which groups are merged, down to one: the one that is kept (named by its first member) and the one that
/// joins it.
fn ward(distances: &Distances) -> Vec<(usize, usize)> {
    let count = distances.count;
    let mut between = distances.values.clone();
    let mut sizes = vec![1.0; count];
    let mut left: Vec<usize> = (0..count).collect();
    let mut merges = Vec::new();
    while left.len() > 1 {
        let pairs = left.iter().enumerate().flat_map(|(at, a)| left[at + 1..].iter().map(move |b| (*a, *b)));
        // Of equal ones the first.
        let nearest = pairs.reduce(|best, pair| {
            let distance = |(a, b): (usize, usize)| between[a * count + b];
            if distance(pair) < distance(best) { pair } else { best }
        });
        let Some((a, b)) = nearest else { break };
        let joined = between[a * count + b];
        for other in left.iter().copied().filter(|other| *other != a && *other != b) {
            // Lance and Williams, "A General Theory of Classificatory Sorting Strategies", 1967.
            let (of_a, of_b, of_other) = (sizes[a], sizes[b], sizes[other]);
            let sum = (of_a + of_other) * between[a * count + other]
                + (of_b + of_other) * between[b * count + other]
                - of_other * joined;
            let distance = sum / (of_a + of_b + of_other);
            (between[a * count + other], between[other * count + a]) = (distance, distance);
        }
        sizes[a] += sizes[b];
        left.retain(|group| *group != b);
        merges.push((a, b));
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of length 1 in a plane, at these angles.
    fn at_angles(degrees: &[f32]) -> Vec<Vec<f32>> {
        degrees.iter().map(|angle| vec![angle.to_radians().cos(), angle.to_radians().sin()]).collect()
    }

    #[test]
    fn groups_that_are_apart_are_found() {
        let vectors = at_angles(&[0.0, 90.0, 2.0, 91.0, 1.0, 89.0, 3.0]);
        let found = Facets::of(&vectors, FacetCount::Auto);
        assert_eq!(found.members, [vec![0, 2, 4, 6], vec![1, 3, 5]]);
        assert!(found.outliers.is_empty() && found.silhouette > 0.95, "{found:?}");
    }

    #[test]
    fn what_does_not_fall_apart_is_one_facet() {
        let vectors = at_angles(&[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        // Halves of an even spread are half as wide as they are apart: by the silhouette no structure is denied, but the
        // best of all counts must be worth it.
        let found = Facets::of(&vec![vec![1.0, 0.0]; 8], FacetCount::Auto);
        assert_eq!((found.members.len(), found.silhouette), (1, 0.0));
        assert!(Facets::of(&vectors, FacetCount::Auto).silhouette < 0.7);
        for few in 0..6 {
            assert_eq!(Facets::of(&vectors[..few], FacetCount::Auto).members, [(0..few).collect::<Vec<_>>()]);
        }
    }

    #[test]
    fn a_few_that_lie_apart_are_outliers_unless_a_number_is_wanted() {
        let vectors = at_angles(&[0.0, 1.0, 180.0, 2.0, 90.0, 3.0, 91.0, 92.0]);
        let found = Facets::of(&vectors, FacetCount::Auto);
        assert_eq!((found.members.len(), &found.outliers[..]), (2, &[2][..]), "{found:?}");
        let three = Facets::of(&vectors, FacetCount::Exactly(3));
        assert_eq!(three.members, [vec![0, 1, 3, 5], vec![4, 6, 7], vec![2]]);
        assert!(three.outliers.is_empty());
        assert_eq!(Facets::of(&vectors, FacetCount::Exactly(99)).members.len(), 8);
        assert_eq!(Facets::of(&vectors, FacetCount::Exactly(1)).members, [(0..8).collect::<Vec<_>>()]);
    }

    #[test]
    fn a_silhouette_by_hand() {
        // On a line: 0, 1 and 4.
        let vectors = vec![vec![0.0], vec![1.0], vec![4.0]];
        let distances = Distances::between(&vectors);
        let found = distances.silhouette(&[vec![0, 1], vec![2]]);
        // (4 - 1) / 4, (3 - 1) / 3, and 0 for the one that is alone.
        assert!((found - (0.75 + 2.0 / 3.0) / 3.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn counts_parse() {
        assert_eq!("auto".parse(), Ok(FacetCount::Auto));
        assert_eq!("3".parse(), Ok(FacetCount::Exactly(3)));
        for wrong in ["0", "-1", "many", ""] {
            assert!(wrong.parse::<FacetCount>().is_err(), "{wrong}");
        }
    }
}
