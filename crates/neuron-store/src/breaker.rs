//! When a store is down: somebody who reads a million objects must not wait for each of them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::StoreError;

/// Objects that fail, with none that is read between them, until the store is taken to be down.
const MOST_FAILURES: usize = 3;

/// What became of the last requests to a store.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since the last answer.
    failed: BTreeSet<String>,
    /// What was said last, once the store is down; it stays so.
    down: Option<Arc<str>>,
}

impl Breaker {
    /// Why nothing more is asked, if that is so.
    pub(crate) fn check(&self, store: &str) -> Result<(), StoreError> {
        match &self.state().down {
            Some(problem) => Err(StoreError::Down { store: store.into(), problem: Arc::clone(problem) }),
            None => Ok(()),
        }
    }

    /// The store has answered, be it with a refusal.
    pub(crate) fn answered(&self) {
        self.state().failed.clear();
    }

    /// The store has failed for good on an object.
    pub(crate) fn failed(&self, address: &str, problem: &Arc<str>) {
        let mut state = self.state();
        state.failed.insert(address.to_owned());
        if state.failed.len() >= MOST_FAILURES {
            state.down.get_or_insert_with(|| Arc::clone(problem));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_objects_in_a_row_and_not_one_again_and_again() {
        let breaker = Breaker::default();
        let fail = |address: &str| breaker.failed(address, &"no".into());
        (0..9).for_each(|_| fail("a"));
        fail("b");
        assert!(breaker.check("s").is_ok());
        breaker.answered();
        ["a", "b", "a"].into_iter().for_each(fail);
        assert!(breaker.check("s").is_ok());
        fail("c");
        breaker.answered();
        assert!(breaker.check("s").unwrap_err().to_string().contains("`s` does not answer any more"));
    }
}
