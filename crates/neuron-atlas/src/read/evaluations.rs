use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files;
use super::reading::{Place, Reading};
use crate::error::AtlasError;
use crate::unit::Evaluation;

/// What an evaluation begins with: its fields are sorted, and this is the first.
const BEGINNING: &str = "{\"command\":\"eval\"";
/// How much of a file is looked at to know it, with blanks.
const HEAD_BYTES: u64 = 64;

#[derive(Deserialize)]
struct Report {
    evaluation: Identity,
    sets: Vec<Set>,
}

#[derive(Deserialize)]
struct Identity {
    arch: String,
}

/// A method, a preset or a program whose pictures were evaluated.
#[derive(Deserialize)]
struct Set {
    set: String,
    units: Vec<OfUnit>,
}

#[derive(Deserialize)]
struct OfUnit {
    layer: String,
    channel: usize,
    pictures: Vec<Value>,
    /// In the order of the file; null where one says nothing.
    measures: Map<String, Value>,
}

/// Reads the evaluation at `path`; JSON of another kind is left out.
pub(super) fn read(reading: &mut Reading<'_>, path: &Path) -> Result<(), AtlasError> {
    if !is_evaluation(path)? {
        return Ok(());
    }
    let Report { evaluation, sets } = files::json(path)?;
    for Set { set, units } in sets {
        for OfUnit { layer, channel, pictures, measures } in units {
            let place = Place { arch: evaluation.arch.clone(), layer, channel };
            let number = |(measure, value): (String, Value)| Some((measure, value.as_f64()?));
            let measures = measures.into_iter().filter_map(number).collect();
            let evaluation = Evaluation { set: set.clone(), pictures: pictures.len(), measures };
            // A page of nothing but numbers would be none.
            if let Some(unit) = reading.known_unit(&place) {
                unit.evaluations.push(evaluation);
            }
        }
    }
    Ok(())
}

/// Results hold much JSON of other kinds, which is not read for this.
fn is_evaluation(path: &Path) -> Result<bool, AtlasError> {
    let mut head = Vec::new();
    let file = File::open(path).map_err(AtlasError::read(path))?;
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(AtlasError::read(path))?;
    head.retain(|byte| !byte.is_ascii_whitespace());
    Ok(head.starts_with(BEGINNING.as_bytes()))
}
