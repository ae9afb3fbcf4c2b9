//! interlock-events
