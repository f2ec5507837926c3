//! `--positions`: which positions of a map count. Transformers have class and register tokens before the grid.

use clap::ValueEnum;
use neuron_model::{ModelError, Network, Positions, Tap};

use crate::outcome::WrongUsage;

/// The flag of every command that reduces maps or looks for their maxima.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct PositionsFlag {
    /// Positions of a map that count. Only transformers have others than those of the grid
    #[arg(long, value_enum, default_value = "all")]
    positions: Choice,
}

/// Its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// All, class and register tokens too
    All,
    /// Those of the grid, which have a place in the image
    Grid,
    /// The class token alone
    Class,
}

impl PositionsFlag {
    /// What it says, checked for some layers of a network on crops of a side.
    ///
    /// # Errors
    /// [`WrongUsage`] if a layer has no such positions.
    pub(crate) fn of(self, network: &Network, taps: &[Tap], crop_px: usize) -> anyhow::Result<Positions> {
        let positions = match self.positions {
            Choice::All => Positions::All,
            Choice::Grid => Positions::Grid,
            Choice::Class => Positions::Class,
        };
        match network.graph().check_positions(taps, positions, (crop_px, crop_px)) {
            Err(error @ ModelError::NoClassToken { .. }) => {
                Err(WrongUsage(format!("--positions class: {error}; take all or grid")).into())
            }
            checked => Ok(checked.map(|()| positions)?),
        }
    }
}

/// For serde: records of networks without tokens stay what they were.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn are_all(positions: &Positions) -> bool {
    *positions == Positions::All
}

/// For serde: no positions before those of the grid.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
pub(crate) fn are_none(extra: &usize) -> bool {
    *extra == 0
}

/// Their name, where they are not all.
pub(crate) fn named(positions: Positions) -> Option<&'static str> {
    match positions {
        Positions::All => None,
        Positions::Grid => Some("grid"),
        Positions::Class => Some("class"),
    }
}
