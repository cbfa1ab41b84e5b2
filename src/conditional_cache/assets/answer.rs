//! What a request for an asset gets.

use std::{ops::Range, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, header};

use super::{
    catalogue::{Asset, Catalogue, Named, Representation},
    coding::{Choice, Coding, choose},
    name::requested,
};
use crate::{
    conditional_cache::{
        entity_tag::TagRef,
        precondition::{Evaluation, Preconditions},
        range::{ByteRanges, Selection, content_range},
        tagging::accepts_coding,
        validators::Current,
    },
    core::SharedClock,
};

/// The decision.
#[derive(Debug)]
pub(super) enum Answer {
    /// 404: no asset has this name.
    NotFound,
    /// 405: an asset can only be read.
    MethodNotAllowed,
    /// 406: the client accepts it in no form in which it is there.
    NotAcceptable,
    PreconditionFailed,
    NotModified(Selected),
    /// 416, and how long the content is.
    Unsatisfiable(u64),
    Content(Selected),
}

/// How long the answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// The name belongs to this content and will never have another.
    Immutable,
    /// The name stays while the content changes.
    Revalidate,
}

/// The selected representation ([RFC 9110 §3.2](https://www.rfc-editor.org/rfc/rfc9110#section-3.2)).
#[derive(Debug)]
pub(super) struct Selected {
    asset: Arc<Asset>,
    coding: Option<Coding>,
    /// Whether somebody further out may code the content.
    may_be_coded: bool,
    freshness: Freshness,
    /// What of it, if not all.
    part: Option<Range<u64>>,
}

/// What does not depend on the request.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    /// What a hashed name is good for.
    pub(super) by_content: Freshness,
    pub(super) clock: &'a SharedClock,
}

/// Decides by the path beneath the mount.
pub(super) fn decide(method: &Method, path: &str, headers: &HeaderMap, catalogue: &Catalogue, terms: &Terms<'_>) -> Answer {
    let Some(name) = requested(path) else { return Answer::NotFound };
    let Some((asset, named)) = catalogue.find(&name) else { return Answer::NotFound };
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Answer::MethodNotAllowed;
    }
    let coding = match choose(headers, |coding| asset.coded.iter().any(|(other, _)| *other == coding)) {
        Choice::Identity => None,
        Choice::Coded(coding) => Some(coding),
        Choice::None => return Answer::NotAcceptable,
    };
    let mut selected = Selected {
        asset: Arc::clone(asset),
        coding,
        may_be_coded: coding.is_none() && may_be_coded(&asset.content_type, headers),
        freshness: if named == Named::ByContent { terms.by_content } else { Freshness::Revalidate },
        part: None,
    };
    let preconditions = Preconditions::from_headers(headers);
    match preconditions.judge(method, selected.validators()) {
        Evaluation::Proceed => {}
        Evaluation::NotModified => return Answer::NotModified(selected),
        Evaluation::PreconditionFailed => return Answer::PreconditionFailed,
    }
    // Step 5 of RFC 9110 §13.2.2.
    if let Some(ranges) = ByteRanges::from_headers(headers).filter(|_| *method == Method::GET)
        && preconditions.range_applies(selected.validators(), terms.clock.now())
    {
        let length = selected.representation().content.length();
        match ranges.select(length) {
            Selection::Part(part) => selected.part = Some(part),
            Selection::Unsatisfiable => return Answer::Unsatisfiable(length),
            // A layer around the service makes several parts of the whole.
            Selection::Whole | Selection::Parts(_) => {}
        }
    }
    Answer::Content(selected)
}

/// Whether a compressing layer may send something else than the file: then the tag must be weak, or the two would be taken for equal byte
/// by byte. Such layers leave images alone, except those that are text.
fn may_be_coded(content_type: &HeaderValue, headers: &HeaderMap) -> bool {
    let content_type = content_type.as_bytes();
    let compressed = content_type.starts_with(b"image/") && content_type != b"image/svg+xml";
    !compressed && headers.get_all(header::ACCEPT_ENCODING).iter().any(|line| accepts_coding(line.as_bytes()))
}

impl Selected {
    pub(super) fn representation(&self) -> &Representation {
        self.asset.representation(self.coding)
    }

    /// What of the content is sent, if not all.
    pub(super) fn part(&self) -> Option<Range<u64>> {
        self.part.clone()
    }

    fn tag(&self) -> &HeaderValue {
        let Representation { tag, weak_tag, .. } = self.representation();
        if self.may_be_coded { weak_tag } else { tag }
    }

    fn validators(&self) -> Current<'_> {
        Current {
            exists: true,
            tag: TagRef::parse(self.tag().as_bytes()),
            last_modified: self.asset.last_modified.as_ref().map(|(time, _)| *time),
        }
    }

    /// What a 304 has to tell ([RFC 9110 §15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)), and a 200 too.
    pub(super) fn write_validators(&self, headers: &mut HeaderMap) {
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(match self.freshness {
                Freshness::Immutable => "public, max-age=31536000, immutable",
                Freshness::Revalidate => "no-cache",
            }),
        );
        headers.insert(header::ETAG, self.tag().clone());
        if !self.asset.coded.is_empty() {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
    }

    /// What describes the content.
    pub(super) fn write_content(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONTENT_TYPE, self.asset.content_type.clone());
        let Representation { length, content, .. } = self.representation();
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        match &self.part {
            None => drop(headers.insert(header::CONTENT_LENGTH, length.clone())),
            Some(part) => {
                headers.insert(header::CONTENT_LENGTH, part.end.saturating_sub(part.start).into());
                // Digits and what stands between them.
                if let Ok(value) = HeaderValue::try_from(content_range(part, content.length())) {
                    headers.insert(header::CONTENT_RANGE, value);
                }
            }
        }
        if let Some((_, date)) = &self.asset.last_modified {
            headers.insert(header::LAST_MODIFIED, date.clone());
        }
        if let Some(coding) = self.coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
    }
}
