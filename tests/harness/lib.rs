//! What the stories share: servers, worlds, waiting.

pub mod broker_conformance;
pub mod cutting;
pub mod servers;
pub mod store_conformance;
pub mod world;
