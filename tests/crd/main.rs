//! The resource and what ships it: the CRD file, every rule of the schema with what it accepts and refuses, the examples, `deploy/`, and
//! the command line's answers to wrong values.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod answers;
mod command_line;
mod deploy;
mod drift;
mod examples;
mod on_server;
mod schema;
mod table;
mod yaml;

/// The same table against the server of KUBECONFIG; the end-to-end tests do it with a server of their own.
#[tokio::test]
#[ignore = "needs KUBECONFIG and a server with CEL rules"]
async fn the_server_answers_as_the_table_says() {
    let client = kube::Client::try_default().await.expect("KUBECONFIG");
    let differences = on_server::differences(client, "default").await;
    assert!(differences.is_empty(), "{} cases:\n{}", differences.len(), differences.join("\n"));
}
