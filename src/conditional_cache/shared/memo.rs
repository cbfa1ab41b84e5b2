//! Field values that differ in a number only, and are wanted again and again until the number changes.

use std::sync::{Mutex, MutexGuard};

use http::HeaderValue;

/// How many are remembered.
const PLACES: usize = 32;

/// The values that were made last.
///
/// A number that was met for the first time is only noted, so that many numbers, each met once, cost next to nothing. Nobody waits for another.
#[derive(Debug, Default)]
pub(super) struct Memo([Mutex<Noted>; PLACES]);

#[derive(Debug, Default)]
struct Noted {
    number: i64,
    value: Option<HeaderValue>,
}

impl Memo {
    /// The value with `number` in it.
    pub(super) fn value(&self, number: i64, make: impl FnOnce() -> HeaderValue) -> HeaderValue {
        let Some(mut noted) = self.place(number) else { return make() };
        if noted.number != number {
            *noted = Noted { number, value: None };
            drop(noted);
            return make();
        }
        noted.value.get_or_insert_with(make).clone()
    }

    fn place(&self, number: i64) -> Option<MutexGuard<'_, Noted>> {
        let place = usize::try_from(number.unsigned_abs() % PLACES as u64).ok()?;
        self.0.get(place)?.try_lock().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_value_is_made_twice_and_then_remembered() {
        let (memo, made) = (Memo::default(), Cell::new(0));
        let told = |number: i64| {
            let value = memo.value(number, || {
                made.set(made.get() + 1);
                HeaderValue::from(number)
            });
            assert_eq!(value, number.to_string());
            made.get()
        };
        assert_eq!([told(7), told(7), told(7), told(7)], [1, 2, 2, 2]);
        // In the same place.
        assert_eq!([told(39), told(7), told(7), told(-7), told(i64::MIN), told(i64::MIN)], [3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn who_finds_the_place_taken_does_not_wait() {
        let memo = Memo::default();
        let inner = |number| memo.value(number, || HeaderValue::from(number));
        inner(5);
        let value = memo.value(5, || {
            assert_eq!(inner(5), "5");
            HeaderValue::from_static("5")
        });
        assert_eq!(value, "5");
    }
}
