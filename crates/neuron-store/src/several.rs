//! Many small objects, each of which is read as a whole.

use bytes::Bytes;

use crate::ahead::{Ahead, Fetch, Order};
use crate::error::StoreError;
use crate::object::Object;

/// Objects that are fetched ahead: a small one takes longer to arrive than to be used.
/// Threads that load images are never further apart than there are of them.
const ORDER: Order = Order { depth: 24, slack: 32, is_used_once: true };
/// Larger ones are not fetched ahead, so that what waits takes no more than 24 times as much.
const MOST_BYTES_AHEAD: u64 = 4 << 20;

/// Objects by index. Where they are read in their order, up to 24 are fetched ahead of their use, each of up to 4 MiB.
#[derive(Debug)]
pub struct Several {
    objects: Vec<Object>,
    ahead: Ahead,
}

impl Several {
    /// Asks for nothing yet.
    pub fn of(objects: Vec<Object>) -> Self {
        // An object that is read in one request is never half of another one.
        let objects = objects.into_iter().map(Object::without_tag).collect();
        Self { objects, ahead: Ahead::new(ORDER) }
    }

    /// The bytes of an object.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if its size is not that of the list, and any other [`StoreError`].
    ///
    /// # Panics
    /// If there is no such object.
    pub fn read(&self, index: usize) -> Result<Bytes, StoreError> {
        let fetch = |at: usize| -> Option<Fetch> {
            let object = self.objects[at].clone();
            let is_worth_it = at == index || object.bytes() <= MOST_BYTES_AHEAD;
            is_worth_it.then(|| Box::pin(async move { object.read(0..object.bytes()).await }) as Fetch)
        };
        if self.objects[index].bytes() == 0 {
            return Ok(Bytes::new());
        }
        self.ahead.get(index, 0..self.objects.len(), &fetch).expect("what is asked for is worth it")
    }
}
