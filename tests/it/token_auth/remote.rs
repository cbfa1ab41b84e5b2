//! What is had from other servers, without a network: the provider is a value of the test.

mod introspection;
mod keys;
mod loopback;
mod trouble;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use donjon::{
    ManualClock, Principal,
    token_auth::{
        Fetch, Grant, JwtVerifier, JwtVerifierBuilder, RemoteError, RemoteKeys, RemoteKeysBuilder, SigningKey, TokenError,
        TokenErrorKind, TokenIssuer, Verdict, VerifyToken,
    },
};
use http::{Request, Response, StatusCode};
use tokio::sync::watch;

use super::{AUDIENCE, ISSUER, clock, crypto};

/// An identity provider that is asked without a network.
#[derive(Clone)]
pub(crate) struct Provider(Arc<State>);

struct State {
    documents: Mutex<Vec<(String, StatusCode, String)>>,
    requests: Mutex<Vec<Request<Bytes>>>,
    mode: watch::Sender<Mode>,
    headers: Mutex<Vec<(&'static str, &'static str)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Answers,
    Hangs,
    Unreachable,
    Panics,
}

impl Provider {
    /// One that publishes these keys by discovery.
    pub(crate) fn of(issuer: &TokenIssuer) -> Self {
        let provider = Self(Arc::new(State {
            documents: Mutex::default(),
            requests: Mutex::default(),
            mode: watch::Sender::new(Mode::Answers),
            headers: Mutex::default(),
        }));
        provider.serve("/.well-known/openid-configuration", metadata());
        provider.publish(issuer);
        provider
    }

    pub(crate) fn publish(&self, issuer: &TokenIssuer) {
        self.serve("/jwks", issuer.jwks());
    }

    pub(crate) fn serve(&self, path: &str, document: impl Into<String>) {
        self.serve_as(path, StatusCode::OK, document);
    }

    pub(crate) fn serve_as(&self, path: &str, status: StatusCode, document: impl Into<String>) {
        let mut documents = self.0.documents.lock().unwrap();
        documents.retain(|(other, ..)| other != path);
        documents.push((path.to_owned(), status, document.into()));
    }

    pub(crate) fn header(&self, name: &'static str, value: &'static str) {
        self.0.headers.lock().unwrap().push((name, value));
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.mode.send_replace(mode);
    }

    /// The URLs asked for so far.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.0.requests.lock().unwrap().iter().map(|request| request.uri().to_string()).collect()
    }

    /// How often one path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.0.requests.lock().unwrap().iter().filter(|request| request.uri().path() == path).count()
    }

    pub(crate) fn last_request(&self) -> Request<Bytes> {
        self.0.requests.lock().unwrap().last().expect("somebody asked").clone()
    }
}

impl Fetch for Provider {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, RemoteError> {
        let path = request.uri().path().to_owned();
        self.0.requests.lock().unwrap().push(request);
        // As it was when it was asked for.
        let found = self.0.documents.lock().unwrap().iter().find(|(other, ..)| *other == path).cloned();
        let (_, status, document) = found.unwrap_or((path, StatusCode::NOT_FOUND, String::new()));
        let mut mode = self.0.mode.subscribe();
        let mode = *mode.wait_for(|mode| *mode != Mode::Hangs).await.expect("the provider outlives its clients");
        match mode {
            Mode::Unreachable => return Err(RemoteError::unreachable("connection refused")),
            Mode::Panics => panic!("a bug of the client"),
            Mode::Answers | Mode::Hangs => {}
        }
        let mut response = Response::builder().status(status);
        for (name, value) in &*self.0.headers.lock().unwrap() {
            response = response.header(*name, *value);
        }
        Ok(response.body(Bytes::from(document)).unwrap())
    }
}

/// Where the keys of the provider are.
pub(crate) fn metadata() -> String {
    serde_json::json!({ "issuer": ISSUER, "jwks_uri": "https://issuer.example/jwks" }).to_string()
}

/// A clock, an issuer with a key named `a`, and the provider that publishes it.
pub(crate) fn scene() -> (ManualClock, TokenIssuer, Provider) {
    let clock = clock();
    let issuer = issuer("a", &clock);
    let provider = Provider::of(&issuer);
    (clock, issuer, provider)
}

/// An issuer that signs with one new key, by this name.
pub(crate) fn issuer(kid: &str, clock: &ManualClock) -> TokenIssuer {
    let key = SigningKey::generate_ed25519().unwrap().with_kid(kid);
    let builder = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).lifetime(Duration::from_secs(86_400));
    builder.clock(clock.clone()).crypto(crypto()).build().unwrap()
}

pub(crate) fn token(issuer: &TokenIssuer) -> String {
    issuer.issue(&Grant::new("alice")).unwrap().access_token().to_owned()
}

/// As configured by default, fed by the provider.
pub(crate) fn builder(provider: &Provider, clock: &ManualClock) -> RemoteKeysBuilder {
    RemoteKeys::discover(ISSUER).client(provider.clone()).clock(clock.clone())
}

pub(crate) fn keys(provider: &Provider, clock: &ManualClock) -> RemoteKeys {
    builder(provider, clock).build().unwrap()
}

/// Those that are there already.
pub(crate) async fn fresh(provider: &Provider, clock: &ManualClock) -> RemoteKeys {
    let keys = keys(provider, clock);
    keys.refresh().await.unwrap();
    keys
}

pub(crate) fn verifier_builder(keys: &RemoteKeys, clock: &ManualClock) -> JwtVerifierBuilder {
    JwtVerifier::builder(keys.clone()).audience(AUDIENCE).clock(clock.clone()).crypto(crypto())
}

pub(crate) fn verifier(keys: &RemoteKeys, clock: &ManualClock) -> JwtVerifier {
    verifier_builder(keys, clock).build().unwrap()
}

/// The answer, waited for if it must be.
pub(crate) async fn ask(verifier: &impl VerifyToken, token: &str) -> Result<Principal, TokenError> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict,
        Verdict::Later(later) => later.await,
    }
}

/// The answer, which must be there at once.
#[track_caller]
pub(crate) fn at_once(verifier: &impl VerifyToken, token: &str) -> Result<Principal, TokenErrorKind> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict.map_err(|error| error.kind()),
        Verdict::Later(_) => panic!("it waits"),
    }
}

pub(crate) fn kind(verdict: Result<Principal, TokenError>) -> Result<(), TokenErrorKind> {
    verdict.map(drop).map_err(|error| error.kind())
}

/// Lets every task of the test run until it waits for something.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}
