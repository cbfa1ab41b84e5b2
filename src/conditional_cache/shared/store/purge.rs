use super::{super::key::CacheKey, author::Author, tag::Tags, variants::Variant};

/// Which stored responses are to be forgotten, or to be taken as stale.
#[derive(Clone, Debug)]
pub struct Purge {
    what: What,
    mode: PurgeMode,
    author: Option<Author>,
}

#[derive(Clone, Debug)]
enum What {
    /// All that is stored for a URL, for whomever.
    Url(CacheKey),
    /// All of one scheme and authority whose path begins so.
    Prefix(CacheKey),
    /// All that have one of the tags.
    Tags(Tags),
    Everything,
}

/// Where a store finds what a [`Purge`] names.
pub(super) enum Scope<'a> {
    Url(&'a CacheKey),
    Tags(&'a Tags),
    /// Everywhere.
    Scan,
}

/// What becomes of what is purged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a response is kept or it is not")]
pub enum PurgeMode {
    /// It is forgotten.
    #[default]
    Hard,
    /// It is stale from now on: it may still be validated, or used where stale responses may be used
    /// ([RFC 9111 §4.2.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.4)).
    Soft,
}

impl Purge {
    /// All that is stored for the URL of this key, whomever it is stored for.
    #[must_use]
    pub fn url(key: &CacheKey) -> Self {
        Self::of(What::Url(key.clone()))
    }

    /// All whose scheme and authority are those of this key, and whose path begins with its path. A path that ends in `/` speaks of all below it;
    /// `/a` speaks of `/ab` also.
    #[must_use]
    pub fn prefix(key: &CacheKey) -> Self {
        Self::of(What::Prefix(key.clone()))
    }

    /// All that have one of these tags.
    #[must_use]
    pub fn tags(tags: Tags) -> Self {
        Self::of(What::Tags(tags))
    }

    /// All there is.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(What::Everything)
    }

    /// The same, softly: see [`PurgeMode::Soft`].
    #[must_use]
    pub fn soft(mut self) -> Self {
        self.mode = PurgeMode::Soft;
        self
    }

    /// What becomes of it.
    #[must_use]
    pub fn mode(&self) -> PurgeMode {
        self.mode
    }

    /// The same, on account of a write: its own answer is not meant.
    pub(in super::super) fn by(mut self, author: &Author) -> Self {
        self.author = Some(author.clone());
        self
    }

    /// Whether it speaks of `variant` under `key`. A write's own answer, which comes after what the write makes invalid, is not meant by its purges.
    #[must_use]
    pub fn names(&self, key: &CacheKey, variant: &Variant) -> bool {
        let own = self.author.as_ref().zip(variant.author()).is_some_and(|(one, other)| one.is(other));
        !own && match &self.what {
            What::Tags(tags) => tags.meet(variant.tags()),
            What::Url(_) | What::Prefix(_) | What::Everything => self.may_name(key),
        }
    }

    /// Whether it may speak of a response under `key` whose tags nobody knows yet. Groups are of one origin
    /// ([RFC 9875 §2.1](https://www.rfc-editor.org/rfc/rfc9875#section-2.1)), tags of the application's own are of any.
    #[must_use]
    pub fn may_name(&self, key: &CacheKey) -> bool {
        match &self.what {
            What::Url(url) => key.same_url(url),
            What::Prefix(prefix) => key.is_below(prefix),
            What::Tags(tags) => tags.may_be_of(&key.origin_text()),
            What::Everything => true,
        }
    }

    /// Where to look for it.
    pub(super) fn scope(&self) -> Scope<'_> {
        match &self.what {
            What::Url(url) => Scope::Url(url),
            What::Tags(tags) => Scope::Tags(tags),
            What::Prefix(_) | What::Everything => Scope::Scan,
        }
    }

    fn of(what: What) -> Self {
        Self { what, mode: PurgeMode::Hard, author: None }
    }
}
