//! Keys in a file that changes.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use donjon::{
    ManualClock,
    token_auth::{
        Algorithm, ConfigErrorKind, Grant, JwtVerifier, KeyFile, SigningKey,
        TokenErrorKind::{self, KeyUnknown},
        TokenIssuer, Verdict, VerifyToken as _,
    },
};

use super::{AUDIENCE, ISSUER, clock, crypto, issuing::pem};

/// A file that is gone with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn with(text: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("donjon-key-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn issuer(kid: &str, clock: &ManualClock) -> TokenIssuer {
    let key = SigningKey::generate_ed25519().unwrap().with_kid(kid);
    let builder = TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).lifetime(Duration::from_secs(86_400));
    builder.clock(clock.clone()).crypto(crypto()).build().unwrap()
}

fn token(issuer: &TokenIssuer) -> String {
    issuer.issue(&Grant::new("alice")).unwrap().access_token().to_owned()
}

fn verifier(keys: &KeyFile, clock: &ManualClock) -> JwtVerifier {
    let builder = JwtVerifier::builder(keys.clone()).issuer(ISSUER).audience(AUDIENCE);
    builder.clock(clock.clone()).crypto(crypto()).build().unwrap()
}

#[track_caller]
fn verdict(verifier: &JwtVerifier, token: &str) -> Result<(), TokenErrorKind> {
    match verifier.verify(token) {
        Verdict::Now(verdict) => verdict.map(drop).map_err(|error| error.kind()),
        Verdict::Later(_) => panic!("it waits for a file"),
    }
}

#[test]
fn a_reload_takes_the_new_keys_and_drops_the_old_ones_at_once() {
    let clock = clock();
    let (old, new) = (issuer("old", &clock), issuer("new", &clock));
    let file = Scratch::with(&old.jwks());
    let keys = KeyFile::jwks(&file.0).clock(clock.clone()).open().unwrap();
    let verifier = verifier(&keys, &clock);
    let (old, new_token) = (token(&old), token(&new));
    assert_eq!(verdict(&verifier, &old), Ok(()));
    assert_eq!(verdict(&verifier, &new_token), Err(KeyUnknown));
    file.write(&new.jwks());
    keys.reload().unwrap();
    assert_eq!(verdict(&verifier, &new_token), Ok(()));
    // It was remembered.
    assert_eq!(verdict(&verifier, &old), Err(KeyUnknown));
}

#[test]
fn a_bad_file_leaves_the_old_keys_in_use() {
    let clock = clock();
    let issuer = issuer("a", &clock);
    let file = Scratch::with(&issuer.jwks());
    let keys = KeyFile::jwks(&file.0).clock(clock.clone()).open().unwrap();
    let verifier = verifier(&keys, &clock);
    let whole = issuer.jwks();
    for (name, text, expected) in [
        ("empty", String::new(), ConfigErrorKind::KeyFormat),
        ("half", whole[..whole.len() / 2].to_owned(), ConfigErrorKind::KeyFormat),
        ("no keys", r#"{"keys":[]}"#.to_owned(), ConfigErrorKind::KeysMissing),
        ("far too long", " ".repeat((1 << 20) + 1), ConfigErrorKind::FileUnreadable),
    ] {
        file.write(&text);
        assert_eq!(keys.reload().unwrap_err().kind(), expected, "{name}");
        assert_eq!(verdict(&verifier, &token(&issuer)), Ok(()), "{name}");
    }
    fs::remove_file(&file.0).unwrap();
    assert_eq!(keys.reload().unwrap_err().kind(), ConfigErrorKind::FileUnreadable);
    assert_eq!(verdict(&verifier, &token(&issuer)), Ok(()));
}

#[test]
fn a_changed_file_is_read_when_it_is_time_to_look_and_not_before() {
    let clock = clock();
    let (old, new) = (issuer("old", &clock), issuer("rotated", &clock));
    let file = Scratch::with(&old.jwks());
    let keys = KeyFile::jwks(&file.0).clock(clock.clone()).check_every(Duration::from_secs(5)).open().unwrap();
    let verifier = verifier(&keys, &clock);
    let token = token(&new);
    file.write(&new.jwks());
    clock.advance(Duration::from_millis(4_999));
    assert_eq!(verdict(&verifier, &token), Err(KeyUnknown));
    clock.advance(Duration::from_millis(1));
    // This request has it read, by another thread, and does not wait for it.
    while verdict(&verifier, &token).is_err() {
        std::thread::yield_now();
    }
}

#[test]
#[cfg(unix)]
fn a_file_renamed_over_it_is_read_even_if_length_and_time_are_the_same() {
    let clock = clock();
    let (old, new) = (issuer("a", &clock), issuer("b", &clock));
    let (file, next) = (Scratch::with(&old.jwks()), Scratch::with(&new.jwks()));
    let keys = KeyFile::jwks(&file.0).clock(clock.clone()).open().unwrap();
    let verifier = verifier(&keys, &clock);
    let token = token(&new);
    let before = fs::metadata(&file.0).unwrap();
    fs::File::options().write(true).open(&next.0).unwrap().set_modified(before.modified().unwrap()).unwrap();
    fs::rename(&next.0, &file.0).unwrap();
    let after = fs::metadata(&file.0).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    assert_eq!(verdict(&verifier, &token), Err(KeyUnknown));
    clock.advance(Duration::from_secs(10));
    let is_read = (0..2_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        verdict(&verifier, &token).is_ok()
    });
    assert!(is_read);
}

#[test]
fn a_public_key_in_pem() {
    let clock = clock();
    let file = Scratch::with(&pem("p256-public"));
    let keys = KeyFile::pem(Algorithm::Es256, &file.0).clock(clock.clone()).open().unwrap();
    let key = SigningKey::from_pem(Algorithm::Es256, &pem("p256-private")).unwrap();
    let issuer =
        TokenIssuer::builder(key).issuer(ISSUER).audience(AUDIENCE).clock(clock.clone()).crypto(crypto()).build().unwrap();
    assert_eq!(verdict(&verifier(&keys, &clock), &token(&issuer)), Ok(()));
    file.write(&pem("p256-private"));
    assert_eq!(keys.reload().unwrap_err().kind(), ConfigErrorKind::KeyPrivate);
}

#[test]
fn what_cannot_be_read_is_not_opened() {
    let missing = KeyFile::jwks("/nowhere/keys.json").open().unwrap_err();
    assert_eq!(missing.kind(), ConfigErrorKind::FileUnreadable);
    assert!(std::error::Error::source(&missing).is_some());
    let file = Scratch::with(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    assert_eq!(KeyFile::jwks(&file.0).open().unwrap_err().kind(), ConfigErrorKind::KeysMissing);
}
