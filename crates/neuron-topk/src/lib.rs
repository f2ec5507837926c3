//! The best items of every channel of a stream of scores, in bounded memory.
//!
//! A scan of a data set gives a score per image and channel; a user wants the best few thousand images of every
//! channel. [`TopK`] keeps just those. It knows nothing about images or networks: an item is an index, and an
//! opaque payload travels with it.
//!
//! Partial results [merge](TopK::merge) to what one structure would have held, and a structure can be
//! [saved](TopK::save) and [opened](TopK::open) again to continue.
//!
//! ```
//! use std::num::NonZeroUsize;
//! use neuron_topk::{Entry, TopK};
//!
//! let keep = NonZeroUsize::new(2).expect("not zero");
//! let mut best = TopK::new(3, keep);
//! best.push_batch(
//!     &[0, 1, 2],
//!     &[
//!         0.1, 0.7, 0.0, // item 0
//!         0.9, 0.7, 0.0, // item 1
//!         0.5, 0.8, 0.0, // item 2
//!     ],
//!     None,
//! )?;
//! let order = |channel| best.channel(channel).iter().map(|entry| entry.index).collect::<Vec<_>>();
//! assert_eq!(order(0), [1, 2]);
//! assert_eq!(order(1), [2, 0]); // 0 and 1 tie: the lower index comes first
//! assert_eq!(best.channel(2)[0], Entry { score: 0.0, index: 0, payload: 0 });
//! # Ok::<(), neuron_topk::TopkError>(())
//! ```

mod entry;
mod error;
mod file;
mod list;
mod state;
mod top_k;

pub use entry::Entry;
pub use error::TopkError;
pub use top_k::TopK;
