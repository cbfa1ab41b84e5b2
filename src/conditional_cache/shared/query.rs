//! Which parameters of a query a key is made of.

/// The setting.
#[derive(Clone, Debug)]
pub(super) enum QueryKey {
    Whole,
    Without(Box<[Box<str>]>),
    Only(Box<[Box<str>]>),
}

/// The parts of the query that count, to be joined by `&`.
pub(super) fn kept<'a>(query: &'a str, setting: &'a QueryKey) -> impl Iterator<Item = &'a str> {
    let (whole, parameters) = match setting {
        QueryKey::Whole => (Some(query), None),
        QueryKey::Without(_) | QueryKey::Only(_) => (None, Some(query)),
    };
    let parameters = parameters.into_iter().flat_map(|query| query.split('&'));
    whole.into_iter().chain(parameters.filter(|parameter| counts(parameter, setting)))
}

/// In doubt it does: a parameter too many costs a second copy, one too few gives one answer for another.
fn counts(parameter: &str, setting: &QueryKey) -> bool {
    // Where a program splits by it, the name before it hides another.
    if parameter.contains(';') {
        return true;
    }
    let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
    match setting {
        QueryKey::Whole => true,
        QueryKey::Without(names) => !names.iter().any(|without| **without == *name),
        QueryKey::Only(names) => names.iter().any(|only| is_like(name, only)),
    }
}

/// Whether some program may take the name for `wanted`: escaped, in other letters, or with brackets or spaces around it.
fn is_like(name: &str, wanted: &str) -> bool {
    (0..=name.len()).any(|start| {
        let mut bytes = decoded(name.as_bytes().get(start..).unwrap_or_default());
        wanted.bytes().all(|byte| bytes.next().is_some_and(|other| other.eq_ignore_ascii_case(&byte)))
    })
}

/// The bytes with their percent-encoding undone.
fn decoded(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = bytes.iter();
    std::iter::from_fn(move || {
        let byte = *rest.next()?;
        let escaped = match rest.as_slice() {
            [high, low, after @ ..] if byte == b'%' => digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4 | low, after)),
            _ => None,
        };
        let Some((decoded, after)) = escaped else { return Some(byte) };
        rest = after.iter();
        Some(decoded)
    })
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Box<[Box<str>]> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn what_counts() {
        let without = QueryKey::Without(names(&["utm_source", "fbclid"]));
        let only = QueryKey::Only(names(&["id"]));
        for (name, setting, query, expected) in [
            ("everything", &QueryKey::Whole, "a=1&b", "a=1&b"),
            ("without some", &without, "a=1&utm_source=x&fbclid&b", "a=1&b"),
            ("without all", &without, "utm_source=x", ""),
            ("a longer name", &without, "utm_sources=x", "utm_sources=x"),
            ("other letters", &without, "UTM_SOURCE=x", "UTM_SOURCE=x"),
            ("hidden behind a semicolon", &without, "utm_source=x;a=2", "utm_source=x;a=2"),
            ("only one", &only, "a=1&id=2&b", "id=2"),
            ("only one, escaped", &only, "a=1&%69d=2", "%69d=2"),
            ("only one, in other letters", &only, "ID=2", "ID=2"),
            ("only one, as an array", &only, "id[]=2", "id[]=2"),
            ("only one, after a space", &only, "+id=2&%20id=2", "+id=2&%20id=2"),
            ("only one, hidden behind a semicolon", &only, "a=1;id=2", "a=1;id=2"),
            ("half an escape", &only, "%6=1&%=2&%zzid=3", "%zzid=3"),
        ] {
            assert_eq!(kept(query, setting).collect::<Vec<_>>().join("&"), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_named_counts_however_it_is_escaped(name in "[a-z]{1,4}", escape in proptest::collection::vec(any::<bool>(), 4)) {
            let escaped: String = name
                .bytes()
                .zip(escape)
                .map(|(byte, escape)| if escape { format!("%{byte:02x}") } else { char::from(byte).to_string() })
                .collect();
            let only = QueryKey::Only(names(&[&name]));
            prop_assert_eq!(kept(&escaped, &only).count(), 1);
        }
    }
}
