//! Writing JSON, [RFC 8259](https://www.rfc-editor.org/rfc/rfc8259).
//!
//! Forty lines instead of a dependency: the core writes one small document, reads none, and must stay light for the crates that take
//! nothing else.

use super::value::Value;

/// `"name":"text"`, after a comma unless it is the object's first.
#[cfg_attr(not(feature = "full"), allow(dead_code, reason = "only the manifest of assets has names that are not known before"))]
pub(crate) fn member(out: &mut String, name: &str, text: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    string(out, name);
    out.push(':');
    string(out, text);
}

pub(super) fn value(out: &mut String, content: &Value) {
    match content {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Integer(number) => out.push_str(&number.to_string()),
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let mut first = true;
            for (index, (name, item)) in members.iter().enumerate() {
                if members.iter().skip(index + 1).any(|(later, _)| later == name) {
                    continue;
                }
                if !std::mem::take(&mut first) {
                    out.push(',');
                }
                string(out, name);
                out.push(':');
                value(out, item);
            }
            out.push('}');
        }
    }
}

/// [§7](https://www.rfc-editor.org/rfc/rfc8259#section-7), and `<`, `>`, `&` as escapes, so that a document pasted into a page cannot open a tag.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    // Most texts have nothing to escape, and go in one piece. A loop that has no way out looks at many bytes together.
    match text.bytes().fold(false, |found, byte| found | is_escaped(byte)) {
        false => out.push_str(text),
        true => escaped(out, text),
    }
    out.push('"');
}

fn escaped(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(is_escaped) {
        let (plain, after) = rest.split_at(at);
        out.push_str(plain);
        let mut characters = after.chars();
        if let Some(special) = characters.next() {
            escape(out, special);
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// Each of them is ASCII, and so is no part of another character.
const fn is_escaped(byte: u8) -> bool {
    // Without a branch, as a pattern would have, so that it is done for many at once.
    (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == b'<') | (byte == b'>') | (byte == b'&') | (byte == 0x7f)
}

fn escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ => {
            let code = u32::from(character);
            out.push_str("\\u00");
            out.extend([code >> 4, code & 15].into_iter().filter_map(|digit| char::from_digit(digit, 16)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                prop::collection::vec((any::<String>().prop_map(Into::into), inner), 0..4).prop_map(Value::Object),
            ]
        })
    }

    fn expected(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Integer(number) => (*number).into(),
            Value::String(text) => text.as_ref().into(),
            Value::Array(items) => items.iter().map(expected).collect(),
            Value::Object(members) => {
                serde_json::Value::Object(members.iter().map(|(name, item)| (name.to_string(), expected(item))).collect())
            }
        }
    }

    proptest! {
        #[test]
        fn another_reader_reads_what_was_meant(meant in any_value()) {
            let mut out = String::new();
            value(&mut out, &meant);
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), expected(&meant));
        }

        #[test]
        fn no_text_can_open_a_tag_or_a_line(text in any::<String>()) {
            let mut out = String::new();
            string(&mut out, &text);
            prop_assert!(!out.contains(['<', '>', '&', '\n', '\r']));
        }
    }
}
