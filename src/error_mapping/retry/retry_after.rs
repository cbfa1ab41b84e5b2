use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};

use crate::core::header::only;

/// What the upstream asks to wait, in either form: seconds, or a date, of which the past is no wait
/// ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)). `None` for what is neither, or comes more than once.
pub(in crate::error_mapping) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = only(headers, &header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than there are numbers is no less than the most of them.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn read(lines: &[&str]) -> Option<Duration> {
        let lines = lines.iter().map(|line| (header::RETRY_AFTER, HeaderValue::from_str(line).unwrap()));
        retry_after(&lines.collect(), now())
    }

    #[test]
    fn both_forms() {
        for (name, lines, seconds) in [
            ("none", &[][..], None),
            ("seconds", &["120"], Some(120)),
            ("none at all", &["0"], Some(0)),
            ("padded", &[" 7 "], Some(7)),
            ("a date", &["Sun, 06 Nov 1994 08:50:37 GMT"], Some(60)),
            ("a date of old", &["Sunday, 06-Nov-94 08:50:37 GMT"], Some(60)),
            ("a date of C", &["Sun Nov  6 08:50:37 1994"], Some(60)),
            ("now", &["Sun, 06 Nov 1994 08:49:37 GMT"], Some(0)),
            ("the past", &["Sat, 05 Nov 1994 08:49:37 GMT"], Some(0)),
            ("beyond counting", &["99999999999999999999999"], Some(u64::MAX)),
            ("negative", &["-1"], None),
            ("a fraction", &["1.5"], None),
            ("empty", &[""], None),
            ("a word", &["soon"], None),
            ("twice", &["1", "2"], None),
        ] {
            assert_eq!(read(lines), seconds.map(Duration::from_secs), "{name}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_seconds_and_anything_else_is_none(line in "[ -~]{0,40}", digits in "[0-9]{1,30}") {
            let line = line.trim();
            let number = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(number || httpdate::parse_http_date(line).is_ok() || read(&[line]).is_none());
            prop_assert_eq!(read(&[&digits]), Some(Duration::from_secs(digits.parse().unwrap_or(u64::MAX))));
        }

        #[test]
        fn a_date_is_as_far_as_it_is(ahead in 0..10_000_000_u64) {
            let date = httpdate::fmt_http_date(now() + Duration::from_secs(ahead));
            prop_assert_eq!(read(&[&date]), Some(Duration::from_secs(ahead)));
        }
    }
}
