//! The images of `--data`: those of classes, and images in general.

use std::cell::OnceCell;
use std::sync::Arc;

use neuron_data::{Dataset, DatasetOptions};

use crate::classifier::Class;
use crate::global::Global;

/// A data set that is listed when it is first asked for, and once: standard input can be read only then.
pub(crate) struct Data<'a> {
    global: &'a Global,
    opened: OnceCell<Option<Arc<Dataset>>>,
}

impl<'a> Data<'a> {
    pub(crate) fn new(global: &'a Global) -> Self {
        Self { global, opened: OnceCell::new() }
    }

    /// The data set; `None` if `--data` names none.
    pub(crate) fn get(&self) -> anyhow::Result<Option<&Arc<Dataset>>> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened.as_ref());
        }
        let opened = match self.global.data_if_any()? {
            None => None,
            Some(data) => Some(Arc::new(Dataset::open(data, &DatasetOptions::default())?)),
        };
        Ok(self.opened.get_or_init(|| opened).as_ref())
    }
}

/// The images of a class in a data set, and the folders that hold them.
pub(super) struct ClassImages {
    pub(super) dataset: Arc<Dataset>,
    /// Their indices in the data set, ascending.
    pub(super) images: Vec<usize>,
    /// Names of the folders.
    pub(super) folders: Vec<String>,
}

impl ClassImages {
    /// `None` if the data set has no folder of the class.
    pub(super) fn find(dataset: &Arc<Dataset>, class: &Class) -> Option<Self> {
        let names = dataset.classes().iter().map(|folder| folder.name.as_str());
        let folders: Vec<String> = class.folders(names).into_iter().map(str::to_owned).collect();
        let is_of =
            |index: &usize| dataset.class(*index).is_some_and(|folder| folders.contains(&folder.name));
        let images: Vec<usize> = (0..dataset.len()).filter(is_of).collect();
        (!images.is_empty()).then(|| Self { dataset: Arc::clone(dataset), images, folders })
    }
}
