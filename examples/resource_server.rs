//! An API that takes the tokens of an identity provider: `GET /me` answers the verified claims, `GET /admin` needs the scope `admin`.
//!
//! ```sh
//! cargo run --example resource_server --features full -- --issuer https://login.example --audience https://api.example
//! curl -H "authorization: Bearer $TOKEN" http://127.0.0.1:3000/me
//! ```
//!
//! It answers from the first moment on, with 503 until the provider's keys are there.

use std::{error::Error, sync::Arc};

use axum::{Json, Router, routing::get};
use donjon::{
    error_mapping::ErrorMappingLayer,
    token_auth::{
        Algorithm, Claims, ClientAuth, Crypto, Dpop, Introspection, JwtVerifier, KeyFile, LaterVerdict, ProtectedResource,
        ProtectedResourceLayer, RemoteKeys, RequireScopeLayer, TokenAuthLayer, VerifyToken,
    },
};
use serde_json::Value;

const USAGE: &str = "usage: resource_server (--issuer URL | --jwks FILE [--issuer URL]) --audience AUDIENCE [--listen ADDR]
       [--introspection URL --client ID:SECRET] [--dpop] [--dangerous-http]

  --issuer URL         whose tokens are taken; without --jwks, its keys are discovered
  --jwks FILE          the keys, read again when the file changes
  --audience AUDIENCE  whom tokens must be for
  --listen ADDR        127.0.0.1:3000 if not given
  --introspection URL  ask the issuer about every token, as the client ID with its SECRET; needs no keys
  --dpop               take tokens that are bound to a key, too
  --dangerous-http     let the issuer speak http; on this machine it always may";

/// By what a client may prove that it has the key of its token.
const PROOFS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::read(std::env::args().skip(1))?;
    let listener = tokio::net::TcpListener::bind(&options.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // In production the resource is the https URL that clients know, whatever stands before this server.
    let mut resource = ProtectedResource::builder(&*url).scope("admin").dangerous_allow_http();
    if let Some(issuer) = &options.issuer {
        resource = resource.authorization_server(issuer);
    }
    if options.dpop {
        resource = PROOFS.into_iter().fold(resource, |resource, algorithm| resource.dpop_algorithm(algorithm));
    }
    let resource = resource.build()?;
    let mut auth = TokenAuthLayer::new(verifier(&options)?).resource_metadata(resource.metadata_url());
    if options.dpop {
        let dpop = Dpop::builder(&*url).dangerous_allow_http().algorithms(PROOFS).crypto(Crypto::AwsLcRs);
        auth = auth.dpop(dpop.build()?);
    }
    let app = Router::new()
        .route("/me", get(me))
        .route("/admin", get(me).layer(RequireScopeLayer::all_of(["admin"])))
        .layer(auth)
        .layer(ProtectedResourceLayer::new(resource))
        .layer(ErrorMappingLayer::new());

    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(Claims(claims): Claims<Value>) -> Json<Value> {
    Json(claims)
}

type AnyVerifier = Arc<dyn VerifyToken<Future = LaterVerdict>>;

fn verifier(options: &Options) -> Result<AnyVerifier, Box<dyn Error>> {
    if let Some((endpoint, client)) = &options.introspection {
        let (id, secret) = client.split_once(':').ok_or(USAGE)?;
        let mut verifier = Introspection::builder(endpoint, ClientAuth::basic(id, secret)).audience(&*options.audience);
        if let Some(issuer) = &options.issuer {
            verifier = verifier.issuer(&**issuer);
        }
        if options.allows_http(endpoint) {
            verifier = verifier.dangerous_allow_http();
        }
        return Ok(Arc::new(verifier.crypto(Crypto::AwsLcRs).build()?));
    }
    let builder = match (&options.jwks, &options.issuer) {
        (Some(path), None) => JwtVerifier::builder(KeyFile::jwks(path).open()?),
        (Some(path), Some(issuer)) => JwtVerifier::builder(KeyFile::jwks(path).open()?).issuer(&**issuer),
        (None, Some(issuer)) => JwtVerifier::builder(remote_keys(options, issuer)?),
        (None, None) => return Err(USAGE.into()),
    };
    Ok(Arc::new(builder.audience(&*options.audience).crypto(Crypto::AwsLcRs).build()?))
}

fn remote_keys(options: &Options, issuer: &str) -> Result<RemoteKeys, Box<dyn Error>> {
    let mut keys = RemoteKeys::discover(issuer).crypto(Crypto::AwsLcRs);
    if options.allows_http(issuer) {
        keys = keys.dangerous_allow_http();
    }
    let keys = keys.build()?;
    // So that the first request finds them; but nobody waits for a provider that is down.
    let early = keys.clone();
    tokio::spawn(async move {
        if let Err(error) = early.refresh().await {
            eprintln!("the issuer's keys are not there yet: {error}");
        }
    });
    Ok(keys)
}

#[derive(Default)]
struct Options {
    listen: String,
    issuer: Option<String>,
    jwks: Option<String>,
    audience: String,
    introspection: Option<(String, String)>,
    dpop: bool,
    dangerous_http: bool,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut options = Self { listen: "127.0.0.1:3000".to_owned(), ..Self::default() };
        let (mut audience, mut introspection, mut client) = (None, None, None);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(USAGE);
            match name.as_str() {
                "--listen" => options.listen = value()?,
                "--issuer" => options.issuer = Some(value()?),
                "--jwks" => options.jwks = Some(value()?),
                "--audience" => audience = Some(value()?),
                "--introspection" => introspection = Some(value()?),
                "--client" => client = Some(value()?),
                "--dpop" => options.dpop = true,
                "--dangerous-http" => options.dangerous_http = true,
                _ => return Err(USAGE.into()),
            }
        }
        options.audience = audience.ok_or(USAGE)?;
        options.introspection = match (introspection, client) {
            (Some(endpoint), Some(client)) => Some((endpoint, client)),
            (None, None) => None,
            _ => return Err(USAGE.into()),
        };
        Ok(options)
    }

    /// On this machine nobody stands between.
    fn allows_http(&self, url: &str) -> bool {
        let host = url.parse().ok().and_then(|url: http::Uri| url.host().map(str::to_owned));
        self.dangerous_http || host.is_some_and(|host| ["127.0.0.1", "localhost", "[::1]"].contains(&&*host))
    }
}
