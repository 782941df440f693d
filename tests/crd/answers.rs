//! The table answered locally, and the table's completeness.

use std::collections::BTreeSet;

use super::schema::{constraints, violations};
use super::table::{Case, cases};

/// What the local answer has against the table's: nothing, or a sentence.
fn disagreement(case: &Case) -> Option<String> {
    let found = violations(&case.new, case.old.as_ref());
    let Some(with) = &case.refused_with else {
        return (!found.is_empty()).then(|| format!("{}: refused: {found:?}", case.name));
    };
    if found.is_empty() {
        return Some(format!("{}: accepted", case.name));
    }
    let elsewhere = found.iter().any(|violation| !violation.constraint.starts_with(&case.covers));
    let worded = found.iter().any(|violation| violation.message.contains(with.as_str()));
    (elsewhere || !worded).then(|| format!("{}: refused for something else, or in other words: {found:?}", case.name))
}

#[test]
fn every_case_is_answered_as_the_table_says() {
    let wrong: Vec<String> = cases().iter().filter_map(disagreement).collect();
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_constraint_has_an_accepted_and_a_refused_case() {
    let all = constraints();
    let (accepted, refused): (Vec<Case>, Vec<Case>) = cases().into_iter().partition(|case| case.refused_with.is_none());
    let uncovered = |side: &[Case]| -> Vec<String> {
        all.iter().filter(|constraint| !side.iter().any(|case| constraint.starts_with(&case.covers))).cloned().collect()
    };
    assert_eq!(uncovered(&accepted), Vec::<String>::new(), "no accepted case covers these");
    assert_eq!(uncovered(&refused), Vec::<String>::new(), "no refused case covers these");
}

#[test]
fn a_refused_case_is_about_one_constraint() {
    let all = constraints();
    for case in cases().iter().filter(|case| case.refused_with.is_some() && !case.covers.ends_with(":type")) {
        let covered: Vec<&String> = all.iter().filter(|constraint| constraint.starts_with(&case.covers)).collect();
        assert_eq!(covered.len(), 1, "{} covers {covered:?}", case.name);
    }
}

#[test]
fn cases_have_names_of_their_own() {
    let cases = cases();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
}

/// A rule's message is the whole answer that a person gets: it says what to write, not only what is wrong.
#[test]
fn every_rule_says_what_to_do() {
    let doing = ["write ", "set ", "add ", "put back ", "name ", "change it ", "leave "];
    for constraint in constraints().iter().filter(|constraint| constraint.contains(":cel:")) {
        assert!(doing.iter().any(|word| constraint.contains(word)), "{constraint}");
    }
}
