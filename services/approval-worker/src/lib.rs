//! approval-worker
