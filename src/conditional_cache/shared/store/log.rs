//! The latest purges, for what was on its way when they happened.

use std::collections::VecDeque;

use super::{
    super::key::CacheKey,
    purge::{Purge, PurgeMode},
    variants::Variant,
};

/// How many purges are remembered. What was asked for before them all is not stored: nobody knows whether it was purged.
const MOST: usize = 256;

/// The latest purges, the newest last.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// How many there were.
    count: u64,
    latest: VecDeque<Purge>,
}

impl Log {
    /// How many purges there were.
    pub(super) fn epoch(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, purge: Purge) {
        self.count += 1;
        self.latest.push_back(purge);
        if self.latest.len() > MOST {
            self.latest.pop_front();
        }
    }

    /// What purges have made of a response since it was asked for.
    pub(super) fn judge(&self, key: &CacheKey, variant: &Variant) -> Option<PurgeMode> {
        let Some(purges) = self.since(variant.epoch()) else { return Some(PurgeMode::Hard) };
        let named = purges.filter(|purge| purge.names(key, variant));
        named.map(Purge::mode).max_by_key(|mode| *mode == PurgeMode::Hard)
    }

    /// Whether a purge since then may have named what is on its way to a key.
    pub(super) fn may_name(&self, key: &CacheKey, epoch: u64) -> bool {
        self.since(epoch).is_none_or(|mut purges| purges.any(|purge| purge.may_name(key)))
    }

    /// The purges since an epoch; `None` if not all of them are remembered.
    fn since(&self, epoch: u64) -> Option<impl Iterator<Item = &Purge>> {
        let skipped = (self.latest.len() as u64).checked_sub(self.count.saturating_sub(epoch))?;
        Some(self.latest.iter().skip(usize::try_from(skipped).unwrap_or(usize::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditional_cache::shared::{
        key::KeyPolicy,
        store::{Author, StoredBody, StoredHead, Tags},
    };
    use http::{HeaderMap, StatusCode, Uri};
    use std::time::UNIX_EPOCH;

    fn key(uri: &str) -> CacheKey {
        KeyPolicy::new().key(&uri.parse::<Uri>().unwrap(), &HeaderMap::new(), None).unwrap()
    }

    fn variant() -> Variant {
        let head = StoredHead::new(StatusCode::OK, UNIX_EPOCH, UNIX_EPOCH);
        Variant::new(head, StoredBody::whole([])).with_tags(Tags::new(["own"])).with_epoch(0)
    }

    #[test]
    fn what_purges_make_of_what_is_on_its_way() {
        let (url, other) = (Purge::url(&key("http://a/x")), Purge::url(&key("http://a/y")));
        let group = |origin| Purge::tags(Tags::groups(origin, ["g"]));
        for (name, purges, judged, may_be_named) in [
            ("none", vec![], None, false),
            ("of another URL", vec![other.clone()], None, false),
            ("of its URL", vec![url.clone(), other.clone()], Some(PurgeMode::Hard), true),
            ("of all below", vec![Purge::prefix(&key("http://a/"))], Some(PurgeMode::Hard), true),
            ("of all below in another origin", vec![Purge::prefix(&key("http://b/"))], None, false),
            ("of everything", vec![Purge::everything()], Some(PurgeMode::Hard), true),
            ("softly", vec![url.clone().soft(), other.clone()], Some(PurgeMode::Soft), true),
            ("softly and not", vec![url.clone().soft(), url.clone(), url.clone().soft()], Some(PurgeMode::Hard), true),
            ("of its tag", vec![Purge::tags(Tags::new(["own", "b"]))], Some(PurgeMode::Hard), true),
            ("of another tag, while nobody knows its own", vec![Purge::tags(Tags::new(["b"]))], None, true),
            ("of a group of its origin", vec![group("http://a")], None, true),
            ("of a group of another origin", vec![group("http://b"), group("https://a"), group("http://a:81")], None, false),
            ("as many as are remembered", vec![other.clone(); MOST], None, false),
            ("more than that", vec![other; MOST + 1], Some(PurgeMode::Hard), true),
        ] {
            let mut log = Log::default();
            purges.into_iter().for_each(|purge| log.push(purge));
            assert_eq!(log.judge(&key("http://a/x"), &variant()), judged, "{name}");
            assert_eq!(log.may_name(&key("http://a/x"), 0), may_be_named, "{name}");
            let after = variant().with_epoch(log.epoch());
            assert_eq!(log.judge(&key("http://a/x"), &after), None, "asked for after: {name}");
            assert!(!log.may_name(&key("http://a/x"), log.epoch()), "asked for after: {name}");
        }
    }

    #[test]
    fn a_writes_own_purges_are_told_from_others_in_any_order() {
        let (own, alien) = (Author::new(), Author::new());
        let of = |uri, author: &Author| Purge::url(&key(uri)).by(author);
        for (name, purges, expected) in [
            ("its own", vec![of("http://a/x", &own), of("http://a/y", &own)], None),
            ("and one elsewhere", vec![of("http://a/x", &own), of("http://a/y", &alien)], None),
            ("another's before", vec![of("http://a/x", &alien), of("http://a/x", &own)], Some(PurgeMode::Hard)),
            (
                "another's between",
                vec![of("http://a/x", &own), of("http://a/x", &alien), of("http://a/y", &own)],
                Some(PurgeMode::Hard),
            ),
            ("another's after", vec![of("http://a/x", &own), of("http://a/x", &alien)], Some(PurgeMode::Hard)),
            ("nobody's", vec![of("http://a/x", &own), Purge::url(&key("http://a/x"))], Some(PurgeMode::Hard)),
        ] {
            let mut log = Log::default();
            purges.into_iter().for_each(|purge| log.push(purge));
            assert_eq!(log.judge(&key("http://a/x"), &variant().by(own.clone())), expected, "{name}");
        }
    }
}
