//! A page on its way through lol_html, which finds the tags; the bytes are never re-written by it, only spliced. Whatever goes
//! wrong, the rest of the page comes out as it came in.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use lol_html::{
    MemorySettings, OutputSink,
    send::{ElementContentHandlers, HtmlRewriter, Settings},
};

use super::{
    config::{Config, Watch},
    element::{Reading, SendElement, Window},
    eligible::Charset,
    location::Base,
    policy::Rules,
};
use crate::core::trace::event;

/// The page is read in pieces of this size, cut at multiples of it from its start: no call takes long, and what happens at a limit does
/// not depend on how the page was cut before.
pub(super) const PIECE: usize = 16 * 1024;

/// A tag longer than this is taken for one that never ends. Images as `data:` URLs are shorter, or no longer worth it.
const LONGEST_TAG: usize = 192 * 1024;

/// For lol_html's stack of open elements: some thousands of them.
const STACK: usize = 448 * 1024;

/// Reserved in advance, so that the limit is hit by the depth of the page alone. The pages of it that are not written take no memory.
const BUFFER: usize = LONGEST_TAG + PIECE;

/// ISO-2022-JP, the one encoding in which a page may be declared from within and ASCII bytes may be something else, starts with it.
const ESCAPE: u8 = 0x1b;

/// Rewrites one page, piece by piece.
pub(super) struct Rewriter {
    html: Option<HtmlRewriter<'static, Sink>>,
    reading: Arc<Mutex<Reading>>,
    charset: Charset,
    /// How much of the page came in.
    fed: usize,
    /// What came in and was not given out yet, so that nothing is lost if lol_html fails.
    held: Vec<u8>,
}

struct Sink(Arc<Mutex<Reading>>);

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        lock(&self.0).splicer.push(chunk);
    }
}

fn lock(reading: &Mutex<Reading>) -> MutexGuard<'_, Reading> {
    // After a panic within, the page comes out raw; the splicer is whole between two of its calls.
    reading.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why the rest of a page stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Utf16,
    Escape,
    LongTag,
    Failed,
}

impl Rewriter {
    pub(super) fn new(config: &Arc<Config>, rules: Rules, base: Option<Base>, charset: Charset) -> Self {
        let reading = Arc::new(Mutex::new(Reading::new(rules, base)));
        let memory =
            MemorySettings::new().with_preallocated_parsing_buffer_size(BUFFER).with_max_allowed_memory_usage(BUFFER + STACK);
        // Strict: where a tag cannot be told from text, lol_html stops and the rest of the page comes out raw.
        let mut settings = Settings::new_send().with_memory_settings(memory).with_strict(true).with_encoding(charset.encoding());
        for (selector, watch) in config.watched() {
            let (reading, config) = (Arc::clone(&reading), Arc::clone(config));
            let handler = move |element: &mut SendElement<'_, '_>| {
                lock(&reading).tag(watch, element, &config);
                if let (Watch::Foreign, Some(at_its_end)) = (watch, element.end_tag_handlers()) {
                    lock(&reading).foreign_start();
                    let reading = Arc::clone(&reading);
                    at_its_end.push(Box::new(move |end| {
                        lock(&reading).foreign_end(&end.name());
                        Ok(())
                    }));
                }
                Ok(())
            };
            let handlers = ElementContentHandlers::default().element(handler);
            settings = settings.append_element_content_handler((Cow::Borrowed(selector), handlers));
        }
        let html = HtmlRewriter::<Sink>::new(settings, Sink(Arc::clone(&reading)));
        Self { html: Some(html), reading, charset, fed: 0, held: Vec::new() }
    }

    /// Whether the rest of the page comes out as it comes in, and need not come in here at all.
    pub(super) fn is_raw(&self) -> bool {
        self.html.is_none()
    }

    /// Whether nothing has come in.
    pub(super) fn is_untouched(&self) -> bool {
        self.fed == 0
    }

    /// How much to [`write`](Self::write) at once, at most.
    pub(super) fn room(&self) -> usize {
        PIECE - self.fed % PIECE
    }

    /// Takes the next bytes of the page, no more than there is [`room`](Self::room) for.
    pub(super) fn write(&mut self, mut input: Bytes) {
        if self.fed == 0 && matches!(&*input, [0xfe | 0xff, ..]) {
            // A byte order mark beats the Content-Type (https://html.spec.whatwg.org/#determining-the-character-encoding), and no
            // page in another encoding starts with these bytes.
            self.stop(Trouble::Utf16);
        }
        if self.charset == Charset::Undeclared && input.contains(&ESCAPE) {
            let at = input.iter().position(|byte| *byte == ESCAPE).unwrap_or_default();
            self.feed(&input.split_to(at));
            self.stop(Trouble::Escape);
        }
        self.feed(&input);
    }

    fn feed(&mut self, input: &Bytes) {
        let fed = self.fed;
        self.fed += input.len();
        let Some(html) = &mut self.html else {
            lock(&self.reading).splicer.push(input);
            return;
        };
        let mut reading = lock(&self.reading);
        reading.splicer.reserve(input.len() + input.len() / 8);
        reading.window = Window::new(fed, input.clone());
        drop(reading);
        // The sources of a builder's settings are called in here.
        let written = catch_unwind(AssertUnwindSafe(|| html.write(input)));
        let emitted = self.emitted();
        match emitted.checked_sub(fed) {
            Some(given) => {
                self.held.clear();
                self.held.extend_from_slice(input.get(given..).unwrap_or_default());
            }
            None => {
                let held_from = fed - self.held.len();
                self.held.drain(..emitted.saturating_sub(held_from));
                self.held.extend_from_slice(input);
            }
        }
        if !matches!(written, Ok(Ok(()))) || lock(&self.reading).is_uncertain() {
            self.stop(Trouble::Failed);
        } else if self.held.len() > LONGEST_TAG && self.fed.is_multiple_of(PIECE) {
            self.stop(Trouble::LongTag);
        }
    }

    /// From here on the page comes out as it comes in.
    fn stop(&mut self, trouble: Trouble) {
        if let Some(html) = self.html.take() {
            event!(WARN, "the rest of a page is passed on as it is", reason = trouble.as_str(), offset = self.fed);
            // Dropped, not ended: what it holds is here too.
            drop(html);
            lock(&self.reading).splicer.push(&self.held);
            self.held = Vec::new();
        }
    }

    /// Ends the page; everything that was held comes out.
    pub(super) fn end(&mut self) {
        if let Some(html) = self.html.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| html.end()));
            let missing = self.fed - self.emitted();
            let from = self.held.len().saturating_sub(missing);
            lock(&self.reading).splicer.push(self.held.get(from..).unwrap_or_default());
            self.held = Vec::new();
        }
    }

    /// What has come out since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        lock(&self.reading).splicer.take()
    }

    fn emitted(&self) -> usize {
        lock(&self.reading).splicer.emitted()
    }
}

impl Trouble {
    fn as_str(self) -> &'static str {
        match self {
            Self::Utf16 => "it starts like UTF-16",
            Self::Escape => "it may be ISO-2022-JP",
            Self::LongTag => "a tag does not end",
            Self::Failed => "it cannot be read with certainty, or within the memory limit",
        }
    }
}
