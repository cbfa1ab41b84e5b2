//! Where panics end.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::chain::Scrubbed;
use crate::core::trace::event;

/// That something panicked; the payload is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs foreign code. What it panicked with is told to the log and to nobody else.
///
/// Nothing that `work` touched is used again for more than to be dropped, apart from an inner service, which has to survive its own
/// panics as it would have to survive those of a task.
#[inline(always)]
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(bury)
}

/// A subscriber may panic, and so may the payload when it is dropped.
#[cold]
fn bury(payload: Box<dyn Any + Send>) -> Panicked {
    let told = catch_unwind(AssertUnwindSafe(|| tell(&*payload)));
    for payload in [Some(payload), told.err()].into_iter().flatten() {
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
    }
    Panicked
}

fn tell(payload: &(dyn Any + Send)) {
    let text = payload.downcast_ref::<&'static str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    event!(ERROR, "a panic was caught", panic = Scrubbed(text.unwrap_or("(not a text)")));
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(2);
        }
    }

    #[test]
    fn what_is_done_comes_back() {
        assert_eq!(guard(|| 1), Ok(1));
    }

    #[test]
    fn any_payload_is_caught_even_one_that_panics_when_dropped() {
        assert_eq!(guard(|| panic!("text")), Err::<(), _>(Panicked));
        assert_eq!(guard(|| std::panic::panic_any(1)), Err::<(), _>(Panicked));
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), Err::<(), _>(Panicked));
    }
}
