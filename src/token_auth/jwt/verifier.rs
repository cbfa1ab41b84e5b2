use std::{fmt, sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;

use super::{
    claims::{self, Registered, Rules},
    key_source::{Coming, KeySource, Renewal},
    parse::{self, Compact, Header, KnownHeader},
};
use crate::{
    Principal, PrincipalBuilder,
    core::{SharedClock, trace::event},
    token_auth::{
        cache::{Verified, VerifiedTokens},
        claims::RawClaims,
        confirmation::Confirmation,
        crypto::Crypto,
        revocation::{RevocationStatus, SharedRevocation, TokenFacts},
        verifier::{LaterVerdict, TokenError, TokenErrorKind, Verdict, VerifyToken},
    },
};

/// Verifies JSON Web Tokens of one issuer.
///
/// In this order, and nothing of the claims is read before the signature is found good: length, shape, header, key, signature, claims as
/// JSON, types of the registered claims, `iss`, `aud`, `exp`, `nbf`, `iat`, revocation. A token that was found good is
/// [remembered](crate::token_auth::TokenCache). Cloning is a reference count.
///
/// ```
/// use donjon::token_auth::{Algorithm, Crypto, JwtVerifier, KeySet, VerifyingKey};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let secret = [7; 32];
/// let key = VerifyingKey::from_secret(Algorithm::Hs256, &secret)?;
/// # let Some(crypto) = Crypto::compiled().first() else { return Ok(()) };
/// let verifier = JwtVerifier::builder(key)
///     .issuer("https://login.example")
///     .audience("https://api.example")
/// #   .crypto(*crypto)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JwtVerifier(Arc<Inner>);

pub(super) struct Inner {
    pub(super) keys: KeySource,
    pub(super) rules: Rules,
    pub(super) token_type: Option<Box<str>>,
    pub(super) max_len: usize,
    pub(super) revocation: Option<SharedRevocation>,
    pub(super) cache: Option<VerifiedTokens>,
    /// Of the last good token whose header was read.
    pub(super) known_header: ArcSwapOption<KnownHeader>,
    pub(super) crypto: Crypto,
    pub(super) clock: SharedClock,
}

impl JwtVerifier {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Everything but whether other keys might help.
    fn check(&self, token: &str, now: SystemTime) -> Result<Principal, Refused> {
        let this = &*self.0;
        if token.len() > this.max_len {
            return Err(TokenErrorKind::Oversized.into());
        }
        if let Some(known) = this.recall(token, now) {
            return Ok(known?);
        }
        let compact = Compact::split(token, this.max_len)?;
        let last = this.known_header.load();
        let known = last.as_ref().and_then(|known| known.of(compact.header));
        let (mut buffer, mut longer) = ([0; parse::HEADER_LEN], Vec::new());
        let read = match known {
            Some(_) => None,
            None => Some(Header::read(parse::decode_header(compact.header, &mut buffer, &mut longer)?)?),
        };
        let Some(header) = known.or(read.as_ref()) else { return Err(TokenErrorKind::Malformed.into()) };
        if !parse::is_type(header.typ.as_deref(), this.token_type.as_deref()) {
            return Err(TokenErrorKind::WrongType.into());
        }
        let signature = parse::decode(compact.signature)?;
        let Some(keys) = this.keys.current(now) else {
            return Err(self.refused(TokenErrorKind::Unavailable, compact.claims, now));
        };
        let named = (header.algorithm, header.kid.as_deref());
        if let Err(kind) = keys.set.verify(this.crypto, named, compact.signed.as_bytes(), &signature) {
            return Err(self.refused(kind, compact.claims, now));
        }

        // From here on it is the issuer who speaks.
        let text = String::from_utf8(parse::decode(compact.claims)?).map_err(|_| TokenErrorKind::ClaimsMalformed)?;
        let verified = this.read(text, keys.generation, now)?;
        let principal = verified.principal.clone();
        if let Some(new) = &read {
            this.known_header.store(Some(Arc::new(KnownHeader::new(compact.header, new))));
        }
        if let Some(cache) = &this.cache {
            cache.insert(token, verified, 0, now);
        }
        Ok(principal)
    }

    /// Whether other keys could have made a difference. Nobody is asked for the sake of a token that would be refused with any key: its claims
    /// are believed against it only.
    fn refused(&self, kind: TokenErrorKind, claims: &str, now: SystemTime) -> Refused {
        let for_want_of_keys =
            matches!(kind, TokenErrorKind::KeyUnknown | TokenErrorKind::AlgorithmNotAllowed | TokenErrorKind::Unavailable);
        if !for_want_of_keys || self.0.keys.fixed().is_some() {
            return Refused::ForGood(kind);
        }
        let hopeful = parse::decode(claims).and_then(|buffer| {
            let text = std::str::from_utf8(&buffer).map_err(|_| TokenErrorKind::ClaimsMalformed)?;
            Registered::read(&claims::read(text)?)?.judge(&self.0.rules, now)
        });
        match hopeful {
            Ok(()) => Refused::ForWantOfKeys(kind),
            Err(_) => Refused::ForGood(TokenErrorKind::KeyUnknown),
        }
    }

    /// Looks at the token once more when the keys have come. They may come of a fetch that began for another reason and before the token's key
    /// was there: so it waits for one more, and for no third.
    fn later(&self, token: &str, mut keys: Coming) -> LaterVerdict {
        let (this, token) = (self.clone(), Box::<str>::from(token));
        LaterVerdict::new(async move {
            let mut waited = 1;
            let error = loop {
                keys.await;
                let now = this.0.clock.now();
                match this.check(&token, now) {
                    Ok(principal) => return Ok(principal),
                    Err(Refused::ForGood(kind)) => break kind.into(),
                    Err(Refused::ForWantOfKeys(kind)) => match this.0.keys.renew(now) {
                        Renewal::Current => break kind.into(),
                        Renewal::Unavailable { retry_after } => break TokenError::unavailable(retry_after),
                        Renewal::Coming(_) if waited == 2 => break TokenErrorKind::Unavailable.into(),
                        Renewal::Coming(more) => keys = more,
                    },
                }
                waited += 1;
            };
            event!(DEBUG, "token refused", reason = error);
            Err(error)
        })
    }
}

impl Inner {
    /// The principal of a token that was verified before, by keys that are still the same, unless it has ended since.
    fn recall(&self, token: &str, now: SystemTime) -> Option<Result<Principal, TokenErrorKind>> {
        let known = self.cache.as_ref()?.get(token)?;
        (known.generation == self.keys.generation(now)).then(|| self.check_again(known, now))
    }

    fn check_again(&self, known: Verified, now: SystemTime) -> Result<Principal, TokenErrorKind> {
        if now >= known.ends_at {
            return Err(TokenErrorKind::Expired);
        }
        // The clock may have been set back.
        if known.starts_at.is_some_and(|start| start > now) {
            return Err(TokenErrorKind::NotYetValid);
        }
        if known.principal.is_revoked() {
            return Err(TokenErrorKind::Revoked);
        }
        if let Some(revocation) = &self.revocation {
            let facts = TokenFacts {
                id: known.id.as_deref(),
                subject: known.principal.subject(),
                session: known.session.as_deref(),
                issued_at: known.issued_at,
                expires_at: Some(known.ends_at),
            };
            not_revoked(revocation, &facts)?;
        }
        Ok(known.principal)
    }

    /// Judges the claims and makes the principal.
    fn read(&self, text: String, generation: u64, now: SystemTime) -> Result<Verified, TokenErrorKind> {
        let members = claims::read_registered(&text)?;
        let registered = Registered::read(&members)?;
        registered.judge(&self.rules, now)?;
        let ends_at = registered.ends(self.rules.leeway);
        let mut principal = Principal::builder().scopes(registered.scopes()).expires_at(ends_at);
        if let Some(issuer) = registered.issuer {
            // If one was wanted, it is this one.
            principal = principal.issuer(self.rules.issuer.clone().unwrap_or_else(|| issuer.into()));
        }
        if let Some(subject) = registered.subject {
            principal = principal.subject(subject);
        }
        let facts = TokenFacts {
            id: registered.id,
            subject: registered.subject,
            session: registered.session,
            issued_at: registered.issued_at,
            expires_at: Some(ends_at),
        };
        if let Some(revocation) = &self.revocation {
            // First the signal, then the question: what comes between the two is not missed.
            let revoker = revocation.revoker(&facts);
            not_revoked(revocation, &facts)?;
            principal = revoker.iter().fold(principal, PrincipalBuilder::revoker);
        }
        let issued_at = facts.issued_at;
        let [id, session] = [facts.id, facts.session].map(|text| text.filter(|_| self.revocation.is_some()).map(Arc::from));
        let starts_at = registered.starts(self.rules.leeway);
        let confirmation = Confirmation::of(&members);
        drop(members);
        let principal = principal.claims(RawClaims::verified(text, confirmation)).build();
        Ok(Verified { principal, generation, starts_at, ends_at, issued_at, id, session })
    }
}

fn not_revoked(revocation: &SharedRevocation, token: &TokenFacts<'_>) -> Result<(), TokenErrorKind> {
    match revocation.status(token) {
        RevocationStatus::Valid => Ok(()),
        RevocationStatus::Revoked => Err(TokenErrorKind::Revoked),
        RevocationStatus::Unavailable => Err(TokenErrorKind::Unavailable),
    }
}

/// Why a token was not taken, and whether that may change with newer keys.
enum Refused {
    ForGood(TokenErrorKind),
    ForWantOfKeys(TokenErrorKind),
}

impl From<TokenErrorKind> for Refused {
    fn from(kind: TokenErrorKind) -> Self {
        Self::ForGood(kind)
    }
}

impl VerifyToken for JwtVerifier {
    type Future = LaterVerdict;

    fn verify(&self, token: &str) -> Verdict<LaterVerdict> {
        let now = self.0.clock.now();
        let error = match self.check(token, now) {
            Ok(principal) => return Verdict::Now(Ok(principal)),
            Err(Refused::ForGood(kind)) => kind.into(),
            Err(Refused::ForWantOfKeys(kind)) => match self.0.keys.renew(now) {
                Renewal::Coming(keys) => return Verdict::Later(self.later(token, keys)),
                Renewal::Current => kind.into(),
                Renewal::Unavailable { retry_after } => TokenError::unavailable(retry_after),
            },
        };
        event!(DEBUG, "token refused", reason = error);
        Verdict::Now(Err(error))
    }

    fn recall(&self, token: &str) -> Option<Result<Principal, TokenError>> {
        let known = self.0.recall(token, self.0.clock.now())?;
        Some(known.map_err(|kind| {
            event!(DEBUG, "token refused", reason = kind);
            kind.into()
        }))
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { keys, rules, token_type, .. } = &*self.0;
        f.debug_struct("JwtVerifier")
            .field("keys", keys)
            .field("rules", rules)
            .field("token_type", token_type)
            .finish_non_exhaustive()
    }
}
