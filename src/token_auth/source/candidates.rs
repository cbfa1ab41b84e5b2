#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::token_auth) enum FoundAt {
    Header,
    /// The header, by the scheme `DPoP`.
    Dpop,
    Cookie,
    Subprotocol,
    Query,
}

/// What stands where tokens may.
#[derive(Default)]
pub(super) struct Candidates<'a> {
    pub(super) count: usize,
    pub(super) first: Option<(&'a [u8], FoundAt)>,
}

impl<'a> Candidates<'a> {
    pub(super) fn add(&mut self, bytes: &'a [u8], at: FoundAt) {
        self.count += 1;
        self.first.get_or_insert((bytes, at));
    }
}
