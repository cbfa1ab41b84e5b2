//! What is let in, in one form whichever form it came in: the path and query in the URI, whom it is for in `Host`.
//!
//! It stands before the cache, so that one resource has one key.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use donjon::Problem;
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version, header,
    uri::{Authority, Parts},
};
use pin_project_lite::pin_project;
use tower::{BoxError, Layer, Service};

use crate::via::Pseudonym;

/// Adds [`Admission`].
#[derive(Clone, Debug)]
pub(crate) struct AdmissionLayer {
    us: Pseudonym,
}

impl AdmissionLayer {
    pub(crate) fn new(us: Pseudonym) -> Self {
        Self { us }
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { inner, us: self.us.clone() }
    }
}

/// Lets requests in, or answers them with the error of why not.
///
/// What [`tower::filter`] does, but the request stays where it is, and an answer that is there at once is not carried about.
#[derive(Clone, Debug)]
pub(crate) struct Admission<S> {
    inner: S,
    us: Pseudonym,
}

impl<S, B> Service<Request<B>> for Admission<S>
where
    S: Service<Request<B>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match admit(&mut request, &self.us) {
            Ok(()) => ResponseFuture::Admitted { inner: self.inner.call(request) },
            Err(problem) => ResponseFuture::Refused { error: Some(problem.into()) },
        }
    }
}

pin_project! {
    /// The response future of [`Admission`].
    #[project = Projection]
    pub(crate) enum ResponseFuture<F> {
        Admitted { #[pin] inner: F },
        Refused { error: Option<BoxError> },
    }
}

impl<F, R> Future for ResponseFuture<F>
where
    F: Future<Output = Result<R, BoxError>>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            Projection::Admitted { inner } => inner.poll(cx),
            // None when it is polled after it was ready.
            Projection::Refused { error } => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

/// Lets `request` in, with its target brought into origin-form (RFC 9112 §3.2.1) and exactly one `Host`.
fn admit<B>(request: &mut Request<B>, us: &Pseudonym) -> Result<(), Problem> {
    // Beyond the cache it would wait for itself.
    if us.is_in(request.headers()) {
        return Err(Problem::new(StatusCode::BAD_GATEWAY).with_detail("The request goes round in a circle."));
    }
    // A gateway serves resources and opens no tunnels to elsewhere (RFC 9110 §9.3.6, §15.6.2).
    if *request.method() == Method::CONNECT {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED).with_detail("This gateway opens no tunnels."));
    }
    let host = host_of(request.uri(), request.headers(), request.version()).map_err(bad)?;
    if request.uri().authority().is_some() {
        let mut parts = Parts::default();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| bad("The request target cannot be read."))?;
    }
    match host {
        Host::AsItStands => {}
        Host::Said(host) => drop(request.headers_mut().insert(header::HOST, host)),
    }
    Ok(())
}

fn bad(what: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST).with_detail(what)
}

enum Host {
    /// In the one field line that is there; or nowhere, as HTTP/1.0 permits.
    AsItStands,
    Said(HeaderValue),
}

/// Whom the request is for.
fn host_of(target: &Uri, headers: &HeaderMap, version: Version) -> Result<Host, &'static str> {
    let mut lines = headers.get_all(header::HOST).iter();
    let (line, more) = (lines.next(), lines.next());
    // RFC 9112 §3.2: more than one, or a broken one, is a bad request whatever the target says.
    if more.is_some() || line.is_some_and(|line| !is_host(line)) {
        return Err("The field Host cannot be read.");
    }
    let Some(authority) = target.authority() else {
        return match line {
            None if version == Version::HTTP_11 => Err("The field Host is missing."),
            _ => Ok(Host::AsItStands),
        };
    };
    if authority.as_str().contains('@') {
        return Err("The request target names a user.");
    }
    // RFC 9113 §8.3.1: in HTTP/2 they must not differ; in HTTP/1.1 the absolute form decides (RFC 9112 §3.2.2).
    let differs = |line: &HeaderValue| !authority.as_str().as_bytes().eq_ignore_ascii_case(line.as_bytes());
    if version == Version::HTTP_2 && line.is_some_and(differs) {
        return Err("The field Host and the authority differ.");
    }
    HeaderValue::from_str(authority.as_str()).map(Host::Said).map_err(|_| "The request target cannot be read.")
}

fn is_host(line: &HeaderValue) -> bool {
    if is_plain(line.as_bytes()) {
        return true;
    }
    let authority = line.to_str().ok().and_then(|line| line.parse::<Authority>().ok());
    authority.is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'))
}

/// A name or an IPv4 address, and perhaps a port, as nearly every one is; told without the copy that parsing it takes.
fn is_plain(host: &[u8]) -> bool {
    let colon = host.iter().position(|byte| *byte == b':').unwrap_or(host.len());
    let Some((name, port)) = host.split_at_checked(colon) else { return false };
    (1..=255).contains(&name.len())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && port.strip_prefix(b":").is_none_or(|digits| (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_plain_is_an_authority(host in "[a-zA-Z0-9.-]{1,255}(:[0-9]{1,5})?") {
            prop_assert!(is_plain(host.as_bytes()));
            let authority: Authority = host.parse().unwrap();
            prop_assert!(!authority.host().is_empty());
        }

        #[test]
        fn nothing_is_plain_that_is_no_authority(host in "[a-z0-9.:@/\\[\\]_ -]{0,12}") {
            let parsed = host.parse::<Authority>();
            let is_one = parsed.is_ok_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
            prop_assert!(!is_plain(host.as_bytes()) || is_one);
        }
    }

    fn admitted(method: &str, target: &str, version: Version, hosts: &[&str]) -> Result<String, u16> {
        let mut request = Request::builder().method(method).uri(target).version(version).body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(header::HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        admit(&mut request, &Pseudonym::new(1)).map_err(|problem| problem.status().as_u16())?;
        let host = request.headers().get(header::HOST).map_or("-", |host| host.to_str().unwrap());
        assert!(request.headers().get_all(header::HOST).iter().count() <= 1);
        Ok(format!("{host} {}", request.uri()))
    }

    #[test]
    fn what_has_been_here_before_is_stopped() {
        let request = || Request::get("/").header("host", "a").header("via", "1.1 x, 1.1 donjon-00000001").body(()).unwrap();
        assert_eq!(admit(&mut request(), &Pseudonym::new(1)).unwrap_err().status(), StatusCode::BAD_GATEWAY);
        assert!(admit(&mut request(), &Pseudonym::new(2)).is_ok());
    }

    #[test]
    fn targets() {
        use Version as V;
        for (name, method, target, version, hosts, expected) in [
            ("origin-form", "GET", "/x?y", V::HTTP_11, &["a:80"][..], Ok("a:80 /x?y")),
            ("no host", "GET", "/", V::HTTP_11, &[], Err(400)),
            ("no host in 1.0", "GET", "/", V::HTTP_10, &[], Ok("- /")),
            ("two hosts", "GET", "/", V::HTTP_11, &["a", "a"], Err(400)),
            ("an empty host", "GET", "/", V::HTTP_11, &[""], Err(400)),
            ("a path for a host", "GET", "/", V::HTTP_11, &["a/b"], Err(400)),
            ("a user in the host", "GET", "/", V::HTTP_11, &["u@a"], Err(400)),
            ("two hosts in one line", "GET", "/", V::HTTP_11, &["a, b"], Err(400)),
            ("bytes for a host", "GET", "/", V::HTTP_11, &["\u{e9}"], Err(400)),
            ("an address", "GET", "/", V::HTTP_11, &["[::1]:80"], Ok("[::1]:80 /")),
            ("absolute-form decides", "GET", "http://b/x", V::HTTP_11, &["a"], Ok("b /x")),
            ("absolute-form of nothing", "GET", "http://b", V::HTTP_11, &["a"], Ok("b /")),
            ("absolute-form and a broken host", "GET", "http://b/", V::HTTP_11, &["a b"], Err(400)),
            ("absolute-form with a user", "GET", "http://u@b/", V::HTTP_11, &["b"], Err(400)),
            ("asterisk-form", "OPTIONS", "*", V::HTTP_11, &["a"], Ok("a *")),
            ("HTTP/2", "GET", "http://b/x", V::HTTP_2, &[], Ok("b /x")),
            ("HTTP/2 with a like host", "GET", "http://b/x", V::HTTP_2, &["B"], Ok("b /x")),
            ("HTTP/2 with another host", "GET", "http://b/x", V::HTTP_2, &["a"], Err(400)),
            ("authority-form", "CONNECT", "b:443", V::HTTP_11, &["b:443"], Err(501)),
        ] {
            assert_eq!(admitted(method, target, version, hosts), expected.map(str::to_owned), "{name}");
        }
    }
}
