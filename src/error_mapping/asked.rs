//! What has to be remembered of a request, should its answer have to be made.

use http::{HeaderMap, Method, Request};

use super::{config::Config, correlation::Ids, exposure, grpc::Rpc, negotiate::Form};

/// Read at once, since the request is gone when it fails: a few bytes without an allocation, unless names were asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) form: Form,
    /// To a HEAD request the content is measured and not sent.
    pub(super) head: bool,
    pub(super) rpc: Option<Rpc>,
    /// Whether the client may read what the log is told.
    pub(super) exposed: bool,
    pub(super) ids: Option<Box<Ids>>,
}

impl Asked {
    #[inline]
    pub(super) fn of<B>(request: &mut Request<B>, config: &Config) -> Self {
        let (exposed, ids) = if config.is_default() { (false, None) } else { configured(request, config) };
        Self {
            form: Form::negotiate(request.headers()),
            head: matches!(*request.method(), Method::HEAD),
            rpc: rpc(request.method(), request.headers()),
            exposed,
            ids,
        }
    }
}

fn configured<B>(request: &mut Request<B>, config: &Config) -> (bool, Option<Box<Ids>>) {
    let exposed =
        config.exposed_to.as_ref().is_some_and(|peer| exposure::is_local(&**peer, request.headers(), request.extensions()));
    (exposed, config.correlation.as_ref().and_then(|correlation| correlation.begin(request.headers_mut())))
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
        let mut request = Request::head("/").header("accept", "text/html").body(()).unwrap();
        let asked = Asked::of(&mut request, &Config::default());
        assert_eq!((asked.form, asked.head, asked.rpc, asked.exposed), (Form::Html, true, None, false));
        assert_eq!(asked.ids, None);
        assert!(size_of::<Asked>() <= 16);
    }

    #[test]
    fn only_a_post_is_a_call() {
        for (method, expected) in [(Method::POST, Some(Rpc::Grpc)), (Method::GET, None), (Method::PUT, None)] {
            let mut request =
                Request::builder().method(method.clone()).header("content-type", "application/grpc").body(()).unwrap();
            assert_eq!(Asked::of(&mut request, &Config::default()).rpc, expected, "{method}");
        }
    }
}
