//! What the stories share: servers, worlds, waiting.
