//! HTTP-date, [RFC 9110 §5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// 9999-12-31T23:59:59Z, the last second that four digits of a year can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads any of the three formats; `None` for anything else, a list of dates included. A date before 1970 is taken as the epoch, a leap
/// second as the one after it. The two digits of a year in an rfc850-date are of 1970 to 2069.
pub(super) fn parse(value: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(value).ok()?;
    httpdate::parse_http_date(text).ok().or_else(|| after_leap_second(text)).or_else(|| is_early(text).then_some(UNIX_EPOCH))
}

/// The second after a `:60`, which `httpdate` does not tell.
fn after_leap_second(text: &str) -> Option<SystemTime> {
    let (before, after) = text.split_once("59:60 ")?;
    let last = httpdate::parse_http_date(&format!("{before}59:59 {after}")).ok()?;
    last.checked_add(Duration::from_secs(1))
}

/// Whether it is a date of a year before 1970, which `httpdate` does not tell.
///
/// To ignore it would turn what it means around: `If-Unmodified-Since` of the year 1, the "no date" of some platforms, forbids the write.
fn is_early(text: &str) -> bool {
    let text = text.trim();
    // Where the year stands in an IMF-fixdate and in an asctime-date.
    [12, 20].into_iter().any(|at| {
        let (Some(before), Some(year), Some(after)) = (text.get(..at), text.get(at..at + 4), text.get(at + 4..)) else {
            return false;
        };
        let early = year.bytes().all(|byte| byte.is_ascii_digit()).then(|| year.parse::<u16>()).and_then(Result::ok);
        // The calendar repeats itself after 400 years, days of the week included.
        early
            .filter(|year| *year < 1970)
            .is_some_and(|year| httpdate::parse_http_date(&format!("{before}{}{after}", 2000 + year % 400)).is_ok())
    })
}

/// Writes an IMF-fixdate; a time outside the years 1970 to 9999 becomes the nearest one inside.
pub(super) fn render(time: SystemTime) -> HeaderValue {
    let date = httpdate::HttpDate::from(whole_seconds(time));
    HeaderValue::try_from(date.to_string()).unwrap_or(HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT"))
}

/// The time as an HTTP-date can tell it.
///
/// A file's modification time has nanoseconds; compared as it is, it would always be later than the date that was sent for it.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST_SECOND);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates() {
        let instant = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (name, text, expected) in [
            ("IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", Some(instant)),
            ("rfc850-date", "Sunday, 06-Nov-94 08:49:37 GMT", Some(instant)),
            ("asctime-date", "Sun Nov  6 08:49:37 1994", Some(instant)),
            ("before 1970", "Wed, 31 Dec 1969 23:59:59 GMT", Some(UNIX_EPOCH)),
            ("the first second of the calendar", "Mon, 01 Jan 0001 00:00:00 GMT", Some(UNIX_EPOCH)),
            ("before 1970, asctime-date", "Wed Dec 31 23:59:59 1969", Some(UNIX_EPOCH)),
            ("no such day before 1970", "Wed, 32 Dec 1969 23:59:59 GMT", None),
            ("another day of the week before 1970", "Fri, 31 Dec 1969 23:59:59 GMT", None),
            ("a leap second", "Sat, 31 Dec 2016 23:59:60 GMT", Some(UNIX_EPOCH + Duration::from_secs(1_483_228_800))),
            ("a leap second, asctime-date", "Sat Dec 31 23:59:60 2016", Some(UNIX_EPOCH + Duration::from_secs(1_483_228_800))),
            ("a leap minute", "Sat, 31 Dec 2016 23:60:00 GMT", None),
            ("two dates", "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("another zone", "Sun, 06 Nov 1994 08:49:37 CET", None),
            ("no such day", "Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("seconds since the epoch", "784111777", None),
            ("nothing", "", None),
            ("not ASCII", "Sün, 06 Nov 1994 08:49:37 GMT", None),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{name}");
        }
        assert_eq!(render(instant + Duration::from_millis(999)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn times_that_no_date_can_tell_are_clamped() {
        assert_eq!(render(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(render(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 1)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    proptest! {
        #[test]
        fn what_is_rendered_is_read_back(seconds in 0..=LAST_SECOND) {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse(render(time).as_bytes()), Some(time));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn anything_like_a_date_is_read_without_a_panic(text in "[A-Z][a-z]{2,5}[, ]{1,2}[0-9]{1,2}[- ][A-Z][a-z]{2}[- ][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT") {
            let _ = parse(text.as_bytes());
        }
    }
}
