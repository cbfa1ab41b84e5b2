//! Validators of the selected representation, [RFC 9110 §8.8](https://www.rfc-editor.org/rfc/rfc9110#section-8.8).

use std::time::SystemTime;

use http::{HeaderMap, header};

use super::{
    entity_tag::{EntityTag, TagRef},
    http_date,
};
use crate::core::header::only;

/// What is known about the current representation of a resource: that it exists, its tag, when it was last changed.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use donjon::conditional_cache::{EntityTag, Validators};
/// use http::HeaderMap;
///
/// let validators = Validators::existing()
///     .with_entity_tag(EntityTag::strong("r7")?)
///     .with_last_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
/// let mut headers = HeaderMap::new();
/// validators.write(&mut headers);
/// assert_eq!(headers["etag"], "\"r7\"");
/// assert_eq!(headers["last-modified"], "Sun, 06 Nov 1994 08:49:37 GMT");
/// # Ok::<_, donjon::conditional_cache::EntityTagError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    exists: bool,
    entity_tag: Option<EntityTag>,
    last_modified: Option<SystemTime>,
}

impl Validators {
    /// There is no current representation: the resource has yet to be created.
    #[must_use]
    pub fn missing() -> Self {
        Self { exists: false, entity_tag: None, last_modified: None }
    }

    /// There is a current representation, of which nothing more is known.
    #[must_use]
    pub fn existing() -> Self {
        Self { exists: true, ..Self::missing() }
    }

    /// What a successful response says of its representation.
    ///
    /// A field that is malformed or repeated is no validator: nothing can be concluded from it.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let entity_tag = only(headers, &header::ETAG).and_then(|value| EntityTag::try_from(value).ok());
        let Current { exists, last_modified, .. } = Current::from_headers(headers);
        Self { exists, entity_tag, last_modified }
    }

    /// Sets the entity tag; what has one exists.
    #[must_use]
    pub fn with_entity_tag(self, tag: EntityTag) -> Self {
        Self { exists: true, entity_tag: Some(tag), ..self }
    }

    /// Sets the time of the last modification, cut to whole seconds as a field tells it; what has one exists.
    #[must_use]
    pub fn with_last_modified(self, time: SystemTime) -> Self {
        Self { exists: true, last_modified: Some(http_date::whole_seconds(time)), ..self }
    }

    /// Whether there is a current representation.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Its entity tag.
    #[must_use]
    pub fn entity_tag(&self) -> Option<&EntityTag> {
        self.entity_tag.as_ref()
    }

    /// When it was last modified, in whole seconds.
    #[must_use]
    pub fn last_modified(&self) -> Option<SystemTime> {
        self.last_modified
    }

    /// Writes those that are known and not there. By value: a tag that moves into the field is not counted references of.
    pub(super) fn write_missing(self, headers: &mut HeaderMap) {
        if let Some(tag) = self.entity_tag {
            headers.entry(header::ETAG).or_insert_with(|| tag.into());
        }
        if let Some(time) = self.last_modified {
            headers.entry(header::LAST_MODIFIED).or_insert_with(|| http_date::render(time));
        }
    }

    /// Writes what a 304 tells: the tag, or the date where there is none
    /// ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)).
    pub(super) fn write_not_modified(self, headers: &mut HeaderMap) {
        let last_modified = self.last_modified.filter(|_| self.entity_tag.is_none());
        Self { last_modified, ..self }.write_missing(headers);
    }

    /// Writes `ETag` and `Last-Modified`, those that are known.
    pub fn write(&self, headers: &mut HeaderMap) {
        if let Some(tag) = &self.entity_tag {
            headers.insert(header::ETAG, tag.into());
        }
        if let Some(time) = self.last_modified {
            headers.insert(header::LAST_MODIFIED, http_date::render(time));
        }
    }
}

/// The same, borrowed from wherever it is: a response that is only judged is not copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Current<'a> {
    pub(super) exists: bool,
    pub(super) tag: Option<TagRef<'a>>,
    pub(super) last_modified: Option<SystemTime>,
}

impl<'a> Current<'a> {
    pub(super) fn from_headers(headers: &'a HeaderMap) -> Self {
        Self {
            exists: true,
            tag: only(headers, &header::ETAG).and_then(|value| TagRef::parse(value.as_bytes())),
            last_modified: only(headers, &header::LAST_MODIFIED).and_then(|value| http_date::parse(value.as_bytes())),
        }
    }
}

impl<'a> From<&'a Validators> for Current<'a> {
    fn from(validators: &'a Validators) -> Self {
        let Validators { exists, entity_tag, last_modified } = validators;
        Self { exists: *exists, tag: entity_tag.as_ref().map(EntityTag::borrowed), last_modified: *last_modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn written_and_read_back_in_whole_seconds() {
        let time = UNIX_EPOCH + Duration::from_secs(1_000);
        let validators =
            Validators::missing().with_entity_tag(EntityTag::of("x")).with_last_modified(time + Duration::from_millis(1));
        assert!(validators.exists());
        assert_eq!(validators.last_modified(), Some(time));
        let mut headers = HeaderMap::new();
        validators.write(&mut headers);
        assert_eq!(Validators::from_headers(&headers), validators);
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("unquoted"));
        headers.insert(header::LAST_MODIFIED, HeaderValue::from_static("yesterday"));
        assert_eq!(Validators::from_headers(&headers), Validators::existing());
        headers.insert(header::ETAG, HeaderValue::from_static("\"a\""));
        headers.append(header::ETAG, HeaderValue::from_static("\"b\""));
        assert_eq!(Validators::from_headers(&headers), Validators::existing());
    }
}
