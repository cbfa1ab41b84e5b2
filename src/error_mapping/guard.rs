//! Where panics end.

use std::{
    any::Any,
    error::Error,
    fmt, mem,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    chain::{Chain, Scrubbed},
    correlation::Ids,
    upstream::BoxError,
};
use crate::core::trace::event;

/// That something panicked, and with which text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked(Box<str>);

impl Panicked {
    /// To the log, and to nobody else; with the error that was looked at, if it was one.
    pub(super) fn tell(&self, error: Option<&(dyn Error + 'static)>, ids: Option<&Ids>) {
        let (error, id, trace) = (error.map(Chain), ids.and_then(Ids::request), ids.and_then(Ids::trace));
        event!(ERROR, "a panic was caught", panic = Scrubbed(&self.0); error = error.as_ref(), request_id = id, trace_id = trace);
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

/// An error that may panic when it is dropped, which ends here whoever drops it.
pub(super) struct Foreign(BoxError);

impl Foreign {
    pub(super) fn new(error: BoxError) -> Self {
        Self(error)
    }
}

impl Deref for Foreign {
    type Target = dyn Error + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // Without a size, so without an allocation.
        let error = mem::replace(&mut self.0, Box::new(fmt::Error));
        let _ = guard(|| drop(error));
    }
}

/// Without the error, whose texts are not for every log.
impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").finish_non_exhaustive()
    }
}

/// Runs foreign code. What it panicked with is for the caller to tell.
///
/// Nothing that `work` touched is used again for more than to be dropped, apart from an inner service, which has to survive its own
/// panics as it would have to survive those of a task.
#[inline(always)]
pub(super) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(bury)
}

/// Runs foreign code, and tells the log if it panics.
#[inline(always)]
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    guard_for(None, work)
}

/// Runs foreign code for a request of these names, by which the log is told if it panics.
#[inline(always)]
pub(super) fn guard_for<T>(ids: Option<&Ids>, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch(work).inspect_err(|panicked| told(panicked, ids))
}

/// A subscriber may panic, too.
#[cold]
pub(super) fn told(panicked: &Panicked, ids: Option<&Ids>) {
    let _ = catch(|| panicked.tell(None, ids));
}

/// The payload may panic when it is dropped.
#[cold]
fn bury(payload: Box<dyn Any + Send>) -> Panicked {
    let text = payload.downcast_ref::<&'static str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let panicked = Panicked(text.unwrap_or("(not a text)").into());
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    panicked
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
        assert_eq!(guard(|| panic!("text")), Err::<(), _>(Panicked("text".into())));
        assert_eq!(guard(|| panic!("{}", 1)), Err::<(), _>(Panicked("1".into())));
        assert_eq!(guard(|| std::panic::panic_any(1)), Err::<(), _>(Panicked("(not a text)".into())));
        assert_eq!(guard(|| std::panic::panic_any(Bomb)), Err::<(), _>(Panicked("(not a text)".into())));
    }
}
