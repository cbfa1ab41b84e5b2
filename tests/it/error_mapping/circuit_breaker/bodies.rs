//! What the body of a response says of its upstream, once the head has said something else.

use super::*;

type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

fn upstreams(kind: io::ErrorKind) -> BoxError {
    UpstreamError::new(io::Error::from(kind)).into()
}

/// A head, and a body of these frames.
fn streaming(frames: Frames) -> Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>>>> {
    Response::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn data() -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(b"half")))
}

#[tokio::test]
async fn a_body_that_breaks_off_counts_against_the_upstream() {
    use io::ErrorKind::{ConnectionReset, UnexpectedEof};
    for (name, frames, read, expected) in [
        ("whole", (|| vec![data(), data()]) as fn() -> Frames, 3, CircuitState::Closed),
        ("trailers", || vec![data(), Ok(Frame::trailers(HeaderMap::new()))], 3, CircuitState::Closed),
        ("cut", || vec![data(), Err(upstreams(UnexpectedEof))], 2, CircuitState::Open),
        ("cut at once", || vec![Err(upstreams(ConnectionReset))], 1, CircuitState::Open),
        ("left by the client before the cut", || vec![data(), Err(upstreams(ConnectionReset))], 1, CircuitState::Closed),
        ("never read", || vec![Err(upstreams(ConnectionReset))], 0, CircuitState::Closed),
        ("a timeout around it", || vec![data(), Err(Elapsed::new().into())], 2, CircuitState::Open),
        ("a failure of this server's", || vec![data(), Err("disk".into())], 2, CircuitState::Closed),
        ("a disk of this server's", || vec![Err(io::Error::from(ConnectionReset).into())], 1, CircuitState::Closed),
        (
            "cut, and asked again",
            || vec![Err(upstreams(ConnectionReset)), Err(upstreams(ConnectionReset))],
            2,
            CircuitState::Open,
        ),
    ] {
        let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
        let answering = service_fn(|_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(frames()))));
        let mut body = std::pin::pin!(layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body());
        assert_eq!(layer.state(), CircuitState::Closed, "{name}: at the head");
        for _ in 0..read {
            let _ = body.frame().await;
        }
        assert_eq!(layer.state(), expected, "{name}");
    }
}

/// Who lets an upstream wait for long could make it hang up, and then the circuit would be that client's to open.
#[tokio::test]
async fn the_end_of_a_body_that_was_left_unread_counts_for_nothing() {
    const SECOND: u64 = 1_000;
    for (name, before_each_frame, expected) in [
        ("at once", [0, 0, 0], CircuitState::Open),
        ("within a second in all", [400, 300, 300], CircuitState::Open),
        ("late after the head", [SECOND + 1, 0, 0], CircuitState::Closed),
        ("late after a frame", [0, SECOND + 1, 0], CircuitState::Closed),
        ("late to see the end", [0, 0, SECOND + 1], CircuitState::Closed),
        ("late in all", [400, 300, 301], CircuitState::Closed),
    ] {
        let clock = clock();
        let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock.clone());
        let answering = service_fn(|_: Asked| {
            let frames = vec![data(), data(), Err(upstreams(io::ErrorKind::UnexpectedEof))];
            std::future::ready(Ok::<_, BoxError>(streaming(frames)))
        });
        let mut body = std::pin::pin!(layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body());
        for wait in before_each_frame {
            clock.advance(Duration::from_millis(wait));
            let _ = body.frame().await;
        }
        assert_eq!(layer.state(), expected, "{name}");
    }
}

/// As long as somebody waits for it, it is the upstream that is slow.
#[tokio::test]
async fn a_body_that_is_waited_for_is_not_left_unread() {
    let clock = clock();
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock.clone());
    let (cut, told) = tokio::sync::oneshot::channel::<()>();
    let mut body = Some(StreamBody::new(futures_util::stream::once(Box::pin(async move {
        let _ = told.await;
        Err::<Frame<Bytes>, _>(upstreams(io::ErrorKind::ConnectionReset))
    }))));
    let answering = service_fn(move |_: Asked| std::future::ready(Ok::<_, BoxError>(Response::new(body.take().unwrap()))));
    let mut body = layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body();
    let mut frame = std::pin::pin!(body.frame());
    assert!(futures_util::poll!(frame.as_mut()).is_pending());
    clock.advance(Duration::from_secs(60));
    cut.send(()).unwrap();
    frame.await.unwrap().unwrap_err();
    assert_eq!(layer.state(), CircuitState::Open);
}

/// A stream of events that is silent for longer than it is waited for, and its upstream is none the worse.
#[tokio::test(start_paused = true)]
async fn a_bound_on_silence_around_it_counts_for_nothing() {
    let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let silent = service_fn(|_: Asked| {
        let silent = futures_util::stream::pending::<Result<Frame<Bytes>, BoxError>>();
        std::future::ready(Ok::<_, BoxError>(Response::new(StreamBody::new(silent))))
    });
    let body = layer.layer(silent).oneshot(empty(get("/"))).await.unwrap().into_body();
    tower_http::timeout::TimeoutBody::new(Duration::from_secs(30), body).collect().await.unwrap_err();
    assert_eq!(layer.state(), CircuitState::Closed);
}

/// Around a service that has an ErrorMapping in it: what that calls the failure of a body, it is.
#[tokio::test]
async fn what_a_layer_within_says_of_a_body_counts() {
    for (name, role, frames, expected) in [
        ("cut", Role::Gateway, (|| vec![Err(upstreams(io::ErrorKind::UnexpectedEof))]) as fn() -> Frames, CircuitState::Open),
        ("whole", Role::Gateway, || vec![data()], CircuitState::Closed),
        ("a failure of this server's", Role::Gateway, || vec![Err("disk".into())], CircuitState::Closed),
        (
            "its sources have no end, and are not shown",
            Role::Gateway,
            || vec![Err(UpstreamError::new(Endless).into())],
            CircuitState::Open,
        ),
        (
            "an origin's own",
            Role::Origin,
            || vec![Err(io::Error::from(io::ErrorKind::ConnectionReset).into())],
            CircuitState::Closed,
        ),
    ] {
        let layer = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
        let answering = service_fn(|_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(frames()))));
        let mapped = ErrorMappingLayer::new().role(role).layer(answering);
        let body = layer.layer(mapped).oneshot(empty(get("/"))).await.unwrap().into_body();
        // In a box as well.
        let _ = body.map_err(BoxError::from).collect().await;
        assert_eq!(layer.state(), expected, "{name}");
    }
}

#[derive(Debug)]
struct Endless;

impl std::fmt::Display for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("again")
    }
}

impl std::error::Error for Endless {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self)
    }
}

#[tokio::test]
async fn a_probe_whose_body_breaks_off_opens_the_circuit_again_and_one_without_an_end_holds_nobody_up() {
    let clock = clock();
    let layer = CircuitBreakerLayer::new().open_after(1, 10).clock(clock.clone());
    let ask = |frames: fn() -> Frames| {
        layer
            .layer(service_fn(move |_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(frames())))))
            .oneshot(empty(get("/")))
    };
    let cut = || vec![data(), Err(upstreams(io::ErrorKind::UnexpectedEof))];
    ask(cut).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!(layer.state(), CircuitState::Open);
    clock.advance(Duration::from_secs(5));
    let mut probe = Box::pin(ask(cut).await.unwrap().into_body());
    probe.frame().await.unwrap().unwrap();
    assert_eq!(ask(|| vec![data()]).await.unwrap().status(), 200, "while the probe's body goes on");
    probe.frame().await.unwrap().unwrap_err();
    assert_eq!(layer.state(), CircuitState::Open);
    assert_eq!(ask(|| vec![data()]).await.unwrap().status(), 503);
}

#[tokio::test]
async fn frames_trailers_hints_and_errors_of_a_body_pass() {
    let layer = CircuitBreakerLayer::new();
    let body = Full::new(Bytes::from_static(b"hello"))
        .with_trailers(std::future::ready(Some(Ok(HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("x"))])))));
    let mut body = Some(body);
    let answering =
        service_fn(move |_: Asked| std::future::ready(Ok::<_, Infallible>(Response::new(body.take().expect("called once")))));
    let whole = layer.layer(answering).oneshot(empty(get("/"))).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["etag"], "x");
    assert_eq!(whole.to_bytes(), "hello");
    let answering =
        service_fn(|_: Asked| std::future::ready(status(200).map(|response| response.map(|_| Full::<Bytes>::from("hello")))));
    let response = layer.layer(answering).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!((response.body().size_hint().exact(), response.body().is_end_stream()), (Some(5), false));
    let cut = service_fn(|_: Asked| std::future::ready(Ok::<_, BoxError>(streaming(vec![Err("mine".into())]))));
    let response = layer.layer(cut).oneshot(empty(get("/"))).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap_err().to_string(), "mine");
}
