//! Making the response, and making one anew.

use std::{error::Error, mem, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use http_body::Body;

use super::{
    asked::Asked,
    body::ResponseBody,
    cause::{Cause, Role, after_attempt},
    chain::scrub,
    classify::{Failure, Verdict, classify},
    config::Config,
    empty::{EmptyErrors, is_empty},
    exposure::{self, CAUSES},
    guard::{catch, guard},
    handler_error::Carried,
    negotiate::Form,
    proxy_status::Heard,
    render,
    report::{ErrorReport, ErrorStage, Logged, Reported, report},
    tell,
    terms::Terms,
};
use crate::{
    Problem, Retryability, Value,
    core::header::{add_vary, only, remove_representation},
};

/// Whether nothing is to be done with a response: so with nearly every one, which is why it is asked first.
#[inline]
pub(super) fn passes<B>(response: &Response<B>, terms: &Terms) -> bool {
    terms.is_default() && !is_error(response.status())
}

/// A response without a problem passes as it is; one with a problem gets the form that the client reads.
#[inline(never)]
pub(super) fn pass_or_render<B: Body>(mut response: Response<B>, asked: Asked, terms: &mut Terms) -> Response<ResponseBody<B>> {
    if !terms.is_default() {
        pass_configured(&mut response, terms);
    }
    if is_error(response.status()) && (response.extensions().get::<Problem>().is_some() || is_filled(&response, terms)) {
        return render_anew(response, asked, terms);
    }
    response.map(|body| ResponseBody::inner(body, mem::take(terms)))
}

fn pass_configured<B>(response: &mut Response<B>, terms: &mut Terms) {
    if terms.config().role == Role::Gateway {
        pass_in_gateway(response, terms);
    }
    if let Some(correlation) = &terms.config().correlation {
        correlation.pass(response.headers_mut(), terms.ids());
    }
}

fn pass_in_gateway<B>(response: &mut Response<B>, terms: &mut Terms) {
    // With a cause it was made in this process for want of a response (RFC 9209 §2.1.3), and has no word of an upstream's.
    if response.extensions().get::<Cause>().is_none() {
        pass_upstreams(response, terms);
    }
    // For whoever else reads the advice, and for a text that is yet to be made.
    if terms.is_attempted() && response.extensions().get() == Some(&Retryability::Safe) {
        response.extensions_mut().insert(Retryability::IdempotentOnly);
    }
}

/// What an upstream says besides its answer.
fn pass_upstreams<B>(response: &mut Response<B>, terms: &mut Terms) {
    let config = terms.config();
    // A problem was not received: it is made in this process too, though maybe of a response that was.
    let received = Some(response.status()).filter(|_| response.extensions().get::<Problem>().is_none());
    if received.is_some_and(|status| !status.is_success()) {
        config.upstream_retry_after.pass(response.headers_mut(), || config.now());
    }
    let Some(proxy_status) = config.proxy_status() else { return };
    // Of a stack of these layers the innermost has said what it received, and whoever strips strips that too.
    if (proxy_status.strips() || response.extensions().get::<Heard>().is_none())
        && let Some(heard) = proxy_status.pass(response.headers_mut(), received)
    {
        response.extensions_mut().insert(heard);
    }
    if let Some(heard) = response.extensions().get::<Heard>() {
        *terms = terms.hearing(heard);
    }
}

#[inline]
fn is_filled<B: Body>(response: &Response<B>, terms: &Terms) -> bool {
    !terms.is_default() && terms.config().empty_errors == EmptyErrors::Fill && is_empty(response)
}

#[cold]
#[inline(never)]
fn render_anew<B>(response: Response<B>, asked: Asked, terms: &mut Terms) -> Response<ResponseBody<B>> {
    let (mut parts, body) = response.into_parts();
    let _ = guard(|| drop(body));
    remove_content(&mut parts);
    let carried = parts.extensions.remove::<Carried>().map(|Carried(error)| Failure::Handler(error));
    // When an outer hand has changed the status, the problem's texts no longer tell of this response, and may tell what that hand hides;
    // a problem must have the status of its response (RFC 9457 §3.1.4). What was done stays done, whatever it is called.
    let known = parts.extensions.remove::<Problem>();
    let is_received = known.is_none() && terms.config().role == Role::Gateway;
    let problem = match known {
        Some(problem) if problem.status() == parts.status => match &carried {
            Some(failure) => return answer_carried(parts, &problem, failure, asked, terms),
            None => with_wait_of(&parts.headers, problem),
        },
        Some(hidden) => renamed(&mut parts, hidden.retryability()),
        None => with_wait_of(&parts.headers, empty_error(&parts)),
    };
    let problem = of_request(problem, terms);
    let cause = parts.extensions.get().copied();
    match &carried {
        Some(failure) => tell::failure(failure, None, (cause, parts.status), terms.ids()),
        None if parts.extensions.get::<Logged>().is_some() => {}
        None if is_received => tell::received(&problem, terms.ids()),
        None => tell::problem(&problem, cause, terms.ids()),
    }
    let error = carried.as_ref().and_then(Failure::error);
    finish(parts, problem, Source { cause, error }, asked, terms).map(ResponseBody::full)
}

fn remove_content(parts: &mut Parts) {
    // Of this status it is not what the content was, but the answer (RFC 9110 §15.5.17).
    let length = Some(header::CONTENT_RANGE).filter(|_| parts.status == StatusCode::RANGE_NOT_SATISFIABLE);
    let length = length.and_then(|name| parts.headers.remove(name));
    remove_representation(&mut parts.headers);
    parts.headers.extend(length.map(|length| (header::CONTENT_RANGE, length)));
}

/// To what a handler failed with, in a response that was made for those who know no better, by this problem.
fn answer_carried<B>(
    mut parts: Parts,
    made_by: &Problem,
    failure: &Failure,
    asked: Asked,
    terms: &mut Terms,
) -> Response<ResponseBody<B>> {
    if parts.headers.get(header::RETRY_AFTER) == made_by.retry_after_value().as_ref() {
        parts.headers.remove(header::RETRY_AFTER);
    }
    answer_in(parts, failure, asked, terms)
}

/// The problem of an error that came without content.
fn empty_error(parts: &Parts) -> Problem {
    let problem = Problem::new(parts.status);
    match (parts.extensions.get(), parts.status) {
        (Some(advice), _) => problem.with_retryability(*advice),
        // Some servers answer with it after they have sent the request on, and some timeouts after half of the work.
        (None, StatusCode::SERVICE_UNAVAILABLE) => problem.with_retryability(Retryability::IdempotentOnly),
        _ => problem,
    }
}

/// The problem of a status in whose place another stood: of the advice of both the stricter.
fn renamed(parts: &mut Parts, advice: Retryability) -> Problem {
    use Retryability::{IdempotentOnly, Never, Safe};
    let problem = Problem::new(parts.status);
    let stricter = match (problem.retryability(), advice) {
        (Never, _) | (_, Never) => Never,
        (IdempotentOnly, _) | (_, IdempotentOnly) => IdempotentOnly,
        (Safe, Safe) => Safe,
    };
    if stricter == Never {
        // That of the other one.
        parts.headers.remove(header::RETRY_AFTER);
    }
    with_wait_of(&parts.headers, problem.with_retryability(stricter))
}

/// The wait that the field of an outer hand says, in place of the problem's: none where it says a date, or nothing that can be read.
fn with_wait_of(headers: &HeaderMap, problem: Problem) -> Problem {
    if !headers.contains_key(header::RETRY_AFTER) {
        return problem;
    }
    let seconds = only(headers, &header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let seconds =
        seconds.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit())).and_then(|digits| digits.parse().ok());
    problem.with_told_wait(seconds.map(Duration::from_secs))
}

/// The response to a failure.
#[cold]
pub(super) fn answer<B>(failure: &Failure, asked: Asked, terms: &mut Terms) -> Response<ResponseBody<B>> {
    answer_in(Response::new(()).into_parts().0, failure, asked, terms)
}

/// What panics on the way (a mapping, a `source`, a `Display` that is logged) leaves a fixed 500.
fn answer_in<B>(mut parts: Parts, failure: &Failure, asked: Asked, terms: &mut Terms) -> Response<ResponseBody<B>> {
    let config = terms.config();
    let (verdict, panicked) = match catch(|| classify(failure, config)) {
        Ok(verdict) => (verdict, None),
        Err(panicked) => (Verdict::Known(Cause::Panic), Some(panicked)),
    };
    let (cause, problem) = match verdict {
        Verdict::Own(problem) if is_error(problem.status()) => (None, problem),
        // A problem that calls itself a success cannot be the answer to a failure.
        Verdict::Own(_) => known(Cause::Internal, config),
        Verdict::Known(cause) => known(cause, config),
    };
    let mut problem = of_request(with_wait_of(&parts.headers, problem), terms);
    tell::failure(failure, panicked.as_ref(), (cause, problem.status()), terms.ids());
    if asked.exposed
        // What panics here has panicked when it was told.
        && let Ok(causes) = catch(|| causes(failure))
    {
        problem = problem.with_member(CAUSES, causes);
    }
    parts.status = problem.status();
    if let Some(cause) = cause {
        parts.extensions.insert(cause);
    }
    finish(parts, problem, Source { cause, error: failure.error() }, asked, terms).map(ResponseBody::full)
}

fn known(cause: Cause, config: &Config) -> (Option<Cause>, Problem) {
    (Some(cause), cause.problem(config.role, config.retry_after))
}

#[inline]
fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// What a problem says of this one request: of all its attempts, and by which names it is found again.
fn of_request(problem: Problem, terms: &mut Terms) -> Problem {
    let problem = if terms.is_attempted() { after_attempt(problem) } else { problem };
    if terms.config().correlation.is_some() {
        *terms = terms.of_failure(Some(&problem));
    }
    match terms.ids() {
        Some(ids) => ids.to_members(problem),
        None => problem,
    }
}

/// What a problem was made of.
#[derive(Clone, Copy)]
struct Source<'a> {
    cause: Option<Cause>,
    error: Option<&'a (dyn Error + 'static)>,
}

fn causes(failure: &Failure) -> Value {
    match failure {
        Failure::Error(error) => exposure::causes(&**error),
        Failure::Handler(error) => exposure::causes(&***error),
        Failure::Panic(panicked) => vec![Value::from(scrub(panicked.text()))].into(),
    }
}

fn finish(
    mut parts: Parts,
    problem: Problem,
    Source { cause, error }: Source<'_>,
    asked: Asked,
    terms: &Terms,
) -> Response<Bytes> {
    let (config, ids) = (terms.config(), terms.ids());
    let headers = &mut parts.headers;
    // In one step, instead of growing with every field, and no more than come: a map of six takes half the room of one of seven.
    headers.reserve(5 + usize::from(asked.form == Form::Html) + usize::from(problem.retry_after().is_some()));
    let mut content = String::new();
    if let Some(rpc) = asked.rpc {
        rpc.answer(headers, &problem);
        parts.status = StatusCode::OK;
    } else {
        content = render::content(&problem, asked.form, config.template.as_ref(), ids, headers);
        add_vary(headers, &[header::ACCEPT]);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    add_retry_after(headers, &problem);
    if let (Some(proxy_status), Some(cause)) = (config.proxy_status(), cause) {
        proxy_status.tell(headers, cause);
    }
    if let (Some(correlation), Some(ids)) = (&config.correlation, ids) {
        correlation.mark(headers, ids);
    }
    if !config.hooks.is_empty() && parts.extensions.get::<Reported>().is_none() {
        parts.extensions.insert(Reported);
        report(&config.hooks, &ErrorReport { stage: ErrorStage::Head, problem: Some(&problem), cause, error, ids });
    }
    if cfg!(feature = "tracing") {
        parts.extensions.insert(Logged);
    }
    parts.extensions.insert::<Retryability>(problem.retryability());
    parts.extensions.insert(problem);
    Response::from_parts(parts, if asked.head { Bytes::new() } else { Bytes::from(content) })
}

fn add_retry_after(headers: &mut HeaderMap, problem: &Problem) {
    if let (false, Some(value)) = (headers.contains_key(header::RETRY_AFTER), problem.retry_after_value()) {
        headers.insert(header::RETRY_AFTER, value);
    }
}
