//! Operator for Paperspace machines.
