//! What all the layers cost together, around one service.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod support;

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use criterion::Criterion;
use donjon::{
    conditional_cache::ConditionalCacheLayer,
    error_mapping::ErrorMappingLayer,
    token_auth::{Algorithm, Grant, JwtVerifier, SigningKey, TokenAuthLayer, TokenIssuer},
    ws_upgrade::WsUpgradeLayer,
};
use http::{
    HeaderValue, Request, Response,
    header::{AUTHORIZATION, CACHE_CONTROL, ETAG, IF_NONE_MATCH},
};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, service_fn};

use support::{BROWSER, Body, call, compare, criterion, pass_through, request, request_with};

fn main() {
    let mut criterion = criterion();
    let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap())
        .issuer("https://login.example")
        .audience("https://api.example")
        .build()
        .unwrap();
    pass_through(&mut criterion, ("stack", "GET"), request, stack(&issuer), page());
    pass_through(&mut criterion, ("stack", "GET-browser"), || request_with(&BROWSER), stack(&issuer), page());
    at_work(&mut criterion, &issuer);
    criterion.final_summary();
}

/// A token verified, and an unchanged page not sent again.
fn at_work(criterion: &mut Criterion, issuer: &TokenIssuer) {
    let token = issuer.issue(&Grant::new("alice")).unwrap();
    let token = HeaderValue::try_from(format!("Bearer {}", token.access_token())).unwrap();
    let request = || {
        let mut request = request_with(&BROWSER);
        request.headers_mut().insert(AUTHORIZATION, token.clone());
        request.headers_mut().insert(IF_NONE_MATCH, HeaderValue::from_static("\"v1\""));
        request
    };
    let mut layered = stack(issuer);
    assert_eq!(call(&mut layered, request()).status(), 304);
    compare(criterion, ("stack", "HS256-304"), request, layered, ("bare", page()));
}

/// A page that says itself how long it is good for.
fn page() -> impl Service<Request<Body>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone {
    service_fn(|_: Request<Body>| {
        let mut response = Response::new(Full::from("a page"));
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"v1\""));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        ready(Ok(response))
    })
}

fn stack(
    issuer: &TokenIssuer,
) -> impl Service<Request<Body>, Response = Response<impl Sized + use<>>, Error = Infallible> + use<> {
    let auth: TokenAuthLayer<JwtVerifier> = TokenAuthLayer::new(issuer.verifier().build().unwrap()).allow_anonymous();
    ServiceBuilder::new()
        .layer(ErrorMappingLayer::new())
        .layer(auth)
        .layer(ConditionalCacheLayer::new())
        .layer(WsUpgradeLayer::new())
        .service(page())
}
