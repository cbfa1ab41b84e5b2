//! Logging in and being known: `POST /login` answers a token, `GET /me` wants one.
//!
//! ```sh
//! cargo run --example token_auth --features token-auth,aws-lc-rs,axum
//! curl -d '{"username":"demo","password":"demo"}' -H 'content-type: application/json' http://127.0.0.1:3000/login
//! curl -H 'authorization: Bearer <access_token>' http://127.0.0.1:3000/me
//! ```

use std::{error::Error, sync::Arc};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use donjon::token_auth::{
    Algorithm, Authenticate, Claims, Credentials, Crypto, Grant, IssuedToken, LoginError, SigningKey, TokenAuthLayer, TokenIssuer,
};
use serde::{Deserialize, Serialize};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = listen_address()?;
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    // A new secret at each start: tokens of an earlier run are worth nothing.
    let secret: [u8; 32] = rand::random();
    let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &secret)?)
        .issuer(&*url)
        .audience(&*url)
        .crypto(Crypto::AwsLcRs)
        .build()?;
    let auth = TokenAuthLayer::new(issuer.verifier().build()?).realm("demo");
    let app = Router::new()
        .route("/me", get(me))
        .layer(auth)
        .route("/login", post(login))
        .with_state(Arc::new(Login { issuer, users: Users::new()? }));

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

struct Login {
    issuer: TokenIssuer,
    users: Users,
}

#[derive(Deserialize)]
struct Form {
    username: String,
    password: String,
}

async fn login(State(login): State<Arc<Login>>, Json(form): Json<Form>) -> Result<IssuedToken, LoginError> {
    login.issuer.login(&login.users, Credentials::new(form.username, form.password)).await
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
