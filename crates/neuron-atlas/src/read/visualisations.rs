use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::files;
use super::reading::{Place, Reading};
use crate::error::AtlasError;
use crate::unit::{Reached, Visualisation};

/// A mean activation up to here is rounding.
const NOTHING: f64 = 1e-6;

/// What is shown of the record beside a picture.
#[derive(Deserialize)]
struct Record {
    arch: String,
    layer: String,
    channel: usize,
    loss: Vec<f64>,
    settings: Settings,
    activation: Option<Activation>,
}

#[derive(Deserialize)]
struct Settings {
    method: String,
}

#[derive(Deserialize)]
struct Activation {
    max: Max,
}

#[derive(Deserialize)]
struct Max {
    value: f64,
    references: Option<f64>,
    ratio: Option<f64>,
}

impl Max {
    /// Older records hold a ratio also where a value is below 0, or next to nothing.
    fn reached(self) -> Reached {
        let Self { value, references, ratio } = self;
        let says_something = value >= 0.0 && references.is_none_or(|mean| mean > NOTHING);
        Reached { value, references, ratio: ratio.filter(|ratio| says_something && *ratio >= 0.0) }
    }
}

/// Reads the record of `fvis` at `path`; JSON of another kind is left out.
pub(super) fn read(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    let mut value: Value = files::json(path)?;
    if value.get("references_are").is_none() {
        return Ok(());
    }
    let wrong = |source| AtlasError::Json { path: path.to_owned(), source };
    let record: Record = Record::deserialize(&value).map_err(wrong)?;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("command".to_owned(), json!("fvis"));
        fields.remove("loss");
        fields.remove("terms");
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let run = reading.add_run(value, folder);
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let masked = folder.join(format!("{name}_masked.png"));
    let Record { arch, layer, channel, loss, settings, activation } = record;
    let visualisation = Visualisation {
        picture: path.with_extension("png"),
        masked: Some(masked).filter(|masked| masked.is_file()),
        name,
        loss,
        method: settings.method,
        activation: activation.map(|activation| activation.max.reached()),
        run,
    };
    reading.unit(&Place { arch, layer, channel }).visualisations.push(visualisation);
    Ok(())
}
