//! A bearer token in the header, verified with a static key, its claims read into a struct.

use std::{convert::Infallible, future::ready, hint::black_box, sync::Arc};

use axum::extract::FromRequestParts as _;
use bytes::Bytes;
use donjon::{
    Principal,
    token_auth::{Algorithm, Claims, JwtVerifier, TokenAuthLayer, VerifyingKey},
};
use donjon_peers::{Contender, bare, compare};
use http::{HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Empty;
use jsonwebtoken::{
    EncodingKey, Header,
    jwk::{Jwk, JwkSet},
};
use jwt_authorizer::{IntoLayer as _, JwtAuthorizer};
use serde::{Deserialize, Serialize};
use tower::{Layer as _, Service, service_fn};
use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration, validation::ClaimsValidationSpec};

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "https://api.example";
const KID: &str = "2026-11";
const SECRET: &str = "test-only: 32 bytes that are no secret";

/// What everybody has to hand to the handler.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Mine {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    nbf: u64,
    iat: u64,
    jti: String,
    scope: String,
    tenant: u32,
    name: String,
    email: String,
    groups: Vec<String>,
}

/// One algorithm in the words of each crate.
struct Case {
    name: &'static str,
    donjon: Algorithm,
    eleven: jsonwebtoken::Algorithm,
    ten: jsonwebtoken_10::Algorithm,
    /// Private and public, or nothing for the shared secret.
    keys: Option<(&'static str, &'static str)>,
}

macro_rules! keys {
    ($name:literal) => {
        Some((
            include_str!(concat!("../../../tests/keys/test-only-", $name, "-private.pem")),
            include_str!(concat!("../../../tests/keys/test-only-", $name, "-public.pem")),
        ))
    };
}

const CASES: [Case; 4] = [
    Case {
        name: "HS256",
        donjon: Algorithm::Hs256,
        eleven: jsonwebtoken::Algorithm::HS256,
        ten: jsonwebtoken_10::Algorithm::HS256,
        keys: None,
    },
    Case {
        name: "RS256",
        donjon: Algorithm::Rs256,
        eleven: jsonwebtoken::Algorithm::RS256,
        ten: jsonwebtoken_10::Algorithm::RS256,
        keys: keys!("rsa2048"),
    },
    Case {
        name: "ES256",
        donjon: Algorithm::Es256,
        eleven: jsonwebtoken::Algorithm::ES256,
        ten: jsonwebtoken_10::Algorithm::ES256,
        keys: keys!("p256"),
    },
    Case {
        name: "EdDSA",
        donjon: Algorithm::EdDsa,
        eleven: jsonwebtoken::Algorithm::EdDSA,
        ten: jsonwebtoken_10::Algorithm::EdDSA,
        keys: keys!("ed25519"),
    },
];

fn main() {
    let setup = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for case in &CASES {
        let token = token(case);
        let request = || {
            let mut request = Request::new(Empty::<Bytes>::new());
            request.headers_mut().insert(AUTHORIZATION, token.clone());
            request
        };
        let peers = [
            Contender::new("jwt-authorizer", request, setup.block_on(jwt_authorizer(case))),
            Contender::new("axum-jwt-auth", request, axum_jwt_auth(case)),
            Contender::new("tower-oauth2-resource-server", request, setup.block_on(tower_oauth2_resource_server(case))),
            Contender::new("bare", request, bare()),
        ];
        compare(("token_auth", case.name), StatusCode::OK, Contender::new("donjon", request, donjon(case)), peers);
    }
}

/// A token of the size that identity providers make, signed by nobody who takes part.
fn token(case: &Case) -> HeaderValue {
    let now = jsonwebtoken::get_current_timestamp();
    let claims = Mine {
        iss: ISSUER.to_owned(),
        sub: "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d".to_owned(),
        aud: AUDIENCE.to_owned(),
        exp: now + 3_600,
        nbf: now,
        iat: now,
        jti: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6".to_owned(),
        scope: "articles:read articles:write profile".to_owned(),
        tenant: 7,
        name: "Alice Example".to_owned(),
        email: "alice@example.com".to_owned(),
        groups: ["editors", "reviewers", "staff"].map(str::to_owned).to_vec(),
    };
    let header = Header { kid: Some(KID.to_owned()), ..Header::new(case.eleven) };
    let token = jsonwebtoken::encode(&header, &claims, &signing_key(case)).unwrap();
    format!("Bearer {token}").parse().unwrap()
}

fn signing_key(case: &Case) -> EncodingKey {
    let private = case.keys.map(|(private, _)| private.as_bytes());
    match private {
        None => EncodingKey::from_secret(SECRET.as_bytes()),
        Some(pem) => match case.donjon {
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
            _ => EncodingKey::from_ed_pem(pem),
        }
        .unwrap(),
    }
}

/// Reads its claims in the handler's place, since it reads them when a handler asks, and the others always.
fn donjon(
    case: &Case,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<impl Sized + use<>>, Error = Infallible> + use<> {
    let key = match case.keys {
        None => VerifyingKey::from_secret(case.donjon, SECRET.as_bytes()),
        Some((_, public)) => VerifyingKey::from_pem(case.donjon, public),
    };
    let verifier = JwtVerifier::builder(key.unwrap().with_kid(KID)).issuer(ISSUER).audience(AUDIENCE).build().unwrap();
    TokenAuthLayer::new(verifier).layer(service_fn(|request: Request<Empty<Bytes>>| {
        let principal = request.extensions().get::<Principal>().expect("it was let in by a token");
        black_box(Claims::<Mine>::from_principal(principal).expect("the claims are ours"));
        ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    }))
}

/// Makes responses with the body of its axum, 0.7.
async fn jwt_authorizer(
    case: &Case,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<impl Sized + use<>>, Error = Infallible> + use<> {
    let authorizer = match case.keys {
        None => JwtAuthorizer::<Mine>::from_secret(SECRET),
        Some((_, public)) => match case.donjon {
            Algorithm::Rs256 => JwtAuthorizer::from_rsa_pem_text(public),
            Algorithm::Es256 => JwtAuthorizer::from_ec_pem_text(public),
            _ => JwtAuthorizer::from_ed_pem_text(public),
        },
    };
    let validation = jwt_authorizer::Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true);
    authorizer
        .validation(validation)
        .build()
        .await
        .unwrap()
        .into_layer()
        .layer(service_fn(|_: Request<Empty<Bytes>>| ready(Ok(Response::new(axum_core_04::body::Body::empty())))))
}

/// Is an extractor: called as axum would call it, without a router around it.
fn axum_jwt_auth(
    case: &Case,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<Empty<Bytes>>, Error = Infallible> + use<> {
    use jsonwebtoken_10::{DecodingKey, Validation};
    let key = match case.keys {
        None => DecodingKey::from_secret(SECRET.as_bytes()),
        Some((_, public)) => match case.donjon {
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(public.as_bytes()),
            Algorithm::Es256 => DecodingKey::from_ec_pem(public.as_bytes()),
            _ => DecodingKey::from_ed_pem(public.as_bytes()),
        }
        .unwrap(),
    };
    let mut validation = Validation::new(case.ten);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    let decoder = axum_jwt_auth::LocalDecoder::new(vec![key], validation).unwrap();
    let state: axum_jwt_auth::Decoder<Mine> = Arc::new(decoder);
    service_fn(move |request: Request<Empty<Bytes>>| {
        let state = Arc::clone(&state);
        async move {
            let (mut parts, _) = request.into_parts();
            let claims = axum_jwt_auth::Claims::<Mine>::from_request_parts(&mut parts, &state).await;
            let mut response = Response::new(Empty::new());
            match claims {
                Ok(claims) => drop(black_box(claims)),
                Err(_) => *response.status_mut() = StatusCode::UNAUTHORIZED,
            }
            Ok(response)
        }
    })
}

async fn tower_oauth2_resource_server(
    case: &Case,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<Empty<Bytes>>, Error = Infallible> + use<> {
    let mut jwk = Jwk::from_encoding_key(&signing_key(case), case.eleven).unwrap();
    jwk.common.key_id = Some(KID.to_owned());
    let keys = serde_json::to_string(&JwkSet { keys: vec![jwk] }).unwrap();
    let tenant = TenantConfiguration::static_builder(keys)
        .claims_validation(ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]))
        .allowed_algorithms(&[case.eleven])
        .build()
        .unwrap();
    let server = OAuth2ResourceServer::<Mine>::builder().add_tenant(tenant).build().await.unwrap();
    server.into_layer().layer(bare())
}
