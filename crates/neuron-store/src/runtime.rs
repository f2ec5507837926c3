//! The threads that wait for the network.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Two, so that unpacking what one connection brings does not hold up the others.
const THREADS: usize = 2;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).thread_name("neuron-store").enable_all();
    builder.build().expect("the system gives threads to wait for the network")
});

/// Chooses what encrypts, which clients want to know; another part of the program may have chosen already.
pub(crate) fn choose_encryption() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Waits for a request, from a thread of somebody else.
pub(crate) fn wait<F: Future>(request: F) -> F::Output {
    RUNTIME.block_on(request)
}

/// Starts a request that somebody will wait for.
pub(crate) fn start<F>(request: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    RUNTIME.spawn(request)
}
