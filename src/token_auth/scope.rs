//! Scopes, [RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3).

/// The scope tokens of a list separated by spaces. What is not a scope token is left out: it grants nothing.
pub(super) fn parse(list: &str) -> impl Iterator<Item = &str> {
    list.split(' ').filter(|scope| is_scope(scope))
}

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
pub(super) fn is_scope(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists() {
        for (name, list, expected) in [
            ("one", "read", vec!["read"]),
            ("several", "articles:read articles:write", vec!["articles:read", "articles:write"]),
            ("spaces too many", "  a   b ", vec!["a", "b"]),
            ("nothing", "", vec![]),
            ("quote and backslash", r#"a" b\ c"#, vec!["c"]),
            ("not ASCII", "ä b", vec!["b"]),
            ("tab does not separate", "a\tb c", vec!["c"]),
        ] {
            assert_eq!(parse(list).collect::<Vec<_>>(), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_scope_read_is_one(list in any::<String>()) {
            prop_assert!(parse(&list).all(|scope| is_scope(scope) && list.contains(scope)));
        }
    }
}
