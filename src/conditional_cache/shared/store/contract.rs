use std::{error::Error, future::Future};

use super::{
    super::key::CacheKey,
    head::StoredHead,
    purge::Purge,
    variants::{Variant, Variants},
};

/// Keeps responses.
///
/// An error of a store is never the client's: a response that cannot be found is fetched, one that cannot be kept is passed on.
pub trait Store: Clone + Send + Sync + 'static {
    /// Why the store could not answer.
    type Error: Error + Send + Sync + 'static;

    /// Tells purges apart from what was asked for before them and comes after them: a number that each purge makes larger. It is asked for before a
    /// response is, and is in the [`Variant`] when that is [put](Self::put).
    ///
    /// A store that does not tell takes whatever comes, though it may have been purged on its way.
    fn epoch(&self) -> u64 {
        u64::MAX
    }

    /// Whether a purge since this epoch may have named what is on its way to a key; its tags nobody knows yet, so
    /// [`Purge::may_name`] tells. Who asks after such a purge is not given what was asked for before it.
    ///
    /// A store that keeps no list of its purges takes each for one of this key.
    fn purged_since(&self, key: &CacheKey, epoch: u64) -> bool {
        let _ = key;
        self.epoch() > epoch
    }

    /// The responses under a key, if that can be told without waiting, from memory; `None` if it has to be asked for by [`get`](Self::get).
    fn peek(&self, key: &CacheKey) -> Option<Variants> {
        let _ = key;
        None
    }

    /// The responses under a key, an empty list if there are none.
    ///
    /// # Errors
    ///
    /// If nobody can tell now.
    fn get(&self, key: &CacheKey) -> impl Future<Output = Result<Variants, Self::Error>> + Send;

    /// Keeps a response, in the place of the one that was selected by the same fields, unless it was purged while it was on its way.
    ///
    /// That is for the purges since its [epoch](Variant::epoch) to say, each by [`Purge::names`]; what a soft one names is kept as
    /// [stale](StoredHead::stale). The answer to a write is not named by the write's own purges, though they come after its epoch: only a
    /// store that remembers the [`Purge`]s themselves can tell. One that compares numbers, and keeps nothing of an epoch that is over, is
    /// as safe, but never keeps the answer to a write.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn put(&self, key: &CacheKey, variant: Variant) -> impl Future<Output = Result<Kept, Self::Error>> + Send;

    /// Gives the response that was selected by the same fields another head, if it is still there: it was validated
    /// ([RFC 9111 §4.3.4](https://www.rfc-editor.org/rfc/rfc9111#section-4.3.4)). That was asked for in this [epoch](Self::epoch), and a purge
    /// since then still counts. A response that came after the head's `request_time` is another one, which it says nothing of.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn touch(&self, key: &CacheKey, head: StoredHead, epoch: u64) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Forgets, or marks as stale, what `purge` names; says how many responses that were.
    ///
    /// # Errors
    ///
    /// If it is not certain that it was done.
    fn purge(&self, purge: &Purge) -> impl Future<Output = Result<usize, Self::Error>> + Send;
}

/// What became of [`Store::put`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It is stored.
    Stored,
    /// It is larger than anything this store keeps.
    TooLarge,
    /// It was purged while it was on its way.
    Purged,
}
