use std::sync::Arc;

/// A write whose answer may be stored, and which purges before that: neither does away with the other. Told apart by being the same, so nobody
/// else can be taken for it.
#[derive(Clone, Debug)]
pub(in super::super) struct Author(Arc<()>);

impl Author {
    pub(in super::super) fn new() -> Self {
        Self(Arc::new(()))
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
