//! TokenAuth, driven from outside.

mod cache;
mod certificate;
mod contract;
mod dpop;
mod forger;
mod issuers;
mod issuing;
mod issuing_keys;
mod key_file;
mod metadata;
mod refresh;
mod refresh_parallel;
#[cfg(feature = "token-auth-remote")]
mod remote;
mod require_scope;
mod revocation;
mod threats;
mod vectors;

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use donjon::{
    LayerBody, ManualClock, Principal, Problem,
    token_auth::{Algorithm, Claims, Crypto, JwtVerifier, Rejection, RejectionKind, TokenAuthLayer, TokenSource, VerifyingKey},
};
use http::{HeaderMap, Request, Response};
use http_body_util::{Empty, Full};
use serde::Deserialize;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use self::forger::Forger;
use crate::support::{allocations, empty, get, now, whole};

/// The algorithms of key pairs, each with the name of a key for it.
const ASYMMETRIC: [(Algorithm, &str); 9] = [
    (Algorithm::Rs256, "rsa2048"),
    (Algorithm::Rs384, "rsa2048"),
    (Algorithm::Rs512, "rsa2048"),
    (Algorithm::Ps256, "rsa2048"),
    (Algorithm::Ps384, "rsa2048"),
    (Algorithm::Ps512, "rsa2048"),
    (Algorithm::Es256, "p256"),
    (Algorithm::Es384, "p384"),
    (Algorithm::EdDsa, "ed25519"),
];
pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const SECRET: [u8; 32] = *b"secret that only tests may know!";
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn crypto() -> Crypto {
    *Crypto::compiled().first().expect("the tests of this module need one cryptography")
}

pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at(at(NOW))
}

pub(crate) fn verifier_with(clock: ManualClock) -> JwtVerifier {
    let key = VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).unwrap().with_kid("k1");
    let builder = JwtVerifier::builder(key).issuer(ISSUER).audience(AUDIENCE).leeway(Duration::ZERO);
    builder.crypto(crypto()).clock(clock).build().unwrap()
}

pub(crate) fn layer() -> TokenAuthLayer<JwtVerifier> {
    TokenAuthLayer::new(verifier_with(clock()))
}

/// Answers with the subject and the subprotocols that it sees.
pub(crate) async fn echo<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    let principal = request.extensions().get::<Principal>();
    let subject = principal.map_or("nobody", |principal| principal.subject().unwrap_or("without a name"));
    let protocols: Vec<_> = request.headers().get_all("sec-websocket-protocol").iter().map(|v| v.to_str().unwrap()).collect();
    Ok(Response::new(Full::from(format!("{subject}|{}", protocols.join("|")))))
}

pub(crate) async fn answer(
    layer: &TokenAuthLayer<JwtVerifier>,
    request: http::request::Builder,
) -> (http::response::Parts, String) {
    let response = layer.layer(service_fn(echo)).oneshot(empty(request)).await.unwrap();
    let (parts, body) = whole(response).await;
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn bearing(token: &str) -> http::request::Builder {
    get("/").header("authorization", format!("Bearer {token}"))
}

pub(crate) fn challenge(headers: &HeaderMap) -> &str {
    headers.get("www-authenticate").map_or("none", |value| value.to_str().unwrap())
}

pub(crate) const INVALID_TOKEN: &str = r#"Bearer error="invalid_token", error_description="The access token is invalid""#;

#[tokio::test]
async fn a_good_token_lets_its_bearer_in() {
    let token = Forger::good().sign();
    for line in [format!("Bearer {token}"), format!("bearer {token}"), format!("BEARER   {token}")] {
        let (parts, body) = answer(&layer(), get("/").header("authorization", line)).await;
        assert_eq!((parts.status.as_u16(), body.as_str()), (200, "alice|"));
    }
}

#[tokio::test]
async fn the_principal_is_known_within_and_without() {
    let token = Forger::good().claim("scope", "read write").sign();
    let (parts, _) = answer(&layer(), bearing(&token)).await;
    let principal = parts.extensions.get::<Principal>().expect("a layer around sees whose answer it is");
    assert_eq!(principal.issuer(), Some(ISSUER));
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.scopes().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(principal.expires_at(), Some(at(NOW + 60)));
}

#[tokio::test]
async fn claims_are_read_as_the_type_asked_for() {
    #[derive(Deserialize)]
    struct Mine {
        sub: String,
        tenant: u32,
    }
    let token = Forger::good().claim("tenant", 7).sign();
    let (parts, _) = answer(&layer(), bearing(&token)).await;
    let Claims(mine) = Claims::<Mine>::from_principal(parts.extensions.get::<Principal>().unwrap()).unwrap();
    assert_eq!((mine.sub.as_str(), mine.tenant), ("alice", 7));
}

#[tokio::test]
async fn without_a_token_the_challenge_names_no_error() {
    let (parts, body) = answer(&layer(), get("/")).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (401, "Bearer"));
    assert_eq!(parts.headers["content-type"], "application/problem+json");
    assert!(!body.contains("\"error\""), "{body}");
    assert_eq!(parts.extensions.get::<Rejection>().unwrap().kind(), RejectionKind::Missing);
    assert!(parts.extensions.get::<Problem>().is_some());
}

#[tokio::test]
async fn credentials_of_another_scheme_are_no_token() {
    let (parts, _) = answer(&layer(), get("/").header("authorization", "Basic YTpi")).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (401, "Bearer"));
}

#[tokio::test]
async fn the_realm_is_named() {
    let layer = layer().realm("the \"api\"");
    let (parts, _) = answer(&layer, get("/")).await;
    assert_eq!(challenge(&parts.headers), r#"Bearer realm="the \"api\"""#);
    let (parts, _) = answer(&layer, bearing("x")).await;
    assert!(challenge(&parts.headers).starts_with(r#"Bearer realm="the \"api\"", error="invalid_token""#));
}

#[tokio::test]
async fn more_than_one_token_is_an_invalid_request() {
    let token = Forger::good().sign();
    let layer = layer().source(TokenSource::cookie("session")).source(TokenSource::websocket_subprotocol());
    let cookie = format!("session={token}");
    let websocket = bearing(&token).header("upgrade", "websocket").header("sec-websocket-protocol", format!("bearer, {token}"));
    for (name, request) in [
        ("two Authorization headers", bearing(&token).header("authorization", format!("Bearer {token}"))),
        ("one of another scheme", bearing(&token).header("authorization", "Basic YTpi")),
        ("header and cookie", bearing(&token).header("cookie", &cookie)),
        ("two cookies", get("/").header("cookie", format!("{cookie}; {cookie}"))),
        ("two cookie lines", get("/").header("cookie", &cookie).header("cookie", &cookie)),
        ("header and subprotocol", websocket),
    ] {
        let (parts, body) = answer(&layer, request).await;
        assert_eq!(parts.status, 400, "{name}");
        assert!(challenge(&parts.headers).starts_with(r#"Bearer error="invalid_request""#), "{name}");
        assert!(body.contains(r#""error":"invalid_request""#), "{name}");
    }
}

#[tokio::test]
async fn a_cookie_is_a_source_when_asked_for() {
    let token = Forger::good().sign();
    let cookie = || get("/").header("cookie", format!("a=1; session=\"{token}\""));
    assert_eq!(answer(&layer(), cookie()).await.0.status, 401);
    let layer = layer().source(TokenSource::cookie("session"));
    assert_eq!(answer(&layer, cookie()).await.1, "alice|");
    assert_eq!(answer(&layer, bearing(&token)).await.1, "alice|");
    let (parts, _) = answer(&layer, get("/").header("cookie", "session=a.b.c")).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (401, INVALID_TOKEN));
    let only = self::layer().only_sources([TokenSource::cookie("session")]);
    assert_eq!(answer(&only, bearing(&token)).await.0.status, 401);
}

#[tokio::test]
async fn an_ambient_cookie_gives_way_to_a_token_sent_on_purpose() {
    let (explicit, ambient) = (Forger::good().sign(), Forger::good().claim("sub", "bob").sign());
    let layer = layer().source(TokenSource::cookie("session").ambient()).source(TokenSource::websocket_subprotocol());
    let cookie = || get("/").header("cookie", format!("session={ambient}"));
    let websocket = || cookie().header("upgrade", "websocket").header("sec-websocket-protocol", format!("bearer, {explicit}"));
    for (name, request, status, expected) in [
        ("alone", cookie(), 200, "bob|"),
        ("beside the header", cookie().header("authorization", format!("Bearer {explicit}")), 200, "alice|"),
        ("beside a subprotocol", websocket(), 200, "alice|bearer"),
        ("beside a bad token", cookie().header("authorization", "Bearer x"), 401, ""),
        ("beside two", websocket().header("authorization", format!("Bearer {explicit}")), 400, ""),
        ("twice", cookie().header("cookie", format!("session={ambient}")), 400, ""),
    ] {
        let (parts, body) = answer(&layer, request).await;
        assert_eq!(parts.status, status, "{name}");
        assert!(status != 200 || body == expected, "{name}: {body}");
    }
}

#[tokio::test]
async fn a_query_token_is_dangerous_and_taken_out_before_the_service_sees_it() {
    let token = Forger::good().sign();
    let uri = format!("/feed?a=1&access_token={token}&b=2");
    assert_eq!(answer(&layer(), get(&uri)).await.0.status, 401);
    let seen = service_fn(|request: Request<Empty<Bytes>>| async move {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(request.uri().to_string())))
    });
    let layer = layer().source(TokenSource::dangerous_query_parameter("access_token"));
    let (parts, body) = whole(layer.layer(seen).oneshot(empty(get(&uri))).await.unwrap()).await;
    assert_eq!((parts.status.as_u16(), &body[..]), (200, &b"/feed?a=1&b=2"[..]));
    let (parts, _) = answer(&layer, bearing(&token).uri(&uri)).await;
    assert_eq!(parts.status, 400);
}

#[tokio::test]
async fn a_subprotocol_token_is_taken_out_before_the_service_sees_it() {
    let token = Forger::good().sign();
    let layer = layer().source(TokenSource::websocket_subprotocol());
    for (name, protocols, seen) in [
        ("pair", format!("bearer, {token}"), "alice|bearer"),
        ("pair and others", format!("chat.v2, bearer, {token}, chat.v1"), "alice|chat.v2, bearer, chat.v1"),
        ("in one", format!("bearer.{token}, chat.v1"), "alice|chat.v1"),
        ("in one alone", format!("bearer.{token}"), "alice|"),
    ] {
        let request = get("/").header("connection", "upgrade").header("upgrade", "websocket");
        let (parts, body) = answer(&layer, request.header("sec-websocket-protocol", protocols)).await;
        assert_eq!((parts.status.as_u16(), body.as_str()), (200, seen), "{name}");
        assert!(!format!("{parts:?}").contains(&token), "{name}");
    }
    let plain = get("/").header("sec-websocket-protocol", format!("bearer, {token}"));
    assert_eq!(answer(&layer, plain).await.0.status, 401);
}

#[tokio::test]
async fn a_token_that_gives_way_is_kept_from_the_service_like_the_one_that_counts() {
    let (explicit, ambient) = (Forger::good().sign(), Forger::good().claim("sub", "bob").sign());
    let seen = service_fn(|request: Request<Empty<Bytes>>| async move {
        let principal = request.extensions().get::<Principal>().unwrap().subject().unwrap().to_owned();
        let protocols = request.headers().get("sec-websocket-protocol").map_or("", |value| value.to_str().unwrap());
        let seen = format!("{principal}|{}|{protocols}|{:?}", request.uri(), request.headers());
        Ok::<_, Infallible>(Response::new(LayerBody::<Empty<Bytes>>::full(seen)))
    });
    let layer = layer()
        .source(TokenSource::dangerous_query_parameter("t").ambient())
        .source(TokenSource::websocket_subprotocol().ambient())
        .source(TokenSource::cookie("session").ambient());
    let websocket = |protocols| bearing(&explicit).header("upgrade", "websocket").header("sec-websocket-protocol", protocols);
    for (name, request, expected) in [
        ("query", bearing(&explicit).uri(format!("/?a=1&t={ambient}")), "alice|/?a=1||"),
        ("subprotocol", websocket(format!("bearer, {ambient}, chat")), "alice|/|bearer, chat|"),
        ("subprotocol in one", websocket(format!("bearer.{ambient}, chat")), "alice|/|chat|"),
        ("query and subprotocol", websocket(format!("bearer, {ambient}")).uri(format!("/?t={ambient}")), "alice|/|bearer|"),
        ("cookie", bearing(&explicit).header("cookie", format!("session={ambient}")), "alice|/||"),
        ("none", websocket("chat,v2".to_owned()).uri("/?a=1"), "alice|/?a=1|chat,v2|"),
    ] {
        let (parts, body) = whole(layer.layer(seen).oneshot(empty(request)).await.unwrap()).await;
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(parts.status, 200, "{name}");
        assert!(body.starts_with(expected) && !body.contains(&ambient) && !body.contains(&explicit), "{name}: {body}");
    }
}

#[tokio::test]
async fn the_anonymous_pass_when_allowed_and_a_bad_token_does_not() {
    let layer = layer().allow_anonymous();
    assert_eq!(answer(&layer, get("/")).await.1, "nobody|");
    assert_eq!(answer(&layer, bearing(&Forger::good().sign())).await.1, "alice|");
    let (parts, _) = answer(&layer, bearing("a.b.c")).await;
    assert_eq!((parts.status.as_u16(), challenge(&parts.headers)), (401, INVALID_TOKEN));
}

#[test]
fn an_anonymous_request_costs_no_allocation() {
    let service = tower::util::service_fn(|_: Request<Empty<Bytes>>| std::future::ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = layer().allow_anonymous().source(TokenSource::cookie("session")).layer(service);
    let request = empty(get("/").header("accept", "text/html").header("cookie", "theme=dark"));
    let (count, response) = allocations(|| now(service.call(request)));
    assert_eq!((count, response.status().as_u16()), (0, 200));
}

#[tokio::test]
async fn what_is_printed_holds_no_token() {
    let token = Forger::good().sign();
    let seen = service_fn(|request: Request<Empty<Bytes>>| async move {
        Ok::<_, Infallible>(Response::new(LayerBody::<Empty<Bytes>>::full(format!("{:?}", request.headers()))))
    });
    let layer = layer().source(TokenSource::cookie("session"));
    for request in [bearing(&token), get("/").header("cookie", format!("session={token}"))] {
        let response = layer.layer(seen).oneshot(empty(request)).await.unwrap();
        let (parts, body) = whole(response).await;
        assert_eq!(parts.status, 200);
        assert!(!String::from_utf8_lossy(&body).contains(&token));
        assert!(!format!("{:?} {parts:?}", layer.layer(seen)).contains(&token));
    }
}
