use std::{fmt, time::Duration};

use http::StatusCode;

use crate::{Problem, Retryability};

/// For whom this server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// For itself ([RFC 9110 §3.6](https://www.rfc-editor.org/rfc/rfc9110#section-3.6)): a timeout of its own is 503.
    #[default]
    Origin,
    /// For servers behind it ([RFC 9110 §3.7](https://www.rfc-editor.org/rfc/rfc9110#section-3.7)): a timeout is 504, since what took too
    /// long was one of them.
    Gateway,
}

/// What went wrong, as far as it can be told. In the extensions of every response that was made from an error or a panic.
///
/// | cause | status | may be sent again |
/// |---|---|---|
/// | [`Internal`](Self::Internal), [`Panic`](Self::Panic) | 500 | never |
/// | [`ContentTooLarge`](Self::ContentTooLarge) | 413 | never |
/// | [`Overloaded`](Self::Overloaded) | 503 | safe |
/// | [`Unavailable`](Self::Unavailable) | 503 | idempotent only |
/// | [`TimedOut`](Self::TimedOut) | origin 503, gateway 504 | idempotent only |
/// | [`ConnectionRefused`](Self::ConnectionRefused), [`ConnectionFailed`](Self::ConnectionFailed) | 502 | safe |
/// | [`ConnectionTimedOut`](Self::ConnectionTimedOut) | 504 | safe |
/// | [`ResponseTimedOut`](Self::ResponseTimedOut) | 504 | idempotent only |
/// | [`ConnectionTerminated`](Self::ConnectionTerminated), [`ResponseIncomplete`](Self::ResponseIncomplete), [`ProtocolError`](Self::ProtocolError), [`UpstreamFailed`](Self::UpstreamFailed) | 502 | idempotent only |
///
/// A 503 carries `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The service failed, and nothing says that it was another's fault.
    Internal,
    /// The service panicked.
    Panic,
    /// The request's content is longer than a limit allows.
    ContentTooLarge,
    /// The service had no room for the request and did not begin it.
    Overloaded,
    /// The worker behind a buffer is gone; it may have begun the request.
    Unavailable,
    /// A timeout, not said to be an upstream's.
    TimedOut,
    /// The upstream refused the connection: nothing was sent.
    ConnectionRefused,
    /// No connection to the upstream came about, for another reason: nothing was sent.
    ConnectionFailed,
    /// No connection to the upstream came about in time: nothing was sent.
    ConnectionTimedOut,
    /// The upstream was asked and did not answer in time.
    ResponseTimedOut,
    /// The upstream's connection broke.
    ConnectionTerminated,
    /// The upstream closed before its response was whole.
    ResponseIncomplete,
    /// What the upstream sent is not HTTP.
    ProtocolError,
    /// The upstream failed in another way.
    UpstreamFailed,
}

const DONE_HALF: &str = "The server failed while it handled the request, and part of it may have been carried out. \
                         Do not send the same data again.";
const TOO_LARGE: &str = "The content of the request is longer than the server accepts. Send less.";
const OVERLOADED: &str = "The server has too much to do and did not begin to handle the request. Try again after a short wait.";
const UNAVAILABLE: &str = "The server cannot handle requests at the moment, and part of this one may have been carried out. \
                           Try again after a short wait if repeating the request does no harm.";
const TOO_SLOW: &str = "The server did not finish in time, and part of the request may have been carried out. \
                        Try again after a short wait if repeating the request does no harm.";
const NOT_REACHED: &str = "A server that this one depends on could not be reached, so nothing was carried out. \
                           Trying again may work.";
const NOT_REACHED_IN_TIME: &str = "A server that this one depends on could not be reached in time, so nothing was carried out. \
                                   Trying again may work.";
const NO_ANSWER: &str = "A server that this one depends on did not answer in time, and may have carried the request out. \
                         Trying again may work, if repeating the request does no harm.";
const NO_USABLE_ANSWER: &str = "A server that this one depends on gave no usable answer, and may have carried the request out. \
                                Trying again may work, if repeating the request does no harm.";

impl Cause {
    /// A short word for logs and counters: the error type of
    /// [RFC 9209 §2.3](https://www.rfc-editor.org/rfc/rfc9209#section-2.3) where there is one.
    ///
    /// ```
    /// use donjon::error_mapping::Cause;
    ///
    /// assert_eq!(Cause::ConnectionRefused.as_str(), "connection_refused");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Panic => "panic",
            Self::ContentTooLarge => "content_too_large",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timeout",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionFailed => "connection_failed",
            Self::ConnectionTimedOut => "connection_timeout",
            Self::ResponseTimedOut => "http_response_timeout",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ResponseIncomplete => "http_response_incomplete",
            Self::ProtocolError => "http_protocol_error",
            Self::UpstreamFailed => "upstream_failed",
        }
    }

    /// What the client is told. The texts say nothing that the cause does not.
    pub(super) fn problem(self, role: Role, retry_after: Duration) -> Problem {
        use Retryability::{IdempotentOnly, Never, Safe};
        let (status, retry, detail) = match self {
            Self::Internal | Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, Never, DONE_HALF),
            Self::ContentTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Never, TOO_LARGE),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, Safe, OVERLOADED),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, IdempotentOnly, UNAVAILABLE),
            Self::TimedOut => match role {
                Role::Origin => (StatusCode::SERVICE_UNAVAILABLE, IdempotentOnly, TOO_SLOW),
                Role::Gateway => (StatusCode::GATEWAY_TIMEOUT, IdempotentOnly, NO_ANSWER),
            },
            Self::ConnectionRefused | Self::ConnectionFailed => (StatusCode::BAD_GATEWAY, Safe, NOT_REACHED),
            Self::ConnectionTimedOut => (StatusCode::GATEWAY_TIMEOUT, Safe, NOT_REACHED_IN_TIME),
            Self::ResponseTimedOut => (StatusCode::GATEWAY_TIMEOUT, IdempotentOnly, NO_ANSWER),
            Self::ConnectionTerminated | Self::ResponseIncomplete | Self::ProtocolError | Self::UpstreamFailed => {
                (StatusCode::BAD_GATEWAY, IdempotentOnly, NO_USABLE_ANSWER)
            }
        };
        let problem = Problem::new(status).with_retryability(retry).with_detail(detail);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with_retry_after(retry_after),
            _ => problem,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_in_both_roles() {
        use Retryability::{IdempotentOnly, Never, Safe};
        for (cause, origin, gateway, retry, advice) in [
            (Cause::Internal, 500, 500, Never, "Do not send the same data again."),
            (Cause::Panic, 500, 500, Never, "Do not send the same data again."),
            (Cause::ContentTooLarge, 413, 413, Never, "Send less."),
            (Cause::Overloaded, 503, 503, Safe, "did not begin"),
            (Cause::Unavailable, 503, 503, IdempotentOnly, "if repeating the request does no harm"),
            (Cause::TimedOut, 503, 504, IdempotentOnly, "if repeating the request does no harm"),
            (Cause::ConnectionRefused, 502, 502, Safe, "nothing was carried out. Trying again may work."),
            (Cause::ConnectionFailed, 502, 502, Safe, "nothing was carried out. Trying again may work."),
            (Cause::ConnectionTimedOut, 504, 504, Safe, "nothing was carried out. Trying again may work."),
            (Cause::ResponseTimedOut, 504, 504, IdempotentOnly, "Trying again may work, if repeating"),
            (Cause::ConnectionTerminated, 502, 502, IdempotentOnly, "Trying again may work, if repeating"),
            (Cause::ResponseIncomplete, 502, 502, IdempotentOnly, "Trying again may work, if repeating"),
            (Cause::ProtocolError, 502, 502, IdempotentOnly, "Trying again may work, if repeating"),
            (Cause::UpstreamFailed, 502, 502, IdempotentOnly, "Trying again may work, if repeating"),
        ] {
            for (role, status) in [(Role::Origin, origin), (Role::Gateway, gateway)] {
                let problem = cause.problem(role, Duration::from_secs(3));
                assert_eq!(problem.status(), status, "{cause} {role:?}");
                assert_eq!(problem.retryability(), retry, "{cause} {role:?}");
                assert!(problem.detail().unwrap().contains(advice), "{cause} {role:?}: {problem}");
                assert_eq!(problem.retry_after().is_some(), status == 503, "{cause} {role:?}");
            }
        }
    }
}
