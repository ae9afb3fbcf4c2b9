//! interlock-platforms
