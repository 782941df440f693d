//! Answers the core's questions until it decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use super::context::{Context, Slot};
use super::error::Error;
use crate::crd::PaperspaceMachine;
use crate::fleet::{Account, Interest, Listings, Opened, Seen, Wake};
use crate::lifecycle::decide::decide;
use crate::lifecycle::names::Mark;
use crate::lifecycle::observe::{Access, Facts, KeySource, Listed, Listing, MachineLook, Moment, Observation, Question};
use crate::lifecycle::step::{Decision, Next};
use crate::paperspace::{self, Client, clean_text, types::Machine};

/// Far more than any decision asks; a decision that asks more goes round in circles.
const MOST_QUESTIONS: usize = 64;

/// One pass's answers and the keys behind them.
pub(super) struct Gathering<'a> {
    context: &'a Context,
    object: &'a PaperspaceMachine,
    mark: Mark,
    facts: Facts,
    opened: BTreeMap<KeySource, Opened>,
}

/// What came of gathering: a decision, and the eyes that it was made with.
pub(super) struct Gathered {
    pub(super) decision: Decision,
    pub(super) client: Option<Client>,
    pub(super) looked: Option<Looked>,
}

/// The machine as the decision saw it, and how to look at it again.
pub(super) struct Looked {
    pub(super) account: Arc<Account>,
    pub(super) client: Client,
    pub(super) machine: Machine,
}

impl<'a> Gathering<'a> {
    pub(super) fn new(context: &'a Context, object: &'a PaperspaceMachine) -> Self {
        let mark = Mark::of_uid(&object.uid().unwrap_or_default());
        Self { context, object, mark, facts: Facts::default(), opened: BTreeMap::new() }
    }

    /// Asks the core, answers, asks again.
    pub(super) async fn decide(mut self, slot: &mut Slot, began: Moment, nonce: &str) -> Result<Gathered, Error> {
        for _ in 0..MOST_QUESTIONS {
            let account = self.account(slot.memory.key);
            let marked: Vec<Machine> = account.as_ref().map(|a| a.marked(&self.mark)).unwrap_or_default();
            let (now, restraint) = (self.context.clock.now(), self.context.brake.restraint());
            let observation = Observation {
                object: self.object,
                began,
                now,
                nonce,
                settings: &self.context.settings,
                memory: &slot.memory,
                restraint: restraint.as_ref(),
                silence: self.opened.get(&slot.memory.key).and_then(|o| o.client.budget().silence()),
                unobserved_for: account.as_ref().map_or(now.mono, |a| a.unobserved_for()),
                marked: &marked,
                quota: account.as_ref().map(|a| a.quota()).unwrap_or_default(),
                facts: &self.facts,
            };
            match decide(&observation) {
                Next::Act(decision) => {
                    let client = self.opened.get(&decision.memory.key).map(|o| o.client.clone());
                    let look = self.look_of(&decision);
                    let machine = look.as_ref().and_then(|look| look.machine.clone());
                    self.register(&decision, look);
                    if let (Some(account), true) = (&account, observation.silence.is_some()) {
                        account.waits_for_an_answer(self.wake());
                    }
                    let looked = account.zip(client.clone()).zip(machine);
                    let looked = looked.map(|((account, client), machine)| Looked { account, client, machine });
                    return Ok(Gathered { decision: *decision, client, looked });
                }
                Next::Ask(question, memory) => {
                    slot.memory = *memory;
                    tracing::trace!(?question, "answering");
                    self.answer(question, slot).await;
                }
            }
        }
        Err(Error::NoDecision(MOST_QUESTIONS))
    }

    /// The account behind the key in use, or the one that the resource is known to belong to.
    fn account(&self, key: KeySource) -> Option<Arc<Account>> {
        let opened = self.opened.get(&key).and_then(|o| o.account.clone());
        opened.or_else(|| self.context.keys.known_account(&self.object.status.as_ref()?.account.as_ref()?.team))
    }

    fn wake(&self) -> Wake {
        Wake { namespace: self.object.namespace().unwrap_or_default(), name: self.object.name_any() }
    }

    /// The last look at the resource's machine.
    fn look_of(&self, decision: &Decision) -> Option<MachineLook> {
        let looks = decision.status.machine_id.iter().flat_map(|id| [self.facts.machines.get(id), self.facts.direct.get(id)]);
        looks.flatten().filter_map(|look| look.as_ref().ok()).max_by_key(|look| look.began).cloned()
    }

    /// From now on the account wakes the resource when its machine changes.
    fn register(&self, decision: &Decision, look: Option<MachineLook>) {
        let Some(account) = self.account(decision.memory.key) else { return };
        let (wake, machine, seen) = (self.wake(), decision.status.machine_id.clone(), look.map(Seen::from));
        account.interest(&self.object.uid().unwrap_or_default(), Interest { wake, mark: self.mark.clone(), machine, seen });
    }

    async fn answer(&mut self, question: Question, slot: &mut Slot) {
        if let Question::Access { key, reread } = question {
            let access = self.open(key, reread, slot).await;
            self.facts.access.insert(key, (access, reread));
            return;
        }
        if question == Question::CrdTerminating {
            self.facts.crd_terminating = Some(self.context.objects.goes_with_crd(self.object).await);
            return;
        }
        if question == Question::ScriptText {
            self.facts.script_text = Some(self.context.sources.text_of(self.object).await);
            return;
        }
        if let Question::ConfigMap { name } = question {
            let look = self.context.objects.config_map(self.object, &name).await;
            self.facts.config_maps.insert(name, look);
            return;
        }
        // The core asks about Paperspace only once it has accepted a key.
        let Some(Opened { client, account: Some(account), .. }) = self.opened.get(&slot.memory.key).cloned() else { return };
        match question {
            Question::List { begun_after } => {
                let known: Vec<&str> = slot.memory.accepted.iter().map(String::as_str).chain(self.machine_id()).collect();
                let listed = account.list(&client, begun_after).await;
                self.facts.list = Some(noted(&account, &client, listed).map(|s| Account::view(&s, &self.mark, &known)));
            }
            Question::Machine { id, begun_after } => {
                let look = account.machine(&client, &id, begun_after).await;
                self.facts.machines.insert(id, noted(&account, &client, look));
            }
            Question::Direct { id, .. } => {
                let look = account.get(&client, &id).await;
                self.facts.direct.insert(id, noted(&account, &client, look));
            }
            Question::Events { id } => {
                let events = client.machine_events(&id).await;
                self.facts.events.insert(id, noted(&account, &client, events));
            }
            Question::Destroyed { begun_after } => {
                let answer = account.destroyed(&client, begun_after, self.context.clock.now().wall).await;
                self.facts.destroyed = Some(noted(&account, &client, answer));
            }
            Question::Availability => {
                let spec = &self.object.spec;
                let answer = client.availability(&spec.machine_type, &spec.region.to_ascii_lowercase()).await;
                self.facts.available = Some(noted(&account, &client, answer));
            }
            Question::Listing { of, begun_after } => self.listing(&account, &client, of, begun_after).await,
            Question::Accessors { id, begun_after: _ } => {
                let began = account.now();
                let answer = client.accessors(&id).await.map(|items| Listed { began, items: Arc::new(items) });
                self.facts.accessors = Some(noted(&account, &client, answer));
            }
            Question::Desktop { id } => self.facts.desktop = Some(noted(&account, &client, unless_refused(client.desktop(&id).await))),
            Question::Standing => self.facts.standing = Some(noted(&account, &client, unless_refused(client.account_standing().await))),
            Question::Access { .. } | Question::CrdTerminating | Question::ScriptText | Question::ConfigMap { .. } => {}
        }
    }

    async fn listing(&mut self, account: &Account, client: &Client, of: Listing, begun_after: Duration) {
        let Listings { os_templates, custom_templates, networks, users, public_ips, scripts, snapshots } = &account.listings;
        let now = || account.now();
        macro_rules! answer {
            ($list:ident, $read:expr) => {
                self.facts.$list = Some(noted(account, client, $list.get(now, begun_after, $read).await))
            };
        }
        match of {
            Listing::OsTemplates => answer!(os_templates, client.os_templates()),
            Listing::CustomTemplates => answer!(custom_templates, client.custom_templates()),
            Listing::Networks => answer!(networks, client.private_networks()),
            Listing::Users => answer!(users, client.team_users(&account.team)),
            Listing::PublicIps => answer!(public_ips, client.public_ips()),
            Listing::Scripts => answer!(scripts, client.startup_scripts()),
            Listing::Snapshots => answer!(snapshots, client.snapshots()),
        }
    }

    fn machine_id(&self) -> Option<&'a str> {
        self.object.status.as_ref()?.machine_id.as_deref()
    }

    async fn open(&mut self, source: KeySource, reread: bool, slot: &mut Slot) -> Access {
        let missing = |what: &str| Err(Access::Missing(what.to_owned()));
        let key = match source {
            KeySource::Own => self.context.credentials.key_of(self.object).await,
            KeySource::Remembered => slot.last_key.clone().map_or_else(|| missing("no key was used before"), Ok),
            KeySource::Operator => self.context.credentials.own().map_or_else(|| missing("the operator has no key of its own"), Ok),
        };
        let key = match key {
            Ok(key) => key,
            Err(access) => return access,
        };
        match self.context.keys.open(&key, reread).await {
            Ok(opened) => {
                let access = opened.access.clone();
                if matches!(access, Access::Open { .. }) && source == KeySource::Own {
                    slot.last_key = Some(key);
                }
                self.opened.insert(source, opened);
                access
            }
            Err(error) => Access::Missing(clean_text(&error.to_string())),
        }
    }
}

/// That Paperspace refuses to say is an answer too: it does not know, or there is nothing.
fn unless_refused<T>(result: Result<T, paperspace::Error>) -> Result<Option<T>, paperspace::Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_refusal() || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A key that is refused is not trusted further: what it opens is asked anew.
fn noted<T>(account: &Account, client: &Client, result: Result<T, paperspace::Error>) -> Result<T, paperspace::Error> {
    if result.as_ref().is_err_and(paperspace::Error::is_unauthorized) {
        account.drop_client(client);
    }
    result
}
