//! Every combination of the preconditions against the steps of RFC 9110 §13.2.2, written down a second time from the text alone.

use donjon::conditional_cache::{ConditionalCacheLayer, EntityTag, EntityTags, Evaluation, Preconditions, Validators};
use http::Method;
use http_body_util::Full;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// `If-Range`; every request of the tables has a `Range`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum IfRange {
    Absent,
    Match,
    WeakMatch,
    Mismatch,
    Star,
    Malformed,
    List,
    Earlier,
    Same,
    Later,
}

impl IfRange {
    const ALL: [(Self, Option<&str>); 10] = [
        (Self::Absent, None),
        (Self::Match, Some("\"a\"")),
        (Self::WeakMatch, Some("W/\"a\"")),
        (Self::Mismatch, Some("\"b\"")),
        (Self::Star, Some("*")),
        (Self::Malformed, Some("a")),
        (Self::List, Some("\"a\", \"b\"")),
        (Self::Earlier, Some(EARLIER)),
        (Self::Same, Some(MODIFIED)),
        (Self::Later, Some(LATER)),
    ];
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
    if_range: IfRange,
}

/// The status: 200 where the method is performed, 206 where it is performed on the range.
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
        match (matches, safe) {
            (true, true) => return 304,
            (true, false) => return 412,
            // "if true, continue to step 5".
            (false, _) => {}
        }
    } else if safe && case.if_modified_since.is_valid() && state.dated && case.if_modified_since != Date::Earlier {
        // Step 4: "When the method is GET or HEAD, If-None-Match is not present, and If-Modified-Since is present".
        return 304;
    }
    // Step 5: "When the method is GET and both Range and If-Range are present"; §13.1.5, strong comparison. Without If-Range, §14.2.
    let in_range = match case.if_range {
        IfRange::Absent => true,
        IfRange::Match => state.tag == Tag::Strong,
        IfRange::Same => state.dated,
        _ => false,
    };
    // Step 6.
    if method == "GET" && in_range { 206 } else { 200 }
}

/// A case, and its fields.
type Row = (Case, Vec<(&'static str, &'static str)>);

/// Every case without `If-Range`.
fn cases() -> impl Iterator<Item = Row> {
    Tags::ALL.into_iter().flat_map(|if_match| {
        Date::ALL.into_iter().flat_map(move |unmodified| {
            Tags::ALL.into_iter().flat_map(move |if_none_match| {
                Date::ALL.into_iter().map(move |modified| {
                    let case = Case {
                        if_match: if_match.0,
                        if_unmodified_since: unmodified.0,
                        if_none_match: if_none_match.0,
                        if_modified_since: modified.0,
                        if_range: IfRange::Absent,
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

/// The case with each `If-Range`.
fn with_if_range((case, fields): Row) -> impl Iterator<Item = Row> {
    IfRange::ALL.into_iter().map(move |(if_range, value)| {
        let value = value.map(|value| ("if-range", value));
        (Case { if_range, ..case }, fields.iter().copied().chain(value).collect())
    })
}

impl State {
    fn validators(self) -> Validators {
        let mut current = if self.exists { Validators::existing() } else { Validators::missing() };
        match self.tag {
            Tag::None => {}
            Tag::Strong => current = current.with_entity_tag(EntityTag::strong("a").unwrap()),
            Tag::Weak => current = current.with_entity_tag(EntityTag::weak("a").unwrap()),
        }
        if self.dated { current.with_last_modified(modified()) } else { current }
    }

    /// As the fields of a response.
    fn fields(self) -> Vec<(&'static str, &'static str)> {
        let tag = match self.tag {
            Tag::None => None,
            Tag::Strong => Some(("etag", "\"a\"")),
            Tag::Weak => Some(("etag", "W/\"a\"")),
        };
        tag.into_iter().chain(self.dated.then_some(("last-modified", MODIFIED))).collect()
    }
}

fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(784_111_777)
}

/// What the pure rooms decide.
fn decided(preconditions: &Preconditions, method: &Method, current: &Validators) -> u16 {
    let long_after = modified() + Duration::from_secs(60);
    match preconditions.evaluate(method, current) {
        Evaluation::Proceed if *method == Method::GET && preconditions.allow_range(current, long_after) => 206,
        Evaluation::Proceed => 200,
        Evaluation::NotModified => 304,
        Evaluation::PreconditionFailed => 412,
        other => panic!("{other:?}"),
    }
}

#[test]
fn preconditions_follow_the_steps_in_every_combination() {
    let states = STATES.map(|state| (state, state.validators()));
    let methods = ["GET", "HEAD", "PUT", "DELETE"].map(|name| (name, name.parse::<Method>().unwrap()));
    let mut count = 0;
    for (case, fields) in cases().flat_map(with_if_range) {
        let preconditions = Preconditions::from_headers(&headers(&fields));
        for (state, current) in &states {
            for (name, method) in &methods {
                assert_eq!(decided(&preconditions, method, current), steps(name, *state, case), "{name} {state:?} {case:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 8 * 6 * 8 * 6 * 10 * 7 * 4);
}

#[test]
fn the_layer_follows_the_steps_for_reads_and_never_touches_a_write() {
    let layer = ConditionalCacheLayer::new().entity_tags(EntityTags::Off);
    // All with a range and without If-Range, and fewer of the four with each If-Range.
    let few = |case: &Case| {
        let tags = |tags| matches!(tags, Tags::Absent | Tags::Match | Tags::Mismatch);
        let date = |date| matches!(date, Date::Absent | Date::Earlier | Date::Same);
        tags(case.if_match) && tags(case.if_none_match) && date(case.if_unmodified_since) && date(case.if_modified_since)
    };
    let rows = cases().chain(cases().filter(|(case, _)| few(case)).flat_map(with_if_range));
    let mut count = 0;
    for (case, mut fields) in rows {
        fields.push(("range", "bytes=0-0"));
        for state in STATES.into_iter().filter(|state| state.exists) {
            let validators = state.fields();
            for method in ["GET", "HEAD", "PUT", "DELETE"] {
                let answer = answer(&layer, request(method, "/", &fields), response(200, &validators, Full::from("xy")));
                let expected = if matches!(method, "GET" | "HEAD") { steps(method, state, case) } else { 200 };
                assert_eq!(answer.status(), expected, "{method} {state:?} {case:?}");
                count += 1;
            }
        }
    }
    assert_eq!(count, (8 * 6 * 8 * 6 + 81 * 10) * 6 * 4);
}

/// A resource behind the extractor, and how often it was written.
#[cfg(feature = "axum")]
#[test]
fn a_handler_that_asks_first_follows_the_steps_for_writes() {
    use axum::{Router, body::Body, extract::State as Shared, routing};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };
    use tower::Service as _;

    async fn write(
        Shared((current, writes)): Shared<(Validators, Arc<AtomicUsize>)>,
        preconditions: Preconditions,
    ) -> Result<(), donjon::Problem> {
        preconditions.check(&current)?;
        writes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    let writes = Arc::new(AtomicUsize::new(0));
    let mut routers = STATES.map(|state| {
        let router = Router::new().route("/", routing::put(write).delete(write)).layer(ConditionalCacheLayer::new());
        (state, router.with_state((state.validators(), Arc::clone(&writes))))
    });
    let (mut count, mut allowed) = (0, 0);
    for (case, fields) in cases() {
        for (state, router) in &mut routers {
            for method in ["PUT", "DELETE"] {
                let asked = request(method, "/", &fields).map(Body::new);
                let answer = crate::support::now(router.call(asked));
                let expected = steps(method, *state, case);
                assert_eq!(answer.status(), expected, "{method} {state:?} {case:?}");
                allowed += usize::from(expected == 200);
                count += 1;
                assert_eq!(writes.load(Ordering::SeqCst), allowed, "a refused {method} must have no effect: {state:?} {case:?}");
            }
        }
    }
    assert_eq!(count, 8 * 6 * 8 * 6 * 7 * 2);
}
