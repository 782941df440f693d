//! Operator for Paperspace machines.

pub mod args;
pub mod crd;
pub mod fleet;
pub mod lifecycle;
pub mod paperspace;
pub mod simulator;
