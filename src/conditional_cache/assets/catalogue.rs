//! What there is to be served, by name.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use sha2::{Digest as _, Sha256};

use super::{
    coding::Coding,
    error::{AssetsError, AssetsErrorKind},
    name::{Digest, hex},
    source::{Content, Source},
};
use crate::{conditional_cache::http_date, core::json_member};

/// One asset, in every form in which it can be sent.
#[derive(Debug)]
pub(super) struct Asset {
    hashed_name: Box<str>,
    pub(super) url: String,
    pub(super) hashed_url: String,
    pub(super) content_type: HeaderValue,
    pub(super) last_modified: Option<(SystemTime, HeaderValue)>,
    pub(super) identity: Representation,
    pub(super) coded: Vec<(Coding, Representation)>,
    digest: Digest,
}

/// One of its forms.
#[derive(Debug)]
pub(super) struct Representation {
    pub(super) tag: HeaderValue,
    /// For when somebody further out may send other bytes in the place of these.
    pub(super) weak_tag: HeaderValue,
    pub(super) length: HeaderValue,
    pub(super) content: Content,
}

impl Representation {
    fn new(digest: &Digest, suffix: &str, content: Content) -> Self {
        let opaque = hex(digest, 16);
        // Hexadecimal digits, a coding and quotes are a field value, always.
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("W/\"\""));
        Self {
            tag: value(format!("\"{opaque}{suffix}\"")),
            weak_tag: value(format!("W/\"{opaque}{suffix}\"")),
            length: content.length().into(),
            content,
        }
    }
}

impl Asset {
    pub(super) fn new(
        hashed_name: Box<str>,
        url: String,
        hashed_url: String,
        content_type: &str,
        source: Source,
        now: SystemTime,
    ) -> Self {
        let Source { content, digest, modified, coded } = source;
        let coded = coded.into_iter().map(|(coding, content, digest)| {
            let suffix = ["-", coding.name()].concat();
            (coding, Representation::new(&digest, &suffix, content))
        });
        Self {
            hashed_name,
            url,
            hashed_url,
            content_type: HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("application/octet-stream")),
            last_modified: modified.and_then(|time| last_modified(time, now)),
            identity: Representation::new(&digest, "", content),
            coded: coded.collect(),
            digest,
        }
    }

    pub(super) fn representation(&self, coding: Option<Coding>) -> &Representation {
        let coded = self.coded.iter().find(|(other, _)| Some(*other) == coding);
        coded.map_or(&self.identity, |(_, representation)| representation)
    }
}

/// The date, if it can be one at which the content changed: one that is still to come must not be told
/// ([RFC 9110 §8.8.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.2.1)), and reproducible builds give every file of every
/// version the same one, at the beginning of what clocks or archives can tell.
fn last_modified(time: SystemTime, now: SystemTime) -> Option<(SystemTime, HeaderValue)> {
    const FIRST_PLAUSIBLE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60 + 4 * 24 * 60 * 60);
    let plausible = UNIX_EPOCH + FIRST_PLAUSIBLE < time && time <= now;
    plausible.then(|| (http_date::whole_seconds(time), http_date::render(time)))
}

#[derive(Debug, Default)]
pub(super) struct Catalogue {
    current: HashMap<Box<str>, Arc<Asset>>,
    hashed: HashMap<Box<str>, Arc<Asset>>,
}

/// By which of its names an asset was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Plainly,
    ByContent,
}

impl Catalogue {
    pub(super) fn add_current(&mut self, name: &str, asset: Asset) -> Result<(), AssetsError> {
        let asset = Arc::new(asset);
        self.add_hashed(&asset)?;
        if self.hashed.contains_key(name) {
            return Err(AssetsError::new(AssetsErrorKind::HashedNameTaken, name));
        }
        self.current.insert(name.into(), asset);
        Ok(())
    }

    /// An asset of an earlier deploy: only pages of that time ask for it, and by its hash.
    pub(super) fn add_previous(&mut self, asset: Asset) -> Result<(), AssetsError> {
        self.add_hashed(&Arc::new(asset))
    }

    fn add_hashed(&mut self, asset: &Arc<Asset>) -> Result<(), AssetsError> {
        match self.hashed.get(&asset.hashed_name) {
            // The same content.
            Some(other) if other.digest == asset.digest => return Ok(()),
            None if !self.current.contains_key(&asset.hashed_name) => {}
            Some(_) | None => return Err(AssetsError::new(AssetsErrorKind::HashedNameTaken, asset.hashed_name.clone())),
        }
        self.hashed.insert(asset.hashed_name.clone(), Arc::clone(asset));
        Ok(())
    }

    pub(super) fn find(&self, name: &str) -> Option<(&Arc<Asset>, Named)> {
        let plain = self.current.get(name).map(|asset| (asset, Named::Plainly));
        plain.or_else(|| self.hashed.get(name).map(|asset| (asset, Named::ByContent)))
    }

    pub(super) fn current(&self, name: &str) -> Option<&Asset> {
        self.current.get(name).map(|asset| &**asset)
    }

    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.current.len(), self.hashed.len())
    }

    /// Changes when any URL does.
    pub(super) fn revision(&self) -> u64 {
        self.sorted().iter().fold(0, |all: u64, (_, asset)| {
            let digest = Sha256::digest(asset.hashed_url.as_bytes());
            all.rotate_left(1) ^ digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
        })
    }

    /// A JSON object of what `members` makes of every asset, in the order of the names.
    pub(super) fn json<'a>(&'a self, member: impl Fn(&'a str, &'a Asset) -> Option<(&'a str, &'a str)>) -> String {
        let mut out = String::from("{");
        for (name, asset) in self.sorted() {
            if let Some((name, value)) = member(name, asset) {
                json_member(&mut out, name, value);
            }
        }
        out.push('}');
        out
    }

    fn sorted(&self) -> Vec<(&str, &Asset)> {
        let mut all: Vec<_> = self.current.iter().map(|(name, asset)| (&**name, &**asset)).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_can_be_true() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (name, time, expected) in [
            ("a real one", now - Duration::from_secs(60), true),
            ("now", now, true),
            ("still to come", now + Duration::from_secs(1), false),
            ("the epoch, and a second as some stores set it", UNIX_EPOCH + Duration::from_secs(1), false),
            ("the first day of zip archives", UNIX_EPOCH + Duration::from_secs(315_532_800), false),
        ] {
            assert_eq!(last_modified(time, now).is_some(), expected, "{name}");
        }
    }
}
