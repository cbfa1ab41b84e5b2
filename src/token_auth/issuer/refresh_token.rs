//! The text of a refresh token, and what is derived from it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// SHA-256 of something, told apart from other uses by a label in front.
pub(super) type Digest = [u8; 32];

/// The session that a login starts: one family of refresh tokens, and all access tokens issued with them.
///
/// It is no secret: every access token of the session names it in its claim `sid`
/// ([OpenID Connect Front-Channel Logout §3](https://openid.net/specs/openid-connect-frontchannel-1_0.html#OPLogout)), a log may hold it,
/// and nothing can be refreshed by it. 22 characters of base64url.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// Reads the claim `sid` of an access token; `None` if it is not such an identifier.
    #[must_use]
    pub fn parse(sid: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sid).ok()?;
        (bytes.len() == 16).then(|| Self(sid.into()))
    }

    /// The text, as in the claim.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionId").field(&self.0).finish()
    }
}

/// Two numbers of 256 random bits: one stays the same through all of a family, one is of this token alone.
///
/// Whoever knows the first held a token of the family once. So a token that is not the current one proves itself a stolen or a repeated
/// one, however old it is, without a list of all that ever were; and nobody else can end the family by guessing.
pub(in crate::token_auth) struct RefreshToken {
    family: [u8; 32],
    secret: [u8; 32],
}

impl RefreshToken {
    /// The first of a new family.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        Ok(Self { family: random()?, secret: random()? })
    }

    /// Reads a token; there is one text for each.
    pub(in crate::token_auth) fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        // The engine takes no padding and no stray bits at the end.
        let 64 = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? else { return None };
        let (family, secret) = bytes.split_first_chunk()?;
        Some(Self { family: *family, secret: secret.try_into().ok()? })
    }

    pub(in crate::token_auth) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.family, self.secret].concat())
    }

    /// The family's name: half a hash of what all its tokens share.
    pub(in crate::token_auth) fn session(&self) -> SessionId {
        let hash = sha256("donjon refresh family", &[&self.family]);
        let (half, _) = hash.split_at(hash.len() / 2);
        SessionId(URL_SAFE_NO_PAD.encode(half).into_boxed_str())
    }

    /// What a store keeps instead of the token.
    pub(super) fn digest(&self) -> Digest {
        sha256("donjon refresh token", &[&self.family, &self.secret])
    }

    /// The next token of the family.
    ///
    /// It follows from this one and the salt, so that who shows this one again within the grace gets the same answer though neither is
    /// stored. The store knows the salt, the holder of this token knows the rest; each alone knows nothing of the next.
    pub(super) fn successor(&self, salt: &[u8; 32]) -> Self {
        Self { family: self.family, secret: sha256("donjon refresh successor", &[&self.family, &self.secret, salt]) }
    }
}

/// 256 random bits.
pub(super) fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Compared without a hint in time of where they differ.
pub(super) fn same(one: &Digest, other: &Digest) -> bool {
    one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

/// No label is the beginning of another and every part has a fixed length, so no two lists make the same message.
fn sha256(label: &str, parts: &[&[u8; 32]]) -> Digest {
    let labelled = Sha256::new().chain_update(label).chain_update([0]);
    parts.iter().fold(labelled, |hash, part| hash.chain_update(part)).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_what_it_was() {
        let token = RefreshToken::random().unwrap();
        let text = token.to_text();
        assert_eq!(text.len(), 86);
        assert_eq!(RefreshToken::parse(&text).unwrap().to_text(), text);
    }

    #[test]
    fn what_is_no_token() {
        let text = RefreshToken { family: [7; 32], secret: [0; 32] }.to_text();
        assert!(RefreshToken::parse(&text).is_some());
        for (name, text) in [
            ("nothing", String::new()),
            ("short", text[..85].to_owned()),
            ("long", format!("{text}A")),
            ("padded", format!("{text}==")),
            ("stray bits", format!("{}B", &text[..85])),
            ("another alphabet", text.replacen('A', "+", 1)),
            ("a space", format!(" {text}")),
            ("a megabyte", "A".repeat(1_000_000)),
        ] {
            assert!(RefreshToken::parse(&text).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_derived_tells_families_tokens_and_salts_apart() {
        let token = |family, secret| RefreshToken { family: [family; 32], secret: [secret; 32] };
        let session = |family, secret| token(family, secret).session();
        assert_eq!(session(1, 1), session(1, 2));
        assert_ne!(session(1, 1), session(2, 1));
        let digest = |family, secret| token(family, secret).digest();
        assert_eq!(digest(1, 1), digest(1, 1));
        assert_ne!(digest(1, 1), digest(1, 2));
        assert_ne!(digest(1, 1), digest(2, 1));
        let next = |family, secret, salt| token(family, secret).successor(&[salt; 32]);
        assert_eq!(next(1, 1, 1).digest(), next(1, 1, 1).digest());
        assert_ne!(next(1, 1, 1).digest(), next(1, 1, 2).digest());
        assert_ne!(next(1, 1, 1).digest(), next(1, 2, 1).digest());
        assert_eq!(next(1, 1, 1).session(), session(1, 1));
    }

    /// Values made elsewhere, by Python's `hashlib` and `base64`: tokens in users' hands outlive a release.
    #[test]
    fn what_is_derived_stays_the_same() {
        let token = RefreshToken { family: [7; 32], secret: [8; 32] };
        assert_eq!(token.session().as_str(), "I5_INR0-R675M3LlQvRRwA");
        assert_eq!(URL_SAFE_NO_PAD.encode(token.digest()), "ndgOv6xPTvOg8QECaiHYlXaQzRBfKUkZnsRoPTK3nI0");
        assert_eq!(URL_SAFE_NO_PAD.encode(token.successor(&[9; 32]).secret), "KvrQ7a9B8-9RCglDWkgxXbe_2LI2Mqyvrj2Ra3hH9eY");
        assert_eq!(SessionId::parse(token.session().as_str()), Some(token.session()));
    }

    #[test]
    fn session_ids() {
        for (name, sid, expected) in [
            ("16 bytes", "AAAAAAAAAAAAAAAAAAAAAA", true),
            ("15 bytes", "AAAAAAAAAAAAAAAAAAAA", false),
            ("stray bits", "AAAAAAAAAAAAAAAAAAAAAB", false),
            ("nothing", "", false),
            ("a line break", "AAAAAAAAAAAAAAAAAAAA\n", false),
        ] {
            assert_eq!(SessionId::parse(sid).is_some(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_token_read_is_written_the_same(text in "[A-Za-z0-9_=-]{84,88}") {
            if let Some(token) = RefreshToken::parse(&text) {
                prop_assert_eq!(token.to_text(), text);
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in any::<String>()) {
            prop_assert!(RefreshToken::parse(&text).is_none_or(|token| token.to_text() == text));
        }

        #[test]
        fn equality_is_equality(one in any::<[u8; 32]>(), other in any::<[u8; 32]>(), at in 0..32_usize, bit in 0..8_u8) {
            prop_assert_eq!(same(&one, &other), one == other);
            let mut near = one;
            near[at] ^= 1 << bit;
            prop_assert!(same(&one, &one) && !same(&one, &near));
        }
    }
}
