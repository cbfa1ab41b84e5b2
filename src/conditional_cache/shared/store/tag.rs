use std::sync::Arc;

/// The names by which stored responses are purged together.
///
/// They are the application's own, or the groups of [RFC 9875](https://www.rfc-editor.org/rfc/rfc9875), which belong to an origin. Cloning is a
/// reference count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Option<Arc<[Box<str>]>>);

impl Tags {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|tags| tags.iter()).map(AsRef::as_ref)
    }

    /// Whether `tag` is among them.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.iter().any(|own| own == tag)
    }

    /// About how many bytes they take, with the index that finds them.
    pub(crate) fn weight(&self) -> u64 {
        self.iter().map(|tag| (2 * tag.len() + TAG) as u64).sum()
    }
}

/// What a tag costs beyond its text: its place in the list, and a place and a key in the index.
const TAG: usize = 96;

impl<T: Into<Box<str>>> FromIterator<T> for Tags {
    fn from_iter<I: IntoIterator<Item = T>>(tags: I) -> Self {
        let mut tags: Vec<Box<str>> = tags.into_iter().map(Into::into).collect();
        tags.sort_unstable();
        tags.dedup();
        Self((!tags.is_empty()).then(|| tags.into()))
    }
}
