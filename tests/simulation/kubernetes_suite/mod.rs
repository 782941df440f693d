//! What the operator relies on of a Kubernetes API, one behaviour a case, asked through nothing but a client: so that the API in memory and
//! the real server are held to the same. What no case thought of, random writes to both find (`random`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value, reason = "tests")]

mod api;
mod apply;
mod finalizers;
mod others;
#[allow(dead_code, reason = "it takes two servers")]
pub(crate) mod random;
mod reads;
mod schema;
mod status;
mod versions;
mod watches;

use futures::future::BoxFuture;
use kube::Client;

/// Panics with what is not so. The namespace is its own; the custom resource is installed, and no operator runs.
pub(crate) type Case = fn(Client, String) -> BoxFuture<'static, ()>;

macro_rules! cases {
    ($($module:ident::{$($name:ident),* $(,)?})*) => {
        /// Every behaviour, with its name.
        pub(crate) const CASES: &[(&str, Case)] = &[$($(
            (stringify!($name), |client, namespace| Box::pin(async move { $module::$name(&api::Api::new(&client, &namespace)).await })),
        )*)*];
    };
}

cases! {
    versions::{
        a_write_based_on_an_older_version_is_a_conflict,
        a_put_without_a_version_is_invalid,
        another_uid_is_refused,
        a_write_that_changes_nothing_has_no_version,
        the_first_write_stores_the_defaults_of_the_status,
        only_a_change_of_the_spec_or_a_deletion_is_a_generation,
        json_patch_tests_hold_a_patch_back,
        an_old_patch_does_not_touch_a_new_object_of_the_same_name,
        a_name_is_used_once_at_a_time,
    }
    finalizers::{
        an_object_without_finalizers_goes_at_once,
        an_object_with_finalizers_stays_until_the_last_is_off,
        no_finalizer_is_added_while_an_object_is_being_deleted,
        the_spec_can_be_written_while_an_object_is_being_deleted,
        a_deletion_can_be_tied_to_a_uid_and_a_version,
    }
    status::{
        a_status_is_not_created_with_the_object,
        writes_of_the_object_do_not_touch_the_status,
        writes_of_the_status_touch_nothing_else,
    }
    apply::{
        an_apply_erases_what_it_leaves_out,
        an_apply_of_the_same_changes_nothing,
        an_apply_is_tied_to_a_version_and_force_does_not_loosen_it,
        an_apply_of_what_is_not_there,
        what_another_manager_owns_is_a_conflict_without_force,
        what_another_manager_also_owns_survives,
        what_a_user_wrote_survives_an_apply_that_says_nothing_of_it,
        half_of_what_an_apply_leaves_out_may_stay_and_be_invalid,
        a_patch_of_the_whole_status_leaves_nothing_of_others,
        list_items_are_merged_by_their_key,
        managed_fields_say_who_wrote_what,
        the_spec_can_be_applied,
    }
    watches::{
        a_watch_from_a_list_misses_nothing,
        a_watch_with_a_label_selector_sees_objects_come_and_go,
        a_watch_from_no_version_begins_with_what_is_there,
        a_watch_from_a_forgotten_version_is_told_so,
        bookmarks_say_how_far_a_watch_is,
        a_watcher_lists_and_follows,
    }
    reads::{
        lists_are_sorted_and_selected,
        lists_come_in_chunks_of_one_version,
        metadata_can_be_read_alone,
    }
    schema::{
        defaults_are_filled_in,
        unknown_fields_are_dropped,
        what_the_schema_forbids_is_invalid,
        rules_are_evaluated_with_every_write,
        list_items_have_keys_of_their_own,
        empty_metadata_is_absent,
    }
    others::{
        secrets_are_selected_by_label,
        a_namespace_has_labels_and_is_needed,
        a_namespace_that_ends_takes_all_in_it_along,
        the_definition_says_that_it_is_established,
        events_are_created_and_patched,
        long_notes_of_events_are_refused,
    }
}

/// Runs every case at once, each in a namespace of its own, and panics with the names of those that failed.
pub(crate) async fn run(client: &Client, prefix: &str) {
    let start = |(n, &(name, case)): (usize, &(&'static str, Case))| {
        let (client, namespace) = (client.clone(), format!("{prefix}-{n}"));
        let made = async move {
            let object = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            api::Api::new(&client, &namespace).post("/api/v1/namespaces", &object).await.expect("a namespace");
            case(client, namespace).await;
        };
        (name, tokio::spawn(made))
    };
    let started: Vec<_> = CASES.iter().enumerate().map(start).collect();
    let mut failed = Vec::new();
    for (name, case) in started {
        if let Err(error) = case.await {
            let panic = error.into_panic();
            let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            failed.push(format!("{name}: {}", text.unwrap_or_default()));
        }
    }
    assert!(failed.is_empty(), "{} of {} are not so:\n{}", failed.len(), CASES.len(), failed.join("\n"));
}
