//! Classes as they are typed: `golden retriever`, `n02099601`, `207`.

use super::Classifier;
use super::class::{Class, is_number, loosely};
use crate::outcome::WrongUsage;

/// Names that are suggested in place of an unknown one.
const SUGGESTED: usize = 5;

/// How a text can mean a class.
type Meaning = fn(&Class, &str) -> bool;

/// In the order in which they are tried: the first one by which any class is meant counts.
const MEANINGS: [Meaning; 5] = [
    |class, text| class.label.as_deref() == Some(text),
    |class, text| class.label.as_ref().is_some_and(|label| loosely(label) == loosely(text)),
    |class, text| class.names().any(|name| loosely(name) == loosely(text)),
    |class, text| class.imagenet.is_some_and(|known| known.wnid.eq_ignore_ascii_case(text)),
    |class, text| is_number(text, class.index),
];

impl Classifier {
    /// The unit of a class: by its name, whose upper and lower case, `_`, `-` and blanks are not told apart; by its
    /// WordNet id; by its index.
    ///
    /// # Errors
    /// [`WrongUsage`] with the nearest names for one that is unknown, and with their indices where several classes have it.
    pub(crate) fn find(&self, typed: &str) -> Result<usize, WrongUsage> {
        match self.meant(typed)[..] {
            [] => Err(self.unknown(typed)),
            [class] => Ok(class.index),
            ref several => Err(ambiguous(typed, several)),
        }
    }

    /// The units of one class, or of several between commas.
    ///
    /// # Errors
    /// Those of [`Classifier::find`].
    pub(crate) fn find_all(&self, typed: &str) -> Result<Vec<usize>, WrongUsage> {
        // A name may hold a comma itself.
        let is_list = typed.contains(',') && self.meant(typed).is_empty();
        let names: Vec<&str> = if is_list { typed.split(',').collect() } else { vec![typed] };
        let mut units = Vec::new();
        for name in names {
            let unit = self.find(name)?;
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
        Ok(units)
    }

    /// The classes that a text may mean.
    fn meant(&self, typed: &str) -> Vec<&Class> {
        let text = typed.trim();
        let by = |means: &Meaning| -> Vec<&Class> {
            self.classes.iter().filter(|class| means(class, text)).collect()
        };
        MEANINGS.iter().map(by).find(|meant| !meant.is_empty()).unwrap_or_default()
    }

    fn unknown(&self, typed: &str) -> WrongUsage {
        let (layer, last) = (&self.tap.name, self.classes.len().saturating_sub(1));
        let nearest = self.nearest(typed);
        WrongUsage(if nearest.is_empty() {
            format!(
                "unknown class {typed:?}: the weights do not name the classes of {layer}; give an index, 0 to {last}, \
                 or add `labels` to their metadata (docs/formats.md)"
            )
        } else {
            let nearest = nearest.join(", ");
            format!("unknown class {typed:?}; the nearest names are {nearest}; or give an index, 0 to {last}")
        })
    }

    /// The names most like a text: those that hold it first, then by how many letters differ.
    fn nearest(&self, typed: &str) -> Vec<&str> {
        let text = loosely(typed);
        let distance = |label: &str| {
            let label = loosely(label);
            (text.is_empty() || !label.contains(&text), strsim::damerau_levenshtein(&text, &label))
        };
        let labels = self.classes.iter().filter_map(|class| class.label.as_deref());
        let mut near: Vec<_> = labels.map(|label| (distance(label), label)).collect();
        near.sort();
        near.dedup();
        near.into_iter().take(SUGGESTED).map(|(_, label)| label).collect()
    }
}

fn ambiguous(typed: &str, classes: &[&Class]) -> WrongUsage {
    let classes: Vec<String> = classes.iter().map(ToString::to_string).collect();
    WrongUsage(format!("{typed:?} names several classes: {}; give an index", classes.join(", ")))
}

#[cfg(test)]
mod tests {
    use neuron_data::ImagenetClass;
    use neuron_model::{Architecture, Tap, Weights};

    use super::*;

    fn tap() -> Tap {
        Architecture::from_name("resnet18").unwrap().graph(&Weights::default()).tap("fc").unwrap()
    }

    fn classifier(labels: &[&str]) -> Classifier {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        Classifier { tap: tap(), classes: Class::all(&labels, labels.len()) }
    }

    fn imagenet() -> Classifier {
        classifier(&ImagenetClass::all().iter().map(|class| class.label).collect::<Vec<_>>())
    }

    fn refused<T: std::fmt::Debug>(found: Result<T, WrongUsage>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn a_class_has_a_name_an_id_and_an_index() {
        let imagenet = imagenet();
        for typed in
            ["golden retriever", "Golden_Retriever", " golden-retriever ", "n02099601", "N02099601", "207"]
        {
            assert_eq!(imagenet.find(typed).unwrap(), 207, "{typed}");
        }
        let all = imagenet.find_all("goldfish,n02099601, 7,goldfish").unwrap();
        assert_eq!(all, [1, 207, 7]);
    }

    #[test]
    fn names_come_before_indices_and_exact_ones_before_others() {
        let digits = classifier(&["7", "0", "zero", "Zero", "one, two", "red, round"]);
        assert_eq!(["7", "0", "2", "zero", "Zero"].map(|typed| digits.find(typed).unwrap()), [0, 1, 2, 2, 3]);
        assert!(refused(digits.find("ZERO")).contains("2 (zero), 3 (Zero); give an index"));
        assert_eq!((digits.find("two").unwrap(), digits.find("one, two").unwrap()), (4, 4));
        assert_eq!(digits.find_all("one, two").unwrap(), [4]);
        assert_eq!(digits.find_all("two,round,7").unwrap(), [4, 5, 0]);
    }

    #[test]
    fn a_name_of_several_classes_tells_their_indices() {
        let told = refused(imagenet().find("crane"));
        assert!(told.contains("134 (crane, n02012849), 517 (crane, n03126707)"), "{told}");
        assert!(refused(imagenet().find_all("goldfish,maillot")).contains("638 (maillot"));
    }

    #[test]
    fn an_unknown_name_tells_the_nearest() {
        let told = refused(imagenet().find("goldn retriever"));
        assert!(told.contains("nearest names are golden retriever,"), "{told}");
        let told = refused(imagenet().find("retriever"));
        assert!(told.contains("Labrador retriever") && told.contains("golden retriever"), "{told}");
        for unknown in ["1000", "-1", "", "n00000000"] {
            assert!(refused(imagenet().find(unknown)).contains("0 to 999"), "{unknown}");
        }
        let unnamed = Classifier { tap: tap(), classes: Class::all(&[], 5) };
        assert_eq!(unnamed.find("4").unwrap(), 4);
        assert!(refused(unnamed.find("cat")).contains("0 to 4, or add `labels`"));
    }
}
