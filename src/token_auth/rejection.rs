use std::{error::Error, fmt, time::Duration};

use http::{Response, StatusCode, header};

use super::{
    challenge::{ProtectionSpace, Scheme, challenges},
    dpop::{DPOP_NONCE, Dpop, error::ProofErrorKind},
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
    /// Of the challenge that names the error.
    scheme: Scheme,
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
    /// The proof of possession is not taken: 401 `invalid_dpop_proof`, or `use_dpop_nonce` and a `DPoP-Nonce` if a nonce is all that it
    /// lacks ([RFC 9449 §7.1, §9](https://www.rfc-editor.org/rfc/rfc9449#section-7.1)). The reason is for logs and counters.
    InvalidProof(ProofErrorKind),
    /// The token grants too little: 403 `insufficient_scope`, from [`RequireScopeLayer`](super::RequireScopeLayer).
    InsufficientScope,
    /// Nobody can tell now: 503.
    Unavailable,
}

impl RejectionKind {
    /// The error code of [RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1) or
    /// [RFC 9449 §12.2](https://www.rfc-editor.org/rfc/rfc9449#section-12.2), if one is sent in the challenge.
    #[must_use]
    pub const fn error_code(self) -> Option<&'static str> {
        match self {
            Self::Missing | Self::Unavailable => None,
            Self::InvalidRequest => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            Self::InvalidProof(ProofErrorKind::NonceInvalid) => Some("use_dpop_nonce"),
            Self::InvalidProof(_) => Some("invalid_dpop_proof"),
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
            Self::InsufficientScope => Some("The access token does not grant what this needs"),
            Self::InvalidProof(ProofErrorKind::NonceInvalid) => Some("The proof of possession must use the nonce provided"),
            Self::InvalidProof(_) => Some("The proof of possession is invalid"),
        }
    }

    /// What a challenge tells of the error, if anything.
    pub(super) fn error(self) -> Option<(&'static str, &'static str)> {
        self.error_code().zip(self.description())
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::InvalidToken(_) | Self::InvalidProof(_) => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest => StatusCode::BAD_REQUEST,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
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

    /// Puts the error into the challenge of that scheme.
    pub(super) fn of_scheme(self, scheme: Scheme) -> Self {
        Self { scheme, ..self }
    }

    pub(crate) fn into_http_response<B>(self, space: &ProtectionSpace) -> Response<LayerBody<B>> {
        event!(DEBUG, "request refused", rejection = self);
        let mut response = self.to_problem().into_http_response();
        if self.kind != RejectionKind::Unavailable {
            for challenge in challenges(space, self.scheme, self.kind.error()) {
                response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
            }
            if let Some(nonce) = space.dpop.as_ref().and_then(Dpop::fresh_nonce) {
                response.headers_mut().insert(DPOP_NONCE, nonce);
            }
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self { kind, scheme: Scheme::Bearer, retry_after: None }
    }
}

/// How long a client is sent away when the verifier could not say.
const RETRY_AFTER: Duration = Duration::from_secs(5);

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        match error.kind() {
            TokenErrorKind::Unavailable => {
                event!(WARN, "access tokens cannot be verified");
                Self { retry_after: Some(error.retry_after().unwrap_or(RETRY_AFTER)), ..RejectionKind::Unavailable.into() }
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
            RejectionKind::InsufficientScope => f.write_str("scope or role not granted"),
            RejectionKind::InvalidProof(reason) => reason.fmt(f),
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
            let response = Rejection::from(error).into_http_response::<()>(&ProtectionSpace::default());
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], wait);
            assert!(!response.headers().contains_key("www-authenticate"));
        }
    }
}
