//! What becomes of the inner service's response.

use http::{Response, header};

use super::{
    challenge::{self, ProtectionSpace, Scheme},
    claims::RawClaims,
    confirmation::Confirmation,
    rejection::{Rejection, RejectionKind},
    require_scope::{RequiredScope, Unguarded},
};
use crate::{LayerBody, Principal};

/// Tells the layers around whose answer it is. A refusal of `RequireScope` gets the challenge of this layer, the only one that knows what would
/// let the client in; without a `space` of its own there is no more to say than the scheme.
#[inline]
pub(super) fn complete<B>(
    response: Response<B>,
    principal: Option<Principal>,
    space: Option<&ProtectionSpace>,
) -> Response<LayerBody<B>> {
    match principal {
        // Of most requests without a token there is nothing to look for.
        None if response.extensions().is_empty() => response.map(LayerBody::inner),
        None => of_the_anonymous(response, space),
        Some(principal) => of(principal, response, space),
    }
}

fn of_the_anonymous<B>(mut response: Response<B>, space: Option<&ProtectionSpace>) -> Response<LayerBody<B>> {
    match response.extensions_mut().remove::<Unguarded>() {
        None => response.map(LayerBody::inner),
        Some(unguarded) => {
            unguarded.answer();
            Rejection::from(RejectionKind::Missing).into_http_response(space.unwrap_or(&ProtectionSpace::default()))
        }
    }
}

fn of<B>(principal: Principal, mut response: Response<B>, space: Option<&ProtectionSpace>) -> Response<LayerBody<B>> {
    if let Some(RequiredScope(scope)) = response.extensions_mut().remove() {
        let (scheme, bare) = (scheme_of(&principal), ProtectionSpace::default());
        let mut challenges = challenge::challenges(space.unwrap_or(&bare), scheme, RejectionKind::InsufficientScope.error());
        if let Some(first) = challenges.next() {
            let first = scope.map_or(first.clone(), |scope| challenge::with_scope(&first, &scope));
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, first);
            for other in challenges {
                headers.append(header::WWW_AUTHENTICATE, other);
            }
        }
    }
    response.extensions_mut().insert(principal);
    response.map(LayerBody::inner)
}

/// A token with a key was let in by the scheme that proves it, any other by `Bearer`.
fn scheme_of(principal: &Principal) -> Scheme {
    match principal.claims::<RawClaims>().map(RawClaims::confirmation) {
        Some(Confirmation::Bound { key: Some(_), .. }) => Scheme::Dpop,
        _ => Scheme::Bearer,
    }
}
