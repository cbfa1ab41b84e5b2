//! What a list holds.

use std::{collections::HashMap, time::SystemTime};

use super::status::TokenFacts;
use crate::Revoker;

/// The fewest live tokens that are worth looking through for those that have gone.
pub(super) const SWEEP: usize = 64;

#[derive(Default)]
pub(super) struct State {
    /// By `jti`: until when it has to be remembered.
    pub(super) ids: HashMap<Box<str>, SystemTime>,
    /// By `sid`, likewise.
    pub(super) sessions: HashMap<Box<str>, SystemTime>,
    pub(super) subjects: HashMap<Box<str>, Cut>,
    pub(super) everybody: Option<Cut>,
    pub(super) live: Vec<Live>,
    sweep_at: usize,
}

/// All tokens up to a time.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    pub(super) issued_until: SystemTime,
    pub(super) remembered_until: SystemTime,
}

impl Cut {
    /// Without a time of issue nobody can say that it came later.
    pub(super) fn includes(self, issued_at: Option<SystemTime>) -> bool {
        issued_at.is_none_or(|issued_at| issued_at <= self.issued_until)
    }
}

/// A token that somebody holds the principal of.
pub(super) struct Live {
    pub(super) id: Option<Box<str>>,
    pub(super) session: Option<Box<str>>,
    pub(super) subject: Option<Box<str>>,
    pub(super) issued_at: Option<SystemTime>,
    pub(super) revoker: Revoker,
}

impl State {
    pub(super) fn len(&self) -> usize {
        self.ids.len() + self.sessions.len() + self.subjects.len()
    }

    pub(super) fn ended(&self, is_ended: impl Fn(&Live) -> bool) -> Vec<Revoker> {
        self.live.iter().filter(|live| is_ended(live)).map(|live| live.revoker.clone()).collect()
    }

    pub(super) fn forget(&mut self, now: SystemTime) {
        self.ids.retain(|_, until| *until > now);
        self.sessions.retain(|_, until| *until > now);
        self.subjects.retain(|_, cut| cut.remembered_until > now);
    }

    /// Drops those that nobody holds any more, whenever there are twice as many as were left the last time: in the mean that costs each one look.
    pub(super) fn sweep(&mut self) {
        if self.live.len() >= self.sweep_at.max(SWEEP) {
            self.live.retain(|live| live.revoker.is_held_elsewhere());
            self.sweep_at = self.live.len() * 2;
        }
    }

    pub(super) fn includes(&self, token: &TokenFacts<'_>) -> bool {
        let by_subject = || token.subject.and_then(|subject| self.subjects.get(subject));
        token.id.is_some_and(|id| self.ids.contains_key(id))
            || token.session.is_some_and(|session| self.sessions.contains_key(session))
            || by_subject().is_some_and(|cut| cut.includes(token.issued_at))
            || self.everybody.is_some_and(|cut| cut.includes(token.issued_at))
    }
}
