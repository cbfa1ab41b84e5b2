//! The name of one request, as its header field carries it.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;

/// The longest that is taken from a request. Identifiers in use have 16 to 64 characters.
const LONGEST: usize = 128;

/// Whether a client's own may be repeated in a response, a page and a log: 1 to 128 letters, digits and `-`, `_`, `.`, `=`, `+`. None of them has
/// a meaning in a header field, in HTML, in JSON or to a terminal, and no URL can be written with them.
pub(super) fn is_request_id(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.=+".contains(byte);
    (1..=LONGEST).contains(&value.len()) && value.iter().all(is_plain)
}

/// One that has not been before: 32 hexadecimal digits.
///
/// It names a request and guards nothing, so two keyed hashes of a counter do: the keys are the process's own and random, and what they are
/// cannot be told from the hashes.
pub(super) fn generate() -> HeaderValue {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let [high, low] = KEYS.each_ref().map(|keys| keys.hash_one(count));
    HeaderValue::from_str(&format!("{high:016x}{low:016x}")).unwrap_or(HeaderValue::from_static("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn shapes() {
        let (longest, too_long) = ("a".repeat(LONGEST), "a".repeat(LONGEST + 1));
        for (name, value, is_one) in [
            ("a uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", true),
            ("a ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAV", true),
            ("base64url with padding", "YW55IGNhcm5hbCBwbGVhcw==", true),
            ("a load balancer's", "Root=1-67891233-abcdef012345678912345678", true),
            ("the longest", &longest, true),
            ("too long", &too_long, false),
            ("nothing", "", false),
            ("a tag", "<script>alert(1)</script>", false),
            ("a quote", "a\"b", false),
            ("a url", "https://evil.example/", false),
            ("a second line", "a\r\nset-cookie: b=c", false),
            ("a second one", "a, b", false),
            ("a space", "a b", false),
            ("percent", "%3Cscript%3E", false),
            ("beyond ASCII", "ü", false),
            ("for a terminal", "\u{1b}[2J", false),
        ] {
            assert_eq!(is_request_id(value.as_bytes()), is_one, "{name}");
        }
    }

    #[test]
    fn ours_has_the_shape_and_is_never_the_same() {
        let ids: HashSet<_> = (0..10_000).map(|_| generate()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 32 && is_request_id(id.as_bytes())));
    }

    #[test]
    fn no_byte_that_means_something_anywhere_is_taken() {
        let taken = (0..=u8::MAX).filter(|byte| is_request_id(&[*byte])).map(char::from).collect::<String>();
        assert_eq!(taken, "+-.0123456789=ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
    }

    proptest! {
        #[test]
        fn one_byte_more_decides(id in "[A-Za-z0-9._=+-]{0,127}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = id.into_bytes();
            prop_assert_eq!(is_request_id(&bytes), !bytes.is_empty());
            bytes.insert(at.index(bytes.len() + 1), byte);
            prop_assert_eq!(is_request_id(&bytes), is_request_id(&[byte]));
        }
    }
}
