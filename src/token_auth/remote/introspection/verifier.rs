use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Uri};
use tokio::{runtime::Handle, sync::watch};

use super::{
    answer::{self, Active, Wanted},
    client_auth::{self, ClientAuth},
    refusals::Refusals,
};
use crate::{
    Principal,
    core::{SharedClock, trace::event},
    token_auth::{
        cache::{Verified, VerifiedTokens},
        remote::{
            error::{RemoteError, RemoteErrorKind},
            fetch::{Client, unexpected, within},
        },
        verifier::{LaterVerdict, TokenError, TokenErrorKind, Verdict, VerifyToken},
    },
};

/// How long a client is sent away when the server does not answer.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes: it is kept whole. In use they stay below 4 KiB.
const MAX_ANSWER: usize = 64 * 1024;

/// Verifies tokens by asking the authorization server about them ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)): opaque ones, or such
/// as should end the moment that they are revoked.
///
/// An answer is kept for a short time, a good one never beyond the token's `exp`. One token is asked about once at a time, however many requests
/// bring it; so many different ones at once and no more, others are refused with 503, as all are when the server does not answer: never let
/// through. Cloning is a reference count.
///
/// ```
/// use std::time::Duration;
/// use donjon::token_auth::{ClientAuth, Introspection, TokenAuthLayer};
/// # use donjon::token_auth::{ConfigError, Crypto};
///
/// # fn layer(secret: &str, crypto: Crypto) -> Result<TokenAuthLayer<Introspection>, ConfigError> {
/// let verifier = Introspection::builder("https://login.example/introspect", ClientAuth::basic("api", secret))
///     .audience("https://api.example")
///     .cache_for(Duration::from_secs(10))
/// #   .crypto(crypto)
///     .build()?;
/// # Ok(TokenAuthLayer::new(verifier))
/// # }
/// ```
#[derive(Clone)]
pub struct Introspection(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) endpoint: Uri,
    pub(super) auth: ClientAuth,
    pub(super) header: Option<HeaderValue>,
    pub(super) wanted: Wanted,
    pub(super) client: Client,
    pub(super) timeout: Duration,
    pub(super) max_len: usize,
    pub(super) clock: SharedClock,
    pub(super) cache_for: Duration,
    pub(super) good: Option<VerifiedTokens>,
    pub(super) cache_refusals_for: Duration,
    pub(super) bad: Refusals,
    pub(super) max_questions: usize,
    pub(super) questions: Mutex<HashMap<Box<str>, watch::Receiver<Option<Outcome>>>>,
}

/// What a question came to, for all who wait.
#[derive(Clone)]
pub(super) enum Outcome {
    Good(Principal),
    Bad(TokenErrorKind),
    NoAnswer,
}

impl From<Outcome> for Result<Principal, TokenError> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Good(principal) => Ok(principal),
            Outcome::Bad(kind) => Err(kind.into()),
            Outcome::NoAnswer => Err(TokenError::unavailable(RETRY_AFTER)),
        }
    }
}

impl VerifyToken for Introspection {
    type Future = LaterVerdict;

    fn verify(&self, token: &str) -> Verdict<LaterVerdict> {
        if token.len() > self.0.max_len {
            return Verdict::Now(Err(TokenErrorKind::Oversized.into()));
        }
        if let Some(outcome) = self.0.recall(token) {
            return Verdict::Now(outcome.into());
        }
        match self.ask(token) {
            Some(mut answer) => Verdict::Later(LaterVerdict::new(async move {
                // Without a sender the question was broken off.
                let outcome = answer.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                outcome.unwrap_or(Outcome::NoAnswer).into()
            })),
            None => Verdict::Now(Outcome::NoAnswer.into()),
        }
    }

    fn recall(&self, token: &str) -> Option<Result<Principal, TokenError>> {
        self.0.recall(token).map(Into::into)
    }
}

impl Introspection {
    /// Joins the question about this token or begins one; `None` if there are too many.
    fn ask(&self, token: &str) -> Option<watch::Receiver<Option<Outcome>>> {
        let mut questions = self.0.questions();
        if let Some(answer) = questions.get(token) {
            return Some(answer.clone());
        }
        if questions.len() >= self.0.max_questions {
            event!(WARN, "too many tokens to ask about at once");
            return None;
        }
        let Ok(runtime) = Handle::try_current() else {
            event!(ERROR, "nobody can be asked without a tokio runtime");
            return None;
        };
        let (sender, answer) = watch::channel(None);
        questions.insert(token.into(), answer.clone());
        // A runtime that is shutting down drops the question at once, which takes the lock.
        drop(questions);
        // A task of its own: the request that asks first may be given up while others wait for the answer.
        runtime.spawn(Question { inner: Arc::clone(&self.0), token: token.into(), sender }.ask());
        Some(answer)
    }
}

impl Inner {
    fn recall(&self, token: &str) -> Option<Outcome> {
        if token.len() > self.max_len {
            return None;
        }
        let now = self.clock.now();
        if let Some(known) = self.good.as_ref().and_then(|good| good.get(token)) {
            // The clock may have been set back.
            let counts = now < known.ends_at && known.starts_at.is_none_or(|start| start <= now);
            return counts.then(|| Outcome::Good(known.principal));
        }
        self.bad.get(token, now).map(Outcome::Bad)
    }

    async fn question(&self, token: &str) -> Outcome {
        let request = client_auth::request(&self.endpoint, &self.auth, self.header.as_ref(), token);
        let answer = within(self.timeout, self.client.send(request)).await;
        let now = self.clock.now();
        match answer.and_then(|response| Ok((self.judge(&response, now)?, response.body().len()))) {
            Ok((Ok(active), len)) => {
                let kept_until = now.checked_add(self.cache_for).unwrap_or(now);
                let ends_at = active.expires_at.map_or(kept_until, |end| end.min(kept_until));
                if let Some(good) = &self.good {
                    let principal = active.principal.clone();
                    let starts_at = Some(now);
                    let known =
                        Verified { principal, generation: 0, starts_at, ends_at, issued_at: None, id: None, session: None };
                    // The text of the answer, and what was read of it.
                    good.insert(token, known, 2 * len, now);
                }
                Outcome::Good(active.principal)
            }
            Ok((Err(kind), _)) => {
                event!(DEBUG, "token refused", reason = kind);
                self.bad.insert(token, kind, now, now.checked_add(self.cache_refusals_for).unwrap_or(now));
                Outcome::Bad(kind)
            }
            Err(error) => {
                event!(WARN, "introspection does not answer", error = error);
                Outcome::NoAnswer
            }
        }
    }

    fn judge(&self, response: &Response<Bytes>, now: SystemTime) -> Result<Result<Active, TokenErrorKind>, RemoteError> {
        if response.body().len() > MAX_ANSWER {
            return Err(RemoteErrorKind::Oversized.into());
        }
        match response.status() {
            StatusCode::OK => {
                answer::read(response.body(), &self.wanted, now).map_err(|answer::NoAnswer| RemoteErrorKind::Malformed.into())
            }
            StatusCode::BAD_REQUEST if answer::is_unsupported(response.body()) => Ok(Err(TokenErrorKind::Inactive)),
            status => Err(unexpected(status)),
        }
    }

    fn questions(&self) -> MutexGuard<'_, HashMap<Box<str>, watch::Receiver<Option<Outcome>>>> {
        // A map is whole after any panic.
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One question under way. However it ends, it makes room for the next.
struct Question {
    inner: Arc<Inner>,
    token: Box<str>,
    sender: watch::Sender<Option<Outcome>>,
}

impl Question {
    async fn ask(self) {
        let outcome = self.inner.question(&self.token).await;
        self.sender.send_replace(Some(outcome));
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.inner.questions().remove(&self.token);
    }
}

/// Names no URL and no secret.
impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("wanted", &self.0.wanted).finish_non_exhaustive()
    }
}
