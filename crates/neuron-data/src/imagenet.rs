use std::sync::OnceLock;

/// The 1000 classes of ILSVRC 2012: `index`, WordNet id and label, tab-separated, in the order of the index.
const TABLE: &str = include_str!("../data/imagenet_classes.tsv");

/// One of the 1000 classes of ImageNet (ILSVRC 2012).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagenetClass {
    /// Output of a classifier's last layer that stands for it, 0 to 999.
    pub index: usize,
    /// WordNet id, such as `n01443537`; the name of its folder.
    pub wnid: &'static str,
    /// Label for people, such as `goldfish`. Two pairs of classes share one.
    pub label: &'static str,
}

impl ImagenetClass {
    /// All 1000 classes; `all()[i].index == i`, and the WordNet ids ascend.
    pub fn all() -> &'static [Self] {
        static CLASSES: OnceLock<Vec<ImagenetClass>> = OnceLock::new();
        CLASSES.get_or_init(|| {
            let rows = TABLE.lines().skip(1).filter_map(|line| line.split_once('\t')?.1.split_once('\t'));
            rows.enumerate().map(|(index, (wnid, label))| Self { index, wnid, label }).collect()
        })
    }

    /// The class of a WordNet id, if it is one of the 1000.
    ///
    /// ```
    /// use neuron_data::ImagenetClass;
    /// assert_eq!(ImagenetClass::of("n01443537").map(|class| class.label), Some("goldfish"));
    /// ```
    pub fn of(wnid: &str) -> Option<&'static Self> {
        let at = Self::all().binary_search_by(|class| class.wnid.cmp(wnid)).ok()?;
        Some(&Self::all()[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole_and_sorted() {
        let all = ImagenetClass::all();
        assert_eq!(all.len(), 1000);
        assert!(all.is_sorted_by(|a, b| a.wnid < b.wnid));
        assert!(all.iter().all(|class| class.wnid.len() == 9 && !class.label.is_empty()));
        let written =
            TABLE.lines().skip(1).map(|line| line.split('\t').next().unwrap().parse::<usize>().unwrap());
        assert!(written.eq(0..1000));
    }

    #[test]
    fn classes_are_found_by_wordnet_id() {
        assert_eq!(ImagenetClass::of("n15075141").unwrap().index, 999);
        assert_eq!(ImagenetClass::of("n00000000"), None);
    }
}
