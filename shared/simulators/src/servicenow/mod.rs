//! ServiceNow simulator.
