use std::collections::HashMap;

use crate::imagenet::ImagenetClass;

/// A class: a name that images share, mostly that of the folder that holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Name of the folder.
    pub name: String,
    /// The ImageNet class, where the folder is named by a WordNet id.
    pub imagenet: Option<&'static ImagenetClass>,
}

impl Class {
    fn new(name: &str) -> Self {
        Self { name: name.into(), imagenet: ImagenetClass::of(name) }
    }

    /// What to call the class: the ImageNet label where known, else the folder's name.
    pub fn label(&self) -> &str {
        self.imagenet.map_or(&self.name, |class| class.label)
    }
}

const NO_CLASS: u32 = u32::MAX;

/// The class of each image of a source, and how many images of one are taken.
#[derive(Debug)]
pub struct Classes {
    all: Vec<Class>,
    /// For each image an index in `all`, or `NO_CLASS`.
    of_images: Vec<u32>,
    counts: Vec<Count>,
    /// By name an index in `counts`.
    known: HashMap<String, usize>,
    /// The one that was counted last: most sources come class by class.
    last: usize,
    /// The most images of a class.
    limit: usize,
}

/// How many images there are of a class, or of none.
#[derive(Debug)]
struct Count {
    name: String,
    /// Index in `all`, or `NO_CLASS`.
    class: u32,
    images: usize,
}

impl Classes {
    /// No images; of each class there will be `limit` at most, or any number.
    pub fn new(limit: Option<usize>) -> Self {
        let limit = limit.unwrap_or(usize::MAX);
        let (all, of_images, counts) = (Vec::new(), Vec::new(), Vec::new());
        Self { all, of_images, counts, known: HashMap::new(), last: 0, limit }
    }

    /// Gives the next image a class, by name; the empty name stands for none.
    ///
    /// Returns whether the image is to be taken: if not, its class is full, and nothing was added.
    #[must_use]
    pub fn push(&mut self, name: &str) -> bool {
        if self.limit == 0 {
            return false;
        }
        if self.counts.get(self.last).is_none_or(|count| count.name != name) {
            self.last = match self.known.get(name) {
                Some(at) => *at,
                None => self.add(name),
            };
        }
        let count = &mut self.counts[self.last];
        let is_taken = count.images < self.limit;
        if is_taken {
            count.images += 1;
            self.of_images.push(count.class);
        }
        is_taken
    }

    /// Index in `counts` of a new class.
    fn add(&mut self, name: &str) -> usize {
        let class = if name.is_empty() { NO_CLASS } else { self.all.len() as u32 };
        if class != NO_CLASS {
            self.all.push(Class::new(name));
        }
        self.counts.push(Count { name: name.to_owned(), class, images: 0 });
        self.known.insert(name.to_owned(), self.counts.len() - 1);
        self.counts.len() - 1
    }

    /// All classes with images, in the order in which they first appear.
    pub fn all(&self) -> &[Class] {
        &self.all
    }

    /// The class of an image, if it has one.
    ///
    /// # Panics
    /// If there are no more than `index` images.
    pub fn of(&self, index: usize) -> Option<&Class> {
        self.all.get(self.of_images[index] as usize)
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.of_images.len()
    }

    /// Gives memory back that is kept for more images.
    pub(crate) fn shrink_to_fit(&mut self) {
        self.of_images.shrink_to_fit();
        self.all.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_is_full_takes_no_more() {
        let mut classes = Classes::new(Some(2));
        let taken: Vec<bool> =
            ["b", "a", "b", "b", "", "", "", "a"].into_iter().map(|name| classes.push(name)).collect();
        assert_eq!(taken, [true, true, true, false, true, true, false, true]);
        let names: Vec<&str> = classes.all().iter().map(Class::label).collect();
        assert_eq!((names, classes.images()), (vec!["b", "a"], 6));
        let of = |index| classes.of(index).map(Class::label);
        assert_eq!([of(0), of(1), of(2), of(3), of(5)], [Some("b"), Some("a"), Some("b"), None, Some("a")]);
        assert!(!Classes::new(Some(0)).push("a"));
    }
}
