//! What the layer says when nobody passes, and what `TokenAuth` around it makes of that.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{Response, StatusCode, header};

use super::requirement::Requirement;
use crate::{
    LayerBody, Problem,
    core::trace::event,
    token_auth::{
        challenge::{self, ProtectionSpace},
        rejection::{Rejection, RejectionKind},
    },
};

/// The scopes that were missing, in the response's extensions, so that `TokenAuth` can write its own challenge about them.
#[derive(Clone, Debug)]
pub(in crate::token_auth) struct RequiredScope(pub(in crate::token_auth) Option<Arc<str>>);

/// Marks the response to a request without a principal. `TokenAuth`, if one is around, knows that the caller is anonymous and answers so
/// instead. If none is, nobody ever asked who is calling: the response stays a 500, and its end is told to the operator.
///
/// It is marked on the way out because on the way in a mark on every anonymous request would cost what this layer may never read.
#[derive(Clone)]
pub(in crate::token_auth) struct Unguarded(Arc<Alarm>);

#[derive(Default)]
struct Alarm {
    off: AtomicBool,
}

impl Unguarded {
    /// Somebody is around.
    pub(in crate::token_auth) fn answer(self) {
        self.0.off.store(true, Ordering::Relaxed);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !*self.off.get_mut() {
            event!(ERROR, "RequireScope has no TokenAuth around it, so nobody passes");
        }
    }
}

impl fmt::Debug for Unguarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unguarded")
    }
}

pub(super) fn unknown<B>() -> Response<LayerBody<B>> {
    let mut response = Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_http_response();
    response.extensions_mut().insert(Unguarded(Arc::new(Alarm::default())));
    response
}

pub(super) fn not_granted<B>(requirement: &Requirement) -> Response<LayerBody<B>> {
    let scope = requirement.scope();
    let mut response = Rejection::from(RejectionKind::InsufficientScope).into_http_response(&ProtectionSpace::default());
    if let (Some(scope), Some(challenge)) = (&scope, response.headers_mut().get_mut(header::WWW_AUTHENTICATE)) {
        *challenge = challenge::with_scope(challenge, scope);
    }
    response.extensions_mut().insert(RequiredScope(scope));
    response
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;
    use crate::core::trace::logged;

    #[test]
    fn the_operator_hears_of_a_missing_token_auth_and_of_nothing_else() {
        let unanswered = logged(|| drop(unknown::<()>()));
        assert!(unanswered.contains("ERROR") && unanswered.contains("no TokenAuth around"), "{unanswered}");
        let answered = logged(|| {
            let mark = unknown::<()>().extensions_mut().remove::<Unguarded>();
            mark.unwrap().answer();
        });
        assert_eq!(answered, "");
    }
}
