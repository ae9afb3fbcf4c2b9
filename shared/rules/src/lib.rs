//! interlock-rules
