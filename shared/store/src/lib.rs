//! interlock-store
