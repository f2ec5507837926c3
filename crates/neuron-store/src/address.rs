//! What an address says.

use crate::error::StoreError;

/// The parts of `scheme://host/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address<'a> {
    pub(crate) scheme: &'a str,
    /// A bucket, a container or a server.
    pub(crate) host: &'a str,
    /// Without slashes around it; empty for all of the host.
    pub(crate) key: &'a str,
}

impl<'a> Address<'a> {
    pub(crate) fn of(text: &'a str) -> Result<Self, StoreError> {
        let wrong = |problem| StoreError::Address { address: text.into(), problem };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no `://`"))?;
        let (host, key) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() {
            return Err(wrong("nothing follows `://`"));
        }
        if scheme.starts_with("http") && key.contains(['?', '#']) {
            return Err(wrong("addresses with `?` or `#`, as signed ones have, are not supported"));
        }
        Ok(Self { scheme, host, key: key.trim_matches('/') })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_three_parts() {
        for (text, scheme, host, key) in [
            ("s3://b", "s3", "b", ""),
            ("s3://b/", "s3", "b", ""),
            ("gs://b/a/c.tar", "gs", "b", "a/c.tar"),
            ("https://host:8080/x y/", "https", "host:8080", "x y"),
        ] {
            assert_eq!(Address::of(text).unwrap(), Address { scheme, host, key });
        }
        for text in ["s3:/b", "s3:///b", "https://h/a?sig=1"] {
            assert!(Address::of(text).is_err(), "{text}");
        }
    }
}
