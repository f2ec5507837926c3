//! Operations one at a time, each as a network of its own: what it computes, how signals pass it, and what every one of them
//! promises.

mod cases;
mod fields;
mod promises;
mod signals;
mod subject;
mod values;
