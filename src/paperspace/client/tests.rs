//! When calls are sent, in virtual time, over a transport that answers at once.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroU32;
use std::sync::Mutex;

use futures::future::{BoxFuture, FutureExt};
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

use super::*;
use crate::paperspace::transport::{Failure, Reply};
use crate::paperspace::types::CreateMachine;

const SECOND: Duration = Duration::from_secs(1);

/// Answers with a status, `retry-after: 5` where it is a 429, and `null`.
struct Fake {
    statuses: Mutex<Vec<u16>>,
    sent: Mutex<Vec<(String, Instant, Option<Duration>)>>,
}

impl Transport for Fake {
    fn execute(&self, request: Request) -> BoxFuture<'_, Result<Reply, Failure>> {
        let told = (format!("{} {}", request.method(), request.url().path()), Instant::now(), request.timeout().copied());
        self.sent.lock().unwrap().push(told);
        let status = self.statuses.lock().unwrap().pop().unwrap_or(200);
        let mut headers = HeaderMap::new();
        if status == 429 {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        async move { Ok(Reply { status, headers, body: b"null".to_vec() }) }.boxed()
    }
}

/// A client of one call a second whose first call is answered with the last of `statuses`.
fn client(statuses: &[u16]) -> (Client, Arc<Fake>) {
    client_of(1, statuses)
}

fn client_of(burst: u32, statuses: &[u16]) -> (Client, Arc<Fake>) {
    let fake = Arc::new(Fake { statuses: Mutex::new(statuses.to_vec()), sent: Mutex::default() });
    let budget = Arc::new(Budget::new(NonZeroU32::MIN, NonZeroU32::new(burst).unwrap()));
    let transport: Arc<dyn Transport> = Arc::clone(&fake) as _;
    (Client::with_transport(&ClientOptions::default(), SecretString::from("key"), budget, transport).unwrap(), fake)
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_the_budget_of_their_account() {
    let (client, _) = client(&[]);
    let other = client.with_key(SecretString::from("other"), Arc::new(Budget::new(NonZeroU32::MIN, NonZeroU32::MIN))).unwrap();
    let began = Instant::now();
    for _ in 0..5 {
        client.session().await.unwrap();
    }
    let took = began.elapsed();
    assert!((SECOND * 4..SECOND * 41 / 10).contains(&took), "{took:?}");
    other.session().await.unwrap();
    assert_eq!(began.elapsed(), took, "another account's budget");
    client.clone().session().await.unwrap();
    assert!(began.elapsed() > took, "a clone's is the same");
}

#[tokio::test(start_paused = true)]
async fn a_create_is_sent_the_moment_it_is_asked_for() {
    let (client, fake) = client_of(2, &[200, 200, 429]);
    let permit = client.budget().acquire().await.unwrap();
    // Neither an empty bucket nor a pause that began since holds it up: its caller has checked that it may be sent now.
    let limited = client.machine("ps1").await.unwrap_err();
    assert_eq!(limited.retry_after(), Some(SECOND * 5));
    let began = Instant::now();
    let error = client.create_machine(permit, &CreateMachine::default(), SECOND * 3).await.unwrap_err();
    assert!(matches!(error, Error::BadPayload { .. }));
    client.session().await.unwrap();
    let sent = fake.sent.lock().unwrap();
    assert_eq!(sent[1], ("POST /v1/machines".to_owned(), began, Some(SECOND * 3)));
    assert!(sent[2].1 - began >= SECOND * 5, "everything else waits");
    assert_eq!(sent[2].2, Some(SECOND * 30), "with the client's own time-out");
}

#[tokio::test(start_paused = true)]
async fn a_permit_got_before_is_spent_once() {
    let (client, fake) = client(&[]);
    let spending = client.spending(client.budget().acquire().await.unwrap());
    let began = Instant::now();
    spending.session().await.unwrap();
    spending.session().await.unwrap();
    let sent = fake.sent.lock().unwrap();
    assert_eq!(sent[0].1, began, "the first call waits for nothing");
    assert!(sent[1].1 - began >= SECOND * 9 / 10, "the second for the budget");
}

#[tokio::test(start_paused = true)]
async fn a_429_holds_the_next_call_up() {
    let (client, fake) = client(&[200, 429]);
    assert_eq!(client.machine("ps1").await.unwrap_err().retry_after(), Some(SECOND * 5));
    assert_eq!(client.budget().paused_for(), Some(SECOND * 5));
    client.session().await.unwrap();
    let sent = fake.sent.lock().unwrap();
    assert!(sent[1].1 - sent[0].1 >= SECOND * 5);
    assert_eq!(sent.len(), 2, "the failed call was not repeated");
}

#[tokio::test(start_paused = true)]
async fn changes_overtake_reads_and_reads_overtake_polls() {
    let (client, fake) = client(&[]);
    client.session().await.unwrap();
    let idle = client.clone().with_read_priority(Priority::Idle);
    let poll = tokio::spawn(async move { idle.list_machines().await });
    tokio::task::yield_now().await;
    let reader = client.clone();
    let read = tokio::spawn(async move { reader.machine("ps1").await });
    tokio::task::yield_now().await;
    let change = tokio::spawn(async move { client.stop_machine("ps1").await });
    let _ = tokio::join!(poll, read, change);
    let order: Vec<String> = fake.sent.lock().unwrap().iter().map(|(call, ..)| call.clone()).collect();
    assert_eq!(order, ["GET /v1/auth/session", "PATCH /v1/machines/ps1/stop", "GET /v1/machines/ps1", "GET /v1/machines"]);
}
