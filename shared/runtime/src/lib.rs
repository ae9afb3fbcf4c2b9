//! What every process needs: the ports, the worker loop, configuration, telemetry, health, signals.
#![doc = include_str!("../README.md")]

pub mod ports;
pub mod webhook;
