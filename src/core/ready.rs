//! Calling the service that was polled ready.

/// Takes the ready service out of `slot` and leaves a clone that still has to be polled.
///
/// A middleware that waits before it calls must move into its future the very service whose `poll_ready` succeeded: the permit of a
/// `ConcurrencyLimit` or the slot of a `Buffer` is held by that value, and its clone, called unpolled, panics.
pub(crate) fn take_ready<S: Clone>(slot: &mut S) -> S {
    let unpolled = slot.clone();
    std::mem::replace(slot, unpolled)
}

#[cfg(test)]
mod tests {
    use super::take_ready;

    #[derive(Debug, PartialEq)]
    struct Permit(bool);

    impl Clone for Permit {
        fn clone(&self) -> Self {
            Self(false)
        }
    }

    #[test]
    fn the_ready_value_leaves_and_its_clone_stays() {
        let mut slot = Permit(true);
        assert_eq!(take_ready(&mut slot), Permit(true));
        assert_eq!(slot, Permit(false));
    }
}
