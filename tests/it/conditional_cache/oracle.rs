//! Every combination of the preconditions against the steps of RFC 9110 §13.2.2, written down a second time from the text alone.

use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag, EntityTags, Evaluation, Preconditions, Validators};
use http::Method;
use http_body_util::Full;
use std::time::{Duration, UNIX_EPOCH};

use super::{answer, headers, request, response};

const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sunday, 06-Nov-94 08:49:38 GMT";

/// The field, and what its text means to somebody whose current tag is "a".
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tags {
    Absent,
    Match,
    WeakMatch,
    Mismatch,
    Star,
    Malformed,
    List,
    WeakList,
}

impl Tags {
    const ALL: [(Self, Option<&str>); 8] = [
        (Self::Absent, None),
        (Self::Match, Some("\"a\"")),
        (Self::WeakMatch, Some("W/\"a\"")),
        (Self::Mismatch, Some("\"b\"")),
        (Self::Star, Some("*")),
        (Self::Malformed, Some("a")),
        (Self::List, Some("\"b\", \"a,\", \"a\"")),
        (Self::WeakList, Some("\"b\" ,W/\"a\"")),
    ];
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Date {
    Absent,
    Earlier,
    Same,
    Later,
    Malformed,
    List,
}

impl Date {
    const ALL: [(Self, Option<&str>); 6] = [
        (Self::Absent, None),
        (Self::Earlier, Some(EARLIER)),
        (Self::Same, Some(MODIFIED)),
        (Self::Later, Some(LATER)),
        (Self::Malformed, Some("yesterday")),
        (Self::List, Some("Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT")),
    ];

    fn is_valid(self) -> bool {
        matches!(self, Self::Earlier | Self::Same | Self::Later)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Tag {
    None,
    Strong,
    Weak,
}

#[derive(Clone, Copy, Debug)]
struct State {
    exists: bool,
    tag: Tag,
    dated: bool,
}

const STATES: [State; 7] = [
    State { exists: false, tag: Tag::None, dated: false },
    State { exists: true, tag: Tag::None, dated: false },
    State { exists: true, tag: Tag::Strong, dated: false },
    State { exists: true, tag: Tag::Weak, dated: false },
    State { exists: true, tag: Tag::None, dated: true },
    State { exists: true, tag: Tag::Strong, dated: true },
    State { exists: true, tag: Tag::Weak, dated: true },
];

#[derive(Clone, Copy, Debug)]
struct Case {
    if_match: Tags,
    if_unmodified_since: Date,
    if_none_match: Tags,
    if_modified_since: Date,
}

/// The status: 200 where the method is performed.
fn steps(method: &str, state: State, case: Case) -> u16 {
    let safe = method == "GET" || method == "HEAD";
    // Step 1: "When recipient is the origin server and If-Match is present".
    if case.if_match != Tags::Absent {
        // §13.1.1: `*` is true if there is a current representation; a list is true if one matches by strong comparison.
        let holds = match case.if_match {
            Tags::Star => state.exists,
            Tags::Match | Tags::List => state.tag == Tag::Strong,
            _ => false,
        };
        if !holds {
            return 412;
        }
    }
    // Step 2: "If-Match is not present and If-Unmodified-Since is present"; §13.1.4: ignored unless it is a date and there is one.
    let unmodified_since = case.if_unmodified_since;
    if case.if_match == Tags::Absent && unmodified_since.is_valid() && state.dated {
        let earlier_or_equal = unmodified_since != Date::Earlier;
        if !earlier_or_equal {
            return 412;
        }
    }
    // Step 3: "When If-None-Match is present"; §13.1.2, weak comparison.
    if case.if_none_match != Tags::Absent {
        let matches = match case.if_none_match {
            Tags::Star => state.exists,
            Tags::Match | Tags::WeakMatch | Tags::List | Tags::WeakList => state.tag != Tag::None,
            _ => false,
        };
        return match (matches, safe) {
            (false, _) => 200,
            (true, true) => 304,
            (true, false) => 412,
        };
    }
    // Step 4: "When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present".
    if safe && case.if_modified_since.is_valid() && state.dated && case.if_modified_since != Date::Earlier {
        return 304;
    }
    // Step 6.
    200
}

fn cases() -> impl Iterator<Item = (Case, Vec<(&'static str, &'static str)>)> {
    Tags::ALL.into_iter().flat_map(|if_match| {
        Date::ALL.into_iter().flat_map(move |unmodified| {
            Tags::ALL.into_iter().flat_map(move |if_none_match| {
                Date::ALL.into_iter().map(move |modified| {
                    let case = Case {
                        if_match: if_match.0,
                        if_unmodified_since: unmodified.0,
                        if_none_match: if_none_match.0,
                        if_modified_since: modified.0,
                    };
                    let fields = [
                        ("if-match", if_match.1),
                        ("if-unmodified-since", unmodified.1),
                        ("if-none-match", if_none_match.1),
                        ("if-modified-since", modified.1),
                    ];
                    (case, fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
                })
            })
        })
    })
}

#[test]
fn preconditions_follow_the_steps_in_every_combination() {
    let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let mut count = 0;
    for (case, fields) in cases() {
        let preconditions = Preconditions::from_headers(&headers(&fields));
        for state in STATES {
            let mut current = if state.exists { Validators::existing() } else { Validators::missing() };
            match state.tag {
                Tag::None => {}
                Tag::Strong => current = current.with_entity_tag(EntityTag::strong("a").unwrap()),
                Tag::Weak => current = current.with_entity_tag(EntityTag::weak("a").unwrap()),
            }
            if state.dated {
                current = current.with_last_modified(modified);
            }
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let evaluated = match preconditions.evaluate(&method.parse::<Method>().unwrap(), &current) {
                    Evaluation::Proceed => 200,
                    Evaluation::NotModified => 304,
                    Evaluation::PreconditionFailed => 412,
                    other => panic!("{other:?}"),
                };
                assert_eq!(evaluated, steps(method, state, case), "{method} {state:?} {case:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 8 * 6 * 8 * 6 * 7 * 4);
}

#[test]
fn the_layer_follows_the_steps_for_reads_and_never_touches_a_write() {
    let layer = ConditionalCacheLayer::new().entity_tags(EntityTags::Off);
    for (case, fields) in cases() {
        for state in STATES.into_iter().filter(|state| state.exists) {
            let mut validators = Vec::new();
            match state.tag {
                Tag::None => {}
                Tag::Strong => validators.push(("etag", "\"a\"")),
                Tag::Weak => validators.push(("etag", "W/\"a\"")),
            }
            if state.dated {
                validators.push(("last-modified", MODIFIED));
            }
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = answer(&layer, request(method, "/", &fields), response(200, &validators, Full::from("x")));
                let expected = if matches!(method, "GET" | "HEAD") { steps(method, state, case) } else { 200 };
                assert_eq!(answer.status(), expected, "{method} {state:?} {case:?}");
            }
        }
    }
}
