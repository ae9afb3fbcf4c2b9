//! interlock-broker
