//! Thousands of answers to what was said nowhere but inside: every way to fail, with every setting, in every form, by every method and at
//! every place.

mod ways;

use std::{
    collections::BTreeSet,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use donjon::{
    Problem,
    error_mapping::{Correlated, Correlation, EmptyErrors, ErrorMappingLayer, ErrorPage, ProxyStatus, Role, escape_html},
};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tower::{BoxError, Layer as _, Service, ServiceExt as _, service_fn};

use self::ways::{Inner, Outcome, Upstreams, WAYS, Way, outcome};
use super::{
    Answer, Asked, read,
    secrets::{CANARY, Telling, assert_silent},
};
use crate::support::empty;

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
                let said = format!("{head:?} {error} {error:?} {error:#?}");
                assert!(!said.to_ascii_lowercase().contains("c4n4ry"), "{} {role:?} {setting:?}: {said}", way.0);
                failed += 1;
            }
        }
    }
    let answered = 7;
    assert_eq!(failed, (WAYS.len() - answered) * ROLES.len() * SETTINGS.len());
}
