//! Images that were decoded together, and are read one after the other: those that were used last are kept.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::parquet::data_type::ByteArray;

/// Images in their order; a row may be without.
pub(super) type Block = Vec<Option<ByteArray>>;
/// A block, or why there is none.
type Decoded = Arc<Result<Block, String>>;
/// Which file, and which of its blocks.
type Key = (u64, usize);

/// What blocks may hold together; the last two are kept whatever they hold, as the threads of a loader are never far
/// apart.
const MOST_BYTES: usize = 128 << 20;
const FEWEST: usize = 2;

/// The block that was used last is the last one. One that is being decoded is there without a value.
static KEPT: Mutex<Vec<(Key, Arc<OnceLock<Decoded>>)>> = Mutex::new(Vec::new());

/// A block that is kept, or is decoded now; only one thread does so, and others wait for it.
pub(super) fn get(key: Key, decode: impl FnOnce() -> Result<Block, String>) -> Decoded {
    let lock = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let cell = {
        let mut kept = lock();
        let found = kept.iter().rposition(|(known, _)| *known == key).map(|at| kept.remove(at));
        let entry = found.unwrap_or_else(|| (key, Arc::default()));
        let cell = Arc::clone(&entry.1);
        kept.push(entry);
        cell
    };
    let mut is_new = false;
    let decoded = Arc::clone(cell.get_or_init(|| {
        is_new = true;
        Arc::new(decode())
    }));
    if is_new {
        make_room(&mut lock());
    }
    decoded
}

/// Gives up the blocks of a file.
pub(super) fn forget(file: u64) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).retain(|((of, _), _)| *of != file);
}

fn make_room(kept: &mut Vec<(Key, Arc<OnceLock<Decoded>>)>) {
    let bytes = |cell: &OnceLock<Decoded>| match cell.get().map(Arc::as_ref) {
        Some(Ok(images)) => images.iter().flatten().map(ByteArray::len).sum(),
        _ => 0,
    };
    let mut all: usize = kept.iter().map(|(_, cell)| bytes(cell)).sum();
    while all > MOST_BYTES && kept.len() > FEWEST {
        all -= bytes(&kept.remove(0).1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_decoded_once_and_given_up_for_others() {
        let file = u64::MAX;
        let block = |bytes: usize| Ok(vec![Some(ByteArray::from(vec![0; bytes])), None]);
        get((file, 0), || block(1));
        assert_eq!(get((file, 0), || panic!("it is kept")).as_ref().as_ref().unwrap().len(), 2);
        assert!(get((file, 1), || Err("damaged".into())).is_err());
        let mut kept: Vec<_> = (0..4)
            .map(|at| {
                let cell = OnceLock::from(Arc::new(block(MOST_BYTES / 2 + 1)));
                ((file, at), Arc::new(cell))
            })
            .collect();
        make_room(&mut kept);
        assert_eq!(kept.iter().map(|(key, _)| key.1).collect::<Vec<_>>(), [2, 3]);
        forget(file);
        assert!(!KEPT.lock().unwrap().iter().any(|((of, _), _)| *of == file));
    }
}
