//! Damaged bytes for everything of `neuron` that reads bytes from outside: whatever they hold, a reader ends soon, in
//! little memory, with a result or an error. `docs/fuzzing.md` says how it is used and extended.
//!
//! ```
//! let (name, target) = neuron_fuzz::TARGETS[0];
//! neuron_fuzz::trial::run(target, b"no picture").unwrap_or_else(|fault| panic!("{name}: {fault}"));
//! ```

mod checkpoint;
pub mod corpus;
mod exported;
mod imported;
pub mod memory;
mod mutate;
mod random;
mod scratch;
pub mod seeds;
mod targets;
pub mod trial;

pub use mutate::Mutator;
pub use targets::{TARGETS, Target};

/// Runs the target of that name, for other fuzzers.
///
/// # Panics
/// If there is none; and as targets do.
pub fn run(name: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("there is no target {name}"));
    target(bytes);
}
