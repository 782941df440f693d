//! Anything that an account may have besides machines, and a cluster besides the resource.

use jiff::Timestamp;

use super::super::world::NAME;
use super::answers::error;
use super::anything::{around, id};
use crate::crd::ScriptSource;
use crate::lifecycle::observe::{ConfigMapLook, SourceLook};
use crate::lifecycle::script_text::ScriptText;
use crate::paperspace::types::{
    Accessor, AccountStanding, AvailableMachineType, CustomTemplate, Desktop, OsTemplate, PrivateNetwork, PublicIp, RemoteDesktop,
    Snapshot, StartupScript, TeamUser, User,
};
use crate::properties::Dice;

fn types(d: &mut Dice) -> Vec<AvailableMachineType> {
    d.several(2, |d| AvailableMachineType { machine_type_label: d.word(&["A4000", "C5"]), is_available: d.one_in(2) })
}

pub(super) fn os_template(d: &mut Dice) -> OsTemplate {
    OsTemplate {
        id: d.word(&["tmpl", "tother"]),
        name: d.text(),
        agent_type: d.text(),
        operating_system_label: d.word(&["Ubuntu 22.04"]),
        default_size_gb: None,
        available_machine_types: types(d),
    }
}

pub(super) fn custom_template(d: &mut Dice) -> CustomTemplate {
    CustomTemplate {
        id: d.word(&["tmpl", "tother"]),
        name: d.word(&["mine", "yours"]),
        agent_type: d.text(),
        operating_system_label: d.text(),
        region: d.word(&["East Coast (NY2)", "ca1"]),
        default_size_gb: None,
        available_machine_types: types(d),
        parent_machine_id: None,
        dt_deleted: None,
    }
}

pub(super) fn network(d: &mut Dice) -> PrivateNetwork {
    PrivateNetwork {
        id: d.word(&["n1", "n2"]),
        name: d.word(&["lab", "office"]),
        region: d.word(&["ny2", "ca1"]),
        network: d.text(),
        netmask: d.text(),
        dt_deleted: None,
    }
}

fn user(d: &mut Dice) -> User {
    User { id: d.word(&["u1", "u2", "u3"]), email: d.word(&["ann@example.com", "bob@example.com"]) }
}

pub(super) fn team_user(d: &mut Dice) -> TeamUser {
    TeamUser { user: user(d), is_owner: d.one_in(2), is_admin: d.one_in(2) }
}

pub(super) fn accessor(d: &mut Dice) -> Accessor {
    Accessor { user: user(d), dt_deleted: None }
}

pub(super) fn public_ip(d: &mut Dice) -> PublicIp {
    PublicIp {
        ip: d.word(&["7.7.7.7", "7.7.7.7", "9.9.9.9"]),
        region: d.word(&["ny2", "ny2", "ny2", "ca1"]),
        assigned_machine_id: d.maybe(id),
    }
}

pub(super) fn script(d: &mut Dice, now: Timestamp) -> StartupScript {
    StartupScript {
        id: d.word(&["sc1", "sc2"]),
        name: d.word(&[NAME, "other-aaaaaaaaaaaa", "mine"]),
        is_enabled: d.one_in(2),
        is_run_once: d.one_in(2),
        assigned_machine_ids: d.several(2, id),
        dt_created: around(d, now),
        dt_deleted: if d.one_in(8) { Some(around(d, now)) } else { None },
    }
}

pub(super) fn snapshot(d: &mut Dice) -> Snapshot {
    Snapshot { id: d.word(&["sn1", "sn2"]), name: d.text(), machine_id: id(d), is_auto_snapshot: d.one_in(2) }
}

pub(super) fn desktop(d: &mut Dice) -> Desktop {
    let place = |d: &mut Dice| RemoteDesktop { hostname: d.text(), port: d.pick(&[5900, 0, u16::MAX]) };
    Desktop { vnc: d.maybe(place), windows: d.maybe(place) }
}

pub(super) fn standing(d: &mut Dice) -> AccountStanding {
    AccountStanding {
        is_in_good_standing: d.one_in(2),
        is_admin_locked: d.one_in(2),
        has_payment_method: d.one_in(2),
        messages: d.several(2, Dice::text),
    }
}

pub(super) fn source(d: &mut Dice) -> SourceLook {
    match d.below(6) {
        0 => SourceLook::Missing(d.text()),
        1 => SourceLook::NotLabelled(d.text()),
        2 => SourceLook::Unknown(error(d)),
        _ => SourceLook::Text {
            source: ScriptSource { kind: "ConfigMap".to_owned(), uid: d.maybe(Dice::text), resource_version: d.maybe(Dice::text) },
            text: ScriptText::new(d.word(&["echo one", "echo two"])),
        },
    }
}

pub(super) fn config_map(d: &mut Dice) -> ConfigMapLook {
    match d.below(4) {
        0 => ConfigMapLook::Absent,
        1 => ConfigMapLook::Anothers,
        2 => ConfigMapLook::Unknown(error(d)),
        _ => ConfigMapLook::Ours { data: d.several(2, |d| (d.word(&["host", "user"]), d.text())).into_iter().collect() },
    }
}
