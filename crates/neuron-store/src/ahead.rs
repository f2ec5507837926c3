//! Pieces that are fetched ahead of their use, as long as they are used in their order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::task::JoinError;

use crate::error::StoreError;
use crate::runtime;

/// How to fetch a piece.
pub(crate) type Fetch = BoxFuture<'static, Result<Bytes, StoreError>>;

/// A window of pieces, by number.
pub(crate) struct Ahead {
    order: Order,
    state: Mutex<State>,
}

/// How pieces are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Pieces that are fetched ahead.
    pub(crate) depth: usize,
    /// How far threads that read in turns are apart at most, in pieces.
    pub(crate) slack: usize,
    /// Whether a piece is given up once it was used.
    pub(crate) is_used_once: bool,
}

#[derive(Default)]
struct State {
    /// The furthest that was used since the last jump.
    front: Option<usize>,
    pieces: BTreeMap<usize, Piece>,
}

/// A piece that is there, or on its way, for any number of threads.
type Piece = Shared<Fetch>;

impl Ahead {
    /// Nothing yet.
    pub(crate) fn new(order: Order) -> Self {
        Self { order, state: Mutex::default() }
    }

    /// A piece; those that follow it are fetched, too, if it continues what was used before. `all` are the pieces that
    /// there are, and `fetch` gives `None` for those that are not worth it.
    pub(crate) fn get(
        &self,
        number: usize,
        all: Range<usize>,
        fetch: &dyn Fn(usize) -> Option<Fetch>,
    ) -> Option<Result<Bytes, StoreError>> {
        let Order { depth, slack, is_used_once } = self.order;
        let mut state = self.state();
        let continues = match state.front {
            None => number == all.start,
            Some(front) => number + slack >= front && number <= front + slack,
        };
        let (front, depth) = match state.front.filter(|_| continues) {
            Some(front) => (front.max(number), depth),
            None => (number, if continues { depth } else { 0 }),
        };
        state.front = Some(front);
        let window = front.saturating_sub(slack)..all.end.min(front + depth + 1);
        // A piece that is no longer wanted arrives in vain.
        state.pieces.retain(|number, _| window.contains(number));
        for wanted in std::iter::once(number).chain(front + 1..window.end) {
            if !state.pieces.contains_key(&wanted)
                && let Some(request) = fetch(wanted)
            {
                state.pieces.insert(wanted, start(request));
            }
        }
        let piece = state.pieces.get(&number)?.clone();
        drop(state);
        let fetched = runtime::wait(piece);
        // Who asks for what failed once more gets a new attempt.
        if is_used_once || fetched.is_err() {
            self.state().pieces.remove(&number);
        }
        Some(fetched)
    }

    /// Gives up all pieces.
    pub(crate) fn clear(&self) {
        self.state().pieces.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Ahead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ahead").field("order", &self.order).finish_non_exhaustive()
    }
}

/// Begins to fetch a piece, whether or not somebody waits for it.
fn start(request: Fetch) -> Piece {
    let fetched = runtime::start(request);
    let piece = async move {
        // Whoever waits is told, whatever becomes of a request.
        let lost = |error: JoinError| StoreError::Lost { problem: error.to_string() };
        fetched.await.unwrap_or_else(|error| Err(lost(error)))
    };
    piece.boxed().shared()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn ahead(depth: usize) -> Ahead {
        Ahead::new(Order { depth, slack: 1, is_used_once: false })
    }

    #[test]
    fn what_follows_is_fetched_only_where_order_is_kept() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let fetch = |number: usize| -> Option<Fetch> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            Some(Box::pin(async move { Ok(vec![number as u8].into()) }))
        };
        let ahead = ahead(3);
        let mut asked_by = |number: usize| {
            let before = ASKED.load(Ordering::SeqCst);
            assert_eq!(ahead.get(number, 0..10, &fetch).unwrap().unwrap(), vec![number as u8]);
            ASKED.load(Ordering::SeqCst) - before
        };
        // The beginning and three more; then one each, and none where one of two threads is behind.
        assert_eq!([0, 1, 2, 1, 3, 5].map(&mut asked_by), [4, 1, 1, 0, 1, 0]);
        // 5 jumped; what follows it continues.
        assert_eq!([6, 7, 8, 9].map(&mut asked_by), [4, 0, 0, 0]);
        assert_eq!([2, 8, 3].map(&mut asked_by), [1, 1, 1]);
    }

    #[test]
    fn errors_are_those_of_one_attempt() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let fetch = |_| -> Option<Fetch> {
            let first = ASKED.fetch_add(1, Ordering::SeqCst) == 0;
            let failed = StoreError::Failed { address: "a".into(), problem: "no".into() };
            Some(Box::pin(async move { if first { Err(failed) } else { Ok(Bytes::new()) } }))
        };
        let ahead = ahead(0);
        assert!(ahead.get(5, 0..9, &fetch).unwrap().is_err());
        assert!(ahead.get(5, 0..9, &fetch).unwrap().is_ok());
        assert!(ahead.get(5, 0..9, &|_| None).unwrap().is_ok(), "it is kept");
        ahead.clear();
        assert!(ahead.get(5, 0..9, &|_| None).is_none());
    }

    #[test]
    fn a_request_that_panics_holds_nobody_up() {
        let fetch = |_| -> Option<Fetch> { Some(Box::pin(async { panic!("on purpose") })) };
        let said = ahead(0).get(0, 0..9, &fetch).unwrap().unwrap_err().to_string();
        assert!(said.contains("was lost"), "{said}");
    }

    #[test]
    fn threads_share_what_is_on_its_way() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let ahead = Ahead::new(Order { depth: 4, slack: 50, is_used_once: false });
        let fetch = |number: usize| -> Option<Fetch> {
            ASKED.fetch_add(1, Ordering::SeqCst);
            Some(Box::pin(async move {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                Ok(vec![number as u8].into())
            }))
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for number in 0..50 {
                        assert_eq!(ahead.get(number, 0..50, &fetch).unwrap().unwrap(), vec![number as u8]);
                    }
                });
            }
        });
        assert_eq!(ASKED.load(Ordering::SeqCst), 50);
    }
}
