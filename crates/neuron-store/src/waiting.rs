//! How long is waited, and how often a request is made again.

use std::env;
use std::time::Duration;

use object_store::{BackoffConfig, ClientConfigKey, RetryConfig};

/// The variable with the seconds after which a connection on which nothing comes is given up; 20 without it.
pub const TIMEOUT_VARIABLE: &str = "NEURON_STORE_TIMEOUT";

const TIMEOUT: f64 = 20.0;
/// Requests beside the first.
const RETRIES: usize = 5;
/// The longest time for a request with all its repetitions, in timeouts.
const MOST_TIMEOUTS: f64 = 4.0;

/// How long may pass until something comes.
pub(crate) fn timeout() -> Duration {
    let said = env::var(TIMEOUT_VARIABLE).ok().and_then(|text| text.trim().parse::<f64>().ok());
    Duration::from_secs_f64(said.filter(|seconds| (0.01..=3600.0).contains(seconds)).unwrap_or(TIMEOUT))
}

/// When requests are made again.
pub(crate) fn retries() -> RetryConfig {
    let timeout = timeout();
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: timeout.min(Duration::from_secs(4)) / 20,
            max_backoff: timeout,
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: timeout.mul_f64(MOST_TIMEOUTS),
    }
}

/// The settings of a client: a slow body may take its time, as long as something comes.
pub(crate) fn settings() -> [(ClientConfigKey, String); 3] {
    let milliseconds = |time: Duration| format!("{} ms", time.as_millis());
    let timeout = timeout();
    [
        (ClientConfigKey::ReadTimeout, milliseconds(timeout)),
        (ClientConfigKey::ConnectTimeout, milliseconds(timeout.min(Duration::from_secs(5)))),
        // Not the time of a whole request, which depends on its size.
        (ClientConfigKey::Timeout, milliseconds(timeout * 60)),
    ]
}

/// As [`settings`], for a server that is named by whoever wants it, with or without encryption.
pub(crate) fn settings_of(server: &str) -> impl IntoIterator<Item = (ClientConfigKey, String)> + use<> {
    let is_plain = server.starts_with("http://").to_string();
    settings().into_iter().chain([(ClientConfigKey::AllowHttp, is_plain)])
}
