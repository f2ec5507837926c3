use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::reading::{Place, Reading};
use crate::error::AtlasError;
use crate::unit::HeatMap;

/// The largest header that is read: far more than any network's layers need.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// The header of a safetensors file, of which only the metadata is of interest.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "__metadata__", default)]
    metadata: BTreeMap<String, String>,
}

/// Reads what `attribute` says about the heat map at `path`, in the metadata of the tensors beside it.
///
/// Tensors that do not name their unit are of another origin and left out.
pub(super) fn read(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    let mut metadata = metadata(&path.with_file_name("relevance.safetensors"))?;
    let mut take = |key: &str| metadata.remove(key);
    let channel = take("channel").and_then(|channel| channel.parse().ok());
    let (Some(arch), Some(layer), Some(channel)) = (take("arch"), take("layer"), channel) else {
        return Ok(());
    };
    let image = take("image").unwrap_or_default();
    let method = take("method").unwrap_or_default();
    let heat_map = HeatMap { picture: path.to_owned(), image, method };
    reading.unit(&Place { arch, layer, channel }).heat_maps.push(heat_map);
    Ok(())
}

fn metadata(path: &Path) -> Result<BTreeMap<String, String>, AtlasError> {
    let mut file = File::open(path).map_err(AtlasError::read(path))?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(AtlasError::read(path))?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES {
        let limit = MAX_HEADER_BYTES as usize;
        return Err(AtlasError::TooLarge { path: path.to_owned(), what: "bytes of its header", limit });
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(AtlasError::read(path))?;
    let header: Header = serde_json::from_slice(&header)
        .map_err(|source| AtlasError::Json { path: path.to_owned(), source })?;
    Ok(header.metadata)
}
