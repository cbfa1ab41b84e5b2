//! Turns every error and every panic beneath it into one right answer: a status, a problem in the form that the client reads, and
//! whether the client may try again.
//!
//! # Rules
//! 1. An error of the inner service becomes a response, so `timeout`, `load_shed`, `buffer` and `concurrency_limit` stand beneath this
//!    layer without an adapter; its own error is [`Infallible`](std::convert::Infallible). So does what a handler fails with that may only
//!    answer, as one of axum, in a [`HandlerError`].
//! 2. 502 and 504 are only said of an upstream ([RFC 9110 §15.6.3, §15.6.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.6.3)):
//!    beneath an error of hyper-util's client or of reqwest, or beneath [`UpstreamError`]. The same `io::Error` from a disk or a database is
//!    500. [`Cause`] lists what is told apart.
//! 3. Every error says whether to try again, in [`Retryability`](crate::Retryability)'s three words, in its text, as the member
//!    `retry`, and in the response's extensions. After a 500 never: the work may be half done. Of a request that a gateway
//!    [has sent again](GatewayRetryPolicy) it says so of all attempts together.
//! 4. A panic in the call, in its future, in the conversion of its error or in a mapping is a fixed 500. A panic while the body streams cuts
//!    the message, so that the client sees that it is incomplete; a failure of the body is never turned into a clean end. What panics when it is
//!    dropped (a future or a body that a client has left, an error) ends nobody's task.
//! 5. The form follows `Accept` ([RFC 9110 §12.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1)): `application/problem+json`
//!    ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), HTML or plain text. Where nothing fits the answer is JSON, which §12.5.1
//!    permits: an error in another form is worth more than a 406 about the error. A call of gRPC is answered by
//!    [trailers alone](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses): a 200 whose `grpc-status` is
//!    what its client [would make](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md) of the problem's status, and whose
//!    `grpc-retry-pushback-ms` [forbids](https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback) to repeat what is not safe.
//! 6. A response that carries a [`Problem`](crate::Problem) in its extensions, from another layer or from a handler, is rendered anew
//!    in that form with its status and its headers kept; only what described the replaced content goes, apart from the `Content-Range` of a 416,
//!    which is its answer. An error without content gets a problem
//!    if it is [asked for](EmptyErrors). Every other response passes untouched: a success, a 101, a 304, a stream of events, an error that
//!    somebody has written.
//! 7. A gateway says in `Proxy-Status` what went wrong ([RFC 9209](https://www.rfc-editor.org/rfc/rfc9209)), once it has a
//!    [name](ProxyStatus); an origin never does. What an upstream says of itself and to its clients, nothing proves: its own `Proxy-Status` is
//!    [kept, stripped or extended](UpstreamProxyStatus), in trailers too, and its `Retry-After` passes up to [a cap](UpstreamRetryAfter).
//! 8. With a [`Correlation`] the answer to a failure, its event and its [report](ErrorReport) call the request by one id, and the trace by that
//!    of its [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header); what has not the shape of either is never repeated.
//!
//! # Example
//! ```
//! use axum::{Router, routing::get};
//! use donjon::error_mapping::ErrorMappingLayer;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};
//!
//! let app: Router = Router::new().route("/", get(|| async { "hello" })).layer(
//!     ServiceBuilder::new()
//!         .layer(ErrorMappingLayer::new())
//!         .layer(LoadShedLayer::new())
//!         .layer(GlobalConcurrencyLimitLayer::new(1_000))
//!         .layer(TimeoutLayer::new(Duration::from_secs(10))),
//! );
//! ```
//!
//! # Customised
//! A gateway that knows an error of its own:
//!
//! ```
//! use donjon::{Problem, error_mapping::{ErrorMappingLayer, Role}};
//! use http::StatusCode;
//! use std::{fmt, time::Duration};
//!
//! #[derive(Debug)]
//! struct OutOfCredit;
//! # impl fmt::Display for OutOfCredit {
//! #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("out of credit") }
//! # }
//! impl std::error::Error for OutOfCredit {}
//!
//! let layer = ErrorMappingLayer::new()
//!     .role(Role::Gateway)
//!     .retry_after(Duration::from_secs(5))
//!     .map::<OutOfCredit>(|_| Problem::new(StatusCode::PAYMENT_REQUIRED).with_detail("Top up your account."));
//! ```
//!
//! An origin whose errors can be found again, are counted, look like the site, and have a text also where the router has none:
//!
//! ```
//! use donjon::error_mapping::{Correlation, EmptyErrors, ErrorCounts, ErrorMappingLayer, ErrorPage, escape_html};
//!
//! let counts = ErrorCounts::new();
//! let layer = ErrorMappingLayer::new()
//!     .correlation(Correlation::new())
//!     .count_in(&counts)
//!     .empty_errors(EmptyErrors::Fill)
//!     .html_page(|problem| ErrorPage::new(format!("<!DOCTYPE html><h1>{}</h1>", escape_html(problem.title()))));
//! ```
//!
//! The client of a gateway [must not follow redirects](Role::Gateway): what a second server refuses, a first one may have done.
//!
//! A gateway that asks again where that does no harm, and leaves an upstream alone that is down, has [`GatewayRetryPolicy`] and
//! [`CircuitBreakerLayer`] beneath it, which judge by the same causes. They pass a request on as it came: to write the upstream's authority into its
//! URI, and to take out the hop-by-hop fields both ways
//! ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), is left to the proxy around the client.
//!
//! On axum, `?` makes a [`HandlerError`] of what a handler meets, and [`OrProblem`](crate::OrProblem) problems of what extractors refuse.
//!
#![cfg_attr(feature = "axum", doc = include_str!("../../docs/error-mapping-axum.md"))]
#![cfg_attr(not(feature = "axum"), allow(rustdoc::broken_intra_doc_links, reason = "the extractor is there with axum"))]
//! # Security
//! - No text of an error, of a panic or of the request reaches a response: texts are this layer's own, or of a `Problem` that somebody
//!   wrote for the client. Both are escaped in HTML, whose policy is `default-src 'none'`.
//! - Every generated error is `Cache-Control: no-store`, so that a provoked error cannot be planted in a cache, and `nosniff`.
//! - With the feature `tracing` one event tells each error with the texts of its source chain, each problem from within with its own, and each
//!   panic with its text: a 500 as an error, what is an upstream's or a lack of room as a warning, a refusal, and a response that
//!   was cut for its client's own upload, for debugging; of stacked layers the
//!   innermost tells. User
//!   information, queries and fragments of URLs and what begins as a JSON Web Token are cut out of them, controls are escaped and the
//!   length is bounded; what else an error puts into its `Display` is in the log.
//! - An id of a request is repeated only if it is made of characters that mean nothing anywhere.
//! - The causes are shown in an answer only if that was [asked for](ErrorMappingLayer::dangerous_expose_causes), and to the machine itself.
//! - Panics are caught only where they unwind: not with `panic = "abort"`.
//!
//! # Ordering
//! Outermost, above everything whose errors it maps and whose problems it renders. Two of them may be stacked: the outer one comes to the
//! same answer.
//!
//! # Feature
//! `error-mapping`. With `error-mapping-http2` a stream that an upstream refused, and one that its `GOAWAY` left out, are known to be unprocessed,
//! and a client's upload that failed on its way over HTTP/2 is not called the upstream's failure, which opens its circuit; with
//! `error-mapping-rustls` a TLS handshake that failed is told apart from a connection that did. With `error-mapping-reqwest` the errors of reqwest
//! 0.13 are told apart too; without it they are seen through as far as an error of hyper-util's client is beneath them, which leaves reqwest's own
//! timeouts and what fails in a response's content at 500. A body whose stream an upstream resets with `NO_ERROR` over HTTP/2 ends for hyper as if it
//! were whole; where no `Content-Length` tells better, it does here. With it and without, build a gateway's client with
//! `redirect::Policy::none()`.
//!
//! An error is known by its type, and a type is that of one version: of hyper 1, hyper-util 0.1, http-body-util 0.1, tower 0.5, tower-http 0.7,
//! h2 0.4, rustls 0.23 and reqwest 0.13. That of another, as the `TimeoutError` of tower-http 0.6 for an upload that stops, is an error like any
//! other, a 500, until it is [mapped](ErrorMappingLayer::map).

mod as_error;
mod asked;
mod attempted;
mod body;
mod cause;
mod chain;
mod circuit_breaker;
mod classify;
mod config;
mod correlation;
mod counts;
mod empty;
mod exposure;
mod future;
mod grpc;
mod guard;
mod handler_error;
mod inner;
mod layer;
mod negotiate;
mod proxy_status;
mod render;
mod report;
mod request_id;
mod respond;
mod retry;
mod service;
mod tell;
mod terms;
mod to_problem;
mod trace_context;
mod upstream;
mod upstream_retry_after;
mod walk;

pub use self::{
    as_error::AsError,
    body::{BodyError, ResponseBody},
    cause::{Cause, Role},
    circuit_breaker::{CircuitBreaker, CircuitBreakerBody, CircuitBreakerFuture, CircuitBreakerLayer, CircuitState},
    correlation::{Correlated, Correlation},
    counts::{ErrorCount, ErrorCounts},
    empty::EmptyErrors,
    future::ResponseFuture,
    handler_error::HandlerError,
    inner::{InnerBody, InnerError},
    layer::ErrorMappingLayer,
    proxy_status::{ProxyNameError, ProxyStatus, UpstreamProxyStatus},
    render::{ErrorPage, escape_html},
    report::{ErrorReport, ErrorStage},
    retry::{GatewayRetryPolicy, Replay, ReplayBody, ReplayError, RetryFuture},
    service::ErrorMapping,
    to_problem::ToProblem,
    upstream::UpstreamError,
    upstream_retry_after::UpstreamRetryAfter,
};

/// What the fuzzer drives.
#[cfg(fuzzing)]
#[doc(hidden)]
#[allow(missing_docs, clippy::panic, reason = "a broken promise has to stop the fuzzer")]
pub mod fuzzing {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

    use super::{
        ProxyStatus, UpstreamProxyStatus, chain, grpc::Rpc, negotiate::Form, render, request_id::is_request_id, retry,
        trace_context::TraceId,
    };

    /// `Accept`, one field line for each line of `data`.
    pub fn accept(data: &[u8]) {
        let mut headers = HeaderMap::new();
        for line in data.split(|byte| *byte == b'\n').take(100) {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(header::ACCEPT, value);
            }
        }
        assert_eq!(Form::negotiate(&headers), Form::negotiate(&headers.clone()));
    }

    /// `Retry-After`, one field line for each line of `data`.
    pub fn retry_after(data: &[u8]) {
        let lines = data.split(|byte| *byte == b'\n').take(3).filter_map(|line| HeaderValue::from_bytes(line).ok());
        let headers = lines.map(|line| (header::RETRY_AFTER, line)).collect();
        let _ = retry::retry_after(&headers, std::time::SystemTime::UNIX_EPOCH);
    }

    /// `Proxy-Status`, one field line for each line of `data`: whatever it was, the gateway's own member is the last and the only one of its name.
    pub fn proxy_status(data: &[u8]) {
        let Ok(proxy) = ProxyStatus::new("gw") else { return };
        let lines = data.split(|byte| *byte == b'\n').take(4).filter_map(|line| HeaderValue::from_bytes(line).ok());
        let mut headers: HeaderMap = lines.map(|line| (HeaderName::from_static("proxy-status"), line)).collect();
        let mut trailers = headers.clone();
        let proxy = proxy.upstream(UpstreamProxyStatus::Extend);
        let heard = proxy.pass(&mut headers, Some(StatusCode::BAD_GATEWAY)).unwrap_or_default();
        proxy.pass_trailers(&mut trailers, &heard);
        assert_eq!(
            headers.get_all("proxy-status").iter().last().map(HeaderValue::as_bytes),
            Some(b"gw; received-status=502".as_slice())
        );
        assert_eq!(trailers.is_empty(), heard.is_nothing());
    }

    /// What names a request: `traceparent`, the id, and the type of a call.
    pub fn names(data: &[u8]) {
        if let Some(id) = TraceId::of_traceparent(data) {
            assert!(id.as_str().len() == 32 && data.len() >= 55);
        }
        assert!(!is_request_id(data) || data.is_ascii());
        if let Ok(value) = HeaderValue::from_bytes(data) {
            let _ = Rpc::of(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)]));
        }
    }

    /// A text on its way into the page.
    pub fn html_text(data: &[u8]) {
        let mut page = String::new();
        render::escape(&mut page, &String::from_utf8_lossy(data));
        assert!(!page.contains(['<', '>', '"', '\'']));
    }

    /// A text on its way into the log.
    pub fn log_text(data: &[u8]) {
        let text = chain::scrub(&String::from_utf8_lossy(data));
        assert!(!text.contains(char::is_control));
    }
}
