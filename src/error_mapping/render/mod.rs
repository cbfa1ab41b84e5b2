//! The forms of a problem.

mod advice;
mod html;
mod page;
mod text;

use http::{HeaderMap, HeaderValue, header};

#[cfg(fuzzing)]
pub(super) use self::html::escape;
pub(super) use self::page::Template;
pub use self::page::{ErrorPage, escape_html};
use super::{correlation::Ids, guard::guard_for, negotiate::Form};
use crate::Problem;

const JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const POLICY: HeaderValue = HeaderValue::from_static(html::POLICY);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// The content, with the fields that describe it in `headers`.
pub(super) fn content(
    problem: &Problem,
    form: Form,
    template: Option<&Template>,
    ids: Option<&Ids>,
    headers: &mut HeaderMap,
) -> String {
    let (content, content_type) = match form {
        Form::Json => (problem.to_json(), JSON),
        Form::Html => (page(problem, template, ids, headers), HTML),
        Form::Text => (text::lines(problem), TEXT),
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    // By way of a text of the right length, which becomes the value as it is; a number by itself takes two allocations.
    let length = HeaderValue::try_from(content.len().to_string()).unwrap_or_else(|_| HeaderValue::from(content.len()));
    headers.insert(header::CONTENT_LENGTH, length);
    content
}

/// The page of one's own, or the built-in one if there is none or it fails.
fn page(problem: &Problem, template: Option<&Template>, ids: Option<&Ids>, headers: &mut HeaderMap) -> String {
    let own = template.and_then(|template| guard_for(ids, || template(problem)).ok());
    let (html, policy) = match own {
        Some(page) => (page.html, page.policy),
        None => (html::page(problem), POLICY),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    html
}
