use std::sync::Arc;

use super::{author::Author, body::StoredBody, head::StoredHead, tag::Tags};

/// The most responses that are kept for one key ([RFC 9111 §4.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.1)): a client that invents values
/// for the fields of a `Vary` must not fill the store.
pub(crate) const MOST_VARIANTS: usize = 16;

/// One stored response. Cloning is a reference count or two.
#[derive(Clone, Debug)]
pub struct Variant {
    head: Arc<StoredHead>,
    body: StoredBody,
    tags: Tags,
    epoch: u64,
    author: Option<Author>,
}

impl Variant {
    /// A response with its content and no tags, asked for after every purge.
    #[must_use]
    pub fn new(head: StoredHead, body: StoredBody) -> Self {
        Self { head: Arc::new(head), body, tags: Tags::default(), epoch: u64::MAX, author: None }
    }

    /// The same, asked for in this [epoch](super::contract::Store::epoch) of the store.
    #[must_use]
    pub fn with_epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }

    /// The epoch of the store in which it was asked for.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The same as the answer to a write: what that purges is not this.
    pub(in super::super) fn by(mut self, author: Author) -> Self {
        self.author = Some(author);
        self
    }

    /// The write that it is the answer to, if it is one.
    pub(super) fn author(&self) -> Option<&Author> {
        self.author.as_ref()
    }

    /// The same with the tags by which it may be purged.
    #[must_use]
    pub fn with_tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }

    /// The same with another head, as after it was validated.
    #[must_use]
    pub fn with_head(mut self, head: StoredHead) -> Self {
        self.head = Arc::new(head);
        self
    }

    /// The same, to be taken as stale.
    pub(super) fn softened(self) -> Self {
        let mut head = StoredHead::clone(&self.head);
        head.stale = true;
        self.with_head(head)
    }

    /// What it says before its content.
    #[must_use]
    pub fn head(&self) -> &Arc<StoredHead> {
        &self.head
    }

    /// Its content.
    #[must_use]
    pub fn body(&self) -> &StoredBody {
        &self.body
    }

    /// The tags by which it may be purged.
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> u64 {
        size_of::<Self>() as u64 + self.head.weight() + self.body.weight() + self.tags.weight()
    }
}

/// The responses stored under one key, the newest first. Cloning is a reference count.
#[derive(Clone, Debug, Default)]
pub struct Variants(Arc<[Variant]>);

impl Variants {
    /// The responses, the newest first.
    #[must_use]
    pub fn as_slice(&self) -> &[Variant] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These and a new one, in the place of the one that was selected by the same fields. At most 16 are kept, the newest ones.
    #[must_use]
    pub fn with(&self, new: Variant) -> Self {
        let others = self.0.iter().filter(|other| other.head.selecting != new.head.selecting);
        let kept: Vec<Variant> = others.take(MOST_VARIANTS - 1).cloned().collect();
        std::iter::once(new).chain(kept).collect()
    }

    /// Those of which `keep` is true.
    #[must_use]
    pub fn retained(&self, keep: impl Fn(&Variant) -> bool) -> Self {
        self.0.iter().filter(|variant| keep(variant)).cloned().collect()
    }

    /// The newest ones that are within so many bytes together, and the newest in any case.
    pub(crate) fn within(&self, bytes: u64) -> Self {
        let mut left = bytes;
        let kept = self.0.iter().enumerate().take_while(|(place, variant)| {
            let fits = variant.weight() <= left;
            left = left.saturating_sub(variant.weight());
            fits || *place == 0
        });
        kept.map(|(_, variant)| variant.clone()).collect()
    }

    /// The same, with those of which `stale` is true marked so.
    pub(crate) fn softened(&self, stale: impl Fn(&Variant) -> bool) -> Self {
        self.0.iter().map(|variant| if stale(variant) { variant.clone().softened() } else { variant.clone() }).collect()
    }

    /// About how many bytes they take.
    pub(crate) fn weight(&self) -> u64 {
        self.0.iter().map(Variant::weight).sum()
    }
}

impl FromIterator<Variant> for Variants {
    fn from_iter<I: IntoIterator<Item = Variant>>(variants: I) -> Self {
        Self(variants.into_iter().collect())
    }
}
