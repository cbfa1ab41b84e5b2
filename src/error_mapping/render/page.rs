use std::{fmt, sync::Arc};

use http::HeaderValue;

use super::html::escape;
use crate::Problem;

/// What may be loaded by a page of one's own if nothing else is said: files of the same site, and nothing in line.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";

/// A page of one's own for a problem: what the closure of [`html_page`](super::super::ErrorMappingLayer::html_page) gives.
///
/// ```
/// use donjon::error_mapping::{ErrorMappingLayer, ErrorPage, escape_html};
///
/// let layer = ErrorMappingLayer::new().html_page(|problem| {
///     ErrorPage::new(format!(
///         "<!DOCTYPE html><html lang=\"en\"><title>{title}</title><link rel=\"stylesheet\" href=\"/site.css\"><h1>{title}</h1>",
///         title = escape_html(problem.title()),
///     ))
/// });
/// ```
#[derive(Clone, Debug)]
pub struct ErrorPage {
    pub(super) html: String,
    pub(super) policy: HeaderValue,
}

impl ErrorPage {
    /// A whole document in UTF-8. Its `Content-Security-Policy` lets it load styles, images and fonts of the same site, and nothing else.
    #[must_use]
    pub fn new(html: impl Into<String>) -> Self {
        Self { html: html.into(), policy: HeaderValue::from_static(POLICY) }
    }

    /// Sets the `Content-Security-Policy` that the page is sent with.
    #[must_use]
    pub fn content_security_policy(mut self, policy: HeaderValue) -> Self {
        self.policy = policy;
        self
    }
}

/// Makes the page of a problem.
pub(in crate::error_mapping) type Template = Arc<dyn Fn(&Problem) -> ErrorPage + Send + Sync>;

/// Shows a text as it is: within an element, or within an attribute in quotes
/// ([HTML §13.3](https://html.spec.whatwg.org/multipage/parsing.html#escapingString)).
///
/// ```
/// use donjon::error_mapping::escape_html;
///
/// assert_eq!(escape_html("<b>").to_string(), "&lt;b&gt;");
/// ```
#[must_use]
pub fn escape_html(text: &str) -> impl fmt::Display {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}
