//! Those who wait, in virtual time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn budget(per_second: u32, burst: u32) -> Arc<Budget> {
    Arc::new(Budget::new(NonZeroU32::new(per_second).unwrap(), NonZeroU32::new(burst).unwrap()))
}

/// A call that is sent when it may be.
async fn send(budget: &Budget, priority: Priority) -> Sent {
    budget.acquire_as(priority).await.unwrap().spend().unwrap()
}

/// How long `future` takes, in whole milliseconds.
async fn time<T>(future: impl Future<Output = T>) -> u128 {
    let begin = Instant::now();
    future.await;
    begin.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_free_and_then_the_rate_holds_to_the_millisecond() {
    let budget = budget(5, 10);
    let begin = Instant::now();
    for _ in 0..10 {
        send(&budget, Priority::Mutation).await;
    }
    assert!(begin.elapsed() < SECOND / 100, "{:?}", begin.elapsed());
    for _ in 0..50 {
        send(&budget, Priority::Mutation).await;
    }
    let took = begin.elapsed();
    // The clock of tests wakes up to a millisecond late, each time.
    assert!(took >= SECOND * 10 && took <= SECOND * 10 + SECOND / 20, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_for_by_everyone_and_a_long_one_is_refused() {
    let budget = budget(100, 100);
    assert_eq!(budget.paused_for(), None);
    let sent = send(&budget, Priority::Idle).await;
    budget.came(sent, Came::RateLimited(Some(SECOND * 4)));
    assert_eq!((budget.paused_for(), budget.silence()), (Some(SECOND * 4), None));
    // A shorter one does not end a longer one.
    budget.came(sent, Came::RateLimited(Some(SECOND)));
    let took = time(send(&budget, Priority::Idle)).await;
    assert!((4000..4100).contains(&took), "{took}");

    let waits = tokio::spawn({
        let budget = budget.clone();
        async move { budget.acquire().await.map(drop) }
    });
    tokio::task::yield_now().await;
    let sent = Sent { id: 999, at: SECOND * 100 };
    budget.came(sent, Came::RateLimited(Some(SECOND * 70)));
    let silence = waits.await.unwrap().unwrap_err();
    assert_eq!((silence.cause, silence.retry_after), (Cause::RateLimited, SECOND * 70), "those who wait already are told too");
    assert_eq!(time(budget.acquire_as(Priority::Lookup)).await, 0);
    tokio::time::sleep(SECOND * 66).await;
    let took = time(send(&budget, Priority::Lookup)).await;
    assert!((3900..4100).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_the_pause_doubles_up_to_a_minute_until_a_success() {
    let budget = budget(100, 100);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        tokio::time::sleep(SECOND * 60).await;
        let sent = send(&budget, Priority::Mutation).await;
        tokio::time::advance(SECOND / 10).await;
        budget.came(sent, Came::RateLimited(None));
        assert_eq!(budget.paused_for(), Some(SECOND * seconds));
        // Those that were in flight with it change nothing.
        budget.came(sent, Came::RateLimited(None));
        budget.came(sent, Came::Well);
        assert_eq!(budget.paused_for(), Some(SECOND * seconds));
    }
    tokio::time::sleep(SECOND * 60).await;
    let sent = send(&budget, Priority::Mutation).await;
    budget.came(sent, Came::Well);
    let sent = send(&budget, Priority::Mutation).await;
    budget.came(sent, Came::RateLimited(Some(Duration::ZERO)));
    assert_eq!(budget.paused_for(), Some(SECOND), "a wish of nothing is none");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_one_call_goes_first_and_the_others_follow_without_a_burst() {
    let budget = budget(5, 10);
    let sent = send(&budget, Priority::Lookup).await;
    budget.came(sent, Came::RateLimited(None));
    let first = send(&budget, Priority::Lookup).await;
    assert!(tokio::time::timeout(SECOND * 20, budget.acquire()).await.is_err(), "what came of the first is waited for");
    budget.came(first, Came::Well);
    let took = time(async {
        for _ in 0..10 {
            send(&budget, Priority::Lookup).await;
        }
    });
    let took = took.await;
    assert!((2000..2100).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn a_first_call_after_a_pause_of_which_nothing_comes_is_not_waited_for_for_ever() {
    let budget = budget(5, 10);
    let sent = send(&budget, Priority::Lookup).await;
    budget.came(sent, Came::RateLimited(None));
    drop(budget.acquire().await.unwrap());
    let took = time(send(&budget, Priority::Lookup)).await;
    assert!(took < 100, "what was given back is another's: {took}");
    let took = time(send(&budget, Priority::Lookup)).await;
    assert!((34_000..36_000).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn mutations_go_before_lookups_before_polls() {
    let budget = budget(1, 1);
    send(&budget, Priority::Mutation).await;
    let order = Arc::new(Mutex::new(Vec::new()));
    let calls = [Priority::Idle, Priority::Lookup, Priority::Idle, Priority::Mutation, Priority::Lookup, Priority::Mutation];
    let mut tasks = Vec::new();
    for priority in calls {
        let (budget, order) = (Arc::clone(&budget), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            send(&budget, priority).await;
            order.lock().unwrap().push(priority);
        }));
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    for task in tasks {
        task.await.unwrap();
    }
    let mut sorted = calls.to_vec();
    sorted.sort();
    assert_eq!(*order.lock().unwrap(), sorted);
    assert!(begin.elapsed() < SECOND * 6 + SECOND / 50, "no token was lost in between: {:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn giving_up_costs_no_token_and_no_place() {
    let budget = budget(1, 1);
    send(&budget, Priority::Mutation).await;
    for _ in 0..20 {
        assert!(tokio::time::timeout(SECOND / 100, budget.acquire()).await.is_err());
    }
    let took = time(async { drop(budget.acquire_as(Priority::Idle).await.unwrap()) }).await;
    assert!((700..1100).contains(&took), "{took}");
    assert_eq!(time(send(&budget, Priority::Idle)).await, 0, "nor does a permit that is given back");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_nobody_spends_is_another_ones_after_a_while() {
    let budget = budget(1, 1);
    let kept = budget.acquire().await.unwrap();
    let took = time(send(&budget, Priority::Idle)).await;
    assert!((14_000..16_000).contains(&took), "{took}");
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_does_not_answer_is_left_alone_but_for_one_look_now_and_then() {
    let budget = budget(100, 100);
    let waits = budget.acquire().await.unwrap();
    for _ in 0..5 {
        assert_eq!(budget.silence(), None);
        let sent = send(&budget, Priority::Lookup).await;
        budget.came(sent, Came::Failed("HTTP 503", None));
    }
    assert_eq!(waits.spend().unwrap_err().cause, Cause::Unavailable, "not even with a permit from before");
    assert_eq!(budget.silence().unwrap().retry_after, SECOND * 5);
    for seconds in [5, 10, 20, 40, 80, 160, 300, 300] {
        assert!(budget.acquire_as(Priority::Lookup).await.is_err());
        tokio::time::sleep(SECOND * seconds).await;
        assert!(budget.acquire().await.is_err(), "a change does not find it out");
        let probe = send(&budget, Priority::Idle).await;
        assert!(budget.acquire_as(Priority::Lookup).await.is_err(), "one is enough");
        budget.came(probe, Came::Failed("HTTP 504", None));
    }
    tokio::time::sleep(SECOND * 300).await;
    let probe = send(&budget, Priority::Lookup).await;
    assert_eq!(budget.came(probe, Came::Answered), Some(Change::Closed));
    let took = time(send(&budget, Priority::Mutation)).await;
    assert!(took < 20, "{took}");
    assert_eq!(budget.silence(), None);
}
