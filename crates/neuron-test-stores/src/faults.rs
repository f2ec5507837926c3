//! What goes wrong, where, and how often.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered with this status.
    Status(u16),
    /// The answer ends after so many bytes of its body.
    Cut(usize),
    /// The answer comes so much later.
    Slow(Duration),
    /// Half of the answer comes, and then nothing for so long.
    Stall(Duration),
}

#[derive(Debug)]
struct Rule {
    part: String,
    fault: Fault,
    times: usize,
}

/// The faults of a server.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<String>>,
}

impl Faults {
    /// The next so many requests whose address has this part fail.
    pub fn add(&self, part: &str, fault: Fault, times: usize) {
        lock(&self.rules).push(Rule { part: part.into(), fault, times });
    }

    /// All is well from now on.
    pub fn clear(&self) {
        lock(&self.rules).clear();
    }

    /// Requests up to now whose line, such as `GET /bucket/key`, has this part.
    pub fn requests(&self, part: &str) -> usize {
        lock(&self.requests).iter().filter(|request| request.contains(part)).count()
    }

    pub(crate) fn of(&self, request: &str) -> Option<Fault> {
        lock(&self.requests).push(request.to_owned());
        let mut rules = lock(&self.rules);
        let rule = rules.iter_mut().find(|rule| rule.times > 0 && request.contains(&rule.part))?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
