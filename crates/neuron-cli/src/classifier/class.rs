use std::collections::HashMap;
use std::fmt;

use neuron_data::ImagenetClass;

/// A class of a classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    /// The unit that stands for it.
    pub(crate) index: usize,
    /// Its name, if the classes have names.
    pub(crate) label: Option<String>,
    /// The class of ImageNet that it is, by its name.
    pub(super) imagenet: Option<&'static ImagenetClass>,
    /// Whether another class has the same name.
    shares_label: bool,
}

impl Class {
    /// The classes of so many outputs; `labels` are as many, or none.
    pub(super) fn all(labels: &[String], outputs: usize) -> Vec<Self> {
        let mut counts: HashMap<String, usize> = HashMap::new();
        labels.iter().for_each(|label| *counts.entry(loosely(label)).or_default() += 1);
        let by_label = imagenet_by_label();
        let class = |index: usize| {
            let label = labels.get(index);
            Self {
                index,
                label: label.cloned(),
                imagenet: label.and_then(|label| imagenet(label, (index, outputs), &by_label)),
                shares_label: label.is_some_and(|label| counts[&loosely(label)] > 1),
            }
        };
        (0..outputs).map(class).collect()
    }

    /// What people call it: its label, parts of one that lists several names, ImageNet's label.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let label = self.label.as_deref();
        let imagenet = self.imagenet.map(|class| class.label);
        label.into_iter().chain(label.into_iter().flat_map(parts)).chain(imagenet)
    }

    /// Those of some folders that hold images of this class, by the first of these that any is called:
    /// its WordNet id, one of its names, its index. A name that another class has as well says nothing.
    pub(crate) fn folders<'d>(&self, folders: impl IntoIterator<Item = &'d str>) -> Vec<&'d str> {
        let folders: Vec<&str> = folders.into_iter().collect();
        let by_id = |folder: &str| self.imagenet.is_some_and(|class| folder.eq_ignore_ascii_case(class.wnid));
        let by_name = |folder: &str| {
            let folder = loosely(folder);
            !self.shares_label && self.names().any(|name| loosely(name) == folder)
        };
        let by_index = |folder: &str| is_number(folder, self.index);
        let called = |by: &dyn Fn(&str) -> bool| -> Vec<&'d str> {
            folders.iter().copied().filter(|folder| by(folder)).collect()
        };
        let found = [called(&by_id), called(&by_name), called(&by_index)];
        found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }

    /// What a folder of its images may be called, for messages.
    pub(crate) fn folder_names(&self) -> String {
        let id = self.imagenet.map(|class| class.wnid.to_owned());
        let label = self.label.clone().filter(|_| !self.shares_label);
        let names: Vec<String> = id.into_iter().chain(label).chain([self.index.to_string()]).collect();
        match names.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => names.concat(),
        }
    }
}

/// Its index and its name; where another class has the same name, its WordNet id as well.
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index)?;
        match (&self.label, self.imagenet) {
            (Some(label), Some(class)) if self.shares_label => write!(f, " ({label}, {})", class.wnid),
            (Some(label), _) => write!(f, " ({label})"),
            (None, _) => Ok(()),
        }
    }
}

/// A name as it is compared: upper and lower case, `_`, `-` and blanks are not told apart.
pub(super) fn loosely(name: &str) -> String {
    let words = name.split(|letter: char| letter.is_whitespace() || matches!(letter, '_' | '-'));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").to_lowercase()
}

/// The names in a label such as `tench, Tinca tinca`; none if it is one name.
fn parts(label: &str) -> impl Iterator<Item = &str> {
    let several = label.contains(',');
    label.split(',').map(str::trim).filter(move |part| several && !part.is_empty())
}

/// Whether a text is that number, perhaps behind zeros.
pub(super) fn is_number(text: &str, number: usize) -> bool {
    text.bytes().all(|digit| digit.is_ascii_digit()) && text.parse() == Ok(number)
}

/// ImageNet's classes by their labels, but for those that two classes share.
fn imagenet_by_label() -> HashMap<String, Option<&'static ImagenetClass>> {
    let mut by_label = HashMap::new();
    for class in ImagenetClass::all() {
        by_label.entry(loosely(class.label)).and_modify(|known| *known = None).or_insert(Some(class));
    }
    by_label
}

/// The class of ImageNet that a label means: by its id; at its own place among ImageNet's outputs, or by its name.
fn imagenet(
    label: &str,
    (index, outputs): (usize, usize),
    by_label: &HashMap<String, Option<&'static ImagenetClass>>,
) -> Option<&'static ImagenetClass> {
    if let Some(class) = ImagenetClass::of(label) {
        return Some(class);
    }
    let all = ImagenetClass::all();
    let own = all.get(index).filter(|_| outputs == all.len());
    let names = || std::iter::once(label).chain(parts(label)).map(loosely);
    let is_own = |class: &&ImagenetClass| names().any(|name| name == loosely(class.label));
    own.filter(is_own).or_else(|| names().find_map(|name| by_label.get(&name).copied().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(labels: &[&str]) -> Vec<Class> {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        Class::all(&labels, labels.len())
    }

    fn imagenet_classes() -> Vec<Class> {
        classes(&ImagenetClass::all().iter().map(|class| class.label).collect::<Vec<_>>())
    }

    #[test]
    fn every_output_of_imagenet_knows_its_id() {
        for (class, known) in imagenet_classes().iter().zip(ImagenetClass::all()) {
            assert_eq!(class.imagenet, Some(known));
        }
        let mine = classes(&["cat", "Golden_Retriever", "tench, Tinca tinca", "n01443537", "crane"]);
        let ids: Vec<_> = mine.iter().map(|class| class.imagenet.map(|class| class.index)).collect();
        assert_eq!(ids, [None, Some(207), Some(0), Some(1), None], "two classes of ImageNet are cranes");
        assert!(Class::all(&[], 1000).iter().all(|class| class.imagenet.is_none() && class.label.is_none()));
    }

    #[test]
    fn folders_are_found_by_id_then_by_name_then_by_number() {
        let golden = &imagenet_classes()[207];
        let all = ["207", "Golden-Retriever", "n02099601", "golden_retriever", "208"];
        assert_eq!(golden.folders(all), ["n02099601"]);
        assert_eq!(golden.folders([all[0], all[1], all[3]]), ["Golden-Retriever", "golden_retriever"]);
        assert_eq!(golden.folders(["207", "0207", "2070", "retriever"]), ["207", "0207"]);
        assert!(golden.folders(["208", "", "-207", "+207", "golden"]).is_empty());
        assert_eq!(golden.folder_names(), "n02099601, golden retriever or 207");
    }

    #[test]
    fn a_name_of_two_classes_finds_no_folder() {
        let [bird, machine] = [134, 517].map(|index| imagenet_classes()[index].clone());
        assert!(bird.folders(["crane"]).is_empty() && machine.folders(["crane"]).is_empty());
        assert_eq!(bird.folders(["crane", "n02012849", "n03126707"]), ["n02012849"]);
        assert_eq!(
            (bird.folder_names().as_str(), bird.to_string().as_str()),
            ("n02012849 or 134", "134 (crane, n02012849)")
        );
    }

    #[test]
    fn classes_without_names_are_numbers() {
        let class = &Class::all(&[], 3)[2];
        assert_eq!((class.to_string(), class.folder_names()), ("2".to_owned(), "2".to_owned()));
        assert_eq!(class.folders(["1", "2"]), ["2"]);
    }
}
