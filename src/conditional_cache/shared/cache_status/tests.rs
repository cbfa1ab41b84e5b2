use super::*;
use proptest::prelude::*;
use sfv::{BareItem, List, ListEntry, Parser};

#[test]
fn members() {
    let forwarded = |why, status: Option<u16>, outcome, collapsed| Handling::Forwarded {
        why,
        status: status.map(|status| StatusCode::from_u16(status).unwrap()),
        outcome,
        collapsed,
    };
    let hit = Handling::Hit { ttl: 30, detail: None };
    let stale = Handling::Hit { ttl: -5, detail: Some("stale-while-revalidate") };
    let replaced = |status| forwarded(Forward::Stale, status, Outcome::Replaced { ttl: -5 }, Collapsed::No);
    let stored = forwarded(Forward::UriMiss, Some(200), Outcome::Stored { ttl: 60 }, Collapsed::No);
    let refused = forwarded(Forward::VaryMiss, Some(200), Outcome::Refused(NotStored::SetCookie), Collapsed::No);
    let validated = forwarded(Forward::Stale, Some(304), Outcome::Passed, Collapsed::Yes);
    let passed = forwarded(Forward::Method, None, Outcome::Passed, Collapsed::No);
    for (name, setting, handling, expected) in [
        ("nothing is told", CacheStatus::Off, hit, None),
        ("a hit", CacheStatus::On, hit, Some("donjon; hit")),
        ("a hit in detail", CacheStatus::Detailed, hit, Some("donjon; hit; ttl=30")),
        ("a stale hit", CacheStatus::On, stale, Some("donjon; hit")),
        ("a stale hit in detail", CacheStatus::Detailed, stale, Some("donjon; hit; ttl=-5; detail=stale-while-revalidate")),
        ("an error replaced", CacheStatus::On, replaced(Some(503)), Some("donjon; fwd=stale; fwd-status=503")),
        (
            "no answer, replaced, in detail",
            CacheStatus::Detailed,
            replaced(None),
            Some("donjon; fwd=stale; ttl=-5; detail=stale-if-error"),
        ),
        ("a miss", CacheStatus::On, stored, Some("donjon; fwd=uri-miss; fwd-status=200; stored")),
        ("a miss in detail", CacheStatus::Detailed, stored, Some("donjon; fwd=uri-miss; fwd-status=200; stored; ttl=60")),
        ("refused", CacheStatus::On, refused, Some("donjon; fwd=vary-miss; fwd-status=200")),
        ("refused in detail", CacheStatus::Detailed, refused, Some("donjon; fwd=vary-miss; fwd-status=200; detail=set-cookie")),
        ("validated with another", CacheStatus::On, validated, Some("donjon; fwd=stale; fwd-status=304; collapsed")),
        ("passed", CacheStatus::On, passed, Some("donjon; fwd=method")),
        ("nothing stored", CacheStatus::On, Handling::Nothing, Some("donjon; detail=only-if-cached")),
    ] {
        let mut headers = HeaderMap::new();
        write(&mut headers, &Telling { setting, ..Telling::default() }, handling);
        assert_eq!(headers.get(NAME).map(|value| value.to_str().unwrap()), expected, "{name}");
    }
}

fn named(name: &str) -> Telling {
    Telling { setting: CacheStatus::On, name: CacheName::new(name).unwrap() }
}

#[test]
fn caches_nearer_to_the_origin_come_first() {
    let mut headers = HeaderMap::new();
    headers.insert(NAME, HeaderValue::from_static("origin; hit"));
    write(&mut headers, &named("donjon"), Handling::Hit { ttl: 0, detail: None });
    write(&mut headers, &named("192.0.2.1"), Handling::Hit { ttl: 0, detail: None });
    let members: Vec<_> = headers.get_all(NAME).iter().collect();
    assert_eq!(members, ["origin; hit", "donjon; hit", "\"192.0.2.1\"; hit"]);
}

#[test]
fn the_place_that_is_held_is_taken_or_given_up() {
    for (name, stored, setting, expected) in [
        ("taken", &[][..], CacheStatus::On, &["donjon; hit"][..]),
        ("taken after another cache's", &["origin; hit"], CacheStatus::On, &["origin; hit", "donjon; hit"]),
        ("taken after empty lines", &["", "origin; hit", ""], CacheStatus::On, &["origin; hit", "donjon; hit"]),
        ("taken after an empty line alone", &[""], CacheStatus::On, &["donjon; hit"]),
        ("given up", &[], CacheStatus::Off, &[]),
        ("given up after empty lines", &["", "origin; hit", ""], CacheStatus::Off, &["origin; hit"]),
        ("given up after another cache's", &["origin; hit", "edge"], CacheStatus::Off, &["origin; hit", "edge"]),
    ] {
        let mut headers: HeaderMap = stored.iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
        reserve(&mut headers, CacheStatus::Detailed);
        let telling = Telling { setting, name: CacheName::default() };
        let mut fresh = headers.clone();
        vacate(&mut headers, setting);
        write(&mut headers, &telling, Handling::Hit { ttl: 0, detail: None });
        write_hit(&mut fresh, &telling, 0, None, &Memo::default());
        assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(fresh, headers, "{name}");
    }
}

#[test]
fn empty_lines_of_caches_nearer_to_the_origin_hold_no_place() {
    for (name, live, expected) in [
        ("alone", &[""][..], &["donjon; hit"][..]),
        ("two", &["", ""], &["donjon; hit"]),
        ("before another", &["", "origin; hit"], &["origin; hit", "donjon; hit"]),
        ("after another", &["origin; hit", ""], &["origin; hit", "donjon; hit"]),
        ("around others", &["", "origin; hit", "", "edge", ""], &["origin; hit", "edge", "donjon; hit"]),
    ] {
        let mut headers: HeaderMap = live.iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
        write(&mut headers, &named("donjon"), Handling::Hit { ttl: 0, detail: None });
        assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

/// Where nothing is told, nothing of what comes is touched.
#[test]
fn what_comes_passes_as_it_is_where_nothing_is_told() {
    let mut headers: HeaderMap = ["", "origin; hit", ""].map(|line| (NAME, HeaderValue::from_static(line))).into_iter().collect();
    write(&mut headers, &Telling::default(), Handling::Nothing);
    assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), ["", "origin; hit", ""]);
}

/// A stale hit is told as any other is, and remembered as it: its own words only come in detail.
#[test]
fn what_was_told_of_a_hit_twice_is_remembered() {
    for (setting, detail, remembered, expected) in [
        (CacheStatus::On, None, true, "edge; hit"),
        (CacheStatus::On, Some("stale"), true, "edge; hit"),
        (CacheStatus::Detailed, None, true, "edge; hit; ttl=0"),
        (CacheStatus::Detailed, Some("stale"), false, "edge; hit; ttl=0; detail=stale"),
    ] {
        let (telling, known) = (Telling { setting, name: CacheName::new("edge").unwrap() }, Memo::default());
        // With room for the line, as what is stored has.
        let told = || {
            let mut headers = HeaderMap::from_iter([(NAME, HeaderValue::from_static(""))]);
            let info = allocation_counter::measure(|| write_hit(&mut headers, &telling, 0, detail, &known));
            assert_eq!(headers[NAME], expected);
            info.count_total == 0
        };
        told();
        told();
        assert_eq!(told(), remembered, "{setting:?} {detail:?}");
    }
}

/// What a store holds without a place was stored when nothing was told, by another layer perhaps.
#[test]
fn what_was_stored_when_nothing_was_told_has_no_empty_lines_either() {
    let mut headers: HeaderMap = ["", "origin; hit"].iter().map(|line| (NAME, HeaderValue::from_static(line))).collect();
    reserve(&mut headers, CacheStatus::Off);
    write_hit(&mut headers, &named("donjon"), 1, None, &Memo::default());
    assert_eq!(headers.get_all(NAME).iter().collect::<Vec<_>>(), ["origin; hit", "donjon; hit"]);
}

/// Every member is a list member by the strict grammar.
#[test]
fn what_is_told_is_a_structured_field() {
    for reason in [NotStored::NoStore, NotStored::RequestContent, NotStored::VaryAny] {
        let handling = Handling::Forwarded {
            why: Forward::Bypass,
            status: Some(StatusCode::OK),
            outcome: Outcome::Refused(reason),
            collapsed: Collapsed::Yes,
        };
        let name = &CacheName::default();
        let text = Member { name, setting: CacheStatus::Detailed, handling }.to_string();
        let read = crate::core::structured::list(text.as_bytes());
        assert_eq!(read, Some(vec![crate::core::structured::Item::Token("donjon")]), "{text}");
    }
}

#[test]
#[ignore = "needs what tests/conformance/structured-fields fetches"]
fn structured_field_tests() {
    for case in crate::core::header::structured_field_tests::texts() {
        let mut headers = HeaderMap::new();
        if let Ok(name) = CacheName::new(&case.text) {
            let telling = Telling { setting: CacheStatus::Detailed, name };
            write(&mut headers, &telling, Handling::Hit { ttl: -1, detail: None });
        }
        let expected = case.written.filter(|_| !case.text.is_empty()).map(|name| name + "; hit; ttl=-1");
        assert_eq!(headers.get(NAME).map(|line| line.to_str().unwrap()), expected.as_deref(), "{}", case.name);
    }
}

proptest! {
    /// Another implementation of structured fields reads the name that was given, however long it is.
    #[test]
    fn the_name_is_read_back(name in "[ -~]{1,200}") {
        let mut headers = HeaderMap::new();
        write(&mut headers, &named(&name), Handling::Hit { ttl: 1, detail: None });
        let list: List = Parser::new(headers[NAME].to_str().unwrap()).parse().unwrap();
        let [ListEntry::Item(item)] = &list[..] else { panic!("one member was written") };
        let told = match &item.bare_item {
            BareItem::Token(token) => token.as_str(),
            BareItem::String(string) => string.as_str(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!((told, item.params.len()), (name.as_str(), 1));
    }
}
