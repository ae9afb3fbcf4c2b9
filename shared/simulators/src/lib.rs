//! interlock-simulators
