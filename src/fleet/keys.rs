//! Keys and the accounts that they open.
//!
//! What a key opens is known from its session, which is read when the key is first seen, when somebody asks for it to be read again, and
//! after a while if the answer was a bad one. Until it is known, a key's calls come out of one budget that all such keys share: many keys
//! that open nothing are as one account. A call that then turns out to have been an account's is charged to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::account::Account;
use super::interest::Wake;
use super::poll::Beat;
use crate::lifecycle::backoff;
use crate::lifecycle::observe::Access;
use crate::paperspace::{Budget, CallObserver, Client, ClientOptions, ConfigError, Rate, Transport};

/// How long a key that opened nothing is not asked about again.
const BAD_NEWS_LASTS: Duration = Duration::from_secs(30);

/// A key and what it opens.
#[derive(Clone)]
pub struct Opened {
    /// The client with this key, on its account's budget.
    pub client: Client,
    /// What the key opens.
    pub access: Access,
    /// Its account, where it opens one.
    pub account: Option<Arc<Account>>,
}

/// All keys that were seen, and the accounts behind them.
pub struct Keys {
    /// With the budget of all keys of which it is not known what they open.
    template: Client,
    rate: Rate,
    poll_interval: Duration,
    process: String,
    transition: Duration,
    per_machine: bool,
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
    wake: Arc<dyn Fn(Wake) + Send + Sync>,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    /// By the key itself. Never printed.
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    accounts: Mutex<HashMap<String, Shared>>,
}

/// What all keys of a team share.
type Shared = (Arc<Account>, Arc<Budget>);

struct Entry {
    /// On the budget that unknown keys share.
    client: Client,
    known: tokio::sync::Mutex<Option<(Opened, Duration)>>,
}

/// What the keys need to know of the operator.
pub struct Setup {
    /// Where the API is.
    pub options: ClientOptions,
    /// Calls a second and account, and how many at once.
    pub rate: Rate,
    /// How often an account is listed.
    pub poll_interval: Duration,
    /// Tells operators apart: those that started together are not to list in step.
    pub process: String,
    /// How often a machine in transition is looked at.
    pub transition: Duration,
    /// Whether each machine is looked at by itself instead: no account is listed of nobody's asking, and nobody is woken.
    pub per_machine: bool,
    /// Hears of every call.
    pub observer: Arc<dyn CallObserver>,
    /// The time since the process started.
    pub now: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// Wakes a resource.
    pub wake: Arc<dyn Fn(Wake) + Send + Sync>,
    /// Ends the polling.
    pub stop: CancellationToken,
}

impl Keys {
    /// No keys yet; over HTTP.
    pub fn new(setup: Setup) -> Result<Self, ConfigError> {
        let transport = setup.options.http()?;
        Self::over(setup, transport)
    }

    /// No keys yet; over whatever carries requests.
    pub fn over(setup: Setup, transport: Arc<dyn Transport>) -> Result<Self, ConfigError> {
        let Setup { options, rate, poll_interval, process, transition, per_machine, observer, now, wake, stop } = setup;
        let budget = Arc::new(Budget::of(rate));
        let unset = SecretString::from("unset");
        let template = Client::with_transport(&options, unset, budget, transport)?.with_observer(observer);
        let (entries, accounts, tasks) = (Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { template, rate, poll_interval, process, transition, per_machine, now, wake, stop, tasks, entries, accounts })
    }

    /// The API's address, as it is recorded.
    pub fn endpoint(&self) -> &str {
        self.template.endpoint()
    }

    /// What this key opens. With `reread` its session is read anew.
    pub async fn open(&self, key: &SecretString, reread: bool) -> Result<Opened, ConfigError> {
        let entry = self.entry(key)?;
        let mut known = entry.known.lock().await;
        let now = (self.now)();
        if let Some((opened, at)) = known.as_ref().filter(|_| !reread) {
            let admin = matches!(opened.access, Access::Open { admin: true, .. });
            let trusted = opened.account.as_ref().is_some_and(|a| a.trusts(&opened.client));
            // Good news end with the first refusal: without a key that is trusted the account is not polled.
            let holds = if admin { trusted } else { now.saturating_sub(*at) < BAD_NEWS_LASTS };
            if holds {
                return Ok(opened.clone());
            }
        }
        let mut max_machines = None;
        let known_client = known.as_ref().filter(|(opened, _)| opened.account.is_some()).map(|(opened, _)| opened.client.clone());
        let client = known_client.clone().unwrap_or_else(|| entry.client.clone());
        let access = match client.session().await {
            Ok(Some(session)) => {
                max_machines = session.max_machines();
                Access::Open { admin: session.is_admin(), team: session.team.id }
            }
            Ok(None) => Access::Rejected,
            Err(error) if error.is_unauthorized() => Access::Rejected,
            // Not kept: the next question asks again.
            Err(error) => {
                return Ok(Opened { client, access: Access::Unknown(error), account: None });
            }
        };
        let opened = self.opened(&entry, key, access)?;
        if let Some(account) = &opened.account {
            account.allows(max_machines);
            if !known_client.is_some_and(|known| Arc::ptr_eq(known.budget(), opened.client.budget())) {
                opened.client.budget().owe();
            }
        }
        *known = Some((opened.clone(), now));
        Ok(opened)
    }

    fn opened(&self, entry: &Entry, key: &SecretString, access: Access) -> Result<Opened, ConfigError> {
        let Access::Open { team, admin } = &access else {
            return Ok(Opened { client: entry.client.clone(), access, account: None });
        };
        let (account, budget) = self.account(team);
        let client = entry.client.with_key(key.clone(), budget)?;
        // A member's list lacks machines: it must not become anybody's.
        if *admin {
            account.seen_client(&client);
        } else {
            account.drop_client(&client);
        }
        Ok(Opened { client, access, account: Some(account) })
    }

    fn entry(&self, key: &SecretString) -> Result<Arc<Entry>, ConfigError> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(key.expose_secret()) {
            return Ok(entry.clone());
        }
        let client = self.template.with_key(key.clone(), self.template.budget().clone())?;
        let entry = Arc::new(Entry { client, known: tokio::sync::Mutex::default() });
        entries.insert(key.expose_secret().to_owned(), entry.clone());
        Ok(entry)
    }

    /// The account of this team; its polling begins when it is first seen.
    fn account(&self, team: &str) -> Shared {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = accounts.get(team) {
            return known.clone();
        }
        let (now, wake, per_machine) = (self.now.clone(), self.wake.clone(), self.per_machine);
        let wake = move |w| {
            if !per_machine {
                wake(w);
            }
        };
        let account = Arc::new(Account::new(team.to_owned(), self.transition, per_machine, move || now(), wake));
        let resumed = Arc::downgrade(&account);
        let budget = Budget::with_jitter(self.rate, backoff::fraction(team));
        let budget = Arc::new(budget.when_it_answers_again(move || resumed.upgrade().into_iter().for_each(|account| account.resume())));
        if !per_machine {
            let beat = Beat::new(self.poll_interval, format!("{team}/{}", self.process));
            let poll = account.clone().poll(beat, self.stop.clone());
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(poll);
        }
        accounts.insert(team.to_owned(), (account.clone(), budget.clone()));
        (account, budget)
    }

    /// The account of this team, if it was seen.
    pub fn known_account(&self, team: &str) -> Option<Arc<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).get(team).map(|(account, _)| account.clone())
    }

    /// How often this resource has to look by itself, since no list tells it of changes; `None` where one does. Each resource has an
    /// interval of its own, which on average over all is the poll interval.
    pub fn looks_every(&self, uid: &str) -> Option<Duration> {
        self.per_machine.then(|| self.poll_interval.mul_f64(0.9 + 0.2 * backoff::fraction(uid)))
    }

    /// All accounts.
    pub fn all_accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).values().map(|(account, _)| account.clone()).collect()
    }

    /// Waits for the polling to end, after its stop was asked for.
    pub async fn stopped(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.join_all().await;
    }
}
