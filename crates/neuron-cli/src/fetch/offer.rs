//! What a source has to say before its file is downloaded.

use std::collections::BTreeMap;

use super::download::{Connection, Proof};

/// A file with weights, and what is known of it.
pub(super) struct Offer<'e> {
    pub(super) connection: Connection<'e>,
    pub(super) url: String,
    /// Where else they may lie, if that does not exist.
    pub(super) otherwise: Option<String>,
    pub(super) proof: Proof,
    /// The preprocessing of these weights, and what they are called.
    pub(super) metadata: BTreeMap<String, String>,
    /// Where they are from, whatever mirror hands them out.
    pub(super) origin: String,
}
