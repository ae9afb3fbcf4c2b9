//! What every process needs: the ports, the worker loop, configuration, telemetry, health, signals.
#![doc = include_str!("../README.md")]

pub mod admin;
pub mod config;
pub mod doors;
pub mod health;
pub mod http_client;
pub mod ports;
pub mod secret;
pub mod signals;
pub mod telemetry;
pub mod webhook;
pub mod worker;
