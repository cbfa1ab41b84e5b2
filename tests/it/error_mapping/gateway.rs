//! What a gateway lets through of what an upstream says besides its answer, and what it says itself.

use std::{
    convert::Infallible,
    future::pending,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use donjon::{
    ManualClock, Problem,
    error_mapping::{Cause, ErrorMappingLayer, ProxyStatus, Role, UpstreamProxyStatus, UpstreamRetryAfter},
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use tower::{
    BoxError, Layer as _, ServiceExt as _, balance::p2c::Balance, buffer::Buffer, load_shed::error::Overloaded, service_fn,
    timeout::Timeout,
};

use super::{Asked, answer, failing, faults::gateway};
use crate::support::{allocations, empty, get, now};

const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

fn layer(policy: UpstreamProxyStatus) -> ErrorMappingLayer {
    ErrorMappingLayer::new().role(Role::Gateway).proxy_status(ProxyStatus::new("gw").unwrap().upstream(policy))
}

fn fields(lines: &[&'static str]) -> HeaderMap {
    lines.iter().map(|line| (PROXY_STATUS, HeaderValue::from_static(line))).collect()
}

fn lines(fields: &HeaderMap) -> Vec<&str> {
    fields.get_all(PROXY_STATUS).iter().map(|line| line.to_str().unwrap()).collect()
}

/// What comes of a response with these lines in its head and in its trailers.
async fn through(layers: &[ErrorMappingLayer], head: &[&'static str], trailers: &[&'static str]) -> (Vec<String>, Vec<String>) {
    let (head, trailers) = (fields(head), fields(trailers));
    let upstream = service_fn(move |_: Asked| {
        let frames = [Frame::data(Bytes::from_static(b"x")), Frame::trailers(trailers.clone())];
        let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, BoxError>))).boxed());
        *response.headers_mut() = head.clone();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut service = tower::util::BoxCloneSyncService::new(upstream);
    for layer in layers {
        service = tower::util::BoxCloneSyncService::new(
            layer.layer(service).map_response(|response| response.map(|body| body.map_err(BoxError::from).boxed())),
        );
    }
    let (parts, body) = service.oneshot(empty(get("/"))).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let owned = |fields: &HeaderMap| lines(fields).into_iter().map(str::to_owned).collect();
    (owned(&parts.headers), owned(body.trailers().unwrap()))
}

#[tokio::test]
async fn a_proxy_status_in_trailers_passes_as_the_one_in_the_head_does() {
    use UpstreamProxyStatus::{Extend, Keep, Strip};
    const CUT: &str = "far; error=connection_terminated";
    const RECEIVED: &str = "gw; received-status=200";
    for (name, policy, head, trailers, head_after, trailers_after) in [
        ("kept", Keep, &[][..], &[CUT][..], &[][..], &[CUT][..]),
        ("stripped", Strip, &[], &[CUT, "near"], &[], &[]),
        ("stripped in both", Strip, &["far"], &[CUT], &[], &[]),
        ("extended", Extend, &["far"], &[CUT], &["far", RECEIVED], &[CUT]),
        ("a string is a name too", Extend, &["\"far\""], &[CUT], &["\"far\"", RECEIVED], &[CUT]),
        ("of two", Extend, &["far", "near"], &["near; error=dns_error"], &["far", "near", RECEIVED], &["near; error=dns_error"]),
        ("out of nowhere", Extend, &[], &[CUT], &[], &[]),
        ("of another", Extend, &["near"], &[CUT], &["near", RECEIVED], &[]),
        ("of another too", Extend, &["far"], &[CUT, "near"], &["far", RECEIVED], &[]),
        ("in our name", Extend, &["far"], &["gw; error=dns_error"], &["far", RECEIVED], &[]),
        ("in our name in the head", Extend, &["far, gw; error=dns_error"], &[], &[], &[]),
        ("in our name, quoted", Extend, &["\"gw\"; error=dns_error"], &[], &[], &[]),
        ("unreadable", Extend, &["far"], &["far; error="], &["far", RECEIVED], &[]),
        ("unreadable in the head", Extend, &["\"far"], &[CUT], &[], &[]),
        ("no name", Extend, &["1"], &[], &[], &[]),
        ("an empty field", Extend, &[""], &[""], &[], &[]),
    ] {
        let (head, trailers) = through(&[layer(policy)], head, trailers).await;
        assert_eq!(
            (head, trailers),
            (
                head_after.iter().map(|line| line.to_string()).collect(),
                trailers_after.iter().map(|line| line.to_string()).collect()
            ),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_second_layer_adds_nothing_to_what_the_first_has_said() {
    let layers = [layer(UpstreamProxyStatus::Extend), layer(UpstreamProxyStatus::Extend)];
    let (head, trailers) = through(&layers, &["far"], &["far; error=connection_terminated"]).await;
    assert_eq!(head, ["far", "gw; received-status=200"]);
    assert_eq!(trailers, ["far; error=connection_terminated"]);
}

#[tokio::test]
async fn an_unreadable_field_of_an_error_gives_way_to_the_gateways_own() {
    let upstream = service_fn(|_: Asked| async {
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response.headers_mut().insert(PROXY_STATUS, HeaderValue::from_static("\"far"));
        Ok::<_, Infallible>(response)
    });
    let answer = answer(&layer(UpstreamProxyStatus::Extend), upstream, empty(get("/"))).await;
    assert_eq!(lines(&answer.headers), ["gw; received-status=502"]);
}

/// A response of this status with this `Retry-After`, through a gateway or an origin.
async fn told_to_wait(layer: &ErrorMappingLayer, status: u16, wait: &'static str) -> Option<String> {
    let upstream = service_fn(|_: Asked| async {
        let response = Response::builder().status(status).header("retry-after", wait);
        Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
    });
    answer(layer, upstream, empty(get("/"))).await.header("retry-after").map(str::to_owned)
}

#[tokio::test]
async fn an_upstream_tells_nobody_to_stay_away_for_ever() {
    const MILLENNIA: &str = "99999999999";
    let gateway = || ErrorMappingLayer::new().role(Role::Gateway);
    let hour = UpstreamRetryAfter::Cap(Duration::from_secs(3_600));
    for (name, layer, status, wait, expected) in [
        ("an origin", ErrorMappingLayer::new(), 503, MILLENNIA, Some(MILLENNIA)),
        ("an origin with a cap", ErrorMappingLayer::new().upstream_retry_after(hour), 503, MILLENNIA, Some(MILLENNIA)),
        ("a gateway", gateway(), 503, MILLENNIA, Some("86400")),
        ("too many requests", gateway(), 429, MILLENNIA, Some("86400")),
        ("a redirection", gateway(), 302, MILLENNIA, Some("86400")),
        ("a success, of which it says nothing", gateway(), 202, MILLENNIA, Some(MILLENNIA)),
        ("a day", gateway(), 503, "86400", Some("86400")),
        ("a few seconds", gateway(), 503, "7", Some("7")),
        ("a cap of one's own", gateway().upstream_retry_after(hour), 503, "3601", Some("3600")),
        ("kept", gateway().upstream_retry_after(UpstreamRetryAfter::Keep), 503, MILLENNIA, Some(MILLENNIA)),
        ("stripped", gateway().upstream_retry_after(UpstreamRetryAfter::Strip), 503, "7", None),
        ("malformed", gateway(), 503, "soon", None),
    ] {
        assert_eq!(told_to_wait(&layer, status, wait).await.as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn a_date_is_as_far_as_the_clock_of_the_layer_says() {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let layer = ErrorMappingLayer::new()
        .role(Role::Gateway)
        .upstream_retry_after(UpstreamRetryAfter::Cap(Duration::from_secs(60)))
        .clock(clock.clone());
    const DATE: &str = "Sun, 06 Nov 1994 08:50:38 GMT";
    assert_eq!(told_to_wait(&layer, 503, DATE).await.as_deref(), Some("60"), "61 seconds ahead");
    clock.advance(Duration::from_secs(1));
    assert_eq!(told_to_wait(&layer, 503, DATE).await.as_deref(), Some(DATE));
}

#[tokio::test]
async fn what_this_process_tells_a_client_to_wait_is_not_an_upstreams() {
    let refusing = service_fn(|_: Asked| async {
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_retry_after(Duration::from_secs(90_000));
        Ok::<_, Infallible>(problem.into_http_response::<Full<Bytes>>())
    });
    let layer = ErrorMappingLayer::new().role(Role::Gateway).upstream_retry_after(UpstreamRetryAfter::Strip);
    assert_eq!(answer(&layer, refusing, empty(get("/"))).await.header("retry-after"), Some("90000"));
}

#[test]
fn what_has_nothing_of_an_upstreams_passes_without_an_allocation() {
    for policy in [UpstreamProxyStatus::Keep, UpstreamProxyStatus::Strip, UpstreamProxyStatus::Extend] {
        for status in [200, 304, 404] {
            let upstream = service_fn(move |_: Asked| {
                let mut response = Response::new(Empty::<Bytes>::new());
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let mut service = layer(policy).layer(upstream);
            let request = empty(get("/"));
            let (count, response) = allocations(|| now(tower::Service::call(&mut service, request)));
            assert_eq!((count, response.status().as_u16()), (0, status), "{policy:?}");
        }
    }
}

#[test]
fn trailers_that_tell_of_no_proxy_pass_without_an_allocation() {
    let upstream = service_fn(|_: Asked| {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
        let body = StreamBody::new(futures_util::stream::iter([Ok::<_, BoxError>(Frame::<Bytes>::trailers(trailers))]));
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    for policy in [UpstreamProxyStatus::Strip, UpstreamProxyStatus::Extend] {
        let mut body = std::pin::pin!(now(layer(policy).layer(upstream).oneshot(empty(get("/")))).into_body());
        let (count, frame) = allocations(|| now(async { Ok(body.frame().await) }));
        let trailers = frame.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!((count, trailers.len()), (0, 1), "{policy:?}");
    }
}

type Nothing = Result<(), Infallible>;

/// The errors of tower itself, and a panic, as they come out of its own layers.
async fn of_tower(name: &str) -> BoxError {
    match name {
        "elapsed" => Timeout::new(service_fn(|()| pending::<Nothing>()), Duration::ZERO).oneshot(()).await.unwrap_err(),
        "undiscovered" => {
            type Endpoint = tower::load::Constant<tower::util::BoxService<(), (), BoxError>, usize>;
            type Change = tower::discover::Change<usize, Endpoint>;
            let discovery = futures_util::stream::iter([Err::<Change, BoxError>("gone".into())]);
            Balance::<_, ()>::new(discovery).oneshot(()).await.unwrap_err()
        }
        "closed" => {
            let (buffer, worker) = Buffer::<(), _>::pair(service_fn(|()| pending::<Result<(), BoxError>>()), 1);
            drop(worker);
            buffer.oneshot(()).await.unwrap_err()
        }
        _ => Overloaded::new().into(),
    }
}

#[tokio::test]
async fn the_types_of_error_in_answers_to_what_no_upstream_did() {
    for (name, status, cause, told) in [
        ("elapsed", 504, Cause::TimedOut, Some("gw; error=connection_read_timeout")),
        ("undiscovered", 503, Cause::DestinationUnavailable, Some("gw; error=destination_unavailable")),
        ("closed", 503, Cause::Unavailable, None),
        ("overloaded", 503, Cause::Overloaded, None),
    ] {
        let answer = answer(&gateway(), failing(of_tower(name).await), empty(get("/"))).await;
        assert_eq!((answer.status.as_u16(), answer.cause), (status, Some(cause)), "{name}");
        assert_eq!(answer.header("proxy-status"), told, "{name}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{name}");
    }
    let panicking = service_fn(|_: Asked| async {
        if true {
            panic!("canary");
        }
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let answer = answer(&gateway(), panicking, empty(get("/"))).await;
    assert_eq!((answer.status.as_u16(), answer.cause), (500, Some(Cause::Panic)));
    assert_eq!(answer.header("proxy-status"), Some("gw; error=proxy_internal_error"));
}
