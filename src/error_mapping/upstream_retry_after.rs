//! How long an upstream tells the client of a gateway to wait.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};

use super::retry::retry_after;

/// What becomes of the `Retry-After` of an upstream's response ([RFC 9110 §10.2.3](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3)) in a
/// gateway.
///
/// A client that believes it stays away for as long as it says, and nothing proves it: `Retry-After: 99999999999` is three thousand years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UpstreamRetryAfter {
    /// It passes as it came.
    Keep,
    /// It passes if it asks for no longer than this. If it asks for more, as seconds or as a date, it becomes this, in whole seconds.
    ///
    /// What is neither form, or comes more than once, is removed: the field has one value (§10.2.3), and which of several a client would take, or
    /// what it would make of `1e12`, cannot be bounded.
    Cap(Duration),
    /// It is removed.
    Strip,
}

impl UpstreamRetryAfter {
    /// A cap of one day: the longest window in which limits of rate are usually counted is a day's quota, so that no honest answer needs more, and a
    /// client that asks once a day is a burden to nobody.
    pub(super) const DEFAULT: Self = Self::Cap(Duration::from_secs(24 * 60 * 60));

    /// On a response of an upstream, at this time.
    pub(super) fn pass(self, headers: &mut HeaderMap, now: impl FnOnce() -> SystemTime) {
        if !headers.contains_key(header::RETRY_AFTER) {
            return;
        }
        match self {
            Self::Keep => {}
            Self::Strip => drop(headers.remove(header::RETRY_AFTER)),
            Self::Cap(most) => match retry_after(headers, now()) {
                Some(asked) if asked <= most => {}
                Some(_) => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(most.as_secs()))),
                None => drop(headers.remove(header::RETRY_AFTER)),
            },
        }
    }
}

/// A [cap](Self::Cap) of one day.
impl Default for UpstreamRetryAfter {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn passed(policy: UpstreamRetryAfter, lines: &[&str]) -> Vec<String> {
        let lines = lines.iter().map(|line| (header::RETRY_AFTER, HeaderValue::from_str(line).unwrap()));
        let mut headers = lines.collect();
        policy.pass(&mut headers, now);
        headers.get_all(header::RETRY_AFTER).iter().map(|line| line.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_becomes_of_an_upstreams_own() {
        use UpstreamRetryAfter::{Cap, Keep, Strip};
        let hour = || Cap(Duration::from_secs(3_600));
        for (name, policy, before, after) in [
            ("kept", Keep, &["99999999999"][..], &["99999999999"][..]),
            ("kept, malformed", Keep, &["soon", "1"], &["soon", "1"]),
            ("stripped", Strip, &["1", "2"], &[]),
            ("none", hour(), &[], &[]),
            ("within", hour(), &["3600"], &["3600"]),
            ("a second beyond", hour(), &["3601"], &["3600"]),
            ("beyond counting", hour(), &["99999999999999999999999"], &["3600"]),
            ("a date within", hour(), &["Sun, 06 Nov 1994 09:49:37 GMT"], &["Sun, 06 Nov 1994 09:49:37 GMT"]),
            ("a date beyond", hour(), &["Sun, 06 Nov 1994 09:49:38 GMT"], &["3600"]),
            ("a date far beyond", hour(), &["Fri, 31 Dec 9999 23:59:59 GMT"], &["3600"]),
            ("a date in the past", hour(), &["Sat, 05 Nov 1994 08:49:37 GMT"], &["Sat, 05 Nov 1994 08:49:37 GMT"]),
            ("a part of a second", Cap(Duration::from_millis(1_500)), &["2"], &["1"]),
            ("none at all", Cap(Duration::ZERO), &["1"], &["0"]),
            ("a word", hour(), &["soon"], &[]),
            ("a number in another form", hour(), &["1e12"], &[]),
            ("negative", hour(), &["-1"], &[]),
            ("several", hour(), &["1", "2"], &[]),
            ("several alike", hour(), &["1", "1"], &[]),
            ("a list", hour(), &["1, 2"], &[]),
            ("a day by default", UpstreamRetryAfter::default(), &["86401"], &["86400"]),
        ] {
            assert_eq!(passed(policy, before), after, "{name}");
        }
    }

    proptest! {
        /// Whatever an upstream writes, no more than the cap comes out, in a form that every client reads.
        #[test]
        fn a_cap_is_never_passed(line in "([ -~]{0,20}|[0-9]{1,30}|(Sun|Mon), [0-9]{2} (Nov|Dec) [0-9]{4} 08:49:37 GMT)", most in 0..1_000_000_u64) {
            let lines = passed(UpstreamRetryAfter::Cap(Duration::from_secs(most)), &[&line]);
            for line in lines {
                let headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(&line).unwrap())]);
                prop_assert!(retry_after(&headers, now()).is_some_and(|asked| asked <= Duration::from_secs(most)), "{}", line);
            }
        }
    }
}
