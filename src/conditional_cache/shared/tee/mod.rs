//! A response's content, read once and given to all who wait for it.
