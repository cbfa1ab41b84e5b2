use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Response, StatusCode, Uri, header};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    body::ResponseBody,
    config::Config,
    directive::Directive,
    eligible::{self, Charset, Eligibility, Pass},
    location::Base,
    policy::Rules,
    rewrite::Rewriter,
    validator::{self, Suffix, Undone},
};
use crate::core::trace::event;

pin_project! {
    /// The future of [`LazyImages`](super::LazyImages).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        asked: Asked,
        config: Arc<Config>,
    }
}

/// What of a request is needed once its response is there.
pub(super) struct Asked {
    pub(super) connect: bool,
    pub(super) undone: Undone,
    /// Where the page stands, if anything asks where its URLs lead.
    pub(super) place: Option<(Uri, Option<HeaderValue>)>,
}

/// Says, in a response's extensions, that its page was rewritten: a second layer around the first has nothing to do.
#[derive(Clone, Copy, Debug)]
struct Rewritten;

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, asked: Asked, config: Arc<Config>) -> Self {
        Self { inner, asked, config }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(match this.asked.verdict(&mut response, this.config) {
            None => response.map(ResponseBody::pass),
            Some((rewriter, suffix)) => response.map(|body| ResponseBody::rewrite(body, rewriter, suffix)),
        }))
    }
}

impl Asked {
    /// Edits the head where the page is, or would be, rewritten; returns the rewriter for what has a body.
    fn verdict<B>(&self, response: &mut Response<B>, config: &Arc<Config>) -> Option<(Rewriter, Suffix)> {
        if self.connect {
            return None;
        }
        let suffix = || Suffix::of(config.revision());
        if response.status() == StatusCode::NOT_MODIFIED {
            if !is_rewritten(response) && self.confirms(response, suffix) {
                validator::describe_anew(response.headers_mut(), suffix);
                response.extensions_mut().insert(Rewritten);
            }
            return None;
        }
        match eligible::eligibility(response.status(), response.headers()) {
            Eligibility::Pass(Pass::NotHtml) => None,
            Eligibility::Pass(pass) => {
                event!(DEBUG, "a page is passed on as it is", reason = pass.as_str());
                None
            }
            Eligibility::Rewrite(charset) => {
                let directive = directive(response);
                if is_rewritten(response) || directive.skip {
                    return None;
                }
                let suffix = suffix();
                validator::describe_anew(response.headers_mut(), || suffix);
                response.extensions_mut().insert(Rewritten);
                Some((self.rewriter(charset, directive, config), suffix))
            }
        }
    }

    /// Whether a 304 confirms a page that the client has as it was sent. It need not say what it is, so the tag tells.
    fn confirms<B>(&self, response: &Response<B>, suffix: impl FnOnce() -> Suffix) -> bool {
        let tagged = || response.headers().get(header::ETAG).is_some_and(|tag| self.undone.matches(tag, suffix()));
        let told = || matches!(eligible::page(response.headers()), Eligibility::Rewrite(_));
        !directive(response).skip && (tagged() || told())
    }

    fn rewriter(&self, charset: Charset, directive: Directive, config: &Arc<Config>) -> Rewriter {
        let eager = directive.eager.unwrap_or(config.rules.eager);
        let base = self.place.as_ref().map(|(uri, host)| {
            let host = host.as_ref().and_then(|host| host.to_str().ok());
            Base::new(uri.authority().map(|authority| authority.as_str()).or(host), uri.path())
        });
        Rewriter::new(config, Rules { eager, ..config.rules }, base, charset)
    }
}

fn is_rewritten<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Rewritten>().is_some()
}

fn directive<B>(response: &Response<B>) -> Directive {
    response.extensions().get().copied().unwrap_or_default()
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
