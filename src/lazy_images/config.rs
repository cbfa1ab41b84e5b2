use std::{fmt, sync::Arc};

use lol_html::Selector;

use super::{hint::Hints, placeholder::PlaceholderClasses, policy::Rules, size::DimensionSource};
use crate::core::AssetUrls;

/// What the rewriter does with the tags that a selector finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    Skip,
    Base,
    Picture,
    Source,
    Preload,
    Image,
    Frame,
    Foreign,
    Link,
}

/// What every page is watched for, in this order for one tag. In a template nothing loads, and what a script makes of it is its
/// own affair.
const WATCHES: [(&str, Watch); 8] = [
    ("template img, template iframe", Watch::Skip),
    ("base[href]", Watch::Base),
    ("picture", Watch::Picture),
    ("picture > source", Watch::Source),
    ("link[fetchpriority]", Watch::Preload),
    ("img", Watch::Image),
    ("iframe", Watch::Frame),
    ("svg, math", Watch::Foreign),
];

/// What else is watched for where assets have fingerprinted URLs. `video > source` and the like have a `src`.
const LINKS: &str = "link, script[src], a[href], video, audio, track, input[src], video > source, audio > source";

/// The settings of a layer, shared by all that it makes.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) rules: Rules,
    skips: Vec<(String, Selector)>,
    watches: Vec<(Selector, Watch)>,
    pub(super) dimensions: Option<Arc<dyn DimensionSource>>,
    pub(super) assets: Option<Arc<dyn AssetUrls>>,
    pub(super) placeholders: Option<Arc<dyn PlaceholderClasses>>,
}

impl Config {
    pub(super) fn skip(&mut self, text: &str, selector: Selector) {
        self.skips.push((text.to_owned(), selector));
    }

    pub(super) fn asset_urls(&mut self, assets: Arc<dyn AssetUrls>) {
        if self.assets.replace(assets).is_none() {
            self.watches.extend(LINKS.parse().ok().map(|selector| (selector, Watch::Link)));
        }
    }

    /// Whether anything asks where a URL leads.
    pub(super) fn locates(&self) -> bool {
        self.dimensions.is_some() || self.assets.is_some() || self.placeholders.is_some()
    }

    pub(super) fn watched(&self) -> impl Iterator<Item = (&Selector, Watch)> {
        let skips = self.skips.iter().map(|(_, selector)| (selector, Watch::Skip));
        skips.chain(self.watches.iter().map(|(selector, watch)| (selector, *watch)))
    }

    /// A number for all that decides what becomes of a page, the same in every process with these settings (FNV-1a).
    pub(super) fn revision(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(env!("CARGO_PKG_VERSION").as_bytes());
        add(&self.rules.eager.to_be_bytes());
        add(&[self.rules.hints.bits()]);
        for (text, _) in &self.skips {
            add(text.as_bytes());
            add(&[0]);
        }
        let revisions = [
            self.dimensions.as_ref().map(|source| source.revision()),
            self.assets.as_ref().map(|source| source.revision()),
            self.placeholders.as_ref().map(|source| source.revision()),
        ];
        for revision in revisions {
            add(&[u8::from(revision.is_some())]);
            add(&revision.unwrap_or_default().to_be_bytes());
        }
        hash
    }
}

impl Default for Config {
    fn default() -> Self {
        let watches = WATCHES.iter().filter_map(|(text, watch)| Some((text.parse().ok()?, *watch))).collect();
        Self {
            rules: Rules { eager: 3, hints: Hints::ALL },
            skips: Vec::new(),
            watches,
            dimensions: None,
            assets: None,
            placeholders: None,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("rules", &self.rules)
            .field("skips", &self.skips.iter().map(|(text, _)| text).collect::<Vec<_>>())
            .field("dimensions", &self.dimensions.is_some())
            .field("asset_urls", &self.assets.is_some())
            .field("placeholders", &self.placeholders.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_selector_is_one() {
        let mut config = Config::default();
        assert_eq!(config.watched().count(), WATCHES.len());
        config.asset_urls(Arc::new(|_: &str| None::<String>));
        config.asset_urls(Arc::new(|_: &str| None::<String>));
        assert_eq!(config.watched().count(), WATCHES.len() + 1);
    }

    #[test]
    fn the_revision_follows_every_setting() {
        let plain = Config::default();
        let mut seen = vec![plain.revision()];
        let mut differs = |change: fn(&mut Config)| {
            let mut config = plain.clone();
            change(&mut config);
            assert!(!seen.contains(&config.revision()));
            seen.push(config.revision());
        };
        differs(|config| config.rules.eager = 4);
        differs(|config| config.rules.hints.remove(super::super::hint::Hint::Sizes));
        differs(|config| config.skip(".a", ".a".parse().unwrap()));
        differs(|config| config.dimensions = Some(Arc::new(|_: &str| None)));
        differs(|config| config.asset_urls(Arc::new(|_: &str| None::<String>)));
        differs(|config| config.placeholders = Some(Arc::new(|_: &str| None::<String>)));
        assert_eq!(plain.revision(), Config::default().revision());
    }
}
