//! The API in memory, held to what the real server does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use paperspace_operator::crd::crd;
use tokio::time::Instant;

use super::kubernetes::{Kubernetes, client};
use super::kubernetes_suite;

#[tokio::test(start_paused = true)]
async fn the_kubernetes_in_memory_is_like_the_real_one() {
    let mut kubernetes = Kubernetes::new(1);
    kubernetes.install(&crd());
    let kubernetes = Arc::new(Mutex::new(kubernetes));
    let (epoch, start) = (Instant::now(), "2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
    let client = client(kubernetes.clone(), Arc::new(move || start + epoch.elapsed()));
    let bookmarks = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_mins(1)).await;
            kubernetes.lock().unwrap().bookmark();
        }
    });
    kubernetes_suite::run(&client, "case").await;
    bookmarks.abort();
}
