//! The classes among a unit's images.

use neuron_data::ImagenetClass;

use crate::unit::ImageList;

/// Images that decide how specific a unit is.
pub(crate) const DECIDING: usize = 20;

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

    /// How specific a unit is: 1 if all images are of one class, 0 if each is of another.
    ///
    /// `1 - H / ln(images)` with the entropy `H = -sum p ln p` of the classes' shares `p`; `None` for fewer than two
    /// images, of which every number of classes would be the greatest and the least.
    pub(crate) fn specificity(&self) -> Option<f64> {
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
    fn specificity_by_hand() {
        assert_eq!(composition(&[Some("a"); 4]).specificity(), Some(1.0));
        let all_different = composition(&[Some("a"), Some("b"), Some("c")]).specificity().unwrap();
        assert!(all_different.abs() < 1e-12, "{all_different}");
        // Two classes of two images each: H = ln 2, of at most ln 4.
        let halves = composition(&[Some("a"), Some("b"), Some("b"), Some("a")]).specificity().unwrap();
        assert!((halves - 0.5).abs() < 1e-12, "{halves}");
        assert_eq!(composition(&[Some("a")]).specificity(), None);
        assert_eq!(composition(&[None, None]).specificity(), None);
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
