//! The tower contract, the same for every layer.

use std::{convert::Infallible, fmt::Debug, task::Poll};

use bytes::Bytes;
use donjon::{
    conditional_cache::{CachePolicyLayer, ConditionalCacheLayer, FromVersionLayer, PreconditionLayer},
    error_mapping::{CircuitBreakerLayer, ErrorMappingLayer},
    lazy_images::LazyImagesLayer,
    token_auth::{Algorithm, Crypto, JwtVerifier, TokenAuthLayer, VerifyingKey},
    ws_upgrade::WsUpgradeLayer,
};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt as _, service_fn, util::BoxCloneSyncService};

use crate::support::{allocations, empty, get, now, whole};

pub(crate) fn token_auth() -> TokenAuthLayer<JwtVerifier> {
    let key = VerifyingKey::from_secret(Algorithm::Hs256, &[1; 32]).unwrap();
    let verifier = JwtVerifier::builder(key).issuer("i").audience("a").crypto(Crypto::compiled()[0]).build().unwrap();
    TokenAuthLayer::new(verifier).allow_anonymous()
}

async fn hello<B>(_: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new("hello".into()))
}

fn is_a_layer<L: Clone + Debug + Send + Sync + 'static>(layer: L) -> L {
    layer.clone()
}

/// Every promise for one layer.
macro_rules! contract {
    ($layer:ident, $make:expr) => {
        mod $layer {
            use super::*;

            #[tokio::test]
            async fn stands_in_an_axum_router() {
                let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" })).layer(is_a_layer($make));
                let (parts, body) = whole(app.oneshot(get("/").body(axum::body::Body::empty()).unwrap()).await.unwrap()).await;
                assert_eq!((parts.status.as_u16(), body.as_ref()), (200, b"hello".as_ref()));
            }

            #[tokio::test]
            async fn stands_on_bare_hyper() {
                let service = ServiceBuilder::new().layer($make).service_fn(hello);
                let (mut client, server) = tokio::io::duplex(4096);
                let serving = tokio::spawn(async move {
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection_with_upgrades(TokioIo::new(server), TowerToHyperService::new(service))
                        .await;
                });
                client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
                serving.await.unwrap();
            }

            #[tokio::test]
            async fn can_be_boxed_cloned_and_shared() {
                let service = ServiceBuilder::new().layer($make).service(service_fn(hello::<Empty<Bytes>>));
                let service = BoxCloneSyncService::new(service);
                let response = service.clone().oneshot(empty(get("/"))).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
            }

            #[tokio::test]
            async fn calls_the_service_that_was_ready() {
                let limited = ServiceBuilder::new().concurrency_limit(1).service_fn(hello::<Empty<Bytes>>);
                let mut service = $make.layer(limited);
                for _ in 0..10_000 {
                    let response = service.ready().await.unwrap().call(empty(get("/"))).await.unwrap();
                    assert_eq!(response.status(), 200);
                }
                let buffered = ServiceBuilder::new().buffer::<Request<Empty<Bytes>>>(4).concurrency_limit(1).service_fn(hello);
                let service = $make.layer(buffered);
                let calls = (0..1_000).map(|_| service.clone().oneshot(empty(get("/"))));
                for answer in futures_util::future::join_all(calls).await {
                    assert!(answer.is_ok_and(|response| response.status() == 200));
                }
            }

            #[tokio::test]
            async fn waits_until_the_inner_service_is_ready() {
                let (inner, mut handle) = tower_test::mock::pair::<Request<Empty<Bytes>>, Response<Full<Bytes>>>();
                let mut service = tower_test::mock::Spawn::new($make.layer(inner));
                handle.allow(0);
                assert!(service.poll_ready().is_pending());
                handle.allow(1);
                assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
                let answer = tokio::spawn(service.call(empty(get("/"))));
                let (request, reply) = handle.next_request().await.unwrap();
                assert_eq!(request.uri(), "/");
                reply.send_response(Response::new("hello".into()));
                assert_eq!(answer.await.unwrap().unwrap().status(), 200);
            }

            #[test]
            fn costs_no_allocation_where_it_has_nothing_to_do() {
                let bare = service_fn(|_| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))));
                let mut service = $make.layer(bare);
                let request = Request::post("/").body(Empty::<Bytes>::new()).unwrap();
                let (count, response) = allocations(|| now(service.call(request)));
                assert_eq!((count, response.status().as_u16()), (0, 200));
            }
        }
    };
}

contract!(token_auth_layer, token_auth());
contract!(conditional_cache_layer, ConditionalCacheLayer::new());
contract!(precondition_layer, PreconditionLayer::new());
contract!(cache_policy_layer, CachePolicyLayer::new());
contract!(from_version_layer, FromVersionLayer::new(|_: &http::request::Parts| std::future::ready(Some(7))));
contract!(error_mapping_layer, ErrorMappingLayer::new());
contract!(circuit_breaker_layer, CircuitBreakerLayer::new());
contract!(ws_upgrade_layer, WsUpgradeLayer::new());
contract!(lazy_images_layer, LazyImagesLayer::new());

#[tokio::test]
async fn errors_of_the_inner_service_keep_their_type() {
    #[derive(Debug, PartialEq)]
    struct Mine;
    let failing = service_fn(|_: Request<Empty<Bytes>>| async { Err::<Response<Full<Bytes>>, _>(Mine) });
    let service = ServiceBuilder::new()
        .layer(token_auth())
        .layer(ConditionalCacheLayer::new())
        .layer(PreconditionLayer::new())
        .layer(CachePolicyLayer::new())
        .layer(FromVersionLayer::new(|_: &http::request::Parts| std::future::ready(Some(7))))
        .layer(LazyImagesLayer::new())
        .layer(WsUpgradeLayer::new())
        .service(failing);
    assert_eq!(service.oneshot(empty(get("/"))).await.err(), Some(Mine));
}

#[tokio::test]
async fn error_mapping_alone_ends_them() {
    let failing = service_fn(|_: Request<Empty<Bytes>>| async { Err::<Response<Full<Bytes>>, BoxError>("no".into()) });
    let response: Result<_, Infallible> = ErrorMappingLayer::new().layer(failing).oneshot(empty(get("/"))).await;
    assert_eq!(response.unwrap().status(), 500);
}
