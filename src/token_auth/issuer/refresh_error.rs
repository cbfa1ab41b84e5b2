use std::{error::Error, time::Duration};

use http::{Response, StatusCode};

use super::error::IssueError;
use crate::{LayerBody, Problem, core::trace::event, token_auth::kind_error::kind_error};

/// How long a client is sent away when the store does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A refresh, or a logout, that was not done.
///
/// [`to_problem`](Self::to_problem) makes the answer; as an axum response it is that answer. The client is not told why its token is not
/// taken: a thief should not learn that it was good once.
pub struct RefreshError {
    kind: RefreshErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Why a refresh was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefreshErrorKind {
    /// It is no refresh token, or its session has ended: 400 `invalid_grant`.
    Unknown,
    /// Its session was idle or lasted for too long: 400 `invalid_grant`.
    Expired,
    /// It was used before. Somebody has a copy, so the session was ended: 400 `invalid_grant`.
    Reused,
    /// Whoever it was for is not let in any more, so the session was ended: 400 `invalid_grant`.
    Refused,
    /// Nobody can tell now: 503.
    Unavailable,
    /// The token is good, and no other could be issued: 500.
    NotIssued,
}

impl RefreshErrorKind {
    const fn message(self) -> &'static str {
        match self {
            Self::Unknown => "unknown refresh token",
            Self::Expired => "expired refresh token",
            Self::Reused => "refresh token used again",
            Self::Refused => "the user is not let in any more",
            Self::Unavailable => "the refresh tokens cannot be looked up",
            Self::NotIssued => "the token could not be issued",
        }
    }
}

impl RefreshError {
    /// The user must log in again: the account is closed, the password was changed. For
    /// [`refresh_with`](super::RefreshTokens::refresh_with).
    #[must_use]
    pub fn refused() -> Self {
        RefreshErrorKind::Refused.into()
    }

    /// Nobody can tell now. The cause is for logs, and not shown to the client.
    #[must_use]
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: RefreshErrorKind::Unavailable, source: Some(source.into()) }
    }

    /// Why.
    #[must_use]
    pub fn kind(&self) -> RefreshErrorKind {
        self.kind
    }

    /// What the client reads: by [RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) its member `error`.
    #[must_use]
    pub fn to_problem(&self) -> Problem {
        match self.kind {
            RefreshErrorKind::Unknown | RefreshErrorKind::Expired | RefreshErrorKind::Reused | RefreshErrorKind::Refused => {
                Problem::new(StatusCode::BAD_REQUEST)
                    .with_detail("The refresh token is not valid; log in again")
                    .with_member("error", "invalid_grant")
            }
            RefreshErrorKind::Unavailable => Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                .with_detail("Refresh tokens cannot be looked up at the moment")
                .with_retry_after(RETRY_AFTER),
            RefreshErrorKind::NotIssued => Problem::new(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// The response: the [problem](Self::to_problem), not to be stored.
    #[must_use]
    pub fn into_http_response<B>(self) -> Response<LayerBody<B>> {
        event!(DEBUG, "refresh refused", reason = self);
        self.to_problem().into_http_response()
    }
}

impl From<IssueError> for RefreshError {
    fn from(error: IssueError) -> Self {
        Self { kind: RefreshErrorKind::NotIssued, source: Some(error.into()) }
    }
}

kind_error!(RefreshError, RefreshErrorKind);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_auth::issuer::error::IssueErrorKind;

    #[test]
    fn problems() {
        let invalid_grant = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"The refresh token is not valid; log in again","retry":"never","error":"invalid_grant"}"#;
        for kind in [RefreshErrorKind::Unknown, RefreshErrorKind::Expired, RefreshErrorKind::Reused, RefreshErrorKind::Refused] {
            assert_eq!(RefreshError::from(kind).to_problem().to_json(), invalid_grant, "{kind:?}");
        }
        for (name, error, status) in [
            ("no store", RefreshError::unavailable("connection refused by 10.0.0.7"), 503),
            ("no signature", IssueError::because(IssueErrorKind::SigningFailed, "10.0.0.7").into(), 500),
        ] {
            let shown = format!("{error:?} {error} {}", error.to_problem().to_json());
            assert!(!shown.contains("10.0.0.7"), "{name}: {shown}");
            assert!(error.source().is_some_and(|source| !source.to_string().is_empty()), "{name}");
            let response = error.into_http_response::<()>();
            assert_eq!(
                (response.status().as_u16(), &response.headers()["cache-control"]),
                (status, &"no-store".parse().unwrap())
            );
            assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{name}");
        }
    }
}
