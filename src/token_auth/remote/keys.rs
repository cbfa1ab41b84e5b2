use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use http::Uri;
use tokio::{runtime::Handle, sync::watch};

use super::{
    discovery,
    error::{RemoteError, RemoteErrorKind},
    fetch::{Client, within},
    schedule::{self, Answer, Schedule, Term, Timing, Wish},
};
use crate::{
    core::{SharedClock, trace::event},
    token_auth::{
        jwt::{
            key_set::KeySet,
            key_source::{KeySource, Keys, LiveKeys, NO_KEYS, Renewal},
        },
        url::Transport,
    },
};

/// The public keys of an identity provider, fetched over HTTPS and kept fresh.
///
/// See the [module's guide](crate::token_auth#keys-from-an-identity-provider) for what it does when. Cloning is a reference count: several
/// verifiers share what is fetched once.
///
/// ```
/// use donjon::token_auth::{JwtVerifier, RemoteKeys, TokenAuthLayer};
/// # use donjon::token_auth::{ConfigError, Crypto};
///
/// # fn layer(crypto: Crypto) -> Result<TokenAuthLayer<JwtVerifier>, ConfigError> {
/// let keys = RemoteKeys::discover("https://login.example")
/// #   .crypto(crypto)
///     .build()?;
/// // The issuer is known: tokens of any other are refused.
/// let verifier = JwtVerifier::builder(keys)
///     .audience("https://api.example")
/// #   .crypto(crypto)
///     .build()?;
/// # Ok(TokenAuthLayer::new(verifier))
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteKeys(Arc<Shared>);

pub(super) struct Shared {
    pub(super) place: Place,
    pub(super) client: Client,
    pub(super) transport: Transport,
    pub(super) timeout: Duration,
    pub(super) clock: SharedClock,
    held: ArcSwapOption<Held>,
    state: Mutex<State>,
    /// How the last fetch ended.
    landed: watch::Sender<Landed>,
}

/// Where the keys are.
pub(super) enum Place {
    Jwks(Uri),
    Issuer { name: Box<str>, url: Uri },
}

type Landed = Result<(), Arc<RemoteError>>;

struct Held {
    keys: Keys,
    term: Term,
}

struct State {
    schedule: Schedule,
    /// How many fetches have begun.
    begun: u64,
}

struct Fetched {
    set: KeySet,
    max_age: Option<Duration>,
}

/// What became of a wish.
enum Asked {
    Coming(watch::Receiver<Landed>),
    Settled,
    Failing { retry_after: Duration },
}

impl RemoteKeys {
    pub(super) fn new(
        place: Place,
        (client, transport): (Client, Transport),
        (timeout, timing): (Duration, Timing),
        clock: SharedClock,
    ) -> Self {
        Self(Arc::new(Shared {
            place,
            client,
            transport,
            timeout,
            clock,
            held: ArcSwapOption::empty(),
            state: Mutex::new(State { schedule: Schedule::new(timing), begun: 0 }),
            landed: watch::Sender::new(Ok(())),
        }))
    }

    /// Fetches the keys now, or waits for the fetch that is under way. To be called once at the start, for the first request not to wait;
    /// afterwards only when the provider is known to have other keys.
    ///
    /// # Errors
    ///
    /// [`RemoteError`], and the keys at hand stay in use. They are fetched again by themselves, sooner or later, in any case.
    pub async fn refresh(&self) -> Result<(), RemoteError> {
        let Asked::Coming(mut landed) = self.ask(Wish::Told, self.0.clock.now()) else {
            return Err(RemoteErrorKind::NoRuntime.into());
        };
        // The sender lives as long as `self`.
        let _ = landed.changed().await;
        let outcome = landed.borrow().clone();
        outcome.map_err(|error| RemoteError::because(error.kind(), error))
    }

    fn ask(&self, wish: Wish, now: SystemTime) -> Asked {
        self.ask_with(self.0.state(), wish, now)
    }

    fn ask_with(&self, mut state: MutexGuard<'_, State>, wish: Wish, now: SystemTime) -> Asked {
        match state.schedule.ask(wish, now) {
            Answer::Settled => Asked::Settled,
            Answer::Failing { retry_after } => Asked::Failing { retry_after },
            // Subscribed to under the lock, so that the end cannot come before.
            Answer::Join => Asked::Coming(self.0.landed.subscribe()),
            Answer::Fetch => {
                let Ok(runtime) = Handle::try_current() else {
                    event!(ERROR, "keys cannot be fetched without a tokio runtime");
                    return Asked::Failing { retry_after: state.schedule.failed(now) };
                };
                state.begun += 1;
                let (number, landed) = (state.begun, self.0.landed.subscribe());
                // A runtime that is shutting down drops the flight at once, which takes the lock.
                drop(state);
                runtime.spawn(Flight { shared: Some(Arc::clone(&self.0)), number }.fly());
                Asked::Coming(landed)
            }
        }
    }

    /// Has newer keys fetched if it is time to; waits for nothing, not even the lock.
    fn keep_fresh(&self, term: Term, now: SystemTime) {
        if term.is_due(now) {
            match self.0.state.try_lock() {
                Ok(state) => drop(self.ask_with(state, Wish::Refresh, now)),
                Err(TryLockError::Poisoned(state)) => drop(self.ask_with(state.into_inner(), Wish::Refresh, now)),
                Err(TryLockError::WouldBlock) => {}
            }
        }
    }
}

impl LiveKeys for RemoteKeys {
    fn current(&self, now: SystemTime) -> Option<Keys> {
        let held = self.0.held.load_full()?;
        self.keep_fresh(held.term, now);
        (!held.term.is_over(now)).then(|| held.keys.clone())
    }

    fn generation(&self, now: SystemTime) -> u64 {
        let held = self.0.held.load();
        let Some(held) = &*held else { return NO_KEYS };
        self.keep_fresh(held.term, now);
        if held.term.is_over(now) { NO_KEYS } else { held.keys.generation }
    }

    fn renew(&self, now: SystemTime) -> Renewal {
        let usable = self.0.held.load().as_ref().is_some_and(|held| !held.term.is_over(now));
        match self.ask(if usable { Wish::UnknownKey } else { Wish::NoKeys }, now) {
            Asked::Settled => Renewal::Current,
            Asked::Failing { retry_after } => Renewal::Unavailable { retry_after },
            Asked::Coming(mut landed) => Renewal::Coming(Box::pin(async move { drop(landed.changed().await) })),
        }
    }

    fn issuer(&self) -> Option<&str> {
        match &self.0.place {
            Place::Jwks(_) => None,
            Place::Issuer { name, .. } => Some(name),
        }
    }
}

impl From<RemoteKeys> for KeySource {
    fn from(keys: RemoteKeys) -> Self {
        Self::live(Arc::new(keys))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // The schedule is whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<Fetched, RemoteError> {
        let discovered;
        let url = match &self.place {
            Place::Jwks(url) => url,
            Place::Issuer { name, url } => {
                discovered = self.discover(name, url).await?;
                &discovered
            }
        };
        let (headers, body) = self.client.get(url).await?;
        Ok(Fetched { set: read(&body)?, max_age: schedule::max_age(&headers) })
    }

    /// The metadata are read every time: it is one small request more, and where the keys are may have changed.
    async fn discover(&self, issuer: &str, url: &Uri) -> Result<Uri, RemoteError> {
        let mut refusal = RemoteErrorKind::StatusUnexpected.into();
        for place in discovery::places(url) {
            let place = place.parse().map_err(|error| RemoteError::because(RemoteErrorKind::Malformed, error))?;
            match self.client.get(&place).await {
                Ok((_, document)) => return discovery::jwks_uri(&document, issuer, self.transport),
                Err(error) if error.kind() == RemoteErrorKind::StatusUnexpected => refusal = error,
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Puts what came into use, and tells those who wait.
    fn land(&self, fetched: Result<Fetched, RemoteError>) {
        match fetched {
            Ok(fetched) => {
                let generation = self.replace(fetched);
                event!(DEBUG, "keys fetched", generation = generation);
            }
            Err(error) => {
                event!(WARN, "keys could not be fetched", error = error);
                let mut state = self.state();
                state.schedule.failed(self.clock.now());
                drop(self.landed.send_replace(Err(Arc::new(error))));
            }
        }
    }

    /// Only the one fetch under way comes here. Those who wait are told under the lock: who asks for the next fetch must not hear of this one.
    fn replace(&self, Fetched { set, max_age }: Fetched) -> u64 {
        let generation = match &*self.held.load() {
            Some(held) if set.keeps_all_of(&held.keys.set) => held.keys.generation,
            Some(held) => held.keys.generation + 1,
            None => NO_KEYS + 1,
        };
        let mut state = self.state();
        let term = state.schedule.succeeded(self.clock.now(), max_age);
        self.held.store(Some(Arc::new(Held { keys: Keys { set: Arc::new(set), generation }, term })));
        drop(self.landed.send_replace(Ok(())));
        generation
    }

    /// How long until the fetch after the one of that number is due; `None` if another has begun meanwhile.
    fn quiet_after(&self, number: u64) -> Option<Duration> {
        let state = self.state();
        let term = self.held.load().as_ref().map(|held| held.term);
        (state.begun == number).then(|| state.schedule.quiet_for(term, self.clock.now()))
    }
}

/// Reads a key set as one from outside: secrets have no business in it.
fn read(body: &[u8]) -> Result<KeySet, RemoteError> {
    let text = std::str::from_utf8(body).map_err(|_| RemoteErrorKind::Malformed)?;
    let unusable = |error| RemoteError::because(RemoteErrorKind::KeysUnusable, error);
    let set = KeySet::from_jwks(text).map_err(unusable)?;
    let set: KeySet = set.iter().filter(|key| !key.algorithm().is_symmetric()).cloned().collect();
    set.check().map_err(unusable)?;
    Ok(set)
}

/// One fetch. However it ends, also by a panic or the end of the runtime, it is recorded: the next would never begin otherwise.
struct Flight {
    /// `None` once it has landed.
    shared: Option<Arc<Shared>>,
    number: u64,
}

impl Flight {
    async fn fly(mut self) {
        let number = self.number;
        let Some(shared) = &self.shared else { return };
        let fetched = within(shared.timeout, shared.fetch()).await;
        let Some(shared) = self.shared.take() else { return };
        shared.land(fetched);
        let weak = Arc::downgrade(&shared);
        drop(shared);
        refresh_when_due(weak, number).await;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.land(Err(RemoteError::unreachable("the fetch was broken off")));
        }
    }
}

/// Sees to the next fetch, whether requests come or not, as long as somebody holds the keys.
async fn refresh_when_due(shared: Weak<Shared>, number: u64) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let Some(quiet) = strong.quiet_after(number) else { return };
        if quiet.is_zero() {
            let now = strong.clock.now();
            drop(RemoteKeys(strong).ask(Wish::Refresh, now));
            return;
        }
        drop(strong);
        // The clock of the keys need not run like the runtime's.
        tokio::time::sleep(quiet.max(Duration::from_secs(1))).await;
    }
}

/// Names no URL: it may hold a secret in its query.
impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = self.0.held.load();
        f.debug_struct("RemoteKeys")
            .field("issuer", &self.issuer())
            .field("keys", &held.as_ref().map(|held| held.keys.set.iter().len()))
            .finish_non_exhaustive()
    }
}
