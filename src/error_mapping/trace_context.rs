//! The identity of a trace, [W3C Trace Context §3.2](https://www.w3.org/TR/trace-context/#traceparent-header).

use std::fmt;

/// The `trace-id` of a `traceparent`: 32 lower-case hexadecimal digits, not all of them zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceId([u8; 32]);

impl TraceId {
    /// `version "-" trace-id "-" parent-id "-" trace-flags`.
    ///
    /// A version that is not known yet may be longer, with a hyphen after the flags
    /// ([§3.2.4](https://www.w3.org/TR/trace-context/#versioning-of-traceparent)); `ff` is no version.
    pub(super) fn of_traceparent(value: &[u8]) -> Option<Self> {
        let (version, rest) = hex::<2>(value)?;
        let (trace, rest) = hex::<32>(rest.strip_prefix(b"-")?)?;
        let (parent, rest) = hex::<16>(rest.strip_prefix(b"-")?)?;
        let (_flags, rest) = hex::<2>(rest.strip_prefix(b"-")?)?;
        let ends = match version {
            b"00" => rest.is_empty(),
            b"ff" => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let is_some = |id: &[u8]| id.iter().any(|digit| *digit != b'0');
        (ends && is_some(trace) && is_some(parent)).then_some(Self(*trace))
    }

    pub(super) fn as_str(&self) -> &str {
        // Digits only, by construction.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// So many digits, and what follows them.
fn hex<const N: usize>(bytes: &[u8]) -> Option<(&[u8; N], &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<N>()?;
    digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some((digits, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn fields() {
        for (name, value, is_one) in [
            ("sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("not sampled", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("unknown flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", true),
            ("a later version", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("a later and longer one", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-will-be", true),
            ("a later one without its hyphen", "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.x", false),
            ("no version", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("too long for its version", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false),
            ("a hyphen too many", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-", false),
            ("upper case", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("no trace", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("no parent", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("a short trace", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01", false),
            ("no flags", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false),
            ("flags of one digit", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", false),
            ("another separator", "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01", false),
            ("a space", " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("no hexadecimal digit", "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", false),
            ("nothing", "", false),
        ] {
            let expected = is_one.then_some(TRACE);
            assert_eq!(TraceId::of_traceparent(value.as_bytes()).as_ref().map(TraceId::as_str), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_byte_in_the_place_of_a_good_one_gives_a_whole_id_or_none(at in 0..55_usize, byte in any::<u8>()) {
            let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
            let mut bytes = good.clone().into_bytes();
            bytes[at] = byte;
            let digit = byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let fits = if good.as_bytes()[at] == b'-' { byte == b'-' } else { digit };
            let id = TraceId::of_traceparent(&bytes);
            let no_version = bytes.starts_with(b"ff");
            prop_assert_eq!(id.is_some(), fits && !no_version);
            prop_assert!(id.is_none_or(|id| id.as_str().as_bytes() == &bytes[3..35]));
        }

        #[test]
        fn any_bytes_end_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(TraceId::of_traceparent(&bytes).is_none_or(|_| bytes.len() >= 55));
        }

        #[test]
        fn what_is_written_rightly_is_read(version in 0_u8..=254, trace in 1_u128.., parent in 1_u64.., flags in any::<u8>()) {
            let value = format!("{version:02x}-{trace:032x}-{parent:016x}-{flags:02x}");
            let id = TraceId::of_traceparent(value.as_bytes()).unwrap();
            prop_assert_eq!(id.as_str(), format!("{trace:032x}"));
        }
    }
}
