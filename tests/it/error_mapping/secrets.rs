//! Nothing internal and nothing of the request reaches a client, whatever the form.

use std::{error::Error, fmt, io};

use bytes::Bytes;
use donjon::error_mapping::{ErrorMappingLayer, Role, UpstreamError};
use http::Response;
use http_body_util::Full;
use tower::{BoxError, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use super::{Answer, Asked, answer, failing};
use crate::support::{empty, get};

const CANARY: &str = "c4n4ry<script>";

/// An error that says it everywhere.
#[derive(Debug)]
struct Telling(#[expect(dead_code, reason = "for its Debug")] &'static str, Option<BoxError>);

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SELECT {CANARY} FROM https://user:{CANARY}@host/?key={CANARY}")
    }
}

impl Error for Telling {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|error| error as _)
    }
}

fn over(source: impl Into<BoxError>) -> BoxError {
    Telling(CANARY, Some(source.into())).into()
}

#[track_caller]
fn assert_silent(name: &str, answer: &Answer) {
    for (place, text) in [
        ("body", answer.body.clone()),
        ("headers", format!("{:?}", answer.headers)),
        ("problem", format!("{:?}", answer.problem)),
    ] {
        assert!(!text.to_ascii_lowercase().contains("c4n4ry"), "{name}: in the {place}: {text}");
    }
}

fn asked(accept: &str) -> Asked {
    empty(get("/c4n4ry?c4n4ry=1").header("accept", accept).header("x-request-id", CANARY).header("cookie", CANARY))
}

#[tokio::test]
async fn errors_and_their_sources_stay_inside() {
    for accept in ["*/*", "text/html", "text/plain", "c4n4ry/c4n4ry"] {
        for role in [Role::Origin, Role::Gateway] {
            for (name, error) in [
                ("own", over(Telling(CANARY, None))),
                ("io", over(io::Error::other(CANARY))),
                ("upstream", UpstreamError::new(over(io::Error::new(io::ErrorKind::ConnectionRefused, CANARY))).into()),
                ("timeout", over(Elapsed::new())),
                ("overload", over(Overloaded::new())),
            ] {
                let layer = ErrorMappingLayer::new().role(role);
                assert_silent(&format!("{name}, {accept}, {role:?}"), &answer(&layer, failing(error), asked(accept)).await);
            }
        }
    }
}

#[tokio::test]
async fn panics_stay_inside() {
    for accept in ["*/*", "text/html", "text/plain"] {
        let text = service_fn(|_: Asked| async { panic!("{CANARY}") as Result<Response<Full<Bytes>>, BoxError> });
        assert_silent(accept, &answer(&ErrorMappingLayer::new(), text, asked(accept)).await);
        let other = service_fn(|_: Asked| async { std::panic::panic_any(CANARY) as Result<Response<Full<Bytes>>, BoxError> });
        assert_silent(accept, &answer(&ErrorMappingLayer::new(), other, asked(accept)).await);
    }
}

#[tokio::test]
async fn a_chain_of_ten_thousand_and_one_without_end() {
    let mut deep: BoxError = Telling(CANARY, None).into();
    for _ in 0..10_000 {
        deep = over(deep);
    }
    assert_eq!(answer(&ErrorMappingLayer::new(), failing(deep), asked("*/*")).await.status, 500);

    #[derive(Debug)]
    struct Cycle;
    impl fmt::Display for Cycle {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(CANARY)
        }
    }
    impl Error for Cycle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    let answer = answer(&ErrorMappingLayer::new(), failing(UpstreamError::new(Cycle)), asked("*/*")).await;
    assert_eq!(answer.status, 502);
    assert_silent("cycle", &answer);
}

#[test]
fn the_marker_does_not_repeat_what_it_marks() {
    let marked = UpstreamError::new(Telling(CANARY, None));
    assert!(!format!("{marked} {marked:?}").contains("c4n4ry"));
    assert!(marked.source().unwrap().to_string().contains("c4n4ry"));
}
