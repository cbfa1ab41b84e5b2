//! What an earlier attempt of a request may have done.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::Extensions;

/// In the extensions of a request, shared by its clones: whether an attempt of it that was given up may have been carried out, so that of none
/// that follows can be said that nothing was done.
///
/// A gateway puts one in and keeps hold of it, for the error of a later attempt goes past whoever repeats the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempted(Arc<AtomicBool>);

impl Attempted {
    /// A new one for the request that has these extensions; what an earlier attempt has left to be said stays said.
    pub(super) fn put_into(extensions: &mut Extensions) -> Self {
        let attempted = Self(Arc::new(AtomicBool::new(Self::is_told_in(extensions))));
        extensions.insert(attempted.clone());
        attempted
    }

    /// Says so of the request that has these extensions, to all who have a clone of it; without a gateway above, to those that come after.
    pub(super) fn tell(extensions: &mut Extensions) {
        extensions.get_or_insert_default::<Self>().0.store(true, Ordering::Relaxed);
    }

    /// Whether that was said of the request that has these extensions.
    pub(super) fn is_told_in(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some_and(Self::is_told)
    }

    /// Whether that was said.
    pub(super) fn is_told(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_one_request_and_all_its_clones() {
        let [mut first, mut second] = [Extensions::new(), Extensions::new()];
        let (kept, other) = (Attempted::put_into(&mut first), Attempted::put_into(&mut second));
        let clone = first.clone();
        assert!(!Attempted::is_told_in(&first));
        Attempted::tell(&mut first);
        assert!(kept.is_told() && Attempted::is_told_in(&first) && Attempted::is_told_in(&clone));
        assert!(!other.is_told() && !Attempted::is_told_in(&second));
    }

    #[test]
    fn without_a_gateway_above_it_is_for_what_comes_after() {
        let mut extensions = Extensions::new();
        let before = extensions.clone();
        assert!(!Attempted::is_told_in(&extensions));
        Attempted::tell(&mut extensions);
        assert!(Attempted::is_told_in(&extensions.clone()) && !Attempted::is_told_in(&before));
        assert!(Attempted::put_into(&mut extensions).is_told(), "of a gateway beneath");
    }
}
