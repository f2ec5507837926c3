//! Why a node cannot be translated.

use crate::error::ImportError;

/// Why a node has no operator.
pub(super) enum Refusal {
    /// It cannot be expressed; with the reason, where the operator as such can.
    Unknown(Option<String>),
    /// It says what cannot be.
    Damaged(String),
    /// What it reads cannot be read.
    Import(ImportError),
}

impl Refusal {
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Not expressible as it is: `with axis 3`, `of strings`.
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self::Unknown(Some(why.into()))
    }
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        Self::Import(error)
    }
}
