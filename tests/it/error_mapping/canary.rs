//! Thousands of answers to what was said nowhere but inside: every way to fail, with every setting, in every form, by every method and at every place.

use std::{
    collections::BTreeSet,
    future::Future,
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use donjon::{
    LayerBody, Problem,
    error_mapping::{
        CircuitBreakerLayer, Correlated, Correlation, EmptyErrors, ErrorMappingLayer, ErrorPage, ProxyStatus, Role,
        UpstreamError, escape_html,
    },
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use super::{
    Answer, Asked,
    faults::{Fault, Upstream},
    read,
    secrets::{CANARY, Telling, assert_silent, over},
};
use crate::support::{empty, get};

type Inner = Response<LayerBody<Full<Bytes>>>;

/// What becomes of a request within.
enum Outcome {
    Answers(Inner),
    Fails(BoxError),
    Panics(fn() -> !),
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Ready,
    Call,
    Future,
}

/// Fails at this place; what can only be answered is answered by the future.
struct Failing(Option<Outcome>, Place);

impl Service<Asked> for Failing {
    type Response = Inner;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Inner, BoxError>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match (self.1, self.0.take()) {
            (Place::Ready, Some(Outcome::Fails(error))) => Poll::Ready(Err(error)),
            (Place::Ready, Some(Outcome::Panics(panic))) => panic(),
            (_, outcome) => {
                self.0 = outcome;
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, _: Asked) -> Self::Future {
        let outcome = self.0.take().expect("called once");
        if let (Place::Call, Outcome::Panics(panic)) = (self.1, &outcome) {
            panic();
        }
        Box::pin(async {
            match outcome {
                Outcome::Answers(answer) => Ok(answer),
                Outcome::Fails(error) => Err(error),
                Outcome::Panics(panic) => panic(),
            }
        })
    }
}

/// Upstreams, for the errors that the clients themselves make.
struct Upstreams {
    closed: Upstream,
    garbled: Upstream,
    unwell: Upstream,
    short: Upstream,
}

impl Upstreams {
    async fn start() -> Self {
        let says = |text: &'static str| Upstream::start(Fault::Says(text.as_bytes()));
        Self {
            closed: Upstream::start(Fault::Refuses).await,
            garbled: says("c4n4ry<script> c4n4ry\r\nc4n4ry: c4n4ry\r\n\r\n").await,
            unwell: says("HTTP/1.1 500 c4n4ry\r\nc4n4ry: c4n4ry\r\ncontent-length: 6\r\n\r\nc4n4ry").await,
            short: says("HTTP/1.1 200 c4n4ry\r\ncontent-length: 60\r\n\r\nc4n4ry").await,
        }
    }
}

fn url(upstream: &Upstream) -> String {
    upstream.uri().replace("http://", "http://c4n4ry:c4n4ry@") + "c4n4ry?c4n4ry=c4n4ry#c4n4ry"
}

async fn by_hyper_util(upstream: &Upstream) -> BoxError {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    match client.request(empty(get(&url(upstream)))).await {
        Ok(response) => response.into_body().collect().await.unwrap_err().into(),
        Err(error) => error.into(),
    }
}

/// Its errors tell their URL.
#[cfg(feature = "error-mapping-reqwest")]
async fn by_reqwest(url: String) -> BoxError {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let failed = match client.get(url).send().await.and_then(reqwest::Response::error_for_status) {
        Ok(response) => response.bytes().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(failed.to_string().contains("c4n4ry"), "or there is nothing to be hidden: {failed}");
    failed.into()
}

fn upstream_failed(kind: io::ErrorKind) -> UpstreamError {
    UpstreamError::new(over(io::Error::new(kind, CANARY)))
}

fn answering(status: StatusCode) -> Inner {
    let mut response = Response::new(LayerBody::empty());
    *response.status_mut() = status;
    for name in ["etag", "content-language", "content-disposition", "content-location"] {
        response.headers_mut().insert(name, HeaderValue::from_static("c4n4ry"));
    }
    response
}

/// Answered in the place of an upstream that said it.
async fn refused_by_an_open_circuit() -> Inner {
    let failing =
        || service_fn(|_: Asked| async { Err::<Response<Full<Bytes>>, BoxError>(upstream_failed(io::ErrorKind::Other).into()) });
    let breaker = CircuitBreakerLayer::new().open_after(1, 1);
    assert!(breaker.layer(failing()).oneshot(empty(get("/c4n4ry"))).await.is_err());
    breaker.layer(failing()).oneshot(empty(get("/c4n4ry"))).await.expect("an answer without asking")
}

/// Its name, the status of an origin and of a gateway, and whether a mapping of [`Telling`] meets one.
type Way = (&'static str, u16, u16, bool);

const WAYS: &[Way] = &[
    ("a text", 500, 500, false),
    ("an error", 500, 500, true),
    ("an error of a disk", 500, 500, true),
    ("a timeout", 503, 504, true),
    ("too much to do", 503, 503, true),
    ("refused", 502, 502, true),
    ("reset", 502, 502, true),
    ("late", 504, 504, true),
    ("late, told by nobody", 504, 504, false),
    ("marked within", 502, 502, true),
    ("a panic", 500, 500, false),
    ("a panic with a String", 500, 500, false),
    ("a panic with something else", 500, 500, false),
    ("in place of an answer", 403, 403, false),
    ("hidden by an outer hand", 404, 404, false),
    ("without content", 410, 410, false),
    ("an open circuit", 503, 503, false),
    ("hyper-util, refused", 502, 502, false),
    ("hyper-util, garbage", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, refused", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, garbage", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, a status", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, a short body", 502, 502, false),
    #[cfg(feature = "error-mapping-reqwest")]
    ("reqwest, no such scheme", 500, 500, false),
];

/// Fails in this way, with the canary wherever a text can be.
async fn outcome(way: &str, upstreams: &Upstreams) -> Outcome {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, TimedOut};
    Outcome::Fails(match way {
        "a text" => CANARY.into(),
        "an error" => over(Telling(CANARY, None)),
        "an error of a disk" => over(io::Error::other(CANARY)),
        "a timeout" => over(Elapsed::new()),
        "too much to do" => over(Overloaded::new()),
        "refused" => upstream_failed(ConnectionRefused).into(),
        "reset" => upstream_failed(ConnectionReset).into(),
        "late" => upstream_failed(TimedOut).into(),
        "late, told by nobody" => UpstreamError::new(io::Error::new(TimedOut, CANARY)).into(),
        "marked within" => over(upstream_failed(NotFound)),
        "a panic" => return Outcome::Panics(|| panic!("{CANARY}")),
        "a panic with a String" => return Outcome::Panics(|| std::panic::panic_any(String::from(CANARY))),
        "a panic with something else" => return Outcome::Panics(|| std::panic::panic_any(vec![CANARY])),
        "in place of an answer" => {
            let mut response = answering(StatusCode::FORBIDDEN).map(|_: LayerBody<Full<Bytes>>| LayerBody::full(CANARY));
            response.extensions_mut().insert(Problem::new(StatusCode::FORBIDDEN));
            return Outcome::Answers(response);
        }
        "hidden by an outer hand" => {
            let mut response: Inner = Problem::new(StatusCode::FORBIDDEN).with_detail(CANARY).into_http_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            return Outcome::Answers(response);
        }
        "without content" => return Outcome::Answers(answering(StatusCode::GONE)),
        "an open circuit" => return Outcome::Answers(refused_by_an_open_circuit().await),
        "hyper-util, refused" => by_hyper_util(&upstreams.closed).await,
        "hyper-util, garbage" => by_hyper_util(&upstreams.garbled).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, refused" => by_reqwest(url(&upstreams.closed)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, garbage" => by_reqwest(url(&upstreams.garbled)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, a status" => by_reqwest(url(&upstreams.unwell)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, a short body" => by_reqwest(url(&upstreams.short)).await,
        #[cfg(feature = "error-mapping-reqwest")]
        "reqwest, no such scheme" => by_reqwest("c4n4ry://c4n4ry/c4n4ry?c4n4ry=c4n4ry".into()).await,
        other => panic!("no such way: {other}"),
    })
}

/// How a layer is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Setting {
    Plain,
    OwnPage,
    PanickingMapping,
}

const SETTINGS: [Setting; 3] = [Setting::Plain, Setting::OwnPage, Setting::PanickingMapping];
const ROLES: [Role; 2] = [Role::Origin, Role::Gateway];

fn layer(role: Role, setting: Setting) -> ErrorMappingLayer {
    let plain = ErrorMappingLayer::new()
        .role(role)
        .proxy_status(ProxyStatus::new("gw").unwrap())
        .correlation(Correlation::new().correlated(Correlated::Every))
        .empty_errors(EmptyErrors::Fill);
    let own = |problem: &Problem| ErrorPage::new(escape_html(problem.title()).to_string());
    match setting {
        Setting::Plain => plain,
        Setting::OwnPage => plain.html_page(own).dangerous_expose_causes(|_| Some([192, 0, 2, 1].into())),
        Setting::PanickingMapping => plain.map::<Telling>(|_| panic!("{CANARY}")),
    }
}

/// What the client says of what it reads, and of what it sends.
const READS: [(&str, &str); 8] = [
    ("*/*", "application/json"),
    ("text/html", CANARY),
    ("text/plain", "text/plain"),
    ("application/problem+json", CANARY),
    (CANARY, CANARY),
    ("text/html;q=0.1, text/plain;c4n4ry", "text/c4n4ry"),
    ("*/*", "application/grpc"),
    ("text/html", "application/grpc-web+c4n4ry"),
];
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::HEAD, Method::PUT];
const PLACES: [Place; 3] = [Place::Ready, Place::Call, Place::Future];

const CANARY_FIELDS: [&str; 10] =
    ["x-request-id", "traceparent", "tracestate", "cookie", "authorization", "host", "referer", "user-agent", "via", "x-c4n4ry"];

fn asked(method: &Method, (accept, content_type): (&str, &str)) -> Asked {
    let request = Request::builder().method(method).uri("http://c4n4ry.example/c4n4ry?c4n4ry=c4n4ry");
    let request = request.header("accept", accept).header("content-type", content_type);
    empty(CANARY_FIELDS.iter().fold(request, |request, name| request.header(*name, CANARY)))
}

/// Which answers came out: whether of a gateway, the setting, the form, the status of the problem, and whether it was for `HEAD`.
type Seen = BTreeSet<(bool, Setting, String, u16, bool)>;

const FORMS: [&str; 5] = [
    "application/problem+json",
    "text/html; charset=utf-8",
    "text/plain; charset=utf-8",
    "application/grpc",
    "application/grpc-web",
];

/// Every form of every status from every layer, each with a head alone.
fn all_there_are() -> Seen {
    let mut all = Seen::new();
    for role in ROLES {
        for setting in SETTINGS {
            for way in WAYS {
                for form in FORMS {
                    // No call of gRPC asks for a head alone.
                    let methods = if form.starts_with("application/grpc") { &[false][..] } else { &[false, true] };
                    let status = status(way, role, setting);
                    all.extend(methods.iter().map(|head| (role == Role::Gateway, setting, form.to_owned(), status, *head)));
                }
            }
        }
    }
    all
}

fn status(&(_, origin, gateway, tells): &Way, role: Role, setting: Setting) -> u16 {
    match role {
        _ if tells && setting == Setting::PanickingMapping => 500,
        Role::Gateway => gateway,
        _ => origin,
    }
}

#[track_caller]
fn judge(name: &str, answer: &Answer, method: &Method, setting: Setting) {
    assert_silent(name, answer);
    let (form, whole) = (answer.header("content-type").unwrap(), *method != Method::HEAD);
    assert_eq!(answer.body.is_empty(), !whole || form.starts_with("application/grpc"), "{name}: {}", answer.body);
    let shows_reference = form.starts_with("text/plain") || form.starts_with("text/html") && setting != Setting::OwnPage;
    assert_eq!(answer.body.contains("Reference: "), whole && shows_reference, "{name}: {}", answer.body);
    assert_eq!(answer.header("x-request-id").map(str::len), Some(32), "{name}");
}

/// Of each pair of two values there is an answer, since of all values together there is.
#[tokio::test]
async fn in_ten_thousand_answers_it_is_nowhere() {
    let upstreams = Upstreams::start().await;
    let (mut answers, mut seen) = (0, Seen::new());
    for way in WAYS {
        for role in ROLES {
            for setting in SETTINGS {
                let layer = layer(role, setting);
                for reads in READS {
                    for method in METHODS {
                        for place in PLACES {
                            let name = format!("{} {role:?} {setting:?} {reads:?} {method} {place:?}", way.0);
                            let inner = Failing(Some(outcome(way.0, &upstreams).await), place);
                            let answer = read(layer.layer(inner).oneshot(asked(&method, reads)).await.expect("infallible")).await;
                            judge(&name, &answer, &method, setting);
                            let problem = answer.problem.as_ref().expect("every one was generated").status().as_u16();
                            assert_eq!(problem, status(way, role, setting), "{name}");
                            let form = answer.header("content-type").unwrap().to_owned();
                            seen.insert((role == Role::Gateway, setting, form, problem, method == Method::HEAD));
                            answers += 1;
                        }
                    }
                }
            }
        }
    }
    let amiss: Vec<_> = seen.symmetric_difference(&all_there_are()).cloned().collect();
    assert_eq!(amiss, [], "came out, or should have, and not both");
    assert_eq!(answers, WAYS.len() * ROLES.len() * SETTINGS.len() * READS.len() * METHODS.len() * PLACES.len());
    assert!(answers >= 10_000, "{answers}");
}

/// An application that logs such an error by its `Display` or `Debug` alone logs nothing of what is inside, however many layers there are.
#[tokio::test]
async fn the_error_of_a_body_tells_nothing_by_itself() {
    let upstreams = Upstreams::start().await;
    let mut failed = 0;
    for way in WAYS {
        for role in ROLES {
            for setting in SETTINGS {
                let mut outcome = match outcome(way.0, &upstreams).await {
                    Outcome::Answers(_) => continue,
                    outcome => Some(outcome),
                };
                let inner = service_fn(move |_: Asked| {
                    let outcome = mem::take(&mut outcome).expect("called once");
                    let body = StreamBody::new(futures_util::stream::once(async {
                        match outcome {
                            Outcome::Fails(error) => Err::<Frame<Bytes>, BoxError>(error),
                            Outcome::Panics(panic) => panic(),
                            Outcome::Answers(_) => panic!("no failure"),
                        }
                    }));
                    std::future::ready(Ok::<_, BoxError>(Response::new(Box::pin(body))))
                });
                let layers = layer(role, setting).layer(layer(role, setting).layer(inner));
                let response = layers.oneshot(asked(&Method::GET, READS[0])).await.expect("infallible");
                let (head, body) = response.into_parts();
                let error = body.collect().await.expect_err("never a clean end");
                let boxed: BoxError = Box::new(error);
                let said = format!("{head:?} {boxed} {boxed:?} {boxed:#?} {}", axum::Error::new(boxed.to_string()));
                assert!(!said.to_ascii_lowercase().contains("c4n4ry"), "{} {role:?} {setting:?}: {said}", way.0);
                failed += 1;
            }
        }
    }
    let answered = 4;
    assert_eq!(failed, (WAYS.len() - answered) * ROLES.len() * SETTINGS.len());
}
