//! What an earlier attempt of a request may have done.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Extensions;

/// In the extensions of a request, shared by its clones: whether an attempt of it that was given up may have been carried out, so that of none
/// that follows can be said that nothing was done.
///
/// A gateway puts one in and keeps hold of it, for the error of a later attempt goes past whoever repeats the request. It is whatever has such a
/// flag, so that what the gateway keeps of the request anyway can be it.
#[derive(Clone)]
pub(super) struct Attempted(Arc<dyn AsRef<AtomicBool> + Send + Sync>);

impl Attempted {
    pub(super) fn new(flag: Arc<impl AsRef<AtomicBool> + Send + Sync + 'static>) -> Self {
        Self(flag)
    }

    /// Says so of the request that has these extensions, to all who have a clone of it; without a gateway above, to those that come after.
    pub(super) fn tell(extensions: &mut Extensions) {
        // A flag of its own, in a box, which is what the standard library gives a reference out of.
        let attempted = extensions.get_or_insert_with(|| Self::new(Arc::new(Box::new(AtomicBool::new(true)))));
        (*attempted.0).as_ref().store(true, Ordering::Relaxed);
    }

    /// Whether that was said of the request that has these extensions.
    pub(super) fn is_told(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some_and(|attempted| (*attempted.0).as_ref().load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Attempted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Attempted").field((*self.0).as_ref()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_one_request_and_all_its_clones() {
        let word = || Attempted::new(Arc::new(Box::new(AtomicBool::new(false))));
        let [mut first, mut second] = [Extensions::new(), Extensions::new()];
        first.insert(word());
        second.insert(word());
        let clone = first.clone();
        assert!(!Attempted::is_told(&first));
        Attempted::tell(&mut first);
        assert!(Attempted::is_told(&first) && Attempted::is_told(&clone) && !Attempted::is_told(&second));
    }

    #[test]
    fn without_a_gateway_above_it_is_for_what_comes_after() {
        let mut extensions = Extensions::new();
        let before = extensions.clone();
        assert!(!Attempted::is_told(&extensions));
        Attempted::tell(&mut extensions);
        assert!(Attempted::is_told(&extensions.clone()) && !Attempted::is_told(&before));
    }
}
