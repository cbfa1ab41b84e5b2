//! How far the cache goes where the standards leave it a choice.

use http::HeaderName;

use super::terms::Disconnected;

/// How far the cache goes where [RFC 9111](https://www.rfc-editor.org/rfc/rfc9111) leaves it a choice.
///
/// | | `Safe` | `Rfc9111` | `Eager` |
/// |---|---|---|---|
/// | a response that says nothing of its freshness | not stored | stored; fresh for a tenth of the time since its last modification, at most a day | the same |
/// | a response that sets a cookie | not stored | stored | stored |
/// | an answer to a request with a cookie that does not say it is for all | not stored | stored | stored |
/// | an answer beside a [`Principal`](crate::Principal) that does not say it is for all | not stored | not stored | not stored |
/// | `no-cache`, `max-age`, `min-fresh`, `max-stale` of a request | ignored | honoured | honoured |
/// | `no-store` of a request | its answer is not stored | its answer is not stored, and none is reused for it | as `Rfc9111` |
/// | the inner service fails, and a stale response is there | used if `stale-if-error` allows it | the same | used if nothing forbids it ([§4.2.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.4)) |
/// | which requests are alike under `Vary` | lines are joined; the `Accept` fields without order, case and spaces | the same | spaces around commas never count; a response in the language that is liked best is taken |
/// | a 304 names another entity tag than the one that was asked about | answers this request from what is stored, which is then forgotten ([§4.3.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.3.4)) | the same | confirms what is stored |
///
/// The last row of `Eager` and its language go a step beyond the letter: the status alone says that the one tag in `If-None-Match` matched
/// ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)), and an origin that negotiates by weight could send nothing that is
/// liked better. Do without it where origins are careless with either.
///
/// What a response says for itself is obeyed by all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// Only what a response asks for, and nothing that might be one person's.
    #[default]
    Safe,
    /// What the standard recommends.
    Rfc9111,
    /// Every reuse that the standards permit.
    Eager,
}

/// Whether freshness is guessed ([RFC 9111 §4.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heuristics {
    Off,
    TenthOfAge,
}

/// What becomes of responses that have to do with cookies
/// ([RFC 9111 §7.3](https://www.rfc-editor.org/rfc/rfc9111#section-7.3)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookies {
    NeverStored,
    Stored,
}

/// Whether a request's own directives are obeyed ([RFC 9111 §5.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1)): they are advice, and
/// every stranger can give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "advice is taken or it is not")]
pub enum RequestDirectives {
    /// `no-cache`, `max-age`, `min-fresh` and `max-stale` are not read. `only-if-cached` is, since it saves work.
    Ignored,
    /// They are obeyed: a client can make the inner service work for it.
    Honoured,
}

/// How like two requests must be for one stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same, but for what the specifications of known fields say does not count.
    Exact,
    /// Spaces beside a comma do not count in any field, and a language that is liked best is enough.
    Wide,
}

/// What is done with a 304 whose entity tag is not the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// It validates nothing (§4.3.4).
    Refetch,
    /// It answers the one tag that was asked about.
    TrustStatus,
}

/// The choices, one by one.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) heuristics: Heuristics,
    pub(super) cookies: Cookies,
    pub(super) request_directives: RequestDirectives,
    pub(super) disconnected: Disconnected,
    pub(super) likeness: Likeness,
    pub(super) mismatch: Mismatch,
    /// The targeted fields that are read in the place of `Cache-Control`, the first one first (RFC 9213 §2.2).
    pub(super) targets: Vec<HeaderName>,
}

impl Rules {
    pub(super) fn of(profile: Profile) -> Self {
        let safe = Self {
            heuristics: Heuristics::Off,
            cookies: Cookies::NeverStored,
            request_directives: RequestDirectives::Ignored,
            disconnected: Disconnected::Asks,
            likeness: Likeness::Exact,
            mismatch: Mismatch::Refetch,
            targets: vec![HeaderName::from_static("cdn-cache-control")],
        };
        let rfc9111 = Self {
            heuristics: Heuristics::TenthOfAge,
            cookies: Cookies::Stored,
            request_directives: RequestDirectives::Honoured,
            ..safe.clone()
        };
        match profile {
            Profile::Safe => safe,
            Profile::Rfc9111 => rfc9111,
            Profile::Eager => Self {
                disconnected: Disconnected::MayBeStale,
                likeness: Likeness::Wide,
                mismatch: Mismatch::TrustStatus,
                ..rfc9111
            },
        }
    }
}
