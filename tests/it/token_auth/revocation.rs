//! Tokens that end before their time.

use std::sync::Arc;

use donjon::{
    Principal,
    token_auth::{
        Algorithm, JwtVerifier, Rejection, RejectionKind, Revocation, RevocationList, RevocationStatus, TokenAuthLayer,
        TokenErrorKind, TokenFacts, VerifyingKey,
    },
};

use super::{AUDIENCE, INVALID_TOKEN, ISSUER, NOW, SECRET, answer, at, bearing, challenge, clock, crypto, forger::Forger};

fn layer(revocation: impl Revocation) -> TokenAuthLayer<JwtVerifier> {
    let key = VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).unwrap().with_kid("k1");
    let verifier = JwtVerifier::builder(key).issuer(ISSUER).audience(AUDIENCE).crypto(crypto()).clock(clock());
    TokenAuthLayer::new(verifier.revocation(revocation).build().unwrap())
}

#[tokio::test]
async fn a_revocation_works_on_the_very_next_request() {
    type Revoke = fn(&RevocationList, &Principal);
    let rows: [(&str, Revoke); 4] = [
        ("by token", |list, _| list.revoke("t1", at(NOW + 60)).unwrap()),
        ("by principal", |list, principal| list.revoke_principal(principal).unwrap()),
        ("by subject", |list, _| list.revoke_subject("alice").unwrap()),
        ("by time", |list, _| list.revoke_issued_until(at(NOW))),
    ];
    for (name, revoke) in rows {
        let list = Arc::new(RevocationList::new().clock(clock()));
        let layer = layer(Arc::clone(&list));
        let token = Forger::good().claim("jti", "t1").sign();
        let other = Forger::good().claim("jti", "t2").claim("sub", "bob").claim("iat", NOW + 1).sign();
        let (parts, body) = answer(&layer, bearing(&token)).await;
        assert_eq!(body, "alice|", "{name}");
        let principal = parts.extensions.get::<Principal>().unwrap();
        let mut revoked = Box::pin(principal.revoked());
        assert!(futures_util::poll!(&mut revoked).is_pending(), "{name}");

        revoke(&list, principal);
        let (refused, _) = answer(&layer, bearing(&token)).await;
        assert_eq!((refused.status.as_u16(), challenge(&refused.headers)), (401, INVALID_TOKEN), "{name}");
        let kind = refused.extensions.get::<Rejection>().unwrap().kind();
        assert_eq!(kind, RejectionKind::InvalidToken(TokenErrorKind::Revoked), "{name}");
        assert!(principal.is_revoked(), "{name}");
        revoked.await;
        assert_eq!(answer(&layer, bearing(&other)).await.1, "bob|", "{name}");
    }
}

#[tokio::test]
async fn a_token_that_was_revoked_before_it_was_seen_is_refused_too() {
    let list = RevocationList::new().clock(clock());
    list.revoke("t1", at(NOW + 60)).unwrap();
    let (parts, _) = answer(&layer(list), bearing(&Forger::good().claim("jti", "t1").sign())).await;
    assert_eq!(parts.status, 401);
}

#[tokio::test]
async fn every_principal_of_a_token_is_told_with_or_without_a_cache() {
    let list = Arc::new(RevocationList::new().clock(clock()));
    let key = || VerifyingKey::from_secret(Algorithm::Hs256, &SECRET).unwrap().with_kid("k1");
    let builder = || JwtVerifier::builder(key()).audience(AUDIENCE).crypto(crypto()).clock(clock()).revocation(Arc::clone(&list));
    let token = Forger::good().claim("jti", "t1").sign();
    let mut principals = Vec::new();
    for layer in [builder().build().unwrap(), builder().without_cache().build().unwrap()].map(TokenAuthLayer::new) {
        for _ in 0..3 {
            let (parts, _) = answer(&layer, bearing(&token)).await;
            principals.push(parts.extensions.get::<Principal>().unwrap().clone());
        }
    }
    assert!(principals.iter().all(|principal| !principal.is_revoked()));
    list.revoke("t1", at(NOW + 60)).unwrap();
    assert!(principals.iter().all(Principal::is_revoked));
}

/// Says the same of every token, and keeps what it was asked about.
struct Says(RevocationStatus);

impl Revocation for Says {
    fn status(&self, token: &TokenFacts<'_>) -> RevocationStatus {
        assert_eq!((token.id, token.subject), (Some("t1"), Some("alice")));
        assert_eq!((token.issued_at, token.expires_at), (Some(at(NOW)), Some(at(NOW + 60))));
        self.0
    }
}

#[tokio::test]
async fn a_store_that_cannot_tell_lets_nobody_through() {
    let token = Forger::good().claim("jti", "t1").sign();
    for (status, expected, retry) in [
        (RevocationStatus::Valid, 200, None),
        (RevocationStatus::Revoked, 401, None),
        (RevocationStatus::Unavailable, 503, Some("5")),
    ] {
        let layer = layer(Says(status));
        for _ in 0..2 {
            let (parts, _) = answer(&layer, bearing(&token)).await;
            assert_eq!(parts.status, expected);
            assert_eq!(parts.headers.get("retry-after").map(|value| value.to_str().unwrap()), retry);
        }
    }
}
