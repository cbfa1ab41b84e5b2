use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

fn string(text: &str) -> Item<'_> {
    Item::String(Cow::Borrowed(text))
}

#[test]
fn lists() {
    for (name, text, expected) in [
        ("nothing", "", Some(vec![])),
        ("strings", "\"a\", \"b, c\"", Some(vec![string("a"), string("b, c")])),
        ("escapes", r#""a\"b\\""#, Some(vec![string("a\"b\\")])),
        ("a wrong escape", r#""a\b""#, None),
        ("no end", "\"a", None),
        ("an escape at the end", "\"a\\", None),
        ("numbers", "1, -22,0.5", Some(vec![Item::Integer(1), Item::Integer(-22), Item::Other])),
        ("fifteen digits", "999999999999999", Some(vec![Item::Integer(999_999_999_999_999)])),
        ("sixteen digits", "1000000000000000", None),
        ("a point and nothing", "1.", None),
        ("too fine", "1.2345", None),
        ("a sign alone", "-", None),
        ("tokens", "a/b:c, *x", Some(vec![Item::Token("a/b:c"), Item::Token("*x")])),
        ("parameters", "a;b;c=1; d=\"x\"", Some(vec![Item::Token("a")])),
        ("a parameter in capitals", "a;B", None),
        ("inner list", "(\"a\" b;c), d", Some(vec![Item::Other, Item::Token("d")])),
        ("inner list without an end", "(a", None),
        ("items that touch", "(a\"b\")", None),
        ("bytes and dates", ":aGk=:, @17", Some(vec![Item::Other, Item::Other])),
        ("a date with a fraction", "@1.5", None),
        ("display string", "%\"f%c3%bc\"", Some(vec![Item::Other])),
        ("no UTF-8", "%\"%c3\"", None),
        ("capital digits", "%\"%C3%BC\"", None),
        ("a comma at the end", "a,", None),
        ("no comma", "a b", None),
        ("an empty member", "a,,b", None),
        ("beyond ASCII", "\"ü\"", None),
    ] {
        assert_eq!(list(text.as_bytes()), expected, "{name}");
    }
}

#[test]
fn dictionaries() {
    for (name, text, expected) in [
        ("flags and numbers", "max-age=60, public", Some(vec![("max-age", Item::Integer(60)), ("public", Item::Boolean(true))])),
        ("said to be not", "no-store=?0", Some(vec![("no-store", Item::Boolean(false))])),
        ("the last counts", "a=1, b, a=2", Some(vec![("a", Item::Integer(2)), ("b", Item::Boolean(true))])),
        ("parameters of a flag", "a;x=1, b", Some(vec![("a", Item::Boolean(true)), ("b", Item::Boolean(true))])),
        ("a key in capitals", "Max-Age=60", None),
        ("a space before the sign", "max-age =60", None),
        ("a space behind it", "max-age= 60", None),
        ("what is no key", "max-age=60, &&&", None),
        ("inner list", "a=(1 2)", Some(vec![("a", Item::Other)])),
    ] {
        assert_eq!(dictionary(text.as_bytes()), expected, "{name}");
    }
}

/// What follows upon the most that is read is read by nobody, and what a hostile field could hold least of all.
#[test]
fn what_is_longer_than_anybody_has_to_read_is_no_field() {
    let keys = |count: usize| (0..count).map(|key| format!("k{key}")).collect::<Vec<_>>();
    let joined = |count| keys(count).join(",");
    let parameters = |count| format!("a;{}", keys(count).join(";"));
    let items = |count| format!("({})", keys(count).join(" "));
    for (name, text, [in_a_list, in_a_dictionary]) in [
        ("as many members as there may be", joined(1024), [Some(1024), Some(1024)]),
        ("one more", joined(1025), [None, None]),
        ("all that a head can hold", joined(90_000), [None, None]),
        ("one key for ever", "a,".repeat(100_000) + "a", [None, None]),
        ("one key, as often as there may be members", "a,".repeat(1023) + "a", [Some(1024), Some(1)]),
        ("parameters", parameters(256), [Some(1), Some(1)]),
        ("one more parameter", parameters(257), [None, None]),
        ("parameters for ever", "a".to_owned() + &";a".repeat(100_000), [None, None]),
        ("as many of each member", [parameters(256), parameters(256)].join(","), [Some(2), Some(1)]),
        ("an inner list", items(256), [Some(1), None]),
        ("one more item", items(257), [None, None]),
        ("an inner list of a dictionary", "a=".to_owned() + &items(256), [None, Some(1)]),
        ("one more item there", "a=".to_owned() + &items(257), [None, None]),
        ("parameters of an inner list", parameters(256).replacen('a', "()", 1), [Some(1), None]),
        ("one more parameter of it", parameters(257).replacen('a', "()", 1), [None, None]),
        ("parameters of an item in it", format!("({})", parameters(256)), [Some(1), None]),
        ("one more parameter of that", format!("({})", parameters(257)), [None, None]),
    ] {
        assert_eq!(list(text.as_bytes()).map(|members| members.len()), in_a_list, "{name}");
        assert_eq!(dictionary(text.as_bytes()).map(|members| members.len()), in_a_dictionary, "{name}");
    }
}

/// Whether an item is what a test expects. What is only checked is expected to be something else than what is read.
fn is_item(item: &Item<'_>, expected: &Value) -> bool {
    match item {
        Item::Boolean(truth) => expected == truth,
        Item::Integer(number) => expected.as_i64() == Some(*number),
        Item::Token(token) => expected["__type"] == "token" && expected["value"] == *token,
        Item::String(text) => expected == text.as_ref(),
        Item::Other => expected.is_f64() || expected.is_array() || expected.is_object() && expected["__type"] != "token",
    }
}

fn is_list(members: &[Item<'_>], expected: &Value) -> bool {
    let expected = expected.as_array().unwrap();
    members.len() == expected.len() && members.iter().zip(expected).all(|(member, expected)| is_item(member, &expected[0]))
}

fn is_dictionary(members: &[(&str, Item<'_>)], expected: &Value) -> bool {
    let expected = expected.as_array().unwrap();
    let same = |((key, member), expected): (&(&str, Item<'_>), &Value)| expected[0] == *key && is_item(member, &expected[1][0]);
    members.len() == expected.len() && members.iter().zip(expected).all(same)
}

/// An item is read as a list of one.
#[test]
#[ignore = "needs what tests/conformance/structured-fields fetches"]
fn structured_field_tests() {
    let (mut read, mut refused) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    for case in crate::core::header::structured_field_tests::cases() {
        let Some(raw) = case.raw else { continue };
        // Behind a member of a list there may be a tab (§4.2.1), behind an item not.
        if case.kind == "item" && raw.trim_end_matches(' ').ends_with('\t') {
            continue;
        }
        let right = match &*case.kind {
            "dictionary" => dictionary(raw.as_bytes()).map(|members| is_dictionary(&members, &case.expected)),
            "list" => list(raw.as_bytes()).map(|members| is_list(&members, &case.expected)),
            _ => list(raw.as_bytes()).filter(|members| members.len() == 1).map(|members| is_item(&members[0], &case.expected[0])),
        };
        assert_eq!(right, (!case.must_fail).then_some(true), "{}: {raw:?}", case.name);
        let counts = if case.must_fail { &mut refused } else { &mut read };
        *counts.entry(case.kind).or_default() += 1;
    }
    let counts = |counts: [(&str, usize); 3]| counts.map(|(kind, count)| (kind.to_owned(), count)).into();
    assert_eq!(read, counts([("dictionary", 132), ("item", 471), ("list", 106)]));
    assert_eq!(refused, counts([("dictionary", 299), ("item", 340), ("list", 200)]));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = (list(&text), dictionary(&text));
    }

    #[test]
    fn what_looks_like_a_dictionary_is_read_without_a_panic(text in "([a-z]{1,3}(=([0-9.@-]{1,4}|\"[a\\\\\"]{0,4}\"?|%\"[%a-f0-9]{0,6}\"|\\(a b\\)?))?(;[a-z]=?1?)?, ?){0,4}") {
        if let Some(members) = dictionary(text.as_bytes()) {
            prop_assert!(members.len() <= text.len());
        }
    }
}
