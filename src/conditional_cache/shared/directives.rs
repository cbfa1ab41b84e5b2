//! What a response says about being kept: by a targeted field ([RFC 9213](https://www.rfc-editor.org/rfc/rfc9213)) or by `Cache-Control`.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::super::cache_control::CacheControl;
use crate::core::structured::{self, Item};

/// The directives that count for this cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) control: CacheControl,
    pub(super) source: Source,
}

/// Which field they are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `Cache-Control`, beside which `Expires` counts.
    CacheControl,
    /// A targeted field, beside which neither does (RFC 9213 §2.2).
    Targeted,
}

impl Directives {
    /// The first of `targets` that is there and can be read; `Cache-Control` if none is.
    pub(super) fn of(headers: &HeaderMap, targets: &[HeaderName]) -> Self {
        match targets.iter().find_map(|name| targeted(headers, name)) {
            Some(control) => Self { control, source: Source::Targeted },
            None => Self { control: CacheControl::from_headers(headers), source: Source::CacheControl },
        }
    }
}

/// A targeted field is a dictionary; one that is empty, or that breaks the grammar, is as good as absent (RFC 9213 §2.1).
fn targeted(headers: &HeaderMap, name: &HeaderName) -> Option<CacheControl> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next()?;
    let mut joined = Vec::new();
    for line in lines {
        joined.extend_from_slice(if joined.is_empty() { first.as_bytes() } else { b"" });
        joined.extend_from_slice(b", ");
        joined.extend_from_slice(line.as_bytes());
    }
    let members = structured::dictionary(if joined.is_empty() { first.as_bytes() } else { &joined })?;
    if members.is_empty() {
        return None;
    }
    members.into_iter().try_fold(CacheControl::new(), |control, (name, value)| directive(control, name, &value))
}

/// `None` if a directive that is known has an argument of another type than its own: the field was not written for this reader.
fn directive(control: CacheControl, name: &str, value: &Item<'_>) -> Option<CacheControl> {
    if *value == Item::Boolean(false) {
        return Some(control);
    }
    let seconds = match value {
        Item::Integer(seconds) => Some(Duration::from_secs(u64::try_from(*seconds).unwrap_or(0))),
        _ => None,
    };
    let flag = *value == Item::Boolean(true);
    Some(match name {
        "max-age" => control.with_max_age(seconds?),
        "s-maxage" => control.with_s_maxage(seconds?),
        "stale-while-revalidate" => control.with_stale_while_revalidate(seconds?),
        "stale-if-error" => control.with_stale_if_error(seconds?),
        "private" => match value {
            Item::String(fields) => control.with_private_fields(names(fields)?),
            _ => control.with_private(),
        },
        "no-cache" => match value {
            Item::String(fields) => control.with_no_cache_fields(names(fields)?),
            _ => control.with_no_cache(),
        },
        "no-store" => control.with_no_store(),
        "public" if flag => control.with_public(),
        "must-revalidate" => control.with_must_revalidate(),
        "proxy-revalidate" => control.with_proxy_revalidate(),
        "must-understand" => control.with_must_understand(),
        "no-transform" => control.with_no_transform(),
        "immutable" => control.with_immutable(),
        "public" => return None,
        _ => control,
    })
}

fn names(fields: &str) -> Option<Vec<HeaderName>> {
    fields.split(',').map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const TARGETS: [HeaderName; 2] =
        [HeaderName::from_static("donjon-cache-control"), HeaderName::from_static("cdn-cache-control")];

    #[track_caller]
    fn read(fields: &[(&'static str, &'static str)]) -> String {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
        let directives = Directives::of(&headers, &TARGETS);
        format!("{}{}", if directives.source == Source::Targeted { "! " } else { "" }, directives.control)
    }

    #[test]
    fn which_field_counts() {
        for (name, fields, expected) in [
            ("nothing", &[][..], ""),
            ("the general one", &[("cache-control", "max-age=1")], "max-age=1"),
            ("a targeted one alone counts", &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=5")], "! max-age=5"),
            (
                "the first target first",
                &[("cdn-cache-control", "max-age=5"), ("donjon-cache-control", "max-age=7")],
                "! max-age=7",
            ),
            ("over lines", &[("cdn-cache-control", "max-age=5"), ("cdn-cache-control", "public")], "! public, max-age=5"),
            ("empty", &[("cache-control", "max-age=1"), ("cdn-cache-control", "")], "max-age=1"),
            ("not a dictionary", &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=5, &&&")], "no-store"),
            ("capitals", &[("cache-control", "max-age=1"), ("cdn-cache-control", "MAX-AGE=5")], "max-age=1"),
            ("a number as text", &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=\"5\"")], "no-store"),
            ("too large", &[("cdn-cache-control", "max-age=99999999999")], "! max-age=2147483648"),
            ("negative", &[("cdn-cache-control", "max-age=-1")], "! max-age=0"),
            ("said to be not", &[("cdn-cache-control", "no-store=?0, max-age=5")], "! max-age=5"),
            ("of an unknown type it restricts all the same", &[("cdn-cache-control", "no-store=1")], "! no-store"),
            ("fields", &[("cdn-cache-control", "private=\"x-a\", max-age=5")], "! private=\"x-a\", max-age=5"),
            ("an extension", &[("cdn-cache-control", "foo, max-age=5")], "! max-age=5"),
        ] {
            assert_eq!(read(fields), expected, "{name}");
        }
    }

    #[test]
    fn a_target_that_is_longer_than_anybody_has_to_read_does_not_count() {
        for (extensions, expected) in [(1_023, "! max-age=5"), (1_024, "no-store")] {
            let extensions: String = (0..extensions).map(|name| format!(", x{name}")).collect();
            let target = format!("max-age=5{extensions}").leak();
            assert_eq!(read(&[("cache-control", "no-store"), ("cdn-cache-control", target)]), expected);
        }
    }
}
