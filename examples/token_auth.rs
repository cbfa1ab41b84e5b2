//! Logging in, staying logged in and logging out: an application that issues its own tokens.
//!
//! ```sh
//! cargo run --example token_auth --features token-auth,aws-lc-rs,axum
//! json='content-type: application/json'
//! curl -d '{"username":"demo","password":"demo"}' -H "$json" http://127.0.0.1:3000/login
//! curl -H 'authorization: Bearer <access_token>' http://127.0.0.1:3000/me
//! curl -d '{"refresh_token":"<refresh_token>"}' -H "$json" http://127.0.0.1:3000/refresh
//! curl -d '{"refresh_token":"<refresh_token>"}' -H "$json" http://127.0.0.1:3000/logout
//! curl http://127.0.0.1:3000/.well-known/jwks.json
//! ```
//!
//! After the logout, or when a refresh token is used a second time, `/me` is refused at once.

use std::{error::Error, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use donjon::token_auth::{
    Authenticate, Claims, Credentials, Crypto, Grant, JwksService, LoginError, RefreshError, RefreshTokens, RevocationList,
    SigningKey, TokenAuthLayer, TokenIssuer, TokenPair,
};
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = listen_address()?;
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // A new key at each start: tokens of an earlier run are worth nothing, and neither are sessions that are kept in memory.
    let issuer =
        TokenIssuer::builder(SigningKey::generate_ed25519()?).issuer(&*url).audience(&*url).crypto(Crypto::AwsLcRs).build()?;
    let revoked = Arc::new(RevocationList::new().longest_lifetime(std::time::Duration::from_secs(900)));
    let auth = TokenAuthLayer::new(issuer.verifier().revocation(Arc::clone(&revoked)).build()?).realm("demo");
    let keys = JwksService::new(issuer.clone());
    let tokens = RefreshTokens::builder(issuer).revocation(revoked).build()?;
    let app = Router::new()
        .route("/me", get(me))
        .layer(auth)
        .route("/login", post(login))
        .route("/refresh", post(refresh))
        .route("/logout", post(logout))
        .route_service("/.well-known/jwks.json", keys)
        .with_state(Arc::new(Gate { tokens, users: Users::new()? }));

    println!("listening on {url}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// `--listen ADDR`, else 127.0.0.1:3000.
fn listen_address() -> Result<String, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (None, ..) => Ok("127.0.0.1:3000".to_owned()),
        (Some("--listen"), Some(address), None) => Ok(address),
        _ => Err("usage: token_auth [--listen ADDR]".into()),
    }
}

struct Gate {
    tokens: RefreshTokens,
    users: Users,
}

#[derive(Deserialize)]
struct Form {
    username: String,
    password: String,
}

async fn login(State(gate): State<Arc<Gate>>, Json(form): Json<Form>) -> Result<TokenPair, LoginError> {
    gate.tokens.login(&gate.users, Credentials::new(form.username, form.password)).await
}

/// A page of your own would keep it in a cookie: `HttpOnly`, `Secure`, `SameSite=Strict`.
#[derive(Deserialize)]
struct Held {
    refresh_token: String,
}

async fn refresh(State(gate): State<Arc<Gate>>, Json(held): Json<Held>) -> Result<TokenPair, RefreshError> {
    gate.tokens.refresh_with(&held.refresh_token, |grant| gate.users.renew(grant)).await
}

async fn logout(State(gate): State<Arc<Gate>>, Json(held): Json<Held>) -> Result<StatusCode, RefreshError> {
    gate.tokens.logout(&held.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, Serialize)]
struct Me {
    sub: String,
    name: String,
    exp: u64,
}

async fn me(Claims(me): Claims<Me>) -> Json<Me> {
    Json(me)
}

/// One user, demo/demo.
struct Users {
    hash: Arc<str>,
}

impl Users {
    fn new() -> Result<Self, Box<dyn Error>> {
        let hash = Argon2::default().hash_password(b"demo").map_err(|error| error.to_string())?;
        Ok(Self { hash: hash.to_string().into() })
    }

    /// Where a real application would see whether the account is still open, and what it may do today.
    async fn renew(&self, grant: Grant) -> Result<Grant, RefreshError> {
        if grant.subject() == "1" { Ok(grant) } else { Err(RefreshError::refused()) }
    }
}

impl Authenticate for Users {
    async fn authenticate(&self, credentials: Credentials) -> Result<Grant, LoginError> {
        let hash = Arc::clone(&self.hash);
        // Slow by design, so not where other requests wait; and done for unknown names, too, so that the time does not tell them apart.
        let known = tokio::task::spawn_blocking(move || {
            let right = PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(credentials.password().as_bytes(), &hash).is_ok());
            right && credentials.username() == "demo"
        });
        match known.await {
            Ok(true) => Ok(Grant::new("1").scopes(["articles:read"]).claims(&serde_json::json!({ "name": "Demo" }))?),
            Ok(false) => Err(LoginError::wrong_credentials()),
            Err(error) => Err(LoginError::unavailable(error)),
        }
    }
}
