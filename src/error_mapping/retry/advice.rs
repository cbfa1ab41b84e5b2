//! Whether what came back allows to send the request again.

use std::error::Error;

use http::{
    HeaderMap, Method, StatusCode,
    header::{CONNECTION, HeaderName},
};

use crate::{
    Retryability,
    core::header::{contains_token, only},
    error_mapping::{
        cause::Cause,
        walk::{Place, cause_of},
    },
};

/// The header field of [draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Which requests may be repeated though something of them may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeatable {
    /// Those of an idempotent method ([RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).
    ByMethod,
    /// Those with an `Idempotency-Key` too.
    ByMethodOrKey,
}

impl Repeatable {
    pub(super) fn admits(self, method: &Method, headers: &HeaderMap) -> bool {
        let by_method =
            matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE);
        by_method || self == Self::ByMethodOrKey && has_key(headers)
    }
}

/// An upstream knows a repeated request by one key. A proxy on the way there takes out what `Connection` names.
fn has_key(headers: &HeaderMap) -> bool {
    only(headers, &IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty())
        && !contains_token(headers, &CONNECTION, IDEMPOTENCY_KEY.as_str())
}

/// What an answer says. A status proves nothing of what was done, only a layer in this process can: its word is in the extensions.
pub(super) fn of_response(status: StatusCode, told: Option<Retryability>) -> Retryability {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            told.unwrap_or(Retryability::IdempotentOnly)
        }
        // After a 500 part of the work may be done, and a 4xx will be the same the next time.
        _ => Retryability::Never,
    }
}

/// What an error says.
pub(super) fn of_error(error: &(dyn Error + 'static)) -> Retryability {
    match cause_of(error, Place::Here) {
        unsent if unsent.is_unsent() => Retryability::Safe,
        cause if cause.is_upstreams() || cause == Cause::Unavailable => Retryability::IdempotentOnly,
        _ => Retryability::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_mapping::upstream::UpstreamError;
    use std::io;

    #[test]
    fn repeatable_requests() {
        let key = HeaderMap::from_iter([(IDEMPOTENCY_KEY, http::HeaderValue::from_static("\"1\""))]);
        for (method, by_method, with_key) in [
            (Method::GET, true, true),
            (Method::HEAD, true, true),
            (Method::OPTIONS, true, true),
            (Method::TRACE, true, true),
            (Method::PUT, true, true),
            (Method::DELETE, true, true),
            (Method::POST, false, true),
            (Method::PATCH, false, true),
            (Method::CONNECT, false, true),
        ] {
            assert_eq!(Repeatable::ByMethod.admits(&method, &key), by_method, "{method}");
            assert_eq!(Repeatable::ByMethodOrKey.admits(&method, &key), with_key, "{method}");
            assert_eq!(Repeatable::ByMethodOrKey.admits(&method, &HeaderMap::new()), by_method, "{method}");
        }
    }

    #[test]
    fn what_is_no_key() {
        for (name, fields, admitted) in [
            ("a key", &[("idempotency-key", "\"1\"")][..], true),
            ("none", &[], false),
            ("an empty one", &[("idempotency-key", "")], false),
            ("two", &[("idempotency-key", "\"1\""), ("idempotency-key", "\"2\"")], false),
            ("one for the next hop", &[("idempotency-key", "\"1\""), ("connection", "close, Idempotency-Key")], false),
            ("another for the next hop", &[("idempotency-key", "\"1\""), ("connection", "close")], true),
        ] {
            let fields =
                fields.iter().map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
            assert_eq!(Repeatable::ByMethodOrKey.admits(&Method::POST, &fields.collect()), admitted, "{name}");
        }
    }

    #[test]
    fn of_every_status_but_three_the_answer_stands() {
        for status in (100..600).filter_map(|status| StatusCode::from_u16(status).ok()) {
            for told in [None, Some(Retryability::Never), Some(Retryability::IdempotentOnly), Some(Retryability::Safe)] {
                let expected = match status.as_u16() {
                    502..=504 => told.unwrap_or(Retryability::IdempotentOnly),
                    _ => Retryability::Never,
                };
                assert_eq!(of_response(status, told), expected, "{status} {told:?}");
            }
        }
    }

    #[test]
    fn errors() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        for (name, error, expected) in [
            ("refused", UpstreamError::new(refused()), Retryability::Safe),
            ("reset", UpstreamError::new(reset()), Retryability::IdempotentOnly),
            ("something", UpstreamError::new("x"), Retryability::IdempotentOnly),
        ] {
            assert_eq!(of_error(&error), expected, "{name}");
        }
        assert_eq!(of_error(&refused()), Retryability::Never, "nobody said that it was the upstream");
    }
}
