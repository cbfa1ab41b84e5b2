use std::{fmt, time::Duration};

use http::StatusCode;

use crate::{Problem, Retryability};

/// For whom this server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// For itself ([RFC 9110 §3.6](https://www.rfc-editor.org/rfc/rfc9110#section-3.6)): a timeout of its own is 503, and its handlers
    /// may have acted before an upstream failed them.
    #[default]
    Origin,
    /// For servers behind it ([RFC 9110 §3.7](https://www.rfc-editor.org/rfc/rfc9110#section-3.7)): a timeout is 504, since what took too
    /// long was one of them, and a request that none of them received was not acted on.
    ///
    /// The client beneath must not follow redirects: reqwest does, unless it is built with `redirect::Policy::none()`, and so does tower-http's
    /// `FollowRedirect`. No error says which of the servers it was: one that redirects may have acted on a request before the next refuses the
    /// connection, and the answer, and [`GatewayRetryPolicy`](super::GatewayRetryPolicy), would call that request unsent. A redirect is for
    /// the gateway's own client to follow.
    Gateway,
}

/// What went wrong, as far as it can be told. In the extensions of every response that was made from an error or a panic.
///
/// | cause | status | may be sent again |
/// |---|---|---|
/// | [`Internal`](Self::Internal), [`Panic`](Self::Panic) | 500 | never |
/// | [`ContentTooLarge`](Self::ContentTooLarge) | 413 | never |
/// | [`RequestTimedOut`](Self::RequestTimedOut) | 408 | idempotent only |
/// | [`RequestIncomplete`](Self::RequestIncomplete) | 400 | idempotent only |
/// | [`Overloaded`](Self::Overloaded) | 503 | safe |
/// | [`Unavailable`](Self::Unavailable) | 503 | idempotent only |
/// | [`TimedOut`](Self::TimedOut) | origin 503, gateway 504 | idempotent only |
/// | [`DestinationUnavailable`](Self::DestinationUnavailable) | 503 | gateway safe, origin idempotent only |
/// | [`ConnectionRefused`](Self::ConnectionRefused), [`DnsError`](Self::DnsError) | 502 | gateway safe, origin idempotent only |
/// | [`DestinationUnroutable`](Self::DestinationUnroutable), [`ConnectionFailed`](Self::ConnectionFailed) | 502 | gateway safe, origin idempotent only |
/// | [`TlsFailed`](Self::TlsFailed), [`TlsCertificate`](Self::TlsCertificate) | 502 | gateway safe, origin idempotent only |
/// | [`TlsAlert`](Self::TlsAlert), [`Unprocessed`](Self::Unprocessed) | 502 | gateway safe, origin idempotent only |
/// | [`DnsTimedOut`](Self::DnsTimedOut), [`ConnectionTimedOut`](Self::ConnectionTimedOut) | 504 | gateway safe, origin idempotent only |
/// | [`ResponseTimedOut`](Self::ResponseTimedOut) | 504 | idempotent only |
/// | [`ConnectionTerminated`](Self::ConnectionTerminated), [`ResponseIncomplete`](Self::ResponseIncomplete) | 502 | idempotent only |
/// | [`HeaderSectionTooLarge`](Self::HeaderSectionTooLarge), [`TransferCoding`](Self::TransferCoding) | 502 | idempotent only |
/// | [`ProtocolError`](Self::ProtocolError), [`UpstreamFailed`](Self::UpstreamFailed) | 502 | idempotent only |
///
/// A gateway that sent nothing on did nothing; the handler of an origin may have done something before it asked another server. Where a
/// gateway has [sent a request again](super::GatewayRetryPolicy) after an attempt that may have been carried out, it is idempotent only
/// whatever became of the last attempt. A 503 carries `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The service failed, and nothing says that it was another's fault.
    Internal,
    /// The service panicked.
    Panic,
    /// The request's content is longer than a limit allows.
    ContentTooLarge,
    /// The client did not send its request's content in time.
    RequestTimedOut,
    /// The client's request broke off, or became unreadable, while a gateway sent it on
    /// ([RFC 9112 §8](https://www.rfc-editor.org/rfc/rfc9112#section-8)).
    ///
    /// Once the head of the response has come, this is all that is known of one that was too long or too slow, too, and of one of which the upstream
    /// would take no more: hyper's client ends the connection, and keeps the reason to itself. Over HTTP/2 it does so before the head, too, and is
    /// understood with the feature `error-mapping-http2` alone: without it such a request is an upstream's failure.
    RequestIncomplete,
    /// The service had no room for the request and did not begin it.
    ///
    /// In the role of an [origin](Role::Origin) only where the limit's error comes as it is, or from a buffer: within another error it may
    /// be that of a limit that a handler met half way, which is [`Unavailable`](Self::Unavailable). A handler that hands on the bare error
    /// of such a limit has to mark it as an [upstream's](super::UpstreamError), or to map it.
    Overloaded,
    /// The worker behind a buffer is gone, or a limit within the service was reached; it may have begun the request.
    Unavailable,
    /// A timeout, not said to be an upstream's.
    TimedOut,
    /// No upstream is known to work, and none was asked.
    ///
    /// So says a balancer, and a `ReadyCache` whose keys are of type `usize`, `String`, `&'static str`, `SocketAddr`, `Authority` or `Uri`:
    /// its error has the key for a type parameter, so that of keys of any other type it has to be [mapped](super::ErrorMappingLayer::map).
    DestinationUnavailable,
    /// The upstream's name has no address: nothing was sent.
    DnsError,
    /// The upstream's name was not resolved in time: nothing was sent.
    DnsTimedOut,
    /// No route leads to the upstream: nothing was sent.
    DestinationUnroutable,
    /// The upstream refused the connection: nothing was sent.
    ConnectionRefused,
    /// No connection to the upstream came about, for another reason: nothing was sent.
    ConnectionFailed,
    /// No connection to the upstream came about in time: nothing was sent.
    ConnectionTimedOut,
    /// The upstream does not speak TLS as this server does: nothing was sent. Told apart with the feature `error-mapping-rustls`, as are
    /// the next two.
    TlsFailed,
    /// The upstream's certificate is not one that this server takes: nothing was sent.
    TlsCertificate,
    /// The upstream ended the TLS handshake with an alert: nothing was sent.
    TlsAlert,
    /// The connection was gone before the request was begun, or the upstream said that it did not begin it: by `REFUSED_STREAM`, or by a `GOAWAY`
    /// that names an earlier stream as its last ([RFC 9113 §8.7](https://www.rfc-editor.org/rfc/rfc9113#section-8.7); told apart with the feature
    /// `error-mapping-http2`).
    Unprocessed,
    /// The upstream was asked and did not answer in time.
    ResponseTimedOut,
    /// The upstream's connection broke.
    ConnectionTerminated,
    /// The upstream closed before its response was whole.
    ResponseIncomplete,
    /// The fields of the upstream's response are more than this server reads.
    HeaderSectionTooLarge,
    /// The framing of the upstream's content is broken.
    TransferCoding,
    /// What the upstream sent is not HTTP.
    ProtocolError,
    /// The upstream failed in another way.
    UpstreamFailed,
}

// Each ends in the words of the advice that comes with it, so that a form with a place of its own for advice can move them there.
const DONE_HALF: &str = "The server failed while it handled the request, and part of it may have been carried out. \
                         Do not send the same data again.";
const TOO_LARGE: &str = "The content of the request is longer than the server accepts. Send less.";
const UPLOAD_TOO_SLOW: &str = "The content of the request did not arrive in time. \
                              Trying again may work, if repeating the request does no harm.";
const UPLOAD_CUT: &str = "The content of the request did not arrive whole. \
                         Trying again may work, if repeating the request does no harm.";
const OVERLOADED: &str = "The server has too much to do and did not begin to handle the request. Trying again may work.";
const UNAVAILABLE: &str = "The server cannot handle requests at the moment, and part of this one may have been carried out. \
                           Trying again may work, if repeating the request does no harm.";
const TOO_SLOW: &str = "The server did not finish in time, and part of the request may have been carried out. \
                        Trying again may work, if repeating the request does no harm.";
const NOT_REACHED: &str = "A server that this one depends on could not be reached, and part of the request may have been carried out. \
                           Trying again may work, if repeating the request does no harm.";
const NOT_FORWARDED: &str = "A server that this one depends on could not be reached, so nothing was carried out. \
                             Trying again may work.";
const NOT_BEGUN: &str = "A server that this one depends on did not begin to handle the request, so nothing was carried out. \
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
            Self::RequestTimedOut => "request_timeout",
            Self::RequestIncomplete => "request_incomplete",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timeout",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::DnsError => "dns_error",
            Self::DnsTimedOut => "dns_timeout",
            Self::DestinationUnroutable => "destination_ip_unroutable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionFailed => "connection_failed",
            Self::ConnectionTimedOut => "connection_timeout",
            Self::TlsFailed => "tls_protocol_error",
            Self::TlsCertificate => "tls_certificate_error",
            Self::TlsAlert => "tls_alert_received",
            Self::Unprocessed => "unprocessed",
            Self::ResponseTimedOut => "http_response_timeout",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ResponseIncomplete => "http_response_incomplete",
            Self::HeaderSectionTooLarge => "http_response_header_section_size",
            Self::TransferCoding => "http_response_transfer_coding",
            Self::ProtocolError => "http_protocol_error",
            Self::UpstreamFailed => "upstream_failed",
        }
    }

    /// What a gateway calls it, of the types that [RFC 9209 §2.3](https://www.rfc-editor.org/rfc/rfc9209#section-2.3) registers. `None` where
    /// none of them says what happened.
    pub(super) const fn proxy_error(self) -> Option<&'static str> {
        match self {
            Self::Internal | Self::Panic => Some("proxy_internal_error"),
            Self::TimedOut => Some("connection_read_timeout"),
            Self::ConnectionFailed => Some("destination_unavailable"),
            // Said in the upstream's stead, of what the client sent.
            Self::ContentTooLarge | Self::RequestTimedOut | Self::RequestIncomplete => Some("http_request_error"),
            // The nearest: whether it was the connection or a stream of it that ended, no registered type says.
            Self::Unprocessed => Some("connection_terminated"),
            Self::Overloaded | Self::Unavailable | Self::UpstreamFailed => None,
            named => Some(named.as_str()),
        }
    }

    /// Whether it is the upstream's doing, and not its client's or this server's.
    pub(super) const fn is_upstreams(self) -> bool {
        !matches!(
            self,
            Self::Internal
                | Self::Panic
                | Self::ContentTooLarge
                | Self::RequestTimedOut
                | Self::RequestIncomplete
                | Self::Overloaded
                | Self::Unavailable
                | Self::DestinationUnavailable
        )
    }

    /// Whether it says that nothing was done: no byte of the request was sent on, or the upstream did not begin it.
    pub(super) const fn is_unsent(self) -> bool {
        matches!(
            self,
            Self::Overloaded
                | Self::DestinationUnavailable
                | Self::DnsError
                | Self::DnsTimedOut
                | Self::DestinationUnroutable
                | Self::ConnectionRefused
                | Self::ConnectionFailed
                | Self::ConnectionTimedOut
                | Self::TlsFailed
                | Self::TlsCertificate
                | Self::TlsAlert
                | Self::Unprocessed
        )
    }

    /// What the client is told. The texts say nothing that the cause does not.
    pub(super) fn problem(self, role: Role, retry_after: Duration) -> Problem {
        use Retryability::{IdempotentOnly, Never, Safe};
        let (unreached, not_reached) = match role {
            Role::Origin => (IdempotentOnly, NOT_REACHED),
            Role::Gateway => (Safe, NOT_FORWARDED),
        };
        let (status, retry, detail) = match self {
            Self::Internal | Self::Panic => (StatusCode::INTERNAL_SERVER_ERROR, Never, DONE_HALF),
            Self::ContentTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Never, TOO_LARGE),
            Self::RequestTimedOut => (StatusCode::REQUEST_TIMEOUT, IdempotentOnly, UPLOAD_TOO_SLOW),
            Self::RequestIncomplete => (StatusCode::BAD_REQUEST, IdempotentOnly, UPLOAD_CUT),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, Safe, OVERLOADED),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, IdempotentOnly, UNAVAILABLE),
            Self::TimedOut => match role {
                Role::Origin => (StatusCode::SERVICE_UNAVAILABLE, IdempotentOnly, TOO_SLOW),
                Role::Gateway => (StatusCode::GATEWAY_TIMEOUT, IdempotentOnly, NO_ANSWER),
            },
            Self::DestinationUnavailable => (StatusCode::SERVICE_UNAVAILABLE, unreached, not_reached),
            Self::DnsTimedOut | Self::ConnectionTimedOut => (StatusCode::GATEWAY_TIMEOUT, unreached, not_reached),
            Self::ResponseTimedOut => (StatusCode::GATEWAY_TIMEOUT, IdempotentOnly, NO_ANSWER),
            Self::Unprocessed if role == Role::Gateway => (StatusCode::BAD_GATEWAY, Safe, NOT_BEGUN),
            unsent if unsent.is_unsent() => (StatusCode::BAD_GATEWAY, unreached, not_reached),
            _ => (StatusCode::BAD_GATEWAY, IdempotentOnly, NO_USABLE_ANSWER),
        };
        let problem = Problem::new(status).with_retryability(retry).with_detail(detail);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => problem.with_retry_after(retry_after),
            _ => problem,
        }
    }
}

/// The same problem to a request of which an earlier attempt may have been carried out: nothing in it denies that. What somebody else has
/// written into it is theirs, but for the advice.
pub(super) fn after_attempt(problem: Problem) -> Problem {
    if problem.retryability() != Retryability::Safe {
        return problem;
    }
    let problem = problem.with_retryability(Retryability::IdempotentOnly);
    match problem.detail() {
        Some(OVERLOADED) => problem.with_detail(UNAVAILABLE),
        Some(NOT_FORWARDED | NOT_BEGUN) => problem.with_detail(NOT_REACHED),
        _ => problem,
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

    type Answer = (u16, Retryability);

    /// A cause, its answers of an origin and of a gateway, and what Proxy-Status calls it.
    const ALL: [(Cause, Answer, Answer, Option<&str>); 26] = {
        use Retryability::{IdempotentOnly, Never, Safe};
        [
            (Cause::Internal, (500, Never), (500, Never), Some("proxy_internal_error")),
            (Cause::Panic, (500, Never), (500, Never), Some("proxy_internal_error")),
            (Cause::ContentTooLarge, (413, Never), (413, Never), Some("http_request_error")),
            (Cause::RequestTimedOut, (408, IdempotentOnly), (408, IdempotentOnly), Some("http_request_error")),
            (Cause::RequestIncomplete, (400, IdempotentOnly), (400, IdempotentOnly), Some("http_request_error")),
            (Cause::Overloaded, (503, Safe), (503, Safe), None),
            (Cause::Unavailable, (503, IdempotentOnly), (503, IdempotentOnly), None),
            (Cause::TimedOut, (503, IdempotentOnly), (504, IdempotentOnly), Some("connection_read_timeout")),
            (Cause::DestinationUnavailable, (503, IdempotentOnly), (503, Safe), Some("destination_unavailable")),
            (Cause::DnsError, (502, IdempotentOnly), (502, Safe), Some("dns_error")),
            (Cause::DnsTimedOut, (504, IdempotentOnly), (504, Safe), Some("dns_timeout")),
            (Cause::DestinationUnroutable, (502, IdempotentOnly), (502, Safe), Some("destination_ip_unroutable")),
            (Cause::ConnectionRefused, (502, IdempotentOnly), (502, Safe), Some("connection_refused")),
            (Cause::ConnectionFailed, (502, IdempotentOnly), (502, Safe), Some("destination_unavailable")),
            (Cause::ConnectionTimedOut, (504, IdempotentOnly), (504, Safe), Some("connection_timeout")),
            (Cause::TlsFailed, (502, IdempotentOnly), (502, Safe), Some("tls_protocol_error")),
            (Cause::TlsCertificate, (502, IdempotentOnly), (502, Safe), Some("tls_certificate_error")),
            (Cause::TlsAlert, (502, IdempotentOnly), (502, Safe), Some("tls_alert_received")),
            (Cause::Unprocessed, (502, IdempotentOnly), (502, Safe), Some("connection_terminated")),
            (Cause::ResponseTimedOut, (504, IdempotentOnly), (504, IdempotentOnly), Some("http_response_timeout")),
            (Cause::ConnectionTerminated, (502, IdempotentOnly), (502, IdempotentOnly), Some("connection_terminated")),
            (Cause::ResponseIncomplete, (502, IdempotentOnly), (502, IdempotentOnly), Some("http_response_incomplete")),
            (
                Cause::HeaderSectionTooLarge,
                (502, IdempotentOnly),
                (502, IdempotentOnly),
                Some("http_response_header_section_size"),
            ),
            (Cause::TransferCoding, (502, IdempotentOnly), (502, IdempotentOnly), Some("http_response_transfer_coding")),
            (Cause::ProtocolError, (502, IdempotentOnly), (502, IdempotentOnly), Some("http_protocol_error")),
            (Cause::UpstreamFailed, (502, IdempotentOnly), (502, IdempotentOnly), None),
        ]
    };

    #[test]
    fn causes_in_both_roles() {
        for (cause, origin, gateway, token) in ALL {
            for (role, (status, retry)) in [(Role::Origin, origin), (Role::Gateway, gateway)] {
                let problem = cause.problem(role, Duration::from_secs(3));
                assert_eq!(problem.status(), status, "{cause} {role:?}");
                assert_eq!(problem.retryability(), retry, "{cause} {role:?}");
                assert_eq!(problem.retry_after().is_some(), status == 503, "{cause} {role:?}");
            }
            assert_eq!(cause.proxy_error(), token, "{cause}");
            assert_eq!(cause.is_unsent(), gateway.1 == Retryability::Safe, "{cause}");
        }
    }

    fn everything_said() -> impl Iterator<Item = (Cause, Role, Problem)> {
        let causes = ALL.into_iter().flat_map(|(cause, ..)| [(cause, Role::Origin), (cause, Role::Gateway)]);
        causes.map(|(cause, role)| (cause, role, cause.problem(role, Duration::from_secs(3))))
    }

    #[test]
    fn after_an_attempt_that_may_have_been_carried_out_nothing_is_safe() {
        for (cause, role, problem) in everything_said() {
            let after = after_attempt(problem.clone());
            match problem.retryability() {
                Retryability::Safe => {
                    assert_eq!(after.retryability(), Retryability::IdempotentOnly, "{cause} {role:?}");
                    assert!(after.detail().unwrap().contains("may have been carried out"), "{cause} {role:?}");
                    assert_eq!(
                        (after.status(), after.retry_after()),
                        (problem.status(), problem.retry_after()),
                        "{cause} {role:?}"
                    );
                }
                _ => assert_eq!(after, problem, "{cause} {role:?}"),
            }
        }
        let own = Problem::new(StatusCode::TOO_MANY_REQUESTS).with_detail("One order a minute.").with_member("limit", 1);
        assert_eq!(after_attempt(own.clone()), own.with_retryability(Retryability::IdempotentOnly));
    }

    #[test]
    fn the_text_says_what_the_retryability_says() {
        let after = everything_said().map(|(cause, role, problem)| (cause, role, after_attempt(problem)));
        for (cause, role, problem) in everything_said().chain(after) {
            let text = problem.detail().unwrap();
            let (advice, undone) = match problem.retryability() {
                Retryability::Never if problem.status() == 413 => ("Send less.", false),
                Retryability::Never => ("Do not send the same data again.", false),
                Retryability::IdempotentOnly => ("Trying again may work, if repeating the request does no harm.", false),
                Retryability::Safe => (". Trying again may work.", true),
            };
            assert!(text.ends_with(advice), "{cause} {role:?}: {text}");
            let says_undone = text.contains("nothing was carried out") || text.contains("did not begin");
            assert_eq!(says_undone, undone, "{cause} {role:?}: {text}");
        }
    }
}
