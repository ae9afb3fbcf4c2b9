//! interlock-servicenow
