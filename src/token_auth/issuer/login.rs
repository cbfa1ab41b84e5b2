use std::{error::Error, fmt, future::Future};

use http::{HeaderValue, Response, StatusCode, header};

use super::{error::IssueError, token::Grant};
use crate::{LayerBody, Problem, core::trace::event, token_auth::kind_error::kind_error};

/// A name and a password, on their way to an [`Authenticate`].
pub struct Credentials {
    username: Box<str>,
    password: Box<str>,
}

impl Credentials {
    /// What the user typed.
    #[must_use]
    pub fn new(username: impl Into<Box<str>>, password: impl Into<Box<str>>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// The name.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

/// Hides both: people type their password into the wrong field.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Knows the users.
///
/// Two pieces of advice for who implements it. Keep passwords hashed by argon2 or another function that is slow by design, and run it where
/// it may block, as in `tokio::task::spawn_blocking`. And do the same work for a user who does not exist, against a hash made once at the
/// start: else the time of the answer tells which names exist. See the example `token_auth`.
///
/// Any `Fn(Credentials) -> Future` is one, too.
pub trait Authenticate {
    /// What the token shall say, if the credentials are right.
    ///
    /// # Errors
    ///
    /// [`LoginError::wrong_credentials`] if they are not, for an unknown name as for a wrong password; [`LoginError::unavailable`] if nobody
    /// can tell now.
    fn authenticate(&self, credentials: Credentials) -> impl Future<Output = Result<Grant, LoginError>> + Send;
}

impl<F, Fut> Authenticate for F
where
    F: Fn(Credentials) -> Fut,
    Fut: Future<Output = Result<Grant, LoginError>> + Send,
{
    fn authenticate(&self, credentials: Credentials) -> impl Future<Output = Result<Grant, LoginError>> + Send {
        self(credentials)
    }
}

/// A login that gave no token.
///
/// [`to_problem`](Self::to_problem) makes the answer; as an axum response it is that answer. An unknown name and a wrong password give the
/// very same one.
pub struct LoginError {
    kind: LoginErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a login gave no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginErrorKind {
    /// Name or password are wrong: 401.
    WrongCredentials,
    /// Nobody can tell now: 503.
    Unavailable,
    /// The credentials are right, and the token could not be issued: 500.
    NotIssued,
}

impl LoginErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::WrongCredentials => "wrong credentials",
            Self::Unavailable => "the users cannot be looked up",
            Self::NotIssued => "the token could not be issued",
        }
    }
}

impl LoginError {
    /// Name or password are wrong; which of them is not said, not even here.
    #[must_use]
    pub fn wrong_credentials() -> Self {
        LoginErrorKind::WrongCredentials.into()
    }

    /// The users' database does not answer. The cause is for logs, and not shown to the client.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: LoginErrorKind::Unavailable, source: Some(source.into()) }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> LoginErrorKind {
        self.kind
    }

    /// What the client reads.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self.kind {
            LoginErrorKind::WrongCredentials => Problem::new(StatusCode::UNAUTHORIZED)
                .with_detail("The user name or the password is wrong")
                .with_member("error", "invalid_grant"),
            LoginErrorKind::Unavailable => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE).with_detail("Logging in is not possible at the moment")
            }
            LoginErrorKind::NotIssued => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The response: the [problem](Self::to_problem), for a 401 with the challenge that
    /// [RFC 9110 §15.5.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2) demands.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        event!(DEBUG, "login refused", reason = self);
        let mut response = self.to_problem().into_http_response();
        if self.kind == LoginErrorKind::WrongCredentials {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<IssueError> for LoginError {
    fn from(error: IssueError) -> Self {
        Self { kind: LoginErrorKind::NotIssued, source: Some(error.into()) }
    }
}

kind_error!(LoginError, LoginErrorKind);
