//! Where limits of time stand, and whom they hold a delay against: in the stack of a gateway, each in the place that the documentation names.

use donjon::error_mapping::ReplayBody;
use tower::timeout::TimeoutLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, ResponseBodyTimeoutLayer};

use super::{super::faults::gateway, *};

type Silent = StreamBody<futures_util::stream::Pending<Result<Frame<Bytes>, BoxError>>>;

fn silent() -> Silent {
    StreamBody::new(futures_util::stream::pending())
}

fn kept<B>(request: Request<B>) -> Request<ReplayBody<B>>
where
    B: http_body::Body<Error: Into<BoxError>>,
{
    request.map(|body| ReplayBody::new(body, 1_024))
}

#[tokio::test(start_paused = true)]
async fn who_bounds_its_clients_more_tightly_than_its_upstreams_knows_who_was_slow() {
    for (limit, status, expected) in [(500, 408, CircuitState::Closed), (5_000, 504, CircuitState::Open)] {
        let circuit = CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
        let service = ServiceBuilder::new()
            .layer(gateway())
            .layer(RequestBodyTimeoutLayer::new(Duration::from_millis(limit)))
            .map_request(kept)
            .retry(GatewayRetryPolicy::new().budget(200))
            .layer(circuit.clone())
            .layer(TimeoutLayer::new(Duration::from_secs(1)))
            .service_fn(|request: Request<ReplayBody<tower_http::timeout::TimeoutBody<Silent>>>| async {
                request.into_body().collect().await?;
                Ok::<_, BoxError>(Response::new(Full::<Bytes>::default()))
            });
        let response = service.oneshot(Request::post("/").body(silent()).unwrap()).await.unwrap();
        assert_eq!((response.status().as_u16(), circuit.state()), (status, expected), "{limit} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_the_silence_of_bodies_belongs_above() {
    let limit = || ResponseBodyTimeoutLayer::new(Duration::from_secs(30));
    let stalling = service_fn(|_: Request<ReplayBody<Full<Bytes>>>| async { Ok::<_, BoxError>(Response::new(silent())) });
    let circuit = || CircuitBreakerLayer::new().open_after(1, 1).clock(clock());
    let (above, beneath) = (circuit(), circuit());
    let policy = GatewayRetryPolicy::new;
    let gateways = (
        ServiceBuilder::new()
            .layer(gateway())
            .layer(limit())
            .map_request(kept)
            .retry(policy())
            .layer(above.clone())
            .service(stalling),
        ServiceBuilder::new()
            .layer(gateway())
            .map_request(kept)
            .retry(policy())
            .layer(beneath.clone())
            .layer(limit())
            .service(stalling),
    );
    let request = || Request::new(Full::<Bytes>::default());
    let cut = gateways.0.oneshot(request()).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!((cut.cause(), above.state()), (Cause::ResponseTimedOut, CircuitState::Closed));
    let cut = gateways.1.oneshot(request()).await.unwrap().into_body().collect().await.unwrap_err();
    assert_eq!((cut.cause(), beneath.state()), (Cause::ResponseTimedOut, CircuitState::Open));
}
