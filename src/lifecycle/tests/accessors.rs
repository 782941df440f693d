//! Who may use the machine.

use super::estate::team;
use super::world::{World, api_down, secs};
use crate::crd::{Accessors, Adopt, DriftAction, ManagementPolicy, PaperspaceMachineSpec};
use crate::lifecycle::accessors::MOST;
use crate::lifecycle::observe::{Listing, Question};
use crate::lifecycle::step::{Requeue, StepKind};
use crate::paperspace::types::{TeamUser, User};

pub(super) const SYNCED: &str = "Ready=True/Running Synced=True/Synced";

pub(super) fn named(ids: &[&str], emails: &[&str], exact: bool) -> Option<Accessors> {
    let owned = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect();
    Some(Accessors { user_ids: owned(ids), emails: owned(emails), exact })
}

pub(super) fn ids(ids: &[&str]) -> Option<Accessors> {
    named(ids, &[], false)
}

impl World {
    /// Who may use the machine.
    pub(super) fn people(&self) -> Vec<String> {
        let mut people = self.cloud.estate.accessors.get(&self.id()).cloned().unwrap_or_default();
        people.sort();
        people
    }

    /// Somebody adds a user at the console.
    pub(super) fn admit(&mut self, user: &str) {
        let id = self.id();
        self.cloud.estate.accessors.entry(id).or_default().push(user.to_owned());
    }

    /// Somebody removes a user at the console.
    pub(super) fn expel(&mut self, user: &str) {
        let id = self.id();
        self.cloud.estate.accessors.entry(id).or_default().retain(|u| u != user);
    }

    /// Who is written down as added.
    pub(super) fn added(&self) -> Vec<String> {
        self.status().applied.unwrap_or_default().accessors
    }

    /// Passes for so long, however quiet it is.
    pub(super) fn live(&mut self, time: std::time::Duration) {
        let end = self.now + time;
        while self.now < end {
            let wait = match self.pass().requeue {
                Requeue::After(after) => after,
                Requeue::OnChange => time,
            };
            self.sleep(wait.min(end.saturating_sub(self.now)));
        }
    }

    pub(super) fn looks(&self) -> usize {
        self.asked.iter().filter(|q| matches!(q, Question::Accessors { .. })).count()
    }

    pub(super) fn asks_for_users(&self) -> usize {
        self.asked.iter().filter(|q| matches!(q, Question::Listing { of: Listing::Users, .. })).count()
    }

    pub(super) fn drift(&self) -> Vec<(String, String, String)> {
        self.status().drift.into_iter().map(|d| (d.field, d.desired, d.observed)).collect()
    }
}

pub(super) fn foreign(who: &str) -> Vec<(String, String, String)> {
    vec![("accessors".to_owned(), String::new(), who.to_owned())]
}

#[test]
fn without_accessors_nothing_is_asked() {
    let mut world = World::new(|_| ());
    world.run();
    world.admit("u3");
    world.live(secs(3600));
    assert_eq!((world.looks(), world.asks_for_users(), world.people()), (0, 0, vec!["u3".to_owned()]));
}

#[test]
fn the_machine_is_created_with_those_whom_the_spec_names() {
    let mut world = World::new(|s| s.accessors = named(&["u3", "u1"], &["ANN@example.COM", "bob@example.com"], false));
    world.run();
    assert_eq!((world.people(), world.added()), (team_ids(), team_ids()));
    assert_eq!((world.count(StepKind::AddAccessor), world.conditions().as_str()), (0, SYNCED));
    assert_eq!(world.asks_for_users(), 3, "before the finalizer, before the create, for the look at the machine: of one list");
}

fn team_ids() -> Vec<String> {
    team().into_iter().map(|u| u.user.id).collect()
}

#[test]
fn no_machine_is_created_while_somebody_is_not_in_the_team() {
    let mut world = World::new(|s| s.accessors = named(&["u1", "u9"], &["eve@example.com"], false));
    world.run();
    assert_eq!(world.conditions(), "Ready=False/UserNotFound Synced=False/UserNotFound Stalled=True/UserNotFound");
    let message = world.status().conditions[0].message.clone();
    assert!(message.contains("u9, eve@example.com") && message.contains("Invite"), "{message}");
    assert_eq!((world.cloud.born.len(), world.said("UserNotFound"), world.status().creation), (0, 1, None));
    let newcomer =
        |id: &str, email: &str| TeamUser { user: User { id: id.to_owned(), email: email.to_owned() }, is_owner: false, is_admin: false };
    world.cloud.estate.users.extend([newcomer("u9", ""), newcomer("u8", "Eve@example.com")]);
    world.live(secs(1200));
    assert_eq!((world.people(), world.conditions().as_str()), (vec!["u1".to_owned(), "u8".to_owned(), "u9".to_owned()], SYNCED));
}

#[test]
fn a_list_of_users_that_fails_creates_nothing_and_is_asked_again() {
    let mut world = World::new(|s| s.accessors = ids(&["u1"]));
    world.step();
    world.looks.down = Some(api_down());
    world.live(secs(60));
    assert!(world.cloud.born.is_empty() && world.conditions().contains("ApiUnavailable"), "{}", world.conditions());
    world.looks.down = None;
    world.run();
    assert_eq!(world.people(), ["u1"]);
}

#[test]
fn whoever_comes_into_the_spec_is_written_down_before_the_request_and_whoever_goes_is_shown_out() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.edit(|s| s.accessors = ids(&["u2"]));
    world.run_until(StepKind::RemoveAccessor);
    world.step();
    assert_eq!((world.added(), world.people()), (vec!["u1".to_owned(), "u2".to_owned()], vec![]), "written down");
    world.run_until(StepKind::AddAccessor);
    assert_eq!(world.people(), ["u2"]);
    world.live(secs(600));
    assert_eq!((world.added(), world.people(), world.conditions().as_str()), (vec!["u2".to_owned()], vec!["u2".to_owned()], SYNCED));
    assert_eq!((world.said("Updated"), world.said("DriftDetected")), (2, 0), "{:?}", world.said);
}

#[test]
fn spec_accessors_that_goes_takes_those_who_were_added_with_it_and_nobody_else() {
    let mut world = World::running(|s| s.accessors = ids(&["u1", "u2"]));
    world.admit("u3");
    world.edit(|s| s.accessors = None);
    world.live(secs(900));
    assert_eq!((world.people(), world.added()), (vec!["u3".to_owned()], vec![]));
    assert_eq!((world.drift(), world.conditions().as_str()), (vec![], SYNCED));
    world.forget_log();
    world.live(secs(3600));
    assert_eq!(world.looks(), 0, "nothing is left to look at");
}

#[test]
fn whoever_is_there_already_is_not_added_and_stays_when_the_spec_forgets_them() {
    let mut world = World::running(|_| ());
    world.admit("u2");
    world.edit(|s| s.accessors = ids(&["u2"]));
    world.live(secs(60));
    assert_eq!((world.steps.len(), world.added(), world.conditions().as_str()), (0, vec![], SYNCED));
    world.edit(|s| s.accessors = None);
    world.live(secs(900));
    assert_eq!(world.people(), ["u2"]);
}

#[test]
fn others_are_told_once_and_left_alone_and_exact_shows_them_out() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.admit("u2");
    world.admit("u3");
    world.live(secs(3600));
    assert_eq!((world.drift(), world.conditions().as_str()), (foreign("bob@example.com, u3"), SYNCED));
    assert_eq!((world.said("DriftDetected"), world.steps.len()), (1, 0), "{:?}", world.said);
    assert_eq!(world.status().drift[0].action, DriftAction::Report);
    let since = world.status().drift[0].since.clone();
    world.expel("u2");
    world.crash();
    world.live(secs(1));
    assert_eq!((world.drift(), world.said("DriftDetected")), (foreign("u3"), 1), "one less is no news, nor after a restart");
    assert_eq!(world.status().drift[0].since, since);

    world.edit(|s| s.accessors = named(&["u1"], &[], true));
    world.live(secs(60));
    assert_eq!((world.people(), world.drift(), world.conditions().as_str()), (vec!["u1".to_owned()], vec![], SYNCED));
    assert_eq!(world.steps, [StepKind::RemoveAccessor]);
}

#[test]
fn somebody_whom_the_spec_names_and_others_removed_is_let_in_again() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.expel("u1");
    world.live(secs(1200));
    assert_eq!((world.people(), world.said("DriftCorrected"), world.conditions().as_str()), (vec!["u1".to_owned()], 1, SYNCED));
}

#[test]
fn an_idle_machine_is_looked_at_every_ten_minutes_and_nothing_is_written() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.admit("u2");
    world.live(secs(720));
    world.forget_log();
    world.live(secs(3600));
    assert!((4..=6).contains(&world.looks()), "{}", world.looks());
    assert_eq!((world.status_writes, world.steps.len(), world.said.len()), (0, 0, 0));
    // What wakes the resource for other reasons is no reason to look.
    world.forget_log();
    (0..20).for_each(|_| world.step());
    assert!(world.looks() <= 1);
    world.annotate(crate::crd::RECONCILE_REQUESTED, "now");
    world.forget_log();
    world.step();
    assert_eq!(world.looks(), 1, "somebody asked");
}

#[test]
fn who_is_not_found_is_told_while_the_others_are_let_in() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    world.edit(|s| s.accessors = named(&["u2", "u9"], &[], false));
    world.live(secs(900));
    assert_eq!((world.people(), world.added()), (vec!["u2".to_owned()], vec!["u2".to_owned()]));
    assert_eq!(world.conditions(), "Ready=True/Running Synced=False/UserNotFound Stalled=True/UserNotFound");
    assert_eq!(world.said("UserNotFound"), 1);
    world.forget_log();
    world.live(secs(3600));
    assert!(world.asks_for_users() <= 12 && world.status_writes == 0, "{} {}", world.asks_for_users(), world.status_writes);
    world.edit(|s| s.accessors = ids(&["u2"]));
    world.live(secs(60));
    assert_eq!(world.conditions(), SYNCED);
}

#[test]
fn nothing_is_asked_or_sent_where_nothing_may_be_written() {
    let quiet: [fn(&mut PaperspaceMachineSpec); 2] = [|s| s.suspend = true, |s| s.management_policy = ManagementPolicy::Observe];
    for change in quiet {
        let mut world = World::running(|s| s.accessors = ids(&["u1"]));
        world.admit("u3");
        world.edit(|s| {
            change(s);
            s.accessors = named(&["u2"], &[], true);
        });
        world.live(secs(3600));
        assert_eq!((world.looks(), world.people()), (0, vec!["u1".to_owned(), "u3".to_owned()]));
        assert_eq!(world.added(), ["u1"]);
    }
}

#[test]
fn an_adopted_machine_is_looked_at_once_people_are_named() {
    let mut world = World::new(|s| {
        s.template_id = None;
        s.adopt = Some(Adopt { machine_id: "psx".to_owned(), replace_mark: None, on_difference: crate::crd::OnDifference::Apply });
    });
    world.cloud.machines.push(super::cloud::machine("psx", "mine"));
    world.run();
    world.admit("u3");
    world.live(secs(1800));
    assert_eq!((world.looks(), world.drift()), (0, vec![]));
    world.edit(|s| s.accessors = ids(&["u1"]));
    world.live(secs(60));
    assert_eq!((world.people(), world.drift()), (vec!["u1".to_owned(), "u3".to_owned()], foreign("u3")));
}

#[test]
fn another_machine_is_created_with_the_people_and_looked_at_anew() {
    let mut world = World::running(|s| s.accessors = ids(&["u1"]));
    let first = world.id();
    world.admit("u2");
    world.live(secs(1200));
    world.cloud.machines.clear();
    world.live(secs(1200));
    assert_ne!(world.id(), first);
    assert_eq!((world.people(), world.added(), world.drift()), (vec!["u1".to_owned()], vec!["u1".to_owned()], vec![]));
}

#[test]
fn no_more_are_written_down_than_the_status_holds() {
    let many = |prefix: &str| (0..64).map(|n| format!("{prefix}{n:02}")).collect::<Vec<_>>();
    let (a, b) = (many("a"), many("b"));
    let member =
        |id: &String| TeamUser { user: User { id: id.clone(), email: format!("{id}@example.com") }, is_owner: false, is_admin: false };
    let all = |ids: &[String]| {
        let emails = ids.iter().map(|id| format!("{id}@example.com"));
        Some(Accessors { user_ids: Vec::new(), emails: emails.collect(), exact: false })
    };
    let mut world = World::new(|s| s.accessors = all(&a));
    world.cloud.estate.users.extend(a.iter().chain(&b).map(member));
    world.run();
    // Full, with users who are not wanted any more.
    world.edit_status(|s| s.applied.get_or_insert_default().accessors.extend(b.iter().cloned()));
    world.edit(|s| s.accessors = named(&["u1", "u2", "u3"], &[], false));
    for _ in 0..2000 {
        assert!(world.added().len() <= MOST);
        match world.pass().requeue {
            Requeue::After(after) => world.sleep(after),
            Requeue::OnChange => break,
        }
        if world.people() == team_ids() && world.added() == team_ids() {
            return;
        }
    }
    panic!("{} {:?} {:?}", world.conditions(), world.people(), world.added());
}

#[test]
fn a_machine_is_not_adopted_with_other_people_without_leave() {
    let adopting = |people: Option<Accessors>| {
        let mut world = World::new(|s| {
            (s.accessors, s.template_id) = (people, None);
            s.adopt = Some(Adopt { machine_id: "psx".to_owned(), ..Adopt::default() });
        });
        world.cloud.machines.push(super::cloud::machine("psx", "mine"));
        world.cloud.estate.accessors.insert("psx".to_owned(), vec!["u1".to_owned(), "u3".to_owned()]);
        world.live(secs(120));
        world
    };
    for people in [ids(&["u2"]), named(&["u1"], &[], true), ids(&["nobody"])] {
        let mut world = adopting(people.clone());
        assert!(world.conditions().contains("Synced=False/AdoptedDiffers"), "{people:?}: {}", world.conditions());
        assert_eq!((world.status().drift[0].field.as_str(), world.steps.len()), ("accessors", 1), "{people:?}");
        let looks = world.looks();
        world.live(secs(1100));
        assert!(world.looks() <= looks + 2, "every ten minutes: {} after {looks}", world.looks());
        world.edit(|s| s.accessors = ids(&["u1"]));
        world.live(secs(300));
        assert!(world.conditions().ends_with(SYNCED), "{}", world.conditions());
    }
    for people in [None, ids(&["u1"]), named(&["u3", "u1"], &[], true)] {
        assert_eq!(adopting(people.clone()).conditions(), SYNCED, "{people:?}");
    }
}
