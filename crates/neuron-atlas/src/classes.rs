//! The classes among a unit's images.

use neuron_data::ImagenetClass;

use crate::unit::ImageList;

/// Images that decide which class describes a unit, and how selective it is.
pub(crate) const DECIDING: usize = 20;

/// The caption of a unit that no class describes.
pub(crate) const MIXED: &str = "mixed";

/// The name of the class folder that a path tells: the folder below `train` or `val`, else that of the image.
pub(crate) fn folder_of(image: &str) -> Option<&str> {
    let folders: Vec<&str> = image.split('/').collect();
    let (_, folders) = folders.split_last()?;
    let split = folders.iter().rposition(|name| matches!(*name, "train" | "val"));
    let class = match split {
        Some(split) => folders.get(split + 1),
        None => folders.last(),
    };
    class.copied().filter(|name| !name.is_empty())
}

/// A class for people: ImageNet's label where the folder has a WordNet id, else the folder's name.
pub(crate) fn label(folder: &str) -> &str {
    ImagenetClass::of(folder).map_or(folder, |class| class.label)
}

/// How often each class comes among a unit's best images.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Composition {
    /// Folder and number of images, the most frequent first; among equals the one with the better image.
    pub(crate) counts: Vec<(String, usize)>,
    /// Images that were counted.
    pub(crate) images: usize,
}

impl Composition {
    /// Counts the classes of the best [`DECIDING`] images; images without a class are left out.
    pub(crate) fn of(list: &ImageList) -> Self {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for class in list.best.iter().take(DECIDING).filter_map(|listed| listed.class.as_deref()) {
            match counts.iter_mut().find(|(known, _)| known == class) {
                Some((_, count)) => *count += 1,
                None => counts.push((class.to_owned(), 1)),
            }
        }
        let images = counts.iter().map(|(_, count)| count).sum();
        // A stable sort: equals stay in the order of their best images.
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self { counts, images }
    }

    /// The class that describes the unit, with its images: that of at least half of them, and of more than any other.
    ///
    /// The most frequent class is always there, and where a data set has a few images of a class it is one by chance:
    /// three of twenty say nothing about the unit. Neither do classes that share the images equally, nor does one image.
    pub(crate) fn describing(&self) -> Option<(&str, usize)> {
        let (class, count) = self.counts.first()?;
        let next = self.counts.get(1).map_or(0, |(_, count)| *count);
        let describes = self.images > 1 && 2 * count >= self.images && *count > next;
        describes.then_some((class, *count))
    }

    /// What to call the unit: its class and the share of it (`goldfish 14/20`), `mixed` where no class describes it, and
    /// nothing where too few images have one.
    pub(crate) fn caption(&self) -> Option<String> {
        match self.describing() {
            Some((class, count)) => Some(format!("{} {count}/{}", label(class), self.images)),
            None => (self.images > 1).then(|| MIXED.to_owned()),
        }
    }

    /// The unit's class selectivity: 1 if all images are of one class, 0 if each is of another.
    ///
    /// `1 - H / ln(images)` with the entropy `H = -sum p ln p` of the classes' shares `p`; `None` for fewer than two
    /// images, of which every number of classes would be the greatest and the least.
    pub(crate) fn selectivity(&self) -> Option<f64> {
        if self.images < 2 {
            return None;
        }
        let images = self.images as f64;
        let shares = self.counts.iter().map(|(_, count)| *count as f64 / images);
        let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
        Some((1.0 - entropy / images.ln()).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::Listed;

    fn composition(classes: &[Option<&str>]) -> Composition {
        let listed = classes.iter().map(|class| Listed {
            image: String::new(),
            class: class.map(str::to_owned),
            score: None,
        });
        let best: Vec<Listed> = listed.collect();
        Composition::of(&ImageList { total: best.len(), best, run: None })
    }

    #[test]
    fn selectivity_by_hand() {
        assert_eq!(composition(&[Some("a"); 4]).selectivity(), Some(1.0));
        let all_different = composition(&[Some("a"), Some("b"), Some("c")]).selectivity().unwrap();
        assert!(all_different.abs() < 1e-12, "{all_different}");
        // Two classes of two images each: H = ln 2, of at most ln 4.
        let halves = composition(&[Some("a"), Some("b"), Some("b"), Some("a")]).selectivity().unwrap();
        assert!((halves - 0.5).abs() < 1e-12, "{halves}");
        assert_eq!(composition(&[Some("a")]).selectivity(), None);
        assert_eq!(composition(&[None, None]).selectivity(), None);
    }

    #[test]
    fn a_class_describes_a_unit_only_if_half_of_the_images_show_it() {
        let of = |parts: &[(&str, usize)]| {
            let classes = parts.iter().flat_map(|(class, count)| vec![Some(*class); *count]);
            composition(&classes.collect::<Vec<_>>()).caption()
        };
        let singles: Vec<String> = (0..20).map(|at| format!("other{at}")).collect();
        let with = |class: &'static str, count: usize| {
            let rest = singles.iter().take(20 - count).map(|single| (single.as_str(), 1));
            of(&std::iter::once((class, count)).chain(rest).collect::<Vec<_>>())
        };
        assert_eq!(with("n01443537", 14).as_deref(), Some("goldfish 14/20"));
        assert_eq!(with("stripes", 10).as_deref(), Some("stripes 10/20"));
        for count in [1, 3, 9] {
            assert_eq!(with("stripes", count).as_deref(), Some("mixed"), "{count}");
        }
        assert_eq!(of(&[("a", 10), ("b", 10)]).as_deref(), Some("mixed"));
        assert_eq!(of(&[("a", 1), ("b", 1)]).as_deref(), Some("mixed"));
        assert_eq!(of(&[("a", 2)]).as_deref(), Some("a 2/2"));
        assert_eq!(of(&[("a", 1)]), None, "one image is no share");
        assert_eq!(composition(&[None, None]).caption(), None);
    }

    #[test]
    fn the_most_frequent_class_comes_first() {
        let found = composition(&[Some("c"), Some("b"), None, Some("c"), Some("a")]);
        assert_eq!(found.counts, [("c".into(), 2), ("b".into(), 1), ("a".into(), 1)]);
        assert_eq!(found.images, 4);
        assert_eq!(composition(&[Some("a"); 30]).images, DECIDING);
    }

    #[test]
    fn paths_tell_classes() {
        assert_eq!(folder_of("data/train/n01443537/deeper/a.jpg"), Some("n01443537"));
        assert_eq!(folder_of("stripes/a.png"), Some("stripes"));
        assert_eq!(folder_of("a.png"), None);
        assert_eq!(folder_of("train/a.png"), None);
        assert_eq!(label("n01443537"), "goldfish");
        assert_eq!(label("stripes"), "stripes");
    }
}
