use std::{error::Error, fmt, time::Duration};

use http::{Response, StatusCode, header};

use super::{
    challenge::challenge,
    verifier::{TokenError, TokenErrorKind},
};
use crate::{LayerBody, Problem, core::trace::event};

/// Why a request was refused. Found in the extensions of the response, beside its [`Problem`].
///
/// ```
/// use donjon::token_auth::{Rejection, RejectionKind};
///
/// fn count<B>(response: &http::Response<B>) {
///     if let Some(rejection) = response.extensions().get::<Rejection>()
///         && let RejectionKind::InvalidToken(reason) = rejection.kind()
///     {
///         println!("refused: {reason}");
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    kind: RejectionKind,
    retry_after: Option<Duration>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No token came: 401 and a challenge without `error`.
    Missing,
    /// More than one token came: 400 `invalid_request` ([RFC 6750 §2](https://www.rfc-editor.org/rfc/rfc6750#section-2)).
    InvalidRequest,
    /// The token is not taken: 401 `invalid_token`. The reason is for logs and counters; the client is told no more than whether its token
    /// has expired.
    InvalidToken(TokenErrorKind),
    /// Nobody can tell now: 503.
    Unavailable,
}

impl RejectionKind {
    /// The error code of [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1), if one is sent in the challenge.
    #[must_use]
    pub const fn error_code(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Unavailable => None,
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
        }
    }

    /// What the client is told beside the code.
    pub(super) const fn description(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Unavailable => None,
            Self::InvalidRequest => Some("The request carries more than one access token"),
            // Told only after the signature was found good: whoever hears it held a real token.
            Self::InvalidToken(TokenErrorKind::Expired) => Some("The access token expired"),
            Self::InvalidToken(_) => Some("The access token is invalid"),
        }
    }

    /// What a challenge tells of the error, if anything.
    pub(super) fn error(self) -> Option<(&'static str, &'static str)> {
        self.error_code().zip(self.description())
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Rejection {
    /// What was refused.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// What the client reads. The OAuth code, if there is one, is its member `error`.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        let mut problem = Problem::new(self.kind.status());
        if let Some(code) = self.kind.error_code() {
            problem = problem.with_member("error", code);
        }
        problem = match self.kind {
            RejectionKind::Missing => problem.with_detail("An access token is required"),
            RejectionKind::Unavailable => problem.with_detail("Access tokens cannot be verified at the moment"),
            kind => kind.description().into_iter().fold(problem, Problem::with_detail),
        };
        self.retry_after.into_iter().fold(problem, Problem::with_retry_after)
    }

    pub(crate) fn into_http_response<B>(self, realm: Option<&str>) -> Response<LayerBody<B>> {
        event!(DEBUG, "request refused", rejection = self);
        let mut response = self.to_problem().into_http_response();
        if self.kind != RejectionKind::Unavailable {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge(realm, self.kind.error()));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self { kind, retry_after: None }
    }
}

/// How long a client is sent away when the verifier could not say.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error.kind() {
            TokenErrorKind::Unavailable => {
                event!(WARN, "access tokens cannot be verified");
                Self { kind: RejectionKind::Unavailable, retry_after: Some(error.retry_after().unwrap_or(RETRY_AFTER)) }
            }
            kind => RejectionKind::InvalidToken(kind).into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RejectionKind::Missing => f.write_str("no access token"),
            RejectionKind::InvalidRequest => f.write_str("more than one access token"),
            RejectionKind::InvalidToken(reason) => reason.fmt(f),
            RejectionKind::Unavailable => f.write_str("access tokens cannot be verified"),
        }
    }
}

impl Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems() {
        for (name, rejection, expected) in [
            (
                "missing",
                RejectionKind::Missing.into(),
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"An access token is required","retry":"never"}"#,
            ),
            (
                "invalid",
                TokenError::from(TokenErrorKind::WrongAudience).into(),
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The access token is invalid","retry":"never","error":"invalid_token"}"#,
            ),
            (
                "two tokens",
                Rejection::from(RejectionKind::InvalidRequest),
                r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"The request carries more than one access token","retry":"never","error":"invalid_request"}"#,
            ),
        ] {
            assert_eq!(rejection.to_problem().to_json(), expected, "{name}");
        }
    }

    #[test]
    fn an_unavailable_verifier_is_a_503_without_a_challenge() {
        for (error, wait) in [
            (TokenError::from(TokenErrorKind::Unavailable), "5"),
            (TokenError::unavailable(Duration::from_secs(30)).with_source("connection refused"), "30"),
        ] {
            let response = Rejection::from(error).into_http_response::<()>(Some("api"));
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], wait);
            assert!(!response.headers().contains_key("www-authenticate"));
        }
    }
}
