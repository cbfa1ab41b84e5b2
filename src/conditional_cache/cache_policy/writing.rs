//! Carrying out what the policy decides.

use std::{sync::Arc, time::SystemTime};

use http::{Method, Request, Response, header};

use crate::{
    conditional_cache::{
        asked::Asked,
        http_date,
        policy::{CacheDirectives, CachePolicy, Candidates, Decision, Rendered, Subject},
    },
    core::{Clock, Principal, SharedClock, SystemClock, header::add_vary},
};

static DEFAULT_POLICY: CachePolicy = CachePolicy::defaults();

/// What is written, and what time it is then. Nothing is shared, and so nothing counted, while both are the defaults.
#[derive(Clone, Debug, Default)]
pub(in crate::conditional_cache) struct Writer(Option<Arc<Settings>>);

#[derive(Clone, Debug, Default)]
struct Settings {
    policy: CachePolicy,
    clock: SharedClock,
}

impl Writer {
    pub(in crate::conditional_cache) fn set_policy(&mut self, policy: CachePolicy) {
        self.settings_mut().policy = policy;
    }

    pub(in crate::conditional_cache) fn set_clock(&mut self, clock: SharedClock) {
        self.settings_mut().clock = clock;
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(self.0.get_or_insert_default())
    }

    fn policy(&self) -> &CachePolicy {
        self.0.as_ref().map_or(&DEFAULT_POLICY, |settings| &settings.policy)
    }

    /// The path is not even looked at where there are no rules.
    #[inline]
    fn candidates<B>(&self, request: &Request<B>) -> Candidates {
        self.0.as_ref().map_or(Candidates::NONE, |settings| settings.policy.candidates(request.uri().path()))
    }

    fn now(&self) -> SystemTime {
        self.0.as_ref().map_or_else(|| SystemClock.now(), |settings| settings.clock.now())
    }
}

/// What is kept of a request, to write on its response.
#[derive(Debug)]
pub(in crate::conditional_cache) struct Reading {
    writer: Writer,
    candidates: Candidates,
    authorization: bool,
    cookie: bool,
    principal: bool,
}

impl Reading {
    /// Of a GET or HEAD.
    #[inline]
    pub(in crate::conditional_cache) fn of<B>(writer: &Writer, request: &Request<B>, asked: &Asked) -> Self {
        Self {
            candidates: writer.candidates(request),
            writer: writer.clone(),
            authorization: asked.authorization,
            cookie: asked.cookie,
            principal: request.extensions().get::<Principal>().is_some(),
        }
    }

    /// Of any request; `None` for a method whose answers a policy does not speak of.
    pub(super) fn of_any<B>(writer: &Writer, request: &Request<B>) -> Option<Self> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        reads.then(|| Self::of(writer, request, &Asked::from_headers(request.headers())))
    }

    /// Writes what the policy says of the response.
    pub(in crate::conditional_cache) fn write<B>(&self, response: &mut Response<B>) {
        let extensions = response.extensions();
        let for_one = self.authorization || self.principal || extensions.get::<Principal>().is_some();
        let own = extensions.get::<CacheDirectives>();
        let subject = Subject { status: response.status(), headers: response.headers(), own, for_one };
        let Decision::Write { rendered, made_private } = self.writer.policy().decide(self.candidates, &subject) else { return };
        let Rendered { cache_control, expires, vary, targeted, reusable } = &*rendered;
        let headers = response.headers_mut();
        if let Some(value) = cache_control {
            headers.insert(header::CACHE_CONTROL, value.clone());
        }
        if let Some(expires) = expires.and_then(|after| self.writer.now().checked_add(after)) {
            headers.insert(header::EXPIRES, http_date::render(expires));
        }
        for (name, value) in targeted {
            // The handler's own word.
            headers.entry(name).or_insert_with(|| value.clone());
        }
        add_vary(headers, vary);
        // Whoever sits before the same browser next must not be answered from its cache without asking.
        if made_private && *reusable {
            for (name, present) in [(header::AUTHORIZATION, self.authorization), (header::COOKIE, self.cookie)] {
                if present {
                    add_vary(headers, &[name]);
                }
            }
        }
    }
}
