//! Where requests go: an authority and a base path.

use std::str::FromStr;

use http::{
    Uri,
    uri::{Authority, PathAndQuery, Scheme},
};

/// `http://host[:port][/base]`.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) authority: Authority,
    /// Without the slash at its end, so empty where there is no base path.
    base: String,
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("an upstream looks like http://host[:port][/base], not like {text}");
        let parts = text.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        let authority = parts.authority.filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
        let path = parts.path_and_query.ok_or_else(wrong)?;
        if parts.scheme != Some(Scheme::HTTP) || path.query().is_some() {
            return Err(wrong());
        }
        Ok(Self { authority, base: path.path().trim_end_matches('/').to_owned() })
    }
}

impl Upstream {
    /// The address of `target` at this upstream; `None` where it would lead out of the base path or becomes too long.
    ///
    /// Nothing in it is decoded or normalised: what the client asked for is what the upstream is asked for.
    pub(crate) fn locate(&self, target: &Uri) -> Option<Uri> {
        let target = target.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = if self.base.is_empty() || target == "*" {
            target.parse().ok()?
        } else if climbs(target) {
            return None;
        } else {
            format!("{}{target}", self.base).parse::<PathAndQuery>().ok()?
        };
        Uri::builder().scheme(Scheme::HTTP).authority(self.authority.clone()).path_and_query(path).build().ok()
    }
}

/// Whether the path has a segment `..`, written in any way that somebody behind us might take for it (RFC 3986 §5.2.4, §6.2.2.2).
fn climbs(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or(target).to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
    path.split(['/', '\\']).any(|segment| segment.split(';').next() == Some(".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses() {
        for (upstream, target, expected) in [
            ("http://a", "/", Some("http://a/")),
            ("http://a:81/", "/x?y=/../z", Some("http://a:81/x?y=/../z")),
            ("http://a/base", "/x//y?z", Some("http://a/base/x//y?z")),
            ("http://a/base/", "/", Some("http://a/base/")),
            ("http://a/base", "/x?y=/../z", Some("http://a/base/x?y=/../z")),
            ("http://a/base", "/x..y/...", Some("http://a/base/x..y/...")),
            ("http://a/base", "*", Some("http://a*")),
            ("http://a", "/x/../y", Some("http://a/x/../y")),
            ("http://a/base", "/x/../y", None),
            ("http://a/base", "/..", None),
            ("http://a/base", "/%2e%2E/admin", None),
            ("http://a/base", "/.%2e%2fadmin", None),
            ("http://a/base", "/..;x/admin", None),
            ("http://a/base", "/..%5cadmin", None),
            ("http://[::1]:8080/b", "/%C3%A9", Some("http://[::1]:8080/b/%C3%A9")),
        ] {
            let target = target.parse().unwrap();
            let located = upstream.parse::<Upstream>().unwrap().locate(&target).map(|uri| uri.to_string());
            assert_eq!(located.as_deref(), expected, "{upstream} and {target}");
        }
    }

    #[test]
    fn what_is_no_upstream() {
        for text in ["", "a", "a:80", "/x", "https://a", "http://", "http://u@a", "http://a/?x", "ftp://a"] {
            assert!(text.parse::<Upstream>().is_err(), "{text}");
        }
    }

    /// RFC 3986 §5.2.4, on a path without its query.
    fn without_dots(path: &str) -> String {
        let mut kept = Vec::new();
        for segment in path.split('/') {
            match segment {
                "." => {}
                ".." => drop(kept.pop()),
                _ => kept.push(segment),
            }
        }
        kept.join("/")
    }

    proptest! {
        #[test]
        fn no_target_leads_out_of_the_base(path in r"/([a/.;?\\]|%2e|%2E|%2f|%5c){0,12}") {
            let upstream: Upstream = "http://a/base".parse().unwrap();
            let Ok(target) = path.parse() else { return Ok(()) };
            if let Some(located) = upstream.locate(&target) {
                let decoded = located.path().to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "/");
                prop_assert!(without_dots(&decoded.replace('\\', "/")).starts_with("/base"), "{}", located);
            }
        }
    }
}
