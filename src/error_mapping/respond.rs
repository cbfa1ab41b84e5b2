//! Making the response, and making one anew.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{
    body::ResponseBody,
    cause::{Cause, Role},
    chain::Chain,
    classify::{Failure, Verdict, classify},
    config::Config,
    guard::guard,
    negotiate::Wanted,
    proxy_status::ProxyStatus,
    render,
};
use crate::{
    Problem, Retryability,
    core::{
        header::{add_vary, remove_representation},
        trace::event,
    },
};

/// A response without a problem passes as it is; one with a problem gets the form that the client reads.
#[inline]
pub(super) fn pass_or_render<B>(mut response: Response<B>, wanted: Wanted, config: &Config) -> Response<ResponseBody<B>> {
    // With a cause it was made in this process for want of a response (RFC 9209 §2.1.3): nothing was received.
    if let (Some(proxy_status), None) = (proxy_status(config), response.extensions().get::<Cause>()) {
        let status = response.status();
        proxy_status.pass(response.headers_mut(), status);
    }
    match response.extensions().get::<Problem>() {
        Some(_) if is_error(response.status()) => render_anew(response, wanted, config),
        _ => response.map(|body| ResponseBody::inner(body, config.clone())),
    }
}

/// An origin must not send it.
#[inline]
fn proxy_status(config: &Config) -> Option<&ProxyStatus> {
    if config.is_default() { None } else { config.proxy_status.as_ref().filter(|_| config.role == Role::Gateway) }
}

#[cold]
fn render_anew<B>(response: Response<B>, wanted: Wanted, config: &Config) -> Response<ResponseBody<B>> {
    let (mut parts, body) = response.into_parts();
    let _ = guard(|| drop(body));
    // When an outer hand has changed the status, the problem's texts no longer tell of this response, and may tell what that hand hides;
    // a problem must have the status of its response (RFC 9457 §3.1.4).
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) if problem.status() == parts.status => problem,
        _ => Problem::new(parts.status),
    };
    remove_representation(&mut parts.headers);
    finish(Response::from_parts(parts, ()), problem, wanted, config)
}

/// The response to a failure. What panics on the way to it (a mapping, a `source`, a `Display` that is logged) leaves a fixed 500.
#[cold]
pub(super) fn answer<B>(failure: &Failure, wanted: Wanted, config: &Config) -> Response<ResponseBody<B>> {
    let verdict = guard(|| classify(failure, config)).unwrap_or(Verdict::Known(Cause::Panic));
    let (cause, problem) = match verdict {
        Verdict::Own(problem) if is_error(problem.status()) => (None, problem),
        // A problem that calls itself a success cannot be the answer to a failure.
        Verdict::Own(_) => known(Cause::Internal, config),
        Verdict::Known(cause) => known(cause, config),
    };
    let _ = guard(|| tell(failure, cause, problem.status()));
    let mut response = Response::new(());
    *response.status_mut() = problem.status();
    if let Some(cause) = cause {
        response.extensions_mut().insert(cause);
    }
    finish(response, problem, wanted, config)
}

fn known(cause: Cause, config: &Config) -> (Option<Cause>, Problem) {
    (Some(cause), cause.problem(config.role, config.retry_after))
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn finish<B>(head: Response<()>, problem: Problem, wanted: Wanted, config: &Config) -> Response<ResponseBody<B>> {
    let (mut parts, ()) = head.into_parts();
    let content = render::content(&problem, wanted.form);
    let headers = &mut parts.headers;
    // In one step, instead of growing with every field.
    headers.reserve(8);
    headers.insert(header::CONTENT_TYPE, render::content_type(wanted.form));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(policy) = render::content_security_policy(wanted.form) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    add_vary(headers, &[header::ACCEPT]);
    add_retry_after(headers, &problem);
    if let (Some(proxy_status), Some(cause)) = (proxy_status(config), parts.extensions.get()) {
        proxy_status.tell(headers, *cause);
    }
    parts.extensions.insert::<Retryability>(problem.retryability());
    parts.extensions.insert(problem);
    let body = if wanted.head { ResponseBody::full("") } else { ResponseBody::full(content) };
    Response::from_parts(parts, body)
}

fn add_retry_after(headers: &mut HeaderMap, problem: &Problem) {
    if let (false, Some(value)) = (headers.contains_key(header::RETRY_AFTER), problem.retry_after_value()) {
        headers.insert(header::RETRY_AFTER, value);
    }
}

/// A failure of our own is an error of the log; one of an upstream, and a lack of room, a warning; a mapped refusal not even that.
fn tell(failure: &Failure, cause: Option<Cause>, status: StatusCode) {
    let Failure::Error(error) = failure else { return };
    let (cause, status, error) = (cause.map_or("own", Cause::as_str), status.as_u16(), Chain(&**error));
    match status {
        500 => event!(ERROR, "a request failed", cause = cause, status = status, error = error),
        501.. => event!(WARN, "a request failed", cause = cause, status = status, error = error),
        _ => event!(DEBUG, "a request was refused", cause = cause, status = status, error = error),
    }
}
