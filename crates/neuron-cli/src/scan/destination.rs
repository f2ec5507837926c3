use std::path::PathBuf;

use neuron_files::Claim;

use super::identity::Identity;
use super::start::Leftovers;
use crate::claim;

/// Whether other results may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    Refused,
    Allowed,
}

/// Where the results of a scan go.
pub(crate) struct Destination {
    /// The folder of the results, for messages.
    pub(crate) folder: PathBuf,
    /// Where the state is kept meanwhile; a shard's result.
    pub(crate) checkpoint: PathBuf,
    /// Files of which each is written last in its folder: where all are there, the results are complete.
    pub(crate) manifests: Vec<PathBuf>,
    /// What else a complete result holds: some may have got lost, as in a copy of a part.
    pub(crate) promised: Vec<PathBuf>,
    /// A folder with files of another origin that the results would replace.
    pub(crate) occupied: Option<PathBuf>,
    /// What no other run may write meanwhile: folders, and names in them.
    pub(crate) claims: Vec<(PathBuf, Vec<String>)>,
}

impl Destination {
    /// Keeps other runs from writing to the same place, for as long as the result lives.
    pub(crate) fn claim(&self, command: &str) -> anyhow::Result<Vec<Claim>> {
        let take = |(folder, names): &(PathBuf, Vec<String>)| claim::take(folder, command, names);
        self.claims.iter().map(take).collect()
    }

    /// Checks that merged shards may take the place: the same result, made before, is written once more.
    pub(crate) fn check_replaceable(&self, identity: &Identity, overwrite: Overwrite) -> anyhow::Result<()> {
        match overwrite {
            Overwrite::Allowed => Ok(()),
            Overwrite::Refused => self.leftovers(identity).decide(true, false).map(|_| ()),
        }
    }

    /// What earlier runs may have left there.
    pub(super) fn leftovers<'a>(&'a self, identity: &'a Identity) -> Leftovers<'a> {
        let Self { checkpoint, manifests, promised, occupied, .. } = self;
        Leftovers { checkpoint, manifests, promised, occupied: occupied.as_deref(), identity }
    }

    /// What a shard writes: one file.
    pub(crate) fn of_shard(folder: PathBuf, file: String) -> Self {
        let checkpoint = folder.join(&file);
        let claims = vec![(folder.clone(), vec![file])];
        Self { folder, checkpoint, manifests: Vec::new(), promised: Vec::new(), occupied: None, claims }
    }
}
