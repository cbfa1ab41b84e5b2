use http::{HeaderMap, HeaderName, Request, header};

use super::{
    place::{Place, TokenSource},
    query, subprotocol,
};

/// Keeps tokens from the service and from whoever prints its request, wherever they may stand: also the one that gave way to another.
pub(in crate::token_auth) fn conceal<B>(request: &mut Request<B>, sources: &[TokenSource]) {
    for TokenSource { place, .. } in sources {
        match place {
            Place::Header | Place::Dpop => mark_sensitive(request.headers_mut(), header::AUTHORIZATION),
            Place::Cookie(_) => mark_sensitive(request.headers_mut(), header::COOKIE),
            Place::Subprotocol if subprotocol::is_opening_handshake(request.method(), request.headers()) => {
                subprotocol::strip_subprotocol(request.headers_mut());
            }
            Place::Subprotocol => {}
            Place::Query(name) => query::strip_query(request.uri_mut(), name),
        }
    }
}

/// Keeps what carries the token out of the Debug of whoever prints the headers.
fn mark_sensitive(headers: &mut HeaderMap, name: HeaderName) {
    // An entry makes room for a field that is not there.
    if !headers.contains_key(&name) {
        return;
    }
    // Not `entry`, which panics on a map that is full.
    if let Ok(header::Entry::Occupied(mut lines)) = headers.try_entry(name) {
        lines.iter_mut().for_each(|line| line.set_sensitive(true));
    }
}
