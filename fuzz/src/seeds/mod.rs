//! Seeds that are made by rules: small files of every kind, as `neuron` or others write them, and some as they never
//! would.

mod archives;
mod exported;
mod states;
mod tables;
mod texts;
mod weights;

/// A target, the name of a seed of it (sound if it begins with `ok`), and its bytes.
pub type Made = (&'static str, &'static str, Vec<u8>);

/// All of them; the same bytes every time.
pub fn all() -> Vec<Made> {
    [archives::seeds(), weights::seeds(), states::seeds(), tables::seeds(), texts::seeds(), exported::seeds()]
        .concat()
}

/// A safetensors file: a header, and what it describes.
fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}
