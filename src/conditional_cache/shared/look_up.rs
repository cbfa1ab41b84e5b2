//! What there is for a request, [RFC 9111 §4](https://www.rfc-editor.org/rfc/rfc9111#section-4).

use std::time::SystemTime;

use http::HeaderMap;

use super::{
    admission::terms_of,
    answer::is_enough,
    cache_status::Forward,
    profile::Rules,
    request::{Inquiry, obeyed},
    reuse::{Reason, Reuse, reuse},
    store::{Variant, Variants},
    terms::Terms,
    vary,
};

/// What was found; `V` is the stored response, as long as that will do borrowed: the answers need none of their own.
#[derive(Debug)]
pub(super) enum Found<V> {
    /// The answer.
    Answer {
        variant: V,
        terms: Terms,
        manner: Manner,
    },
    /// A whole response, to be asked about first.
    Stale {
        variant: V,
        terms: Terms,
        reason: Reason,
    },
    /// A part of the response, and not the one that is wanted.
    Partial(V),
    Missing(Forward),
}

impl Found<&Variant> {
    pub(super) fn cloned(self) -> Found<Variant> {
        match self {
            Self::Answer { variant, terms, manner } => Found::Answer { variant: variant.clone(), terms, manner },
            Self::Stale { variant, terms, reason } => Found::Stale { variant: variant.clone(), terms, reason },
            Self::Partial(variant) => Found::Partial(variant.clone()),
            Self::Missing(why) => Found::Missing(why),
        }
    }
}

/// How a stored response is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Fresh,
    /// Stale, which the client accepts.
    Accepted,
    /// Stale, and to be fetched anew.
    WhileRevalidating,
}

impl Manner {
    /// In one word, as `Cache-Status` tells it.
    pub(super) fn detail(self) -> Option<&'static str> {
        match self {
            Self::Fresh => None,
            Self::Accepted => Some("max-stale"),
            Self::WhileRevalidating => Some("stale-while-revalidate"),
        }
    }
}

pub(super) fn find<'a>(
    variants: &'a Variants,
    inquiry: &Inquiry,
    request: &HeaderMap,
    rules: &Rules,
    now: SystemTime,
) -> Found<&'a Variant> {
    let Some(variant) = vary::select(variants.as_slice(), request, rules.likeness) else {
        return Found::Missing(if variants.is_empty() { Forward::UriMiss } else { Forward::VaryMiss });
    };
    let terms = terms_of(variant.head(), rules);
    let advice = obeyed(inquiry, rules.request_directives);
    let manner = match reuse(&terms, variant.head().stale, advice, now) {
        Reuse::Fresh => Manner::Fresh,
        Reuse::Accepted => Manner::Accepted,
        Reuse::WhileRevalidating => Manner::WhileRevalidating,
        Reuse::Validate(reason) if variant.body().is_whole() => {
            return Found::Stale { variant, terms, reason };
        }
        // What is true of a part says nothing of the whole.
        Reuse::Validate(reason) => return Found::Missing(reason.into()),
    };
    if is_enough(variant, inquiry, request, now) { Found::Answer { variant, terms, manner } } else { Found::Partial(variant) }
}
