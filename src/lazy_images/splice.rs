//! The page as it came, with a few bytes put in between: nothing else of it is ever rewritten.

use std::{collections::VecDeque, ops::Range};

/// One change, at an offset from the start of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    at: usize,
    /// How many bytes of the page are left out.
    remove: usize,
    text: Range<usize>,
    only: Only,
}

/// What must be true of the bytes around an edit. They are seen only when the edit is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Only {
    Always,
    /// If the attribute's value, which starts at this offset, stands in quotes.
    InQuotes(usize),
}

/// Takes the page in order and gives it out with the edits made. Edits are asked for in the order of their offsets, before the bytes
/// at their offset come.
#[derive(Debug, Default)]
pub(super) struct Splicer {
    out: Vec<u8>,
    emitted: usize,
    edits: VecDeque<Edit>,
    texts: Vec<u8>,
}

impl Splicer {
    /// Puts `text` in the place of `range`.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str, only: Only) {
        let last = self.edits.back().map_or(self.emitted, |edit| edit.at + edit.remove);
        if range.start < last || range.end < range.start {
            // Out of order: the page stays as it was here.
            return;
        }
        if self.edits.is_empty() {
            self.texts.clear();
        }
        let start = self.texts.len();
        self.texts.extend_from_slice(text.as_bytes());
        let edit = Edit { at: range.start, remove: range.end - range.start, text: start..self.texts.len(), only };
        self.edits.push_back(edit);
    }

    /// The next bytes of the page. An edit's surroundings come in one piece with it.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let start = self.emitted;
        let mut copied = 0;
        while let Some(edit) = self.edits.front() {
            let Some(at) = edit.at.checked_sub(start).filter(|at| at + edit.remove <= bytes.len() && *at < bytes.len()) else {
                break;
            };
            self.out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
            copied = at;
            if edit.only.holds(bytes, start) {
                self.out.extend_from_slice(self.texts.get(edit.text.clone()).unwrap_or_default());
                copied += edit.remove;
                // Behind a value without quotes a slash would be read as a part of it.
                if edit.remove == 0 && edit.only == Only::Always && bytes.get(at) == Some(&b'/') {
                    self.out.push(b' ');
                }
            }
            self.edits.pop_front();
        }
        self.out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
        self.emitted += bytes.len();
    }

    /// How much of the page was given out, in bytes of the page.
    pub(super) fn emitted(&self) -> usize {
        self.emitted
    }

    pub(super) fn reserve(&mut self, additional: usize) {
        self.out.reserve(additional);
    }

    /// What has come out since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

impl Only {
    fn holds(self, bytes: &[u8], start: usize) -> bool {
        match self {
            Self::Always => true,
            Self::InQuotes(value) => {
                let before = value.checked_sub(start + 1).and_then(|at| bytes.get(at));
                matches!(before, Some(b'"' | b'\''))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spliced(page: &str, edits: &[(Range<usize>, &str, Only)]) -> String {
        let mut splicer = Splicer::default();
        for (range, text, only) in edits {
            splicer.replace(range.clone(), text, *only);
        }
        splicer.push(page.as_bytes());
        String::from_utf8(splicer.take()).unwrap()
    }

    #[test]
    fn edits() {
        use Only::{Always, InQuotes};
        for (name, page, edits, expected) in [
            ("none", "<img>", vec![], "<img>"),
            ("after the name", "<img>", vec![(4..4, " a=b", Always)], "<img a=b>"),
            ("before a space", "<img x>", vec![(4..4, " a=b", Always)], "<img a=b x>"),
            ("before a slash", "<img/>", vec![(4..4, " a=b", Always)], "<img a=b />"),
            ("a value", "<img src=x>", vec![(9..10, "y/z", Always)], "<img src=y/z>"),
            ("several", "<img src=x>", vec![(4..4, " a", Always), (9..10, "y", Always)], "<img a src=y>"),
            ("in double quotes", "<img class=\"x\">", vec![(13..13, " y", InQuotes(12))], "<img class=\"x y\">"),
            ("in single quotes", "<img class='x'>", vec![(13..13, " y", InQuotes(12))], "<img class='x y'>"),
            ("without quotes", "<img class=x>", vec![(12..12, " y", InQuotes(11))], "<img class=x>"),
            ("out of order", "<img src=x>", vec![(9..10, "y", Always), (4..4, " a", Always)], "<img src=y>"),
            ("beyond the end", "<img>", vec![(9..9, "y", Always)], "<img>"),
        ] {
            assert_eq!(spliced(page, &edits), expected, "{name}");
        }
    }

    #[test]
    fn an_edit_waits_for_its_bytes() {
        let mut splicer = Splicer::default();
        splicer.push(b"text ");
        splicer.replace(9..9, " a=b", Only::Always);
        splicer.push(b"");
        splicer.push(b"<img>");
        splicer.push(b" more");
        assert_eq!(splicer.take(), b"text <img a=b> more");
        assert_eq!(splicer.emitted(), 15);
        assert_eq!(splicer.take(), b"");
    }
}
