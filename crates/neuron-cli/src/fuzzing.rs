//! The readers of this crate, for `neuron-fuzz`; no interface for anybody else.
//!
//! Each tells whether the bytes were taken for what it reads.

use std::ffi::OsString;
use std::path::Path;

use clap::FromArgMatches;
use neuron_model::Weights;

use crate::cli::{self, Cli};
use crate::commands::eval::record::Record;
use crate::config;
use crate::origin::Origin;
use crate::preprocessing::Known;
use crate::references::patches;
use crate::rows::Selection;
use crate::scan::{Checkpoint, Identity, Leftovers};

/// The state of a scan.
pub fn scan_checkpoint(bytes: &[u8]) -> bool {
    let Ok(checkpoint) = Checkpoint::read(bytes) else { return false };
    let _ = checkpoint.identity.differences(&nobody());
    true
}

/// The `manifest.json` in a folder of lists: for those who read the lists, and for a run that would write them.
pub fn manifest(lists: &Path) -> bool {
    let Ok(origin) = Origin::of(lists) else { return false };
    let _ = Origin::lookup(&[origin.as_ref()], Some(lists));
    let (checkpoint, manifests) = (lists.join("none"), [lists.join("manifest.json")]);
    let identity = nobody();
    let leftovers = Leftovers {
        checkpoint: &checkpoint,
        manifests: &manifests,
        promised: &[],
        occupied: None,
        identity: &identity,
    };
    let _ = leftovers.decide(true, false);
    origin.is_some()
}

/// The table of every channel's best images.
pub fn image_scores(table: &Path) -> bool {
    let columns = ["channel", "rank", "image", "score", "class"];
    let read = Selection::of(&columns).read(table, |row| {
        let _ = (row.int(0)?, row.int(1)?, row.text(2)?, row.float(3)?);
        Ok(())
    });
    read.is_ok()
}

/// The table of a unit's patches, which lies beside its list.
pub fn patch_boxes(list: &Path) -> bool {
    patches::boxes(list).is_ok()
}

/// The record beside a picture that is evaluated.
pub fn evaluated_record(picture: &Path) -> bool {
    matches!(Record::beside(picture), Ok(Some(_)))
}

/// A file of flags, for a command that has many.
pub fn flags(file: &Path) -> bool {
    let definition = cli::definition();
    let mut configuration = OsString::from("--config=");
    configuration.push(file);
    let typed = ["neuron".into(), "fvis".into(), configuration];
    let Ok(flags) = config::Flags::read(&typed, |name| definition.find_subcommand(name).is_some()) else {
        return false;
    };
    let arguments = flags.unless_typed(&typed, &definition).before(&typed);
    let matches = definition.try_get_matches_from(arguments);
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).is_ok()
}

/// The preprocessing of some weights, by the configuration beside them.
pub fn preprocessing(weights: &Path) -> bool {
    let Ok(opened) = Weights::open(weights) else { return false };
    let Ok(known) = Known::of(&opened) else { return false };
    let _ = known.told(weights);
    !known.configured.is_empty()
}

/// The identity of no scan.
fn nobody() -> Identity {
    Identity::new("nobody")
}
