//! What `TokenAuth` costs: a request without a token where none is needed, and the verification of one.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

mod support;

use criterion::Criterion;
use donjon::token_auth::{Algorithm, Grant, JwtVerifier, SigningKey, TokenAuthLayer, TokenIssuer};
use http::{HeaderValue, header::AUTHORIZATION};
use serde_json::json;
use tower::Layer as _;

use support::{BROWSER, bare, compare, criterion, pass_through, request, request_with};

fn main() {
    let mut criterion = criterion();
    anonymous(&mut criterion);
    let keys = [
        SigningKey::from_secret(Algorithm::Hs256, &[7; 32]),
        SigningKey::from_pem(Algorithm::Rs256, include_str!("../tests/keys/test-only-rsa2048-private.pem")),
        SigningKey::from_pem(Algorithm::Es256, include_str!("../tests/keys/test-only-p256-private.pem")),
        SigningKey::from_pem(Algorithm::EdDsa, include_str!("../tests/keys/test-only-ed25519-private.pem")),
    ];
    for key in keys {
        bearer(&mut criterion, key.unwrap());
    }
    refused(&mut criterion);
    criterion.final_summary();
}

fn anonymous(criterion: &mut Criterion) {
    let layered = layer(issuer(SigningKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap())).allow_anonymous().layer(bare());
    pass_through(criterion, ("token_auth", "anonymous"), request, layered.clone(), bare());
    pass_through(criterion, ("token_auth", "anonymous-browser"), || request_with(&BROWSER), layered, bare());
}

/// A good token of about 600 bytes.
fn bearer(criterion: &mut Criterion, key: SigningKey) {
    let name = key.algorithm().as_str();
    let issuer = issuer(key);
    let claims = json!({
        "tenant": 7, "name": "Alice Example", "email": "alice@example.com", "groups": ["editors", "reviewers", "staff"],
    });
    let grant =
        Grant::new("9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d").scopes(["articles:read", "articles:write"]).claims(&claims).unwrap();
    let token = HeaderValue::try_from(format!("Bearer {}", issuer.issue(&grant).unwrap().access_token())).unwrap();
    let request = || {
        let mut request = request();
        request.headers_mut().insert(AUTHORIZATION, token.clone());
        request
    };
    compare(criterion, ("token_auth", name), request, layer(issuer).layer(bare()), ("bare", bare()));
}

fn refused(criterion: &mut Criterion) {
    let layered = layer(issuer(SigningKey::from_secret(Algorithm::Hs256, &[7; 32]).unwrap())).layer(bare());
    compare(criterion, ("token_auth", "refused-without-token"), request, layered, ("bare", bare()));
}

fn issuer(key: SigningKey) -> TokenIssuer {
    TokenIssuer::builder(key).issuer("https://login.example").audience("https://api.example").build().unwrap()
}

fn layer(issuer: TokenIssuer) -> TokenAuthLayer<JwtVerifier> {
    TokenAuthLayer::new(issuer.verifier().build().unwrap())
}
