use std::fmt;

use http::StatusCode;

/// May the client send this request again?
///
/// Written into the response's extensions with every error, and into a [`Problem`](crate::Problem) as the member `retry`. It is
/// finer than "500 no, 502 yes": the question is how far the request may have got.
///
/// ```
/// use donjon::Retryability;
/// use http::StatusCode;
///
/// assert_eq!(Retryability::of_status(StatusCode::INTERNAL_SERVER_ERROR), Retryability::Never);
/// assert_eq!(Retryability::of_status(StatusCode::BAD_GATEWAY), Retryability::IdempotentOnly);
/// assert_eq!(Retryability::of_status(StatusCode::SERVICE_UNAVAILABLE), Retryability::Safe);
/// assert_eq!(Retryability::Never.as_str(), "never");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the three answers are the whole question; a client matches on all of them")]
pub enum Retryability {
    /// Do not send the data again: the handling failed half way or the request itself is at fault. 500 and most of 4xx.
    Never,
    /// An idempotent method ([RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)) may be sent again: something
    /// may have reached the upstream. 502 and 504.
    IdempotentOnly,
    /// Any method may be sent again: the request was proven not to have been acted on. 503 under load, 429.
    Safe,
}

impl Retryability {
    /// The advice that a status alone gives, when nothing more is known of the cause.
    #[must_use]
    pub const fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Self::IdempotentOnly,
            StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::Safe,
            _ => Self::Never,
        }
    }

    /// The word for it in a problem document: `never`, `idempotent-only` or `safe`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::IdempotentOnly => "idempotent-only",
            Self::Safe => "safe",
        }
    }
}

impl fmt::Display for Retryability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
