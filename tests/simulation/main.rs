//! The operator against an in-memory Kubernetes API.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod kubernetes;
mod kubernetes_cases;
mod kubernetes_suite;
