//! The `Range` field, [RFC 9110 §14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2).
//!
//! ```text
//! Range            = range-unit "=" range-set
//! range-set        = 1#range-spec
//! range-spec       = int-range / suffix-range
//! int-range        = first-pos "-" [ last-pos ]
//! suffix-range     = "-" suffix-length
//! ```

use std::ops::Range;

use http::{HeaderMap, header};

use crate::core::header::{only, trim_ows};

/// How many ranges one request may ask for. More are nothing that a client needs and something that an attacker would
/// ([RFC 9110 §17.15](https://www.rfc-editor.org/rfc/rfc9110#section-17.15)).
const MOST_RANGES: usize = 64;

/// What one more part of a multipart answer costs: a delimiter and two fields. A gap that is smaller is cheaper sent than left out.
pub(super) const PART_OVERHEAD: u64 = 128;

/// The parts of a representation that a request asks for: the ranges of a `Range: bytes=…`
/// ([RFC 9110 §14.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2)).
///
/// The layer serves ranges itself, out of whatever content it is given. A handler that can seek may do better: it sends a 206 of its own,
/// and the layer lets it pass. What it answers by 200, the layer cuts as ever.
///
/// ```
/// use donjon::{Clock, SystemClock, conditional_cache::{ByteRanges, Preconditions, Selection, Validators}};
/// use http::{Request, Response, StatusCode};
///
/// fn read(request: &Request<()>, current: &Validators, file: &[u8]) -> Response<Vec<u8>> {
///     let headers = request.headers();
///     let asked = Preconditions::from_headers(headers).allow_range(current, SystemClock.now());
///     let selection = ByteRanges::from_headers(headers).filter(|_| asked).map(|ranges| ranges.select(file.len() as u64));
///     let Some(Selection::Part(part)) = selection else { return Response::new(file.to_vec()) };
///     let mut response = Response::new(file[part.start as usize..part.end as usize].to_vec());
///     *response.status_mut() = StatusCode::PARTIAL_CONTENT;
///     let told = format!("bytes {}-{}/{}", part.start, part.end - 1, file.len());
///     response.headers_mut().insert("content-range", told.parse().expect("digits"));
///     response
/// }
///
/// let request = Request::get("/").header("range", "bytes=2-99").body(()).unwrap();
/// let response = read(&request, &Validators::existing(), b"hello");
/// assert_eq!((&response.headers()["content-range"], &response.body()[..]), (&"bytes 2-4/5".parse().unwrap(), &b"llo"[..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteRanges(Vec<RangeSpec>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RangeSpec {
    /// Both inclusive; the last is `u64::MAX` when it was left out.
    Int {
        first: u64,
        last: u64,
    },
    Suffix {
        length: u64,
    },
}

/// What is to be sent of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// All of it, as a 200: the ranges are of a kind that a server had better ignore.
    Whole,
    /// These bytes, as a 206 with `Content-Range`.
    Part(Range<u64>),
    /// These bytes, two parts or more, as a 206 of `multipart/byteranges`
    /// ([RFC 9110 §14.6](https://www.rfc-editor.org/rfc/rfc9110#section-14.6)). They ascend and do not touch.
    Parts(Vec<Range<u64>>),
    /// 416: nothing that was asked for exists ([RFC 9110 §15.5.17](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17)).
    Unsatisfiable,
}

impl ByteRanges {
    /// Reads `Range`; `None` if there is nothing to be heeded.
    ///
    /// That is so without the field, for a unit other than `bytes`
    /// ([RFC 9110 §14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2)), and, as the section allows, for a field that is malformed,
    /// comes twice or asks for more than 64 ranges. The answer is then the whole representation.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::parse(only(headers, &header::RANGE)?.as_bytes())
    }

    pub(in crate::conditional_cache) fn parse(value: &[u8]) -> Option<Self> {
        let equals = value.iter().position(|byte| *byte == b'=')?;
        let (unit, set) = value.split_at_checked(equals)?;
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let mut specs = Vec::new();
        for element in set.get(1..)?.split(|byte| *byte == b',').map(trim_ows).filter(|element| !element.is_empty()) {
            if specs.len() == MOST_RANGES {
                return None;
            }
            specs.push(RangeSpec::parse(element)?);
        }
        (!specs.is_empty()).then_some(Self(specs))
    }

    /// What of a representation of `length` bytes is meant.
    ///
    /// Ranges that overlap or lie closer than what a part of its own would cost become one. Of an empty representation nothing can be
    /// satisfied but a suffix, and that is all of it. Several ranges that do not ascend are ignored: whoever streams cannot go back, and
    /// [RFC 9110 §14.2](https://www.rfc-editor.org/rfc/rfc9110#section-14.2) counts them among the marks of an attack.
    #[must_use]
    pub fn select(&self, length: u64) -> Selection {
        let mut ranges: Vec<Range<u64>> = self.0.iter().filter_map(|spec| spec.within(length)).collect();
        let ascending = ranges.is_sorted_by_key(|range| range.start);
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, one| {
            let close = next.start.saturating_sub(one.end) < PART_OVERHEAD;
            if close {
                one.end = one.end.max(next.end);
            }
            close
        });
        match ranges.as_slice() {
            [] => Selection::Unsatisfiable,
            // No Content-Range can name nothing.
            [range] if range.is_empty() => Selection::Whole,
            [range] => Selection::Part(range.clone()),
            _ if ascending => Selection::Parts(ranges),
            _ => Selection::Whole,
        }
    }
}

impl RangeSpec {
    fn parse(element: &[u8]) -> Option<Self> {
        let dash = element.iter().position(|byte| *byte == b'-')?;
        let (first, last) = element.split_at_checked(dash)?;
        match (first, last.get(1..)?) {
            (b"", length) => Some(Self::Suffix { length: decimal(length)? }),
            (first, b"") => Some(Self::Int { first: decimal(first)?, last: u64::MAX }),
            (first, last) => {
                let (first, last) = (decimal(first)?, decimal(last)?);
                (first <= last).then_some(Self::Int { first, last })
            }
        }
    }

    /// `None` if it is not satisfiable (§14.1.2).
    fn within(self, length: u64) -> Option<Range<u64>> {
        match self {
            Self::Int { first, last } => (first < length).then(|| first..last.saturating_add(1).min(length)),
            Self::Suffix { length: suffix } => (suffix > 0).then(|| length.saturating_sub(suffix)..length),
        }
    }
}

/// `1*DIGIT`. A number that is too large to be told is larger than any content.
fn decimal(digits: &[u8]) -> Option<u64> {
    let valid = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    valid.then(|| digits.iter().fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn selected(value: &str, length: u64) -> Option<Selection> {
        ByteRanges::parse(value.as_bytes()).map(|ranges| ranges.select(length))
    }

    #[test]
    fn fields() {
        use Selection::{Part, Parts, Unsatisfiable, Whole};
        for (name, value, length, expected) in [
            ("the first bytes", "bytes=0-499", 10_000, Some(Part(0..500))),
            ("the second ones", "bytes=500-999", 10_000, Some(Part(500..1000))),
            ("the last ones", "bytes=-500", 10_000, Some(Part(9500..10_000))),
            ("all from", "bytes=9500-", 10_000, Some(Part(9500..10_000))),
            ("one byte", "bytes=0-0", 10_000, Some(Part(0..1))),
            ("everything", "bytes=0-", 10, Some(Part(0..10))),
            ("first and last", "bytes=0-0,-1", 10_000, Some(Parts(vec![0..1, 9999..10_000]))),
            ("last beyond the end", "bytes=5-99", 10, Some(Part(5..10))),
            ("suffix beyond the start", "bytes=-99", 10, Some(Part(0..10))),
            ("numbers beyond any integer", "bytes=1-99999999999999999999999999", 10, Some(Part(1..10))),
            ("from beyond any integer", "bytes=99999999999999999999999999-", 10, Some(Unsatisfiable)),
            ("the unit in capitals", "BYTES=0-0", 10, Some(Part(0..1))),
            ("leading zeros", "bytes=0001-0002", 10, Some(Part(1..3))),
            ("spaces between", "bytes=0-0 ,\t500-500", 1000, Some(Parts(vec![0..1, 500..501]))),
            ("empty elements", "bytes=,0-0,,", 10, Some(Part(0..1))),
            ("touching", "bytes=0-4,5-9", 1000, Some(Part(0..10))),
            ("overlapping", "bytes=0-500,400-700", 1000, Some(Part(0..701))),
            ("nested", "bytes=0-900,100-200", 1000, Some(Part(0..901))),
            ("the same twice", "bytes=0-1,0-1", 1000, Some(Part(0..2))),
            ("closer than a part costs", "bytes=0-0,128-128", 1000, Some(Part(0..129))),
            ("as far as a part costs", "bytes=0-0,129-129", 1000, Some(Parts(vec![0..1, 129..130]))),
            ("descending", "bytes=500-500,0-0", 1000, Some(Whole)),
            ("descending, yet one", "bytes=5-9,0-4", 1000, Some(Part(0..10))),
            ("one of two beyond the end", "bytes=0-0,1000-", 1000, Some(Part(0..1))),
            ("all beyond the end", "bytes=1000-,2000-3000", 1000, Some(Unsatisfiable)),
            ("the last nothing", "bytes=-0", 10, Some(Unsatisfiable)),
            ("of nothing", "bytes=0-", 0, Some(Unsatisfiable)),
            ("the end of nothing", "bytes=-5", 0, Some(Whole)),
            ("nothing of nothing", "bytes=-0", 0, Some(Unsatisfiable)),
            ("another unit", "items=0-4", 10, None),
            ("no unit", "=0-4", 10, None),
            ("no set", "bytes", 10, None),
            ("an empty set", "bytes=", 10, None),
            ("a set of nothing", "bytes= , ", 10, None),
            ("last before first", "bytes=5-4", 10, None),
            ("one malformed among others", "bytes=0-1,5-4", 10, None),
            ("only a dash", "bytes=-", 10, None),
            ("no dash", "bytes=5", 10, None),
            ("two dashes", "bytes=1-2-3", 10, None),
            ("a negative last", "bytes=1--2", 10, None),
            ("a sign", "bytes=+1-2", 10, None),
            ("hexadecimal", "bytes=0x1-2", 10, None),
            ("spaces inside", "bytes=1 - 2", 10, None),
            ("a space before the equals sign", "bytes =1-2", 10, None),
        ] {
            assert_eq!(selected(value, length), expected, "{name}");
        }
    }

    #[test]
    fn a_field_that_comes_twice_is_ignored() {
        let mut headers = HeaderMap::new();
        assert_eq!(ByteRanges::from_headers(&headers), None);
        headers.append(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        assert!(ByteRanges::from_headers(&headers).is_some());
        headers.append(header::RANGE, HeaderValue::from_static("bytes=1-1"));
        assert_eq!(ByteRanges::from_headers(&headers), None);
    }

    #[test]
    fn a_hostile_number_of_ranges_is_ignored() {
        let many = |count: usize| format!("bytes={}", vec!["0-"; count].join(","));
        assert_eq!(selected(&many(MOST_RANGES), 10), Some(Selection::Part(0..10)));
        assert_eq!(selected(&many(MOST_RANGES + 1), 10), None);
    }

    /// Which bytes are meant, one by one.
    fn meant(value: &str, length: u64) -> Vec<bool> {
        let mut bytes = vec![false; usize::try_from(length).unwrap()];
        for element in value.strip_prefix("bytes=").unwrap().split(',') {
            let (first, last) = element.split_once('-').unwrap();
            for (at, wanted) in (0..length).zip(&mut bytes) {
                *wanted |= match (first.parse::<u64>(), last.parse::<u64>()) {
                    (Ok(first), Ok(last)) => first <= at && at <= last,
                    (Ok(first), Err(_)) => first <= at,
                    (Err(_), Ok(suffix)) => length - at <= suffix,
                    (Err(_), Err(_)) => unreachable!("a range has a number"),
                };
            }
        }
        bytes
    }

    fn spec() -> impl Strategy<Value = String> {
        prop_oneof![
            (0_u64..1200, 0_u64..400).prop_map(|(first, more)| format!("{first}-{}", first + more)),
            (0_u64..1200).prop_map(|first| format!("{first}-")),
            (0_u64..1200).prop_map(|length| format!("-{length}")),
        ]
    }

    proptest! {
        #[test]
        fn what_is_selected_is_what_was_meant(specs in prop::collection::vec(spec(), 1..8), length in 0_u64..1000) {
            let value = format!("bytes={}", specs.join(","));
            let wanted = meant(&value, length);
            let ranges = match selected(&value, length).unwrap() {
                Selection::Part(range) => vec![range],
                Selection::Parts(ranges) => {
                    prop_assert!(ranges.len() > 1);
                    ranges
                }
                Selection::Unsatisfiable => {
                    prop_assert!(!wanted.contains(&true));
                    return Ok(());
                }
                Selection::Whole => return Ok(()),
            };
            prop_assert!(ranges.iter().all(|range| range.start < range.end && range.end <= length));
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end + PART_OVERHEAD <= pair[1].start));
            for (at, wanted) in (0..).zip(wanted) {
                prop_assert!(!wanted || ranges.iter().any(|range| range.contains(&at)), "byte {at} is missing");
            }
            // Nothing is sent that was not asked for, but a gap too small to leave out.
            let asked = meant(&value, length);
            for range in ranges {
                let sent = &asked[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
                prop_assert!(sent.split(|wanted| *wanted).all(|gap| (gap.len() as u64) < PART_OVERHEAD));
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(value in prop::collection::vec(any::<u8>(), 0..100), length: u64) {
            if let Some(ranges) = ByteRanges::parse(&value) {
                let _ = ranges.select(length);
            }
        }

        #[test]
        fn anything_like_a_field_is_read_without_a_panic(set in "bytes=[0-9,\\- ]{0,40}", length: u64) {
            if let Some(ranges) = ByteRanges::parse(set.as_bytes()) {
                let _ = ranges.select(length);
            }
        }
    }
}
