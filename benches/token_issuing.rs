//! What the issuer of `TokenAuth` costs: signing a token, exchanging a refresh token, publishing the keys.
#![allow(clippy::unwrap_used, reason = "a bench that cannot be set up has nothing to say")]

use std::{hint::black_box, task::Poll};

use criterion::Criterion;
use donjon::token_auth::{Algorithm, Grant, RefreshTokens, SigningKey, TokenIssuer};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let keys = [
        SigningKey::from_secret(Algorithm::Hs256, &[7; 32]),
        SigningKey::from_pem(Algorithm::Rs256, include_str!("../tests/keys/test-only-rsa2048-private.pem")),
        SigningKey::from_pem(Algorithm::Es256, include_str!("../tests/keys/test-only-p256-private.pem")),
        SigningKey::from_pem(Algorithm::EdDsa, include_str!("../tests/keys/test-only-ed25519-private.pem")),
    ];
    for key in keys {
        let key = key.unwrap();
        let name = key.algorithm().as_str();
        let issuer = TokenIssuer::builder(key).issuer("https://login.example").audience("https://api.example").build().unwrap();
        let grant = Grant::new("9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d").scopes(["articles:read", "articles:write"]);
        criterion.bench_function(&format!("token_issuing/{name}"), |bencher| bencher.iter(|| issuer.issue(&grant).unwrap()));
        criterion.bench_function(&format!("token_issuing/jwks-{name}"), |bencher| bencher.iter(|| black_box(issuer.jwks())));

        // Each use is the first of a new token, so what is measured is a whole exchange.
        let tokens = RefreshTokens::builder(issuer).build().unwrap();
        let mut token = now(tokens.start(&grant)).unwrap().refresh_token().to_owned();
        criterion.bench_function(&format!("token_issuing/refresh-{name}"), |bencher| {
            bencher.iter(|| now(tokens.refresh(&token)).unwrap().refresh_token().clone_into(&mut token));
        });
    }
    criterion.final_summary();
}

/// The store is in memory, so every answer comes at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => std::process::abort(),
    }
}
