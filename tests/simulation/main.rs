//! The operator against an in-memory Kubernetes API.

#![allow(missing_docs, reason = "tests")]

mod kubernetes;
