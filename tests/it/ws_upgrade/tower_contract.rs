//! What every layer owes its neighbours.

use std::{convert::Infallible, fmt::Debug};

use bytes::Bytes;
use donjon::ws_upgrade::{WsRejection, WsUpgradeLayer};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer as _, Service as _, ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneSyncService};

use super::KEY;
use crate::support::{allocations, empty, get, now};

async fn hello(_: Request<Empty<Bytes>>) -> Result<Response<Empty<Bytes>>, Infallible> {
    Ok(Response::new(Empty::new()))
}

fn evil() -> Request<Empty<Bytes>> {
    empty(
        get("/ws")
            .header("host", "example.com")
            .header("upgrade", "websocket")
            .header("connection", "upgrade")
            .header("sec-websocket-key", KEY)
            .header("sec-websocket-version", "13")
            .header("origin", "https://evil.example"),
    )
}

#[test]
fn a_plain_request_costs_no_allocation() {
    let mut service = WsUpgradeLayer::new().layer(service_fn(hello));
    let request = empty(get("/").header("accept", "*/*").header("connection", "keep-alive"));
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}

#[test]
fn the_layer_is_what_tower_expects() {
    fn is_layer<T: Clone + Debug + Send + Sync + 'static>(_: &T) {}
    is_layer(&WsUpgradeLayer::new());
    let service = WsUpgradeLayer::new().layer(service_fn(hello));
    let _boxed: BoxCloneSyncService<_, _, Infallible> = BoxCloneSyncService::new(service);
}

#[tokio::test]
async fn readiness_is_the_inner_services_own() {
    let (service, mut handle) = tower_test::mock::pair::<Request<()>, Response<()>>();
    let mut service = tower_test::mock::Spawn::new(WsUpgradeLayer::new().layer(service));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(service.poll_ready().is_ready());
    let response = service.call(Request::new(()));
    // The mock panics if a service is called that was not polled ready.
    let (_, send) = handle.next_request().await.unwrap();
    send.send_response(Response::new(()));
    assert_eq!(response.await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_error_of_the_inner_service_passes_as_it_is() {
    let service = WsUpgradeLayer::new().layer(service_fn(|_: Request<()>| async { Err::<Response<()>, _>("broken") }));
    assert_eq!(service.oneshot(Request::new(())).await.unwrap_err(), "broken");
}

#[tokio::test]
async fn refusals_and_requests_alternate_over_one_permit() {
    let mut service = ServiceBuilder::new()
        .layer(WsUpgradeLayer::new())
        .layer(tower::limit::ConcurrencyLimitLayer::new(1))
        .service(service_fn(hello));
    for _ in 0..3 {
        let refused = service.ready().await.unwrap().call(evil()).await.unwrap();
        assert_eq!(refused.status(), 403);
        assert!(refused.extensions().get::<WsRejection>().is_some());
        let response = service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn refusals_and_requests_alternate_over_a_buffer() {
    let mut service =
        ServiceBuilder::new().layer(WsUpgradeLayer::new()).layer(tower::buffer::BufferLayer::new(1)).service(service_fn(hello));
    for _ in 0..3 {
        assert_eq!(service.ready().await.unwrap().call(evil()).await.unwrap().status(), 403);
        assert_eq!(service.ready().await.unwrap().call(empty(get("/"))).await.unwrap().status(), 200);
    }
}

/// The answer, the hand-over and the task that waits for the connection, beside what axum's own extractor needs for the same.
#[cfg(feature = "axum")]
#[tokio::test]
async fn an_accepted_handshake_costs_few_allocations() {
    use axum::extract::{FromRequestParts as _, ws::WebSocketUpgrade};
    use donjon::ws_upgrade::WsService;

    let request = || {
        let mut request = evil();
        request.headers_mut().remove("origin");
        request.extensions_mut().insert(hyper::upgrade::on(Request::new(())));
        request
    };
    let mut ours = WsUpgradeLayer::new().layer(WsService::new(|_| async {}));
    let (first, second) = (request(), request());
    let (ours, response) = allocations(|| now(ours.call(first)));
    assert_eq!(response.status(), 101);
    let (axums, response) = allocations(|| {
        now(async move {
            let upgrade = WebSocketUpgrade::from_request_parts(&mut second.into_parts().0, &()).await.unwrap();
            Ok(upgrade.on_upgrade(|_| async {}))
        })
    });
    assert_eq!(response.status(), 101);
    assert!(ours <= axums + 2, "{ours} allocations, axum's {axums}");
}
