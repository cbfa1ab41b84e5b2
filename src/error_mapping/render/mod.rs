//! The forms of a problem.

mod advice;
mod html;
mod text;

use http::HeaderValue;

#[cfg(fuzzing)]
pub(super) use self::html::escape;
use super::negotiate::Form;
use crate::Problem;

pub(super) fn content(problem: &Problem, form: Form) -> String {
    match form {
        Form::Json => problem.to_json(),
        Form::Html => html::page(problem),
        Form::Text => text::lines(problem),
    }
}

pub(super) fn content_type(form: Form) -> HeaderValue {
    HeaderValue::from_static(match form {
        Form::Json => "application/problem+json",
        Form::Html => "text/html; charset=utf-8",
        Form::Text => "text/plain; charset=utf-8",
    })
}

pub(super) fn content_security_policy(form: Form) -> Option<HeaderValue> {
    (form == Form::Html).then(|| HeaderValue::from_static(html::POLICY))
}
