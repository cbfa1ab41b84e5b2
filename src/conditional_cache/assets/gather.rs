//! From folders and embedded files to a catalogue.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

use super::{
    catalogue::{Asset, Catalogue},
    coding::Coding,
    css,
    error::{AssetsError, AssetsErrorKind},
    name::{hashed, is_servable},
    scan::{self, Found},
    settings::{AssetMode, CssUrls, Settings},
    source::{Content, Source},
};
use crate::core::{path, trace::event};

/// A larger file is never held, only streamed.
const MOST_HELD: u64 = 1024 * 1024;

/// How much older than its file a compressed variant may be: a copied tree is written in any order.
const TOLERANCE: Duration = Duration::from_secs(2);

/// The assets, and the files as they were found.
pub(super) fn gather(settings: &Settings) -> Result<(Catalogue, Vec<Found>), AssetsError> {
    let mut left = settings.max_in_memory;
    let mut sources = BTreeMap::new();
    for (name, content) in &settings.embedded {
        if !is_servable(name) {
            return Err(AssetsError::new(AssetsErrorKind::NameInvalid, name.clone()));
        }
        add(&mut sources, name.to_string(), Source::held(content.clone()))?;
    }
    let seen = walk_all(&settings.roots)?;
    for found in &seen {
        add(&mut sources, found.name.clone(), read(found, &mut left)?)?;
    }
    let mut catalogue = Catalogue::default();
    for (name, source) in finish(settings, sources) {
        catalogue.add_current(&name, asset(settings, &name, source))?;
    }
    for root in settings.previous.iter().filter(|root| root.exists()) {
        let mut sources = BTreeMap::new();
        for found in scan::walk(root)? {
            let source = read(&found, &mut left)?;
            add(&mut sources, found.name, source)?;
        }
        // By itself: its stylesheets name its own files.
        for (name, source) in finish(settings, sources) {
            catalogue.add_previous(asset(settings, &name, source))?;
        }
    }
    Ok((catalogue, seen))
}

/// The files of all folders; compared with those of another time they tell whether anything has changed.
pub(super) fn walk_all(roots: &[PathBuf]) -> Result<Vec<Found>, AssetsError> {
    let mut all = Vec::new();
    for root in roots {
        all.append(&mut scan::walk(root)?);
    }
    Ok(all)
}

fn add(sources: &mut BTreeMap<String, Source>, name: String, source: Source) -> Result<(), AssetsError> {
    if sources.contains_key(&name) {
        return Err(AssetsError::new(AssetsErrorKind::NameTaken, name));
    }
    sources.insert(name, source);
    Ok(())
}

fn read(found: &Found, left: &mut u64) -> Result<Source, AssetsError> {
    let read = scan::read(&found.path, MOST_HELD.min(*left))?;
    let content = match read.content {
        Some(bytes) => {
            *left = left.saturating_sub(bytes.len() as u64);
            Content::Held(bytes)
        }
        None => Content::OnDisk { path: Arc::from(found.path.as_path()), stamp: read.stamp },
    };
    Ok(Source { content, digest: read.digest, modified: read.stamp.modified, coded: Vec::new() })
}

/// Puts compressed variants to their files, and hashed names into stylesheets.
fn finish(settings: &Settings, mut sources: BTreeMap<String, Source>) -> BTreeMap<String, Source> {
    adopt_variants(&mut sources, settings.mode);
    if settings.css_urls == CssUrls::Hashed && settings.mode == AssetMode::Release {
        css::rewrite(&mut sources, &settings.mount);
    }
    sources
}

fn adopt_variants(sources: &mut BTreeMap<String, Source>, mode: AssetMode) {
    for coding in Coding::ALL {
        let variant = |name: &String| {
            let file = name.strip_suffix(coding.extension()).filter(|file| sources.contains_key(*file))?;
            Some((name.clone(), file.to_owned()))
        };
        let found: Vec<(String, String)> = sources.keys().filter_map(variant).collect();
        for (name, file) in found {
            let Some(variant) = sources.remove(&name) else { continue };
            let Some(source) = sources.get_mut(&file).filter(|_| mode == AssetMode::Release) else { continue };
            let age = source.modified.zip(variant.modified).and_then(|(file, variant)| file.duration_since(variant).ok());
            if age.is_some_and(|age| age > TOLERANCE) {
                event!(WARN, "a compressed asset is older than its file and left out", name = name);
                continue;
            }
            source.coded.push((coding, variant.content, variant.digest));
        }
    }
}

fn asset(settings: &Settings, name: &str, source: Source) -> Asset {
    let url = |name: &str| {
        let mut url = format!("{}/", settings.mount);
        path::encode(&mut url, name);
        url
    };
    let hashed_name = hashed(name, &source.digest);
    let (plain, hashed) = (url(name), url(&hashed_name));
    let content_type = content_type(name, &source.content);
    Asset::new(hashed_name.into(), plain, hashed, &content_type, source, settings.clock.now())
}

/// By the extension. The charset is told where it is known to be true.
fn content_type(name: &str, content: &Content) -> String {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let guess = mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream");
    let is_utf8 = matches!(content, Content::Held(bytes) if std::str::from_utf8(bytes).is_ok());
    if guess.starts_with("text/") && is_utf8 { format!("{guess}; charset=utf-8") } else { guess.to_owned() }
}

/// Embedded files, as the builder takes them.
pub(super) fn embedded<N: Into<Box<str>>, B: Into<Bytes>>(
    files: impl IntoIterator<Item = (N, B)>,
) -> impl Iterator<Item = (Box<str>, Bytes)> {
    files.into_iter().map(|(name, content)| (name.into(), content.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(text: &'static str) -> Content {
        Content::Held(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn content_types() {
        for (name, content, expected) in [
            ("a.js", held("x"), "text/javascript; charset=utf-8"),
            ("a.mjs", held("x"), "application/javascript"),
            ("a.CSS", held("é"), "text/css; charset=utf-8"),
            ("a.css", Content::Held(Bytes::from_static(b"\xff")), "text/css"),
            ("a.svg", held("x"), "image/svg+xml"),
            ("a.json", held("{}"), "application/json"),
            ("a.wasm", held(""), "application/wasm"),
            ("a.woff2", held(""), "font/woff2"),
            ("a.unheardof", held(""), "application/octet-stream"),
            ("LICENSE", held(""), "application/octet-stream"),
        ] {
            assert_eq!(content_type(name, &content), expected, "{name}");
        }
    }
}
