//! Operator for Paperspace machines.

pub mod paperspace;
pub mod simulator;
