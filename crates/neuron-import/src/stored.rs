//! Imported networks as one safetensors file: its graph lies in the metadata, so that nothing is imported again.

use std::path::Path;

use neuron_model::{GraphRecord, ModelError, Weights};

use crate::error::ImportError;
use crate::imported::{Format, Imported};

/// The metadata's key of the graph.
const GRAPH: &str = "graph";
/// The metadata's key of the size of the image with which it was exported.
const SIZE: &str = "exported_size";

impl Imported {
    /// Writes weights and graph as one file, with what is said of preprocessing.
    ///
    /// # Errors
    /// [`ImportError::Model`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ImportError> {
        let graph = serde_json::to_string(&GraphRecord::of(&self.graph)).expect("a graph is plain data");
        let [height, width] = self.size;
        let mut metadata = self.weights.metadata().clone();
        metadata.insert(GRAPH.to_owned(), graph);
        metadata.insert(SIZE.to_owned(), format!("{height},{width}"));
        Ok(self.weights.with_metadata(metadata).save(path)?)
    }
}

/// Opens what [`Imported::save`] wrote; `None` if a file is no safetensors file with a graph.
pub(crate) fn read(beginning: &[u8], path: &Path) -> Result<Option<Imported>, ImportError> {
    // The header's length, and then JSON.
    if beginning.get(8) != Some(&b'{') {
        return Ok(None);
    }
    let weights = match Weights::open(path) {
        Ok(weights) => weights,
        Err(ModelError::NotWeights { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut metadata = weights.metadata().clone();
    let Some(text) = metadata.remove(GRAPH) else { return Ok(None) };
    let damaged =
        |what: String| ImportError::Damaged { path: path.into(), what: format!("its graph: {what}") };
    let record = GraphRecord::from_json(&text).map_err(damaged)?;
    let graph = record.graph().map_err(|source| ImportError::Graph { path: path.into(), source })?;
    let size = metadata.remove(SIZE).and_then(|size| {
        let (height, width) = size.split_once(',')?;
        Some([height.parse().ok()?, width.parse().ok()?])
    });
    let size = size.ok_or_else(|| damaged("without the size of its images".to_owned()))?;
    let tensors = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let hash = weights.sha256().unwrap_or_default().to_owned();
    let weights = Weights::from_file(tensors, metadata, path, hash);
    Ok(Some(Imported { graph, weights, missing: Vec::new(), size, format: Format::Neuron }))
}
