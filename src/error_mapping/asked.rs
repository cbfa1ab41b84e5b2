//! What has to be remembered of a request, should its answer have to be made.

use http::{HeaderMap, Method, Request};

use super::{cause::Role, exposure, grpc::Rpc, guard::told, negotiate::Form, terms::Terms};

/// Read at once, since the request is gone when it fails: a few bytes without an allocation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub(super) form: Form,
    /// To a HEAD request the content is measured and not sent.
    pub(super) head: bool,
    pub(super) rpc: Option<Rpc>,
    /// Whether the client may read what the log is told.
    pub(super) exposed: bool,
}

impl Asked {
    /// What is asked of a layer of which nothing was set.
    #[inline]
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            form: Form::negotiate(request.headers()),
            head: matches!(*request.method(), Method::HEAD),
            rpc: rpc(request.method(), request.headers()),
            exposed: false,
        }
    }

    /// What is asked of any other, and what the answer is made by.
    #[inline(never)]
    pub(super) fn configured<B>(request: &mut Request<B>, terms: &Terms) -> (Self, Terms) {
        let config = terms.config();
        let mut terms = terms.named(config.correlation.as_ref().and_then(|correlation| correlation.begin(request.headers_mut())));
        let local = config.exposed_to.as_ref().map(|peer| exposure::is_local(&**peer, request.headers(), request.extensions()));
        if let Some(Err(panicked)) = &local {
            terms = terms.of_failure(None);
            told(panicked, terms.ids());
        }
        // Of a safe method nothing is carried out, however often it is sent (RFC 9110 §9.2.1).
        if config.role == Role::Gateway && !request.method().is_safe() {
            terms.ask_of_attempts(request.extensions_mut());
        }
        (Self { exposed: matches!(local, Some(Ok(true))), ..Self::of(request) }, terms)
    }
}

/// Every call of gRPC is a POST, so that no other request has to look.
#[inline]
fn rpc(method: &Method, headers: &HeaderMap) -> Option<Rpc> {
    if matches!(*method, Method::POST) { Rpc::of(headers) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_few_bytes() {
        let request = Request::head("/").header("accept", "text/html").body(()).unwrap();
        let asked = Asked::of(&request);
        assert_eq!((asked.form, asked.head, asked.rpc, asked.exposed), (Form::Html, true, None, false));
        assert!(size_of::<Asked>() <= 4 && size_of::<Terms>() <= 8);
    }

    #[test]
    fn only_a_post_is_a_call() {
        for (method, expected) in [(Method::POST, Some(Rpc::Grpc)), (Method::GET, None), (Method::PUT, None)] {
            let request = Request::builder().method(method.clone()).header("content-type", "application/grpc").body(()).unwrap();
            assert_eq!(Asked::of(&request).rpc, expected, "{method}");
        }
    }
}
