//! One request to the inner service for all who ask for the same at once.
