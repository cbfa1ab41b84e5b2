//! Nothing internal and nothing of the request reaches a client, whatever the form.

use std::{error::Error, fmt, io};

use bytes::Bytes;
use donjon::error_mapping::{ErrorMappingLayer, Role, UpstreamError};
use http::Response;
use http_body_util::Full;
use tower::{BoxError, load_shed::error::Overloaded, service_fn, timeout::error::Elapsed};

use super::{Answer, Asked, answer, failing};
use crate::support::{empty, get};

pub(super) const CANARY: &str = "c4n4ry<script>";

/// An error that says it everywhere.
#[derive(Debug)]
pub(super) struct Telling(#[expect(dead_code, reason = "for its Debug")] pub(super) &'static str, pub(super) Option<BoxError>);

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

pub(super) fn over(source: impl Into<BoxError>) -> BoxError {
    Telling(CANARY, Some(source.into())).into()
}

#[track_caller]
pub(super) fn assert_silent(name: &str, answer: &Answer) {
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

/// What poisons a cache is an answer that depends on what its key leaves out, and is kept.
#[tokio::test]
async fn a_field_that_is_too_long_or_means_something_is_not_repeated_and_the_answer_not_kept() {
    let layer = ErrorMappingLayer::new().correlation(donjon::error_mapping::Correlation::new());
    let long = "c4n4ry".repeat(20_000);
    for (name, value) in [
        ("too long", long.as_bytes()),
        ("bytes beyond ASCII", b"c4n4ry\xff\x80"),
        ("a tab and quotes", b"\tc4n4ry\"'`"),
        ("markup", b"<img src=x onerror=c4n4ry>"),
        ("encoded", b"%0d%0aset-cookie:c4n4ry"),
    ] {
        for field in ["x-request-id", "x-forwarded-host", "x-oversized", "traceparent", "host", "referer", "accept"] {
            for accept in ["*/*", "text/html", "text/plain"] {
                let mut request = get("/").header("accept", accept);
                request = request.header(field, http::HeaderValue::from_bytes(value).unwrap());
                let answer = answer(&layer, failing("x"), empty(request)).await;
                assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (500, Some("no-store")), "{name}, {field}");
                assert_silent(&format!("{name}, {field}, {accept}"), &answer);
            }
        }
    }
}

#[tokio::test]
async fn a_chain_of_ten_thousand_and_one_without_end() {
    let mut deep: BoxError = Telling(CANARY, None).into();
    for _ in 0..10_000 {
        deep = over(deep);
    }
    let answered = answer(&ErrorMappingLayer::new(), failing(deep), asked("*/*")).await;
    assert_eq!(answered.status, 500);
    assert_silent("deep", &answered);

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

#[cfg(feature = "tracing")]
pub(super) mod logged {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::util::SubscriberInitExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Every event, of every level, while `work` runs on this thread.
    pub(in crate::error_mapping) async fn log_of(work: impl Future<Output = ()>) -> String {
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || written.clone())
            .finish();
        let listening = subscriber.set_default();
        // While there is one subscriber alone, the thread that reaches an event first decides for all whether anybody listens to it.
        let second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
        work.await;
        drop((listening, second));
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    }

    #[tokio::test]
    async fn what_is_logged_holds_no_credentials() {
        for (name, text) in [
            ("two URLs in a word", "url=http://a/x,proxy=http://root:hunter2@db/"),
            ("a redirect", "redirect(https://a/b)->https://u:hunter2@c/d"),
            ("a slash in the password", "connect postgres://app:p/hunter2@db:5432/x failed"),
            ("a question in the password", "connect postgres://app:p?hunter2@db:5432/x failed"),
            ("a fragment", "GET https://h/cb#access_token=hunter2 failed"),
            ("a query", "GET https://h/cb?key=hunter2 failed"),
            ("a token", "bad token eyJhbGciOiJIUzI1NiJ9.e30.hunter2"),
        ] {
            let log = log_of(async {
                answer(&ErrorMappingLayer::new(), failing(io::Error::other(text)), asked("*/*")).await;
                answer(&ErrorMappingLayer::new(), failing(UpstreamError::new(text)), asked("*/*")).await;
                let panicking = service_fn(|_: Asked| async { panic!("{text}") as Result<Response<Full<Bytes>>, BoxError> });
                answer(&ErrorMappingLayer::new(), panicking, asked("*/*")).await;
            });
            let log = log.await;
            assert_eq!(log.matches("a request failed").count(), 2, "{name}: {log}");
            assert_eq!(log.matches("a panic was caught").count(), 1, "{name}: {log}");
            assert!(!log.contains("hunter2"), "{name}: {log}");
            assert!(!log.to_ascii_lowercase().contains("c4n4ry"), "{name}: {log}");
        }
    }
}

#[test]
fn the_marker_does_not_repeat_what_it_marks() {
    let marked = UpstreamError::new(Telling(CANARY, None));
    assert!(!format!("{marked} {marked:?}").contains("c4n4ry"));
    assert!(marked.source().unwrap().to_string().contains("c4n4ry"));
}
