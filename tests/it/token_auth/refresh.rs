//! Refresh tokens: rotation, reuse, grace, lifetimes and logout.

use std::{sync::Arc, time::Duration};

use donjon::{
    ManualClock, Principal,
    token_auth::{
        ConfigErrorKind, Credentials, Grant, JwtVerifier, LoginError, LoginErrorKind, MemoryRefreshStore, RefreshError,
        RefreshErrorKind, RefreshFamily, RefreshStore, RefreshTokens, RefreshTokensBuilder, Replaced, RevocationList,
        RevokeSession, SessionId, SigningKey, TokenErrorKind, TokenIssuer, TokenPair,
    },
};
use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, NOW, SECRET, at, clock, crypto, issuing::verdict};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// An application that issues and verifies, its clock and its memory.
pub(crate) struct App {
    pub(crate) clock: ManualClock,
    pub(crate) store: MemoryRefreshStore,
    pub(crate) tokens: RefreshTokens,
    pub(crate) verifier: JwtVerifier,
}

pub(crate) fn app(set: impl FnOnce(RefreshTokensBuilder) -> RefreshTokensBuilder) -> App {
    let clock = clock();
    let key = SigningKey::from_secret(donjon::token_auth::Algorithm::Hs256, &SECRET).unwrap();
    let issuer = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).clock(clock.clone()).crypto(crypto());
    let issuer = issuer.build().unwrap();
    let revoked = Arc::new(RevocationList::new().clock(clock.clone()));
    let verifier = issuer.verifier().revocation(Arc::clone(&revoked)).build().unwrap();
    let store = MemoryRefreshStore::new().clock(clock.clone());
    let builder = RefreshTokens::builder(issuer).store(store.clone()).revocation(revoked);
    App { clock, store, tokens: set(builder).build().unwrap(), verifier }
}

fn default_app() -> App {
    app(|builder| builder)
}

impl App {
    pub(crate) async fn start(&self) -> TokenPair {
        let grant = Grant::new("alice").scopes(["a", "b"]).claims(&json!({ "tenant": 7 })).unwrap();
        self.tokens.start(&grant).await.unwrap()
    }

    async fn refresh(&self, token: &TokenPair) -> TokenPair {
        self.tokens.refresh(token.refresh_token()).await.unwrap()
    }

    async fn refused(&self, token: &TokenPair) -> RefreshErrorKind {
        self.tokens.refresh(token.refresh_token()).await.unwrap_err().kind()
    }

    pub(crate) fn lets_in(&self, token: &TokenPair) -> bool {
        match verdict(&self.verifier, token.access().access_token()) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), TokenErrorKind::Revoked);
                false
            }
        }
    }

    fn principal(&self, token: &TokenPair) -> Principal {
        verdict(&self.verifier, token.access().access_token()).unwrap()
    }
}

fn claims(principal: &Principal) -> Value {
    serde_json::from_str(principal.claims::<donjon::token_auth::RawClaims>().unwrap().as_str()).unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_pair() {
    let app = default_app();
    let first = app.start().await;
    app.clock.advance(HOUR);
    let second = app.refresh(&first).await;
    assert_ne!(first.refresh_token(), second.refresh_token());
    assert_ne!(first.access().id(), second.access().id());
    assert_eq!(first.session(), second.session());
    let principal = app.principal(&second);
    assert_eq!(principal.subject(), Some("alice"));
    assert_eq!(principal.scopes().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(principal.expires_at(), Some(at(NOW + 3_600 + 900)));
    let claims = claims(&principal);
    assert_eq!((claims["tenant"].as_u64(), claims["sid"].as_str()), (Some(7), Some(first.session().as_str())));
    assert_eq!(SessionId::parse(claims["sid"].as_str().unwrap()).as_ref(), Some(first.session()));
}

#[tokio::test]
async fn the_answer_is_that_of_a_token_endpoint() {
    let pair = default_app().start().await;
    assert_eq!(
        serde_json::to_value(&pair).unwrap(),
        json!({
            "access_token": pair.access().access_token(), "token_type": "Bearer", "expires_in": 900,
            "refresh_token": pair.refresh_token(), "scope": "a b",
        })
    );
    // 512 bits in base64url.
    assert_eq!(pair.refresh_token().len(), 86);
}

#[tokio::test]
async fn a_token_used_again_ends_the_family_and_its_access_tokens() {
    let app = default_app();
    let first = app.start().await;
    let bystander = app.start().await;
    let second = app.refresh(&first).await;
    let socket = app.principal(&second);
    app.clock.advance(Duration::from_secs(10));
    assert_eq!(app.refused(&first).await, RefreshErrorKind::Reused);
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown, "the thief has nothing, whoever it is");
    assert!(!app.lets_in(&first) && !app.lets_in(&second));
    assert!(socket.is_revoked(), "open connections are told");
    assert!(app.lets_in(&bystander), "another session of the same user goes on");
    app.refresh(&bystander).await;
}

#[tokio::test]
async fn an_old_token_is_found_out_however_old() {
    let app = default_app();
    let first = app.start().await;
    let mut last = first.clone();
    for _ in 0..50 {
        app.clock.advance(HOUR);
        last = app.refresh(&last).await;
    }
    assert_eq!(app.refused(&first).await, RefreshErrorKind::Reused);
    assert_eq!(app.refused(&last).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn within_the_grace_a_token_gets_the_same_answer_once_more() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    app.clock.advance(Duration::from_secs(9));
    let again = app.refresh(&first).await;
    assert_eq!(again.refresh_token(), second.refresh_token(), "one successor, not two");
    assert_ne!(again.access().id(), second.access().id());
    assert!(app.lets_in(&second) && app.lets_in(&again));
    let third = app.refresh(&second).await;
    assert_eq!(app.refused(&first).await, RefreshErrorKind::Reused, "the grace is of the token before the current one alone");
    assert_eq!(app.refused(&third).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_thief_within_the_grace_is_found_out_later() {
    let app = default_app();
    let first = app.start().await;
    let (victim, thief) = (app.refresh(&first).await, app.refresh(&first).await);
    app.clock.advance(HOUR);
    let thief = app.refresh(&thief).await;
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(app.refused(&victim).await, RefreshErrorKind::Reused);
    assert_eq!(app.refused(&thief).await, RefreshErrorKind::Unknown);
    assert!(!app.lets_in(&thief));
}

#[tokio::test]
async fn without_grace_the_second_use_ends_the_family() {
    let app = app(|builder| builder.grace(Duration::ZERO));
    let first = app.start().await;
    let second = app.refresh(&first).await;
    assert_eq!(app.refused(&first).await, RefreshErrorKind::Reused);
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle() {
    let app = default_app();
    let first = app.start().await;
    app.clock.advance(7 * DAY - Duration::from_secs(1));
    let second = app.refresh(&first).await;
    app.clock.advance(7 * DAY);
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Expired);
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown);
    assert!(app.store.is_empty());
}

#[tokio::test]
async fn a_session_ends_after_its_time_however_often_it_is_used() {
    let app = app(|builder| builder.absolute_lifetime(3 * DAY));
    let mut token = app.start().await;
    for _ in 0..2 {
        app.clock.advance(DAY);
        token = app.refresh(&token).await;
    }
    app.clock.advance(DAY);
    assert_eq!(app.refused(&token).await, RefreshErrorKind::Expired);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let app = default_app();
    let pair = app.start().await;
    let of_another = default_app().start().await;
    let token = pair.refresh_token();
    for (name, text) in [
        ("nothing", ""),
        ("an access token", pair.access().access_token()),
        ("the session's name", pair.session().as_str()),
        ("padded", &format!("{token}==")),
        ("of another application", of_another.refresh_token()),
        ("a megabyte", &"A".repeat(1_000_000)),
    ] {
        assert_eq!(app.tokens.refresh(text).await.unwrap_err().kind(), RefreshErrorKind::Unknown, "{name}");
        app.tokens.logout(text).await.unwrap();
    }
    app.refresh(&pair).await;
}

#[tokio::test]
async fn only_who_held_a_token_of_the_family_can_end_it() {
    let app = default_app();
    let (mine, theirs) = (app.start().await, app.start().await);
    // The first half names the family, the second is the token's own.
    let forged = |family: &TokenPair, secret: &TokenPair| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let bytes = |pair: &TokenPair| URL_SAFE_NO_PAD.decode(pair.refresh_token()).unwrap();
        URL_SAFE_NO_PAD.encode([&bytes(family)[..32], &bytes(secret)[32..]].concat())
    };
    let error = app.tokens.refresh(&forged(&mine, &theirs)).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Reused, "the family's half is a secret that only its clients know");
    assert_eq!(app.refused(&mine).await, RefreshErrorKind::Unknown);
    app.refresh(&theirs).await;
}

#[tokio::test]
async fn logging_out_ends_the_session_at_once() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    let bystander = app.start().await;
    let socket = app.principal(&second);
    app.tokens.logout(second.refresh_token()).await.unwrap();
    assert!(!app.lets_in(&first) && !app.lets_in(&second) && socket.is_revoked());
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown);
    app.tokens.logout(second.refresh_token()).await.unwrap();
    assert!(app.lets_in(&bystander));
}

#[tokio::test]
async fn a_session_stays_revoked_for_as_long_as_any_verifier_takes_its_tokens() {
    struct Asked(Arc<std::sync::Mutex<Vec<(SessionId, std::time::SystemTime)>>>);
    impl RevokeSession for Asked {
        fn revoke_session(
            &self,
            session: &SessionId,
            expires_at: std::time::SystemTime,
        ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            self.0.lock().unwrap().push((session.clone(), expires_at));
            Ok(())
        }
    }
    let asked = Arc::default();
    let app = app(|builder| builder.revocation(Asked(Arc::clone(&asked))));
    let pair = app.start().await;
    app.tokens.logout(pair.refresh_token()).await.unwrap();
    let asked = asked.lock().unwrap();
    assert_eq!((asked.len(), &asked[0].0), (1, pair.session()));
    // The last token may have been issued this second, and five minutes are the greatest leeway.
    assert!(asked[0].1 >= pair.access().expires_at() + Duration::from_secs(300));
}

/// A list that is full once, and has room from then on.
#[derive(Clone, Default)]
struct FullOnce {
    was_full: Arc<std::sync::atomic::AtomicBool>,
    revoked: Arc<std::sync::Mutex<Vec<SessionId>>>,
}

impl RevokeSession for FullOnce {
    fn revoke_session(
        &self,
        session: &SessionId,
        _: std::time::SystemTime,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if !self.was_full.swap(true, std::sync::atomic::Ordering::SeqCst) {
            return Err("full".into());
        }
        self.revoked.lock().unwrap().push(session.clone());
        Ok(())
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_revoked_is_a_503_and_is_revoked_when_one_tries_again() {
    for everywhere in [false, true] {
        let list = FullOnce::default();
        let app = app(|builder| builder.revocation(list.clone()));
        let pair = app.start().await;
        let log_out = || async {
            if everywhere { app.tokens.end_all("alice").await } else { app.tokens.logout(pair.refresh_token()).await }
        };
        assert_eq!(log_out().await.unwrap_err().kind(), RefreshErrorKind::Unavailable);
        log_out().await.unwrap();
        assert_eq!(*list.revoked.lock().unwrap(), [pair.session().clone()]);
        assert_eq!(app.refused(&pair).await, RefreshErrorKind::Unknown);
    }
}

#[tokio::test]
async fn a_token_used_again_ends_the_family_also_when_it_cannot_be_revoked() {
    let app = app(|builder| builder.revocation(FullOnce::default()).grace(Duration::ZERO));
    let first = app.start().await;
    let second = app.refresh(&first).await;
    assert_eq!(app.refused(&first).await, RefreshErrorKind::Unavailable);
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_session_that_ends_while_the_rights_are_asked_for_is_over() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    // Within its grace, and the current one.
    for pair in [&first, &second] {
        let renew = |grant| async {
            app.tokens.end(pair.session()).await?;
            Ok(grant)
        };
        let kept = app.store.find(pair.session()).await.unwrap().unwrap();
        let error = app.tokens.refresh_with(pair.refresh_token(), renew).await.unwrap_err();
        assert_eq!(error.kind(), RefreshErrorKind::Unknown);
        app.store.insert(pair.session().clone(), kept).await.unwrap();
    }
}

#[tokio::test]
async fn the_grace_does_not_run_out_while_the_rights_are_asked_for() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    let renew = |grant| async {
        app.clock.advance(HOUR);
        Ok(grant)
    };
    let again = app.tokens.refresh_with(first.refresh_token(), renew).await.unwrap();
    assert_eq!(again.refresh_token(), second.refresh_token());
}

#[tokio::test]
async fn logging_out_with_an_old_token_does_it_too() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    app.clock.advance(HOUR);
    app.tokens.logout(first.refresh_token()).await.unwrap();
    assert_eq!(app.refused(&second).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_session_is_ended_by_the_name_in_its_access_token() {
    let app = default_app();
    let pair = app.start().await;
    let sid = claims(&app.principal(&pair))["sid"].as_str().map(SessionId::parse).unwrap().unwrap();
    app.tokens.end(&sid).await.unwrap();
    assert!(!app.lets_in(&pair));
    assert_eq!(app.refused(&pair).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn all_sessions_of_a_user_end_together() {
    let app = default_app();
    let (phone, laptop) = (app.start().await, app.start().await);
    let bob = app.tokens.start(&Grant::new("bob")).await.unwrap();
    app.tokens.end_all("alice").await.unwrap();
    assert!(!app.lets_in(&phone) && !app.lets_in(&laptop) && app.lets_in(&bob));
    assert_eq!(app.refused(&phone).await, RefreshErrorKind::Unknown);
    app.refresh(&bob).await;
}

#[tokio::test]
async fn the_rights_of_today_are_asked_for() {
    let app = default_app();
    let first = app.start().await;
    let renew = |grant: Grant| async move {
        assert_eq!(grant, Grant::new("alice").scopes(["a", "b"]).claims(&json!({ "tenant": 7 })).unwrap());
        Ok(Grant::new("alice").scopes(["a"]))
    };
    let second = app.tokens.refresh_with(first.refresh_token(), renew).await.unwrap();
    assert_eq!(second.access().scope(), Some("a"));
    let third = app.refresh(&second).await;
    assert_eq!(third.access().scope(), Some("a b"), "the login's grant stays what it was");
}

#[tokio::test]
async fn a_user_who_is_not_let_in_any_more_is_logged_out() {
    let app = default_app();
    let pair = app.start().await;
    let refuse = |_| async { Err(RefreshError::refused()) };
    let error = app.tokens.refresh_with(pair.refresh_token(), refuse).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Refused);
    assert!(!app.lets_in(&pair));
    assert_eq!(app.refused(&pair).await, RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_failure_on_the_way_leaves_the_token_as_good_as_it_was() {
    let app = app(|builder| builder.grace(Duration::ZERO));
    let pair = app.start().await;
    let fail = |_| async { Err(RefreshError::unavailable("the users' database is down")) };
    let error = app.tokens.refresh_with(pair.refresh_token(), fail).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Unavailable);
    let not_issued = |grant: Grant| async { Ok(grant.scopes(["not a scope"])) };
    let error = app.tokens.refresh_with(pair.refresh_token(), not_issued).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::NotIssued);
    app.refresh(&pair).await;
}

#[tokio::test]
async fn logging_in_starts_a_session() {
    let app = default_app();
    let users = |credentials: Credentials| async move {
        if credentials.password() == "demo" { Ok(Grant::new("1")) } else { Err(LoginError::wrong_credentials()) }
    };
    let pair = app.tokens.login(&users, Credentials::new("demo", "demo")).await.unwrap();
    assert_eq!(app.principal(&pair).subject(), Some("1"));
    let error = app.tokens.login(&users, Credentials::new("demo", "x")).await.unwrap_err();
    assert_eq!(error.kind(), LoginErrorKind::WrongCredentials);
    assert_eq!(app.store.len(), 1);
}

#[tokio::test]
async fn the_store_holds_no_token() {
    let app = default_app();
    let first = app.start().await;
    let second = app.refresh(&first).await;
    let kept = app.store.find(second.session()).await.unwrap().unwrap();
    let text = format!("{} {kept:?} {:?} {:?}", kept.to_json(), app.store, app.tokens);
    for secret in [first.refresh_token(), second.refresh_token()] {
        for half in [&secret[..40], &secret[44..]] {
            assert!(!text.contains(half), "{text}");
        }
    }
    assert!(!format!("{second:?}").contains(second.refresh_token()));
}

/// A store as a database would be one: text, a version, and now and then no answer.
#[derive(Clone, Default)]
struct Remote {
    rows: Arc<std::sync::Mutex<std::collections::HashMap<String, String>>>,
    is_down: Arc<std::sync::atomic::AtomicBool>,
}

impl Remote {
    fn with<T>(&self, work: impl FnOnce(&mut std::collections::HashMap<String, String>) -> T) -> Result<T, &'static str> {
        if self.is_down.load(std::sync::atomic::Ordering::SeqCst) {
            return Err("10.0.0.7 does not answer");
        }
        Ok(work(&mut self.rows.lock().unwrap()))
    }
}

impl RefreshStore for Remote {
    type Error = &'static str;

    async fn insert(&self, session: SessionId, family: RefreshFamily) -> Result<(), Self::Error> {
        self.with(|rows| drop(rows.insert(session.to_string(), family.to_json())))
    }

    async fn find(&self, session: &SessionId) -> Result<Option<RefreshFamily>, Self::Error> {
        self.with(|rows| rows.get(session.as_str()).map(|json| RefreshFamily::from_json(json).unwrap()))
    }

    async fn replace(&self, session: &SessionId, version: u64, next: RefreshFamily) -> Result<Replaced, Self::Error> {
        self.with(|rows| match rows.get_mut(session.as_str()) {
            Some(row) if RefreshFamily::from_json(row).unwrap().version() == version => {
                *row = next.to_json();
                Replaced::Done
            }
            _ => Replaced::Outdated,
        })
    }

    async fn remove(&self, session: &SessionId) -> Result<(), Self::Error> {
        self.with(|rows| drop(rows.remove(session.as_str())))
    }

    async fn sessions(&self, _: &str) -> Result<Vec<SessionId>, Self::Error> {
        self.with(|_| Vec::new())
    }

    async fn remove_subject(&self, _: &str) -> Result<Vec<SessionId>, Self::Error> {
        self.with(|_| Vec::new())
    }
}

fn process(store: &Remote, clock: &ManualClock) -> RefreshTokens<Remote> {
    let key = SigningKey::from_secret(donjon::token_auth::Algorithm::Hs256, &SECRET).unwrap();
    let issuer = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).clock(clock.clone()).crypto(crypto());
    RefreshTokens::builder(issuer.build().unwrap()).store(store.clone()).build().unwrap()
}

#[tokio::test]
async fn processes_share_a_store_of_text() {
    let (store, clock) = (Remote::default(), clock());
    let (one, other) = (process(&store, &clock), process(&store, &clock));
    let first = one.start(&Grant::new("alice").claims(&json!({ "tenant": 7 })).unwrap()).await.unwrap();
    let second = other.refresh(first.refresh_token()).await.unwrap();
    let again = one.refresh(first.refresh_token()).await.unwrap();
    assert_eq!(second.refresh_token(), again.refresh_token(), "also across processes");
    let third = one.refresh(second.refresh_token()).await.unwrap();
    let error = other.refresh(first.refresh_token()).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Reused);
    assert_eq!(one.refresh(third.refresh_token()).await.unwrap_err().kind(), RefreshErrorKind::Unknown);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_503_and_nothing_is_lost() {
    let (store, clock) = (Remote::default(), clock());
    let tokens = process(&store, &clock);
    let pair = tokens.start(&Grant::new("alice")).await.unwrap();
    store.is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = tokens.refresh(pair.refresh_token()).await.unwrap_err();
    assert_eq!(error.kind(), RefreshErrorKind::Unavailable);
    assert!(!format!("{error} {error:?} {}", error.to_problem().to_json()).contains("10.0.0.7"));
    let response = error.into_http_response::<()>();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    assert_eq!(tokens.logout(pair.refresh_token()).await.unwrap_err().kind(), RefreshErrorKind::Unavailable);
    assert_eq!(tokens.start(&Grant::new("bob")).await.unwrap_err().kind(), LoginErrorKind::Unavailable);
    store.is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    tokens.refresh(pair.refresh_token()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_oauth_error_that_is_not_stored() {
    let app = default_app();
    let error = app.tokens.refresh("x").await.unwrap_err();
    let response = error.into_http_response::<()>();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let problem = response.extensions().get::<donjon::Problem>().unwrap();
    assert!(problem.to_json().contains(r#""error":"invalid_grant""#));
}

#[test]
fn what_is_configured_wrongly_is_not_built() {
    let issuer = || {
        let key = SigningKey::from_secret(donjon::token_auth::Algorithm::Hs256, &SECRET).unwrap();
        TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).crypto(crypto()).build().unwrap()
    };
    let builder = || RefreshTokens::builder(issuer());
    for (name, builder, expected) in [
        ("idle", builder().idle_lifetime(Duration::from_secs(899)), ConfigErrorKind::SessionTooShort),
        ("absolute", builder().absolute_lifetime(Duration::ZERO), ConfigErrorKind::SessionTooShort),
        ("grace", builder().grace(Duration::from_secs(61)), ConfigErrorKind::GraceTooLong),
    ] {
        assert_eq!(builder.build().unwrap_err().kind(), expected, "{name}");
    }
    assert!(builder().idle_lifetime(Duration::from_secs(900)).grace(Duration::from_secs(60)).build().is_ok());
}
