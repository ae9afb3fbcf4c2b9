//! change-worker
