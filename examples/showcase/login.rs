//! `POST /login` and `POST /logout`: a password for a token.
//!
//! The body is JSON and said to be: a page of another site cannot send that without this server's consent, which it never gives. So nobody
//! is logged in under a name that they did not type.

use std::{error::Error, sync::Arc, thread, time::Duration};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequest as _, Request, State, rejection::JsonRejection},
    response::{IntoResponse, Response},
    routing::post,
};
use donjon::{
    Problem,
    token_auth::{
        Algorithm, Authenticate, ConfigError, Credentials, Crypto, Grant, IssuedToken, JwtVerifier, LoginError, LoginErrorKind,
        SigningKey, TokenIssuer,
    },
};
use http::{StatusCode, header};
use rand::Rng as _;
use serde::Deserialize;
use tokio::{sync::Semaphore, task, time};

/// The cookie with the token, for what a page cannot put a header on: its navigation and its WebSockets.
pub(crate) const COOKIE: &str = "donjon_showcase";

const USERNAME: &str = "demo";
const PASSWORD: &str = "demo";
const MAX_BODY: usize = 4 * 1024;
/// How long its sender may take over it. Less than the stack gives a whole request, so that who was slow is told the truth.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long a login may wait for its turn at the hashing.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Knows the user and issues the tokens.
#[derive(Clone)]
pub(crate) struct Login {
    issuer: TokenIssuer,
    users: Arc<Users>,
}

impl Login {
    /// With a fresh key: tokens of an earlier run are worth nothing.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        let issuer = TokenIssuer::builder(SigningKey::from_secret(Algorithm::Hs256, &secret)?)
            .issuer("donjon-showcase")
            .audience("donjon-showcase")
            .lifetime(TOKEN_LIFETIME)
            .crypto(Crypto::AwsLcRs)
            .build()?;
        Ok(Self { issuer, users: Arc::new(Users::new()?) })
    }

    pub(crate) fn verifier(&self) -> Result<JwtVerifier, ConfigError> {
        self.issuer.verifier().build()
    }
}

pub(crate) fn routes(login: Login) -> Router {
    Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(login)
}

#[derive(Deserialize)]
struct Entered {
    username: String,
    password: String,
}

async fn log_in(State(login): State<Login>, request: Request) -> Result<Response, Problem> {
    let entered = time::timeout(BODY_TIMEOUT, Json::<Entered>::from_request(request, &())).await;
    let Json(entered) = entered.map_err(|_elapsed| too_slow())?.map_err(|rejection| unreadable(&rejection))?;
    let credentials = Credentials::new(entered.username, entered.password);
    match login.issuer.login(&*login.users, credentials).await {
        Ok(token) => Ok(granted(token)),
        Err(error) if error.kind() == LoginErrorKind::Unavailable => {
            Err(error.to_problem().with_retry_after(Duration::from_secs(5)))
        }
        Err(error) => Ok(IntoResponse::into_response(error)),
    }
}

/// Behind TLS the cookie would also say `Secure`; the showcase speaks plain HTTP on the loopback interface.
fn granted(token: IssuedToken) -> Response {
    let seconds = token.lifetime().as_secs();
    let cookie = format!("{COOKIE}={}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict", token.access_token());
    ([(header::SET_COOKIE, cookie)], token).into_response()
}

async fn log_out() -> impl IntoResponse {
    let cookie = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "no-store".to_owned()), (header::SET_COOKIE, cookie)])
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT).with_detail("The login did not arrive in time.")
}

/// What is wrong with the body, without the words of the parser.
fn unreadable(rejection: &JsonRejection) -> Problem {
    let detail = match rejection {
        JsonRejection::MissingJsonContentType(_) => "Send the login as application/json.",
        JsonRejection::JsonDataError(_) => "A login has a \"username\" and a \"password\", both strings.",
        JsonRejection::JsonSyntaxError(_) => "This is not JSON.",
        _ if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => "A login is shorter than 4 KiB.",
        // Its sender hung up, or framed it wrong.
        _ => "The login did not arrive whole.",
    };
    Problem::new(rejection.status()).with_detail(detail)
}

/// The one user, with the hash of their password.
struct Users {
    hash: PasswordHash,
    /// Hashing is slow by design: no more at a time than there are processors, so that a flood of logins leaves room for the others.
    turns: Arc<Semaphore>,
}

impl Users {
    fn new() -> Result<Self, argon2::password_hash::Error> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self { hash: Argon2::default().hash_password(PASSWORD.as_bytes())?, turns: Arc::new(Semaphore::new(processors)) })
    }
}

impl Authenticate for Users {
    async fn authenticate(&self, credentials: Credentials) -> Result<Grant, LoginError> {
        let turn = time::timeout(QUEUE_TIMEOUT, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(LoginError::unavailable)?.map_err(LoginError::unavailable)?;
        let hash = self.hash.clone();
        let checked = task::spawn_blocking(move || {
            // Held in here: the work goes on when the client has gone and this future with it.
            let _turn = turn;
            // Unknown names cost the same work as known ones.
            let right = Argon2::default().verify_password(credentials.password().as_bytes(), &hash).is_ok();
            right && credentials.username() == USERNAME
        });
        match checked.await.map_err(LoginError::unavailable)? {
            true => Ok(Grant::new(USERNAME).scopes(["articles:read", "chat"])),
            false => Err(LoginError::wrong_credentials()),
        }
    }
}
