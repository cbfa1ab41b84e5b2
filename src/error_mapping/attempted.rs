/// In the extensions of a request that is sent again: an earlier attempt may have been carried out, so that of none that follows can be said
/// that nothing was done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted;
