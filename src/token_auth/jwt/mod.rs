//! Signed tokens: [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519) in the compact serialization of
//! [RFC 7515](https://www.rfc-editor.org/rfc/rfc7515), as strictly as [RFC 8725](https://www.rfc-editor.org/rfc/rfc8725) wants.

pub(super) mod claims;
pub(super) mod der;
pub(super) mod json;
pub(super) mod jwk;
pub(super) mod key_set;
pub(super) mod keys;
pub(super) mod parse;

use std::{future::Ready, sync::Arc, time::Duration};

use self::{
    claims::{Registered, Rules},
    key_set::KeySet,
    parse::{Compact, Header},
};
use super::{
    claims::RawClaims,
    crypto::Crypto,
    error::{ConfigError, ConfigErrorKind},
    verifier::{TokenError, TokenErrorKind, Verdict, VerifyToken},
};
use crate::{
    Clock, Principal,
    core::{SharedClock, trace::event},
};

/// The leeway unless told otherwise: clocks that are set by the network differ by less.
const LEEWAY: Duration = Duration::from_secs(30);
/// More would make a short lifetime meaningless.
const LEEWAY_MOST: Duration = Duration::from_secs(300);

/// Verifies JSON Web Tokens of one issuer by static keys.
///
/// In this order, and nothing of the claims is read before the signature is found good: length, shape, header, key, signature, claims as
/// JSON, types of the registered claims, `iss`, `aud`, `exp`, `nbf`, `iat`. Cloning is a reference count.
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
#[derive(Clone, Debug)]
pub struct JwtVerifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    keys: KeySet,
    rules: Rules,
    token_type: Option<Box<str>>,
    max_len: usize,
    crypto: Crypto,
    clock: SharedClock,
}

impl JwtVerifier {
    /// Starts a verifier with its keys: a [`KeySet`], or one [`VerifyingKey`](super::VerifyingKey).
    pub fn builder(keys: impl Into<KeySet>) -> JwtVerifierBuilder {
        JwtVerifierBuilder {
            keys: keys.into(),
            issuer: None,
            audiences: Vec::new(),
            any_audience: false,
            token_type: None,
            leeway: LEEWAY,
            max_len: parse::MAX_LEN,
            crypto: None,
            clock: SharedClock::default(),
        }
    }

    fn check(&self, token: &str) -> Result<Principal, TokenErrorKind> {
        let this = &*self.0;
        let compact = Compact::split(token, this.max_len)?;
        let mut buffer = Vec::with_capacity(compact.header.len());
        parse::decode_into(compact.header, &mut buffer)?;
        let header = Header::read(&buffer)?;
        if !parse::is_type(header.typ.as_deref(), this.token_type.as_deref()) {
            return Err(TokenErrorKind::WrongType);
        }
        let mut signature = Vec::with_capacity(compact.signature.len());
        parse::decode_into(compact.signature, &mut signature)?;
        this.keys.verify(this.crypto, (header.algorithm, header.kid.as_deref()), compact.signed.as_bytes(), &signature)?;

        // From here on it is the issuer who speaks.
        parse::decode_into(compact.claims, &mut buffer)?;
        let text = String::from_utf8(buffer).map_err(|_| TokenErrorKind::ClaimsMalformed)?;
        self.principal(text)
    }

    fn principal(&self, text: String) -> Result<Principal, TokenErrorKind> {
        let this = &*self.0;
        let members = claims::read(&text)?;
        let registered = Registered::read(&members)?;
        registered.judge(&this.rules, this.clock.now())?;
        let mut principal = Principal::builder().scopes(registered.scopes()).expires_at(registered.ends(this.rules.leeway));
        if let Some(issuer) = registered.issuer {
            principal = principal.issuer(issuer);
        }
        if let Some(subject) = registered.subject {
            principal = principal.subject(subject);
        }
        drop(members);
        Ok(principal.claims(RawClaims::verified(text)).build())
    }
}

impl VerifyToken for JwtVerifier {
    type Future = Ready<Result<Principal, TokenError>>;

    fn verify(&self, token: &str) -> Verdict<Self::Future> {
        Verdict::Now(self.check(token).map_err(|kind| {
            event!(DEBUG, "token refused", reason = kind);
            kind.into()
        }))
    }
}

/// Builds a [`JwtVerifier`]; see there for an example.
#[must_use]
#[derive(Debug)]
pub struct JwtVerifierBuilder {
    keys: KeySet,
    issuer: Option<Box<str>>,
    audiences: Vec<Box<str>>,
    any_audience: bool,
    token_type: Option<Box<str>>,
    leeway: Duration,
    max_len: usize,
    crypto: Option<Crypto>,
    clock: SharedClock,
}

impl JwtVerifierBuilder {
    /// Who must have issued the token: the exact value of `iss`, which becomes required
    /// ([RFC 7519 §4.1.1](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.1)).
    pub fn issuer(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Whom the token must be for: `aud` has to name it, or one of them if this is called again
    /// ([RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
    pub fn audience(mut self, audience: impl Into<Box<str>>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes tokens for anybody. A token that a user gave to any other service of the issuer then opens this one, too.
    pub fn dangerous_accept_any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// The `typ` that the header must have, such as `at+jwt` ([RFC 9068 §2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.1)).
    ///
    /// Without it `JWT`, `at+jwt` and no type at all are taken, and any other type is refused.
    pub fn token_type(mut self, token_type: impl Into<Box<str>>) -> Self {
        self.token_type = Some(token_type.into());
        self
    }

    /// How far the issuer's clock may differ from ours: 30 seconds unless told otherwise, five minutes at most.
    ///
    /// A token is taken until `exp` plus the leeway, which is also the principal's [`expires_at`](Principal::expires_at), and from `nbf` and
    /// `iat` minus the leeway.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The longest token that is looked at, in bytes: 8 KiB unless told otherwise.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// Which cryptography to use; needed if more than one is compiled in.
    pub fn crypto(mut self, crypto: Crypto) -> Self {
        self.crypto = Some(crypto);
        self
    }

    /// Where to read the time.
    pub fn clock(self, clock: impl Clock) -> Self {
        self.shared_clock(SharedClock::new(clock))
    }

    pub(super) fn shared_clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// The verifier.
    ///
    /// # Errors
    ///
    /// If the [crypto](Crypto) is missing or ambiguous, the keys are missing, mixed or ambiguous, no audience was given, or the leeway is
    /// too long: see [`ConfigErrorKind`].
    pub fn build(self) -> Result<JwtVerifier, ConfigError> {
        let crypto = Crypto::resolve(self.crypto)?;
        self.keys.check()?;
        if self.leeway > LEEWAY_MOST {
            return Err(ConfigErrorKind::LeewayTooLong.into());
        }
        let audiences = match (self.audiences.is_empty(), self.any_audience) {
            (true, false) => return Err(ConfigErrorKind::AudienceMissing.into()),
            (false, true) => return Err(ConfigErrorKind::AudienceAmbiguous.into()),
            (true, true) => None,
            (false, false) => Some(self.audiences.into_boxed_slice()),
        };
        Ok(JwtVerifier(Arc::new(Inner {
            keys: self.keys,
            rules: Rules { issuer: self.issuer, audiences, leeway: self.leeway },
            token_type: self.token_type,
            max_len: self.max_len,
            crypto,
            clock: self.clock,
        })))
    }
}
