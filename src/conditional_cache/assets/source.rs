use std::{path::Path, sync::Arc, time::SystemTime};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{coding::Coding, name::Digest, stamp::Stamp};

/// A file as it was read, before it has an URL.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) content: Content,
    pub(super) digest: Digest,
    pub(super) modified: Option<SystemTime>,
    /// The same, compressed by whoever built the assets.
    pub(super) coded: Vec<(Coding, Content, Digest)>,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Held(Bytes),
    OnDisk { path: Arc<Path>, stamp: Stamp },
}

impl Content {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::OnDisk { stamp, .. } => stamp.length,
        }
    }
}

impl Source {
    pub(super) fn held(content: Bytes) -> Self {
        let digest = Sha256::digest(&content).into();
        Self { content: Content::Held(content), digest, modified: None, coded: Vec::new() }
    }
}
