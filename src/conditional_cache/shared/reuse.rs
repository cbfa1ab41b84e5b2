//! Whether a stored response answers a request, [RFC 9111 §4](https://www.rfc-editor.org/rfc/rfc9111#section-4).

use std::time::SystemTime;

use super::{
    super::cache_control::CacheControl,
    terms::{Standing, Terms},
};

/// What may be done with the stored response that a request selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// It is the answer.
    Fresh,
    /// It is the answer though it is stale, for the client said that it may be (§5.2.1.2).
    Accepted,
    /// It is the answer, and is fetched anew behind the client's back (RFC 5861 §3).
    WhileRevalidating,
    /// The origin has to be asked first (§4.3).
    Validate(Reason),
}

/// Why the origin has to be asked, in the words of [RFC 9211 §2.2](https://www.rfc-editor.org/rfc/rfc9211#section-2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The response is stale, or never to be used without asking.
    Stale,
    /// The request's directives want it so.
    Request,
}

/// Decides. `advice` are the directives of the request that are obeyed; `purged`, that it was marked as stale by hand.
pub(super) fn reuse(terms: &Terms, purged: bool, advice: Option<&CacheControl>, now: SystemTime) -> Reuse {
    let terms = if purged { terms.expired(now) } else { *terms };
    let standing = terms.standing(now);
    let Some(advice) = advice else { return without_advice(standing) };
    let too_old = advice.max_age().is_some_and(|most| u64::from(terms.age(now)) > most.as_secs());
    let ends_too_soon = advice.min_fresh().is_some_and(|least| {
        let least = i64::try_from(least.as_secs()).unwrap_or(i64::MAX);
        standing == Standing::Fresh && terms.ttl(now) < least
    });
    if advice.is_no_cache() || ends_too_soon || too_old {
        return Reuse::Validate(Reason::Request);
    }
    match (standing, advice.max_stale()) {
        (Standing::Stale | Standing::WhileRevalidating, Some(most)) if !purged && terms.within(most, now) => Reuse::Accepted,
        // A client that names an age, or wants it fresh for a while, did not ask for a stale answer.
        (Standing::WhileRevalidating, None) if advice.max_age().is_some() || advice.min_fresh().is_some() => {
            Reuse::Validate(Reason::Request)
        }
        _ => without_advice(standing),
    }
}

fn without_advice(standing: Standing) -> Reuse {
    match standing {
        Standing::Fresh => Reuse::Fresh,
        Standing::WhileRevalidating => Reuse::WhileRevalidating,
        Standing::Stale => Reuse::Validate(Reason::Stale),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::terms::Staleness;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn requests() {
        let negotiable = Terms {
            received: UNIX_EPOCH,
            initial_age: 0,
            lifetime: 60,
            stale_while_revalidate: 10,
            stale_if_error: 0,
            staleness: Staleness::Negotiable,
        };
        let strict = Terms { staleness: Staleness::Forbidden, ..negotiable };
        for (name, terms, at, purged, advice, expected) in [
            ("fresh", negotiable, 30, false, "", Reuse::Fresh),
            ("in the grace", negotiable, 65, false, "", Reuse::WhileRevalidating),
            ("stale", negotiable, 75, false, "", Reuse::Validate(Reason::Stale)),
            ("stale, no grace allowed", strict, 65, false, "", Reuse::Validate(Reason::Stale)),
            ("no-cache", negotiable, 30, false, "no-cache", Reuse::Validate(Reason::Request)),
            ("young enough", negotiable, 30, false, "max-age=30", Reuse::Fresh),
            ("too old", negotiable, 31, false, "max-age=30", Reuse::Validate(Reason::Request)),
            ("fresh for long enough", negotiable, 30, false, "min-fresh=30", Reuse::Fresh),
            ("not for long enough", negotiable, 31, false, "min-fresh=30", Reuse::Validate(Reason::Request)),
            ("staleness accepted", negotiable, 100, false, "max-stale=50", Reuse::Accepted),
            ("any staleness accepted", negotiable, 100_000, false, "max-stale", Reuse::Accepted),
            ("not that much", negotiable, 120, false, "max-stale=50", Reuse::Validate(Reason::Stale)),
            ("staleness accepted, but forbidden", strict, 61, false, "max-stale=50", Reuse::Validate(Reason::Stale)),
            ("purged", negotiable, 30, true, "", Reuse::WhileRevalidating),
            ("purged, no grace allowed", strict, 30, true, "", Reuse::Validate(Reason::Stale)),
            ("purged is more than stale", strict, 30, true, "max-stale", Reuse::Validate(Reason::Stale)),
            ("an age named, in the grace", negotiable, 65, false, "max-age=100", Reuse::Validate(Reason::Request)),
        ] {
            let advice = (!advice.is_empty()).then(|| CacheControl::parse(advice.as_bytes()));
            let now = UNIX_EPOCH + Duration::from_secs(at);
            assert_eq!(reuse(&terms, purged, advice.as_ref(), now), expected, "{name}");
        }
    }
}
