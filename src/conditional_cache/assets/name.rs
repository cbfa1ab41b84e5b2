//! Names of assets: `img/tower.png`, relative to the mount, with `/` between the segments.

use std::borrow::Cow;

use crate::core::path;

/// A content's SHA-256.
pub(super) type Digest = [u8; 32];

/// How many bytes of the digest go into a name: 64 bits, 16 digits.
///
/// A URL is kept for a year, so no two versions of one file may ever share it. With 32 bits and a thousand versions of each of ten
/// thousand files that would be near certain; with 64 the chance is below one in a billion. An attacker who chooses two contents of one
/// file could make them meet, but who writes an app's assets need not deceive its caches. The entity tag has 128 bits.
const HASHED: usize = 8;

/// `app.js` → `app.3f2a9c1b5d6e7f80.js`: before the last extension, so that other servers still know the type by it.
pub(super) fn hashed(name: &str, digest: &Digest) -> String {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let dot = name.get(file..).and_then(|name| name.rfind('.')).map_or(name.len(), |dot| file + dot);
    let (stem, extension) = name.split_at_checked(dot).unwrap_or((name, ""));
    [stem, ".", &hex(digest, HASHED), extension].concat()
}

/// The first `length` bytes in hexadecimal digits.
pub(super) fn hex(digest: &Digest, length: usize) -> String {
    let nibbles = digest.iter().take(length).flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// The last segment.
pub(super) fn file_of(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Whether a file can be known by this name. Hidden files stay hidden, and what a URL cannot say in only one way is left out.
pub(super) fn is_servable(name: &str) -> bool {
    name.split('/').all(is_servable_segment)
}

pub(super) fn is_servable_segment(segment: &str) -> bool {
    !segment.is_empty()
        && !segment.starts_with('.')
        && !segment.contains(|c: char| c.is_control() || matches!(c, '/' | '\\' | '%'))
}

/// The name that a request asks for by the path beneath the mount.
///
/// Every name is looked up among those that were scanned and none ever reaches the file system, so a path that climbs finds nothing.
/// One that only *might* be read as another path by somebody else (`%2f`, `%2e`, `\`) finds nothing either.
pub(super) fn requested(path: &str) -> Option<Cow<'_, str>> {
    path::decode(Cow::Borrowed(path.strip_prefix('/').unwrap_or(path))).filter(|name| is_servable(name))
}

/// The path beneath `mount`, which has no slash at its end; it begins with one.
pub(super) fn beneath<'p>(mount: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(mount).filter(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hash_stands_before_the_last_extension() {
        for (name, expected) in [
            ("app.js", "app.abababababababab.js"),
            ("a.b/app.min.js", "a.b/app.min.abababababababab.js"),
            ("a.b/LICENSE", "a.b/LICENSE.abababababababab"),
            ("straße.css", "straße.abababababababab.css"),
            ("", ".abababababababab"),
        ] {
            assert_eq!(hashed(name, &[0xab; 32]), expected, "{name}");
        }
    }

    /// Paths by which others have been made to give away files.
    pub(super) const ATTACKS: [&str; 30] = [
        "/../secret.txt",
        "/a/../../secret.txt",
        "/./secret.txt",
        "/..",
        "/%2e%2e/secret.txt",
        "/%2E%2e%2fsecret.txt",
        "/.%2e/secret.txt",
        "/..%2fsecret.txt",
        "/a%2f..%2f..%2fsecret.txt",
        "/%252e%252e/secret.txt",
        "/%252fsecret.txt",
        "/..\\secret.txt",
        "/..%5csecret.txt",
        "/%5c..%5csecret.txt",
        "/a.js%00.png",
        "/%00",
        "/a.js\0",
        "//etc/passwd",
        "/a//b.js",
        "/a/",
        "/%c0%ae%c0%ae/secret.txt",
        "/%ff",
        "/%",
        "/%2",
        "/%zz",
        "/.env",
        "/.git/config",
        "/a/.hidden",
        "/%2eenv",
        "",
    ];

    #[test]
    fn a_path_that_climbs_hides_or_can_be_read_in_two_ways_names_nothing() {
        for path in ATTACKS {
            assert_eq!(requested(path), None, "{path:?}");
        }
    }

    #[test]
    fn requested_names() {
        for (path, expected) in [
            ("/app.js", "app.js"),
            ("/img/tower.png", "img/tower.png"),
            ("/tower%20at%20dawn.png", "tower at dawn.png"),
            ("/stra%C3%9Fe.css", "straße.css"),
            ("/%61pp.js", "app.js"),
            // A file may have this name on one system; on another it is a stream. It is looked up, never opened.
            ("/C:/windows/win.ini", "C:/windows/win.ini"),
            ("/a.js::$DATA", "a.js::$DATA"),
        ] {
            assert_eq!(requested(path).as_deref(), Some(expected), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_servable_whatever_was_asked(path in "[a./%2eE5cCfF0\\\\\0]{0,30}") {
            if let Some(name) = requested(&path) {
                prop_assert!(is_servable(&name));
                prop_assert!(std::path::Path::new(&*name).components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(path in any::<String>(), digest: [u8; 32]) {
            let _ = (requested(&path), hashed(&path, &digest), beneath("/assets", &path));
        }

        #[test]
        fn a_hashed_name_is_as_servable_as_its_file(name in "[a-z.]{1,8}(/[a-z.é ]{1,8}){0,2}", digest: [u8; 32]) {
            prop_assert!(!is_servable(&name) || is_servable(&hashed(&name, &digest)));
        }
    }
}
