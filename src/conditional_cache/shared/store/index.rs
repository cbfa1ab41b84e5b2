//! Where what is purged together lies.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{super::key::CacheKey, tag::Tags, variants::Variants};

/// The keys by tag, and by URL where one URL has many. Only what is stored is in it, so it is as bounded as the store.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_tag: HashMap<Box<str>, HashSet<CacheKey>>,
    by_url: HashMap<Box<[u8]>, HashSet<CacheKey>>,
}

impl Index {
    /// Under `key` is `new` from now on, and no more `old`.
    pub(super) fn replace(&mut self, key: &CacheKey, old: &Variants, new: &Variants) {
        for tag in tags(old).filter(|tag| !has(new, tag)) {
            unlink(&mut self.by_tag, tag, key);
        }
        for tag in tags(new).filter(|tag| !has(old, tag)) {
            link(&mut self.by_tag, tag, key);
        }
        if key.is_divided() {
            match (old.is_empty(), new.is_empty()) {
                (true, false) => link(&mut self.by_url, key.url(), key),
                (false, true) => unlink(&mut self.by_url, key.url(), key),
                _ => {}
            }
        }
    }

    /// The keys of a URL, whomever they are for.
    pub(super) fn of_url(&self, url: &CacheKey) -> Vec<CacheKey> {
        let plain = CacheKey::from_bytes(url.url());
        plain.into_iter().chain(self.by_url.get(url.url()).into_iter().flatten().cloned()).collect()
    }

    /// The keys with a response that has one of the tags.
    pub(super) fn of_tags(&self, tags: &Tags) -> Vec<CacheKey> {
        let keys: HashSet<&CacheKey> = tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten().collect();
        keys.into_iter().cloned().collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_tag.is_empty() && self.by_url.is_empty()
    }
}

fn tags(variants: &Variants) -> impl Iterator<Item = &str> {
    variants.as_slice().iter().flat_map(|variant| variant.tags().iter())
}

fn has(variants: &Variants, tag: &str) -> bool {
    variants.as_slice().iter().any(|variant| variant.tags().contains(tag))
}

fn link<N>(map: &mut HashMap<Box<N>, HashSet<CacheKey>>, name: &N, key: &CacheKey)
where
    N: ?Sized + Hash + Eq,
    Box<N>: for<'a> From<&'a N>,
{
    map.entry(name.into()).or_default().insert(key.clone());
}

fn unlink<N>(map: &mut HashMap<Box<N>, HashSet<CacheKey>>, name: &N, key: &CacheKey)
where
    N: ?Sized + Hash + Eq,
{
    let Some(keys) = map.get_mut(name) else { return };
    keys.remove(key);
    if keys.is_empty() {
        map.remove(name);
    }
}
