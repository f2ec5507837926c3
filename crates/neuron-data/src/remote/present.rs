use std::io;
use std::path::Path;

use bytes::Bytes;
use neuron_store::StoreError;
pub(crate) use neuron_store::{Object, Reader, Several, remember};

use crate::error::ImageError;
use crate::limits::Limits;

/// What lies at an address; the store is asked once in a run.
pub(crate) fn about(address: &Path) -> io::Result<Object> {
    Ok(neuron_store::about(text(address)?)?)
}

/// All objects below an address, in the order of their addresses.
pub(crate) fn list(address: &Path) -> io::Result<Vec<Object>> {
    Ok(neuron_store::list(text(address)?)?)
}

/// The bytes of an object that nobody has listed.
pub(crate) fn read(address: &Path, limits: &Limits) -> Result<Bytes, ImageError> {
    let text = text(address).map_err(|source| ImageError::Read { source })?;
    neuron_store::read(text, limits.max_file_bytes).map_err(failed)
}

/// The bytes of one of several objects.
pub(crate) fn read_one(objects: &Several, index: usize) -> Result<Bytes, ImageError> {
    objects.read(index).map_err(failed)
}

/// An error if the store of an address has stopped answering.
pub(crate) fn check(address: &Path) -> Result<(), ImageError> {
    text(address).map_or(Ok(()), |text| neuron_store::check(text).map_err(failed))
}

/// What an error means for an image.
fn failed(error: StoreError) -> ImageError {
    match error {
        StoreError::TooLarge { bytes, limit, .. } => ImageError::FileTooLarge { bytes, limit },
        StoreError::Down { .. } => ImageError::StoreDown { problem: error.to_string() },
        error => ImageError::Read { source: error.into() },
    }
}

fn text(address: &Path) -> io::Result<&str> {
    address.to_str().ok_or_else(|| io::Error::other("the address is not UTF-8"))
}
