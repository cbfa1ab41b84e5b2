use std::sync::Arc;

/// The names by which stored responses are purged together: the application's own, and the groups of
/// [RFC 9875](https://www.rfc-editor.org/rfc/rfc9875), which belong to an origin.
///
/// A handler gives its response tags by putting them into the response's extensions. Cloning is a reference count.
///
/// ```
/// use donjon::conditional_cache::shared::Tags;
/// use http::Response;
///
/// let mut response = Response::new("...");
/// response.extensions_mut().insert(Tags::new(["article 7", "front page"]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Option<Arc<[Box<str>]>>);

impl Tags {
    /// Tags of the application's own.
    #[must_use]
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::of(names.into_iter().map(|name| format!("tag {}", name.as_ref())))
    }

    /// Groups of an origin ([RFC 9875 §2.1](https://www.rfc-editor.org/rfc/rfc9875#section-2.1)). The origin is written with its length, so no
    /// name of a group reaches into it.
    pub(in super::super) fn groups<T: AsRef<str>>(origin: &str, names: impl IntoIterator<Item = T>) -> Self {
        Self::of(names.into_iter().map(|name| group(origin) + name.as_ref()))
    }

    /// Whether one of them may be a tag of a response of this origin.
    pub(super) fn may_be_of(&self, origin: &str) -> bool {
        let own = group(origin);
        self.iter().any(|tag| !tag.starts_with(GROUP) || tag.starts_with(&own))
    }

    /// These and those.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        match (self.is_empty(), others.is_empty()) {
            (_, true) => self.clone(),
            (true, false) => others.clone(),
            (false, false) => Self::of(self.iter().chain(others.iter())),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Each as a store writes it down: which kind it is, and its name. Two tags are the same if these texts are.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|tags| tags.iter()).map(AsRef::as_ref)
    }

    /// Reads what [`iter`](Self::iter) gave.
    #[must_use]
    pub fn from_written<T: Into<Box<str>>>(tags: impl IntoIterator<Item = T>) -> Self {
        Self::of(tags)
    }

    /// Whether they have one in common.
    #[must_use]
    pub fn meet(&self, others: &Self) -> bool {
        self.iter().any(|tag| others.contains(tag))
    }

    fn of<T: Into<Box<str>>>(tags: impl IntoIterator<Item = T>) -> Self {
        let mut tags: Vec<Box<str>> = tags.into_iter().map(Into::into).collect();
        tags.sort_unstable();
        tags.dedup();
        Self((!tags.is_empty()).then(|| tags.into()))
    }

    pub(super) fn contains(&self, tag: &str) -> bool {
        self.iter().any(|own| own == tag)
    }

    /// About how many bytes they take, with the index that finds them.
    pub(super) fn weight(&self) -> u64 {
        self.iter().map(|tag| 2 * tag.len() as u64 + TAG).sum()
    }
}

/// How a group is written, but for its own name.
fn group(origin: &str) -> String {
    format!("{GROUP}{} {origin}", origin.len())
}

const GROUP: &str = "group ";

/// What a tag costs beyond its text: its place in the list, and a key and a set of keys in the index, though many may share those.
const TAG: u64 = 256;
