//! HTTP-date, [RFC 9110 §5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// 9999-12-31T23:59:59Z, the last second that four digits of a year can name.
const LAST_SECOND: u64 = 253_402_300_799;

/// Reads any of the three formats; `None` for anything else, a list of dates included.
pub(super) fn parse(value: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()
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
