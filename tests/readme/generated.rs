//! The tables that the code writes: `UPDATE_README=1 cargo test --test readme`.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use paperspace_operator::args::Args;
use paperspace_operator::crd::reason;

use super::{readme, top};

#[test]
fn the_tables_are_what_the_code_says() {
    let old = readme();
    let mut new = old.clone();
    for subcommand in ["run", "orphans", "adopt-manifest", "log", "simulate"] {
        new = with(&new, &format!("flags of {subcommand}"), &flags(subcommand));
    }
    new = with(&new, "reasons", &reason::markdown_table());
    if new == old {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_README").is_some(),
        "write the tables of README.md anew with: UPDATE_README=1 cargo test --test readme"
    );
    std::fs::write(top().join("README.md"), new).unwrap();
}

fn with(text: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- generated: {name} -->\n");
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("README.md has no {begin}"));
    let (_, after) = rest.split_once("<!-- end -->").unwrap_or_else(|| panic!("{begin} has no end"));
    format!("{before}{begin}{table}<!-- end -->{after}")
}

fn flags(subcommand: &str) -> String {
    let command = Args::command();
    let command = command.find_subcommand(subcommand).unwrap();
    let of_run = |flag: &str| subcommand != "run" && ["api-url", "allow-http", "api-key-file"].contains(&flag);
    let mut table = String::from("| flag | environment | default | what |\n|---|---|---|---|\n");
    for argument in
        command.get_arguments().filter(|a| !a.is_positional() && !a.is_hide_set() && !["help", "version"].contains(&a.get_id().as_str()))
    {
        let default =
            argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect::<Vec<_>>().join(" ");
        let (flag, environment) = (argument.get_long().unwrap(), argument.get_env().unwrap().to_string_lossy());
        if of_run(flag) {
            continue;
        }
        // Switches have a default too, which says nothing.
        let default = if argument.get_action().takes_values() { default } else { String::new() };
        let help = argument.get_help().unwrap().to_string().replace('|', "\\|");
        let _ = writeln!(table, "| `--{flag}` | `{environment}` | {default} | {help} |");
    }
    table
}
