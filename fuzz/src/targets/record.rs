//! The record beside a visualisation, which `eval` and an atlas read, and the pages that an atlas makes of it.

use std::ops::ControlFlow;
use std::path::Path;

use neuron_atlas::{Atlas, Settings, Site};
use neuron_cli::fuzzing;

use crate::scratch;

/// A PNG of one black pixel.
pub(super) const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

pub(super) fn read(bytes: &[u8]) -> bool {
    let folder = scratch::folder("record", |folder| {
        scratch::write(&folder.join("results/a.png"), PICTURE);
    });
    scratch::write(&folder.join("results/a.json"), bytes);
    let _ = fuzzing::evaluated_record(&folder.join("results/a.png"));
    let Ok(atlas) = Atlas::read(&folder.join("results"), &|_: &str, layer: &str| layer.to_owned()) else {
        return false;
    };
    if atlas.units() == 0 {
        return false;
    }
    let site = Site::new(&atlas, Settings::default());
    let written = site.write(&folder.join("site"), true, &|_event| ControlFlow::Continue(()));
    if let Err(error) = written {
        assert!(!error.to_string().is_empty());
    }
    true
}

/// Reads a folder of results; whether it told of a unit and nothing was left out.
pub(super) fn atlas(results: &Path) -> bool {
    match Atlas::read(results, &|_: &str, layer: &str| layer.to_owned()) {
        Ok(atlas) => atlas.units() > 0 && atlas.skipped().is_empty(),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}
