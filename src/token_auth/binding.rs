//! Whether a verified token may be used by who sent it: its confirmation ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)) against what
//! came with it. Decided anew for every request, however well the token is known.

use http::{HeaderMap, HeaderValue, Request};

use super::{
    certificate::ClientCertificate,
    challenge::Scheme,
    claims::RawClaims,
    confirmation::Confirmation,
    dpop::{
        BearerTokens, Dpop, Wanted,
        error::ProofErrorKind,
        replay::{Asking, ProofUse, ReplayVerdict},
    },
    rejection::{Rejection, RejectionKind},
    source::FoundAt,
    thumbprint::Thumbprint,
    verifier::{
        TokenError,
        TokenErrorKind::{self, BindingFailed, BindingMissing, BindingUnknown},
    },
};
use crate::Principal;

/// How a token came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presentation {
    /// By the scheme `Bearer`, in a cookie, or otherwise without a proof.
    Bearer,
    /// By the scheme `DPoP`; with the hash that its proof must name.
    Dpop { token: Thumbprint },
}

impl Presentation {
    pub(super) fn new(at: FoundAt, token: &str) -> Self {
        match at {
            FoundAt::Dpop => Self::Dpop { token: Thumbprint::of(token.as_bytes()) },
            _ => Self::Bearer,
        }
    }

    pub(super) fn scheme(&self) -> Scheme {
        match self {
            Self::Bearer => Scheme::Bearer,
            Self::Dpop { .. } => Scheme::Dpop,
        }
    }
}

/// What comes of a verified token.
pub(super) enum Admission {
    /// The request may pass; its response brings the nonce.
    Granted(Option<HeaderValue>),
    Refused(Rejection),
    /// As granted, if the store says that the proof is new.
    Asked(Asking, Option<HeaderValue>),
}

/// Lets a verified token in, or not.
pub(super) fn admit<B>(
    principal: &Principal,
    presentation: Presentation,
    request: &Request<B>,
    dpop: Option<&Dpop>,
) -> Admission {
    let confirmation = principal.claims::<RawClaims>().map_or(Confirmation::Bearer, RawClaims::confirmation);
    let certificate = request.extensions().get().map(ClientCertificate::thumbprint);
    match demand(confirmation, presentation.scheme(), certificate, dpop.map(Dpop::bearer_tokens)) {
        Ok(None) => Admission::Granted(None),
        Ok(Some(key)) => match (presentation, dpop) {
            (Presentation::Dpop { token }, Some(dpop)) => prove(dpop, &key, request, &token),
            // `demand` asks for no proof where there can be none.
            _ => Admission::Refused(refused(BindingFailed, Scheme::Bearer)),
        },
        // Who holds a token with a key should have come by the other scheme.
        Err(BindingFailed) if dpop.is_some() && is_bound_to_key(confirmation) => {
            Admission::Refused(refused(BindingFailed, Scheme::Dpop))
        }
        Err(kind) => Admission::Refused(refused(kind, presentation.scheme())),
    }
}

fn refused(kind: TokenErrorKind, scheme: Scheme) -> Rejection {
    Rejection::from(RejectionKind::InvalidToken(kind)).of_scheme(scheme)
}

fn is_bound_to_key(confirmation: Confirmation) -> bool {
    matches!(confirmation, Confirmation::Bound { key: Some(_), .. })
}

/// The key of which possession is still to be proved, if any. `bearer_tokens` is `None` where proofs are not looked at.
fn demand(
    confirmation: Confirmation,
    scheme: Scheme,
    shown: Option<Thumbprint>,
    bearer_tokens: Option<BearerTokens>,
) -> Result<Option<Thumbprint>, TokenErrorKind> {
    let (key, certificate) = match confirmation {
        Confirmation::Unknown => return Err(BindingUnknown),
        Confirmation::Bearer => (None, None),
        Confirmation::Bound { key, certificate } => (key, certificate),
    };
    if certificate.is_some_and(|certificate| shown != Some(certificate)) {
        return Err(BindingFailed);
    }
    match (key, scheme) {
        (Some(key), Scheme::Dpop) if bearer_tokens.is_some() => Ok(Some(key)),
        // RFC 9449 §7.1: a token with a key must not be taken from a mere bearer.
        (Some(_), _) => Err(BindingFailed),
        (None, Scheme::Dpop) => Err(BindingMissing),
        (None, Scheme::Bearer) if bearer_tokens == Some(BearerTokens::Refused) => Err(BindingMissing),
        (None, Scheme::Bearer) => Ok(None),
    }
}

/// The proof is looked at only now: who has no token that wants one cannot make us check signatures.
fn prove<B>(dpop: &Dpop, key: &Thumbprint, request: &Request<B>, token: &Thumbprint) -> Admission {
    let headers: &HeaderMap = request.headers();
    let wanted = Wanted { method: request.method().as_str(), path: request.uri().path(), headers, token };
    let proof = match dpop.check(wanted) {
        Ok(proof) if proof.key == *key => proof,
        Ok(_) => return Admission::Refused(refused(BindingFailed, Scheme::Dpop)),
        Err(kind) => return Admission::Refused(of_proof(kind)),
    };
    match dpop.record(&proof) {
        ReplayVerdict::Now(proof_use) => settled(proof_use, proof.nonce),
        ReplayVerdict::Later(answer) => Admission::Asked(answer, proof.nonce),
    }
}

/// What the store's answer means.
pub(super) fn settled(proof_use: ProofUse, nonce: Option<HeaderValue>) -> Admission {
    match proof_use {
        ProofUse::First => Admission::Granted(nonce),
        ProofUse::Again => Admission::Refused(of_proof(ProofErrorKind::Replayed)),
        ProofUse::Unknown => Admission::Refused(TokenError::from(TokenErrorKind::Unavailable).into()),
    }
}

fn of_proof(kind: ProofErrorKind) -> Rejection {
    Rejection::from(RejectionKind::InvalidProof(kind)).of_scheme(Scheme::Dpop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_use_which_token() {
        use BearerTokens::{Refused, Taken};
        let key = Thumbprint::of(b"key");
        let mine = Thumbprint::of(b"my certificate");
        let other = Thumbprint::of(b"another certificate");
        let bound = |key, certificate| Confirmation::Bound { key, certificate };
        let (plain, unknown) = (Confirmation::Bearer, Confirmation::Unknown);
        let (bearer, dpop) = (Scheme::Bearer, Scheme::Dpop);
        for (name, confirmation, scheme, certificate, policy, expected) in [
            ("plain", plain, bearer, None, None, Ok(None)),
            ("plain beside a certificate", plain, bearer, Some(mine), None, Ok(None)),
            ("plain where both are taken", plain, bearer, None, Some(Taken), Ok(None)),
            ("plain where a key is required", plain, bearer, None, Some(Refused), Err(BindingMissing)),
            ("plain as if it had a key", plain, dpop, None, Some(Taken), Err(BindingMissing)),
            ("plain as if it had a key, required", plain, dpop, None, Some(Refused), Err(BindingMissing)),
            ("not understood", unknown, bearer, None, None, Err(BindingUnknown)),
            ("not understood, by the other scheme", unknown, dpop, Some(mine), Some(Taken), Err(BindingUnknown)),
            ("key", bound(Some(key), None), dpop, None, Some(Taken), Ok(Some(key))),
            ("key where it is required", bound(Some(key), None), dpop, None, Some(Refused), Ok(Some(key))),
            ("key where proofs are not looked at", bound(Some(key), None), bearer, None, None, Err(BindingFailed)),
            ("key, by the other scheme, not looked at", bound(Some(key), None), dpop, None, None, Err(BindingFailed)),
            ("key as a bearer's", bound(Some(key), None), bearer, None, Some(Taken), Err(BindingFailed)),
            ("key as a bearer's, required", bound(Some(key), None), bearer, None, Some(Refused), Err(BindingFailed)),
            ("certificate", bound(None, Some(mine)), bearer, Some(mine), None, Ok(None)),
            ("certificate missing", bound(None, Some(mine)), bearer, None, None, Err(BindingFailed)),
            ("another certificate", bound(None, Some(mine)), bearer, Some(other), None, Err(BindingFailed)),
            ("certificate where both are taken", bound(None, Some(mine)), bearer, Some(mine), Some(Taken), Ok(None)),
            (
                "certificate where a key is required",
                bound(None, Some(mine)),
                bearer,
                Some(mine),
                Some(Refused),
                Err(BindingMissing),
            ),
            ("certificate as if it had a key", bound(None, Some(mine)), dpop, Some(mine), Some(Taken), Err(BindingMissing)),
            ("key and certificate", bound(Some(key), Some(mine)), dpop, Some(mine), Some(Taken), Ok(Some(key))),
            ("key without its certificate", bound(Some(key), Some(mine)), dpop, None, Some(Taken), Err(BindingFailed)),
            ("key with another certificate", bound(Some(key), Some(mine)), dpop, Some(other), Some(Taken), Err(BindingFailed)),
            (
                "certificate, its key as a bearer's",
                bound(Some(key), Some(mine)),
                bearer,
                Some(mine),
                Some(Taken),
                Err(BindingFailed),
            ),
        ] {
            assert_eq!(demand(confirmation, scheme, certificate, policy), expected, "{name}");
        }
    }
}
