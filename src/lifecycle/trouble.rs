//! Why Paperspace creates or starts no machine: told apart by its words, and where they say nothing by what is known of the account.
//!
//! Neither status nor text of these refusals is documented, so nothing is ever held back on a guess: only what Paperspace has refused gets
//! one of these reasons, whose messages quote it. What fits nothing is `CreateRejected`.

use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::paperspace::Error;

use super::observe::{KeySource, Question, Quota};
use super::pass::{Flow, Pass};

/// Types that are not offered everywhere, with the regions that have them, by the documentation's table of 2026. Types come and go: this
/// explains a refusal, and forbids nothing.
const REGIONS: &[(&str, &[&str])] = &[
    ("GPU+", &["NY2", "AMS1"]),
    ("A5000", &["NY2", "CA1"]),
    ("A6000", &["NY2", "CA1"]),
    ("V100-32G", &["NY2"]),
    ("V100", &["NY2", "AMS1"]),
    ("P5000", &["NY2", "CA1", "AMS1"]),
    ("RTX5000", &["NY2"]),
    ("A100-80G", &["NY2"]),
    ("A100", &["NY2"]),
    ("H100", &["NY2"]),
];

/// The reasons that a refused create can have; what is in the status is read back as one of them.
const OF_CREATE: [Reason; 6] = [
    Reason::QuotaReached,
    Reason::AccountNotInGoodStanding,
    Reason::MachineTypeNotApproved,
    Reason::MachineTypeNotInRegion,
    Reason::OutOfCapacity,
    Reason::CreateRejected,
];

/// The reason that was written down with a refusal.
pub(super) fn written(reason: Option<&str>) -> Reason {
    OF_CREATE.into_iter().find(|r| Some(r.as_str()) == reason).unwrap_or(Reason::CreateRejected)
}

/// Where the documentation says that a type is offered, if it says so: `H100x8` is where `H100` is.
pub(super) fn regions_of(machine_type: &str) -> Option<&'static [&'static str]> {
    let count = |tail: &str| tail.strip_prefix(['x', 'X']).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let fits = |label: &str| {
        machine_type.get(..label.len()).is_some_and(|head| head.eq_ignore_ascii_case(label))
            && (machine_type.len() == label.len() || count(&machine_type[label.len()..]))
    };
    REGIONS.iter().find(|(label, _)| fits(label)).map(|(_, regions)| *regions)
}

/// Whether the documentation says that the region does not have the type.
pub(super) fn never_in(machine_type: &str, region: &str) -> Option<String> {
    let regions = regions_of(machine_type).filter(|regions| !regions.contains(&region))?;
    Some(format!("By Paperspace's documentation {machine_type} is offered in {} only", regions.join(" and ")))
}

/// What a refused create means.
pub(super) fn of_create(p: &mut Pass, error: &Error) -> Flow<Because> {
    let reason = match by_words(error, &p.spec().region) {
        Some(reason) => reason,
        None => by_facts(p, error, true)?.unwrap_or(Reason::CreateRejected),
    };
    if reason == Reason::QuotaReached {
        count_anew(p)?;
    }
    Ok(said(p, reason, error))
}

/// What a refused start means, if it is about the account, the type or the capacity: a machine that is there counts in no quota.
pub(super) fn of_start(p: &mut Pass, error: &Error) -> Flow<Option<Because>> {
    let reason = match by_words(error, &p.spec().region) {
        Some(Reason::QuotaReached) => None,
        Some(reason) => Some(reason),
        None => by_facts(p, error, false)?,
    };
    Ok(reason.map(|reason| said(p, reason, error)))
}

/// How many machines there may be, and are by now: a session may be old, and of those who waited for room one may have got it.
fn count_anew(p: &mut Pass) -> Flow<()> {
    let _ = p.try_key(KeySource::Own, true)?;
    let begun_after = p.just_now();
    match &p.o.facts.list {
        Some(Ok(list)) if list.began >= begun_after => Ok(()),
        Some(Err(_)) => Ok(()),
        _ => Err(p.ask(Question::List { begun_after })),
    }
}

/// The reason in words for a person, with Paperspace's.
fn said(p: &Pass, reason: Reason, error: &Error) -> Because {
    let (label, region) = (&p.spec().machine_type, &p.spec().region);
    let words = error.to_string();
    let what = match reason {
        Reason::QuotaReached => match p.o.quota.max {
            Some(max) => format!(
                "the team may have {max} machines and has {}: destroy one, or ask Paperspace for a higher limit",
                p.o.quota.machines
            ),
            None => "the team has as many machines as it may: destroy one, or ask Paperspace for a higher limit".to_owned(),
        },
        Reason::AccountNotInGoodStanding => standing(p),
        Reason::MachineTypeNotApproved => format!(
            "the team needs Paperspace's approval for {label}: ask for it in the console (it takes one to two business days), or take another machineType"
        ),
        Reason::MachineTypeNotInRegion => match regions_of(label) {
            Some(regions) => format!(
                "{region} does not have {label}, by Paperspace's documentation {} do: take another region or machineType",
                regions.join(", ")
            ),
            None => format!("{region} does not have {label}: take another region or machineType"),
        },
        Reason::OutOfCapacity => {
            format!("Paperspace has no {label} free in {region}; it is tried again. Another machineType or region may have some")
        }
        _ => match recorded_template(p).filter(|_| words.to_ascii_lowercase().contains("template")) {
            Some(id) => {
                return Because::new(
                    reason,
                    format!(
                        "{words}. spec.template was found to mean template {id} (status.resolved.templateId) and goes on meaning it: if that \
                         template is gone, delete this resource and create it anew"
                    ),
                );
            }
            None => return Because::new(reason, words),
        },
    };
    Because::new(reason, format!("{what}. Paperspace says: {words}"))
}

/// The template that was found by its name.
fn recorded_template<'p>(p: &'p Pass) -> Option<&'p str> {
    p.spec().template.as_ref()?;
    p.status.resolved.as_ref()?.template_id.as_deref()
}

fn standing(p: &Pass) -> String {
    let answer = p.o.facts.standing.as_ref().and_then(|a| a.as_ref().ok()).and_then(Option::as_ref);
    let messages = answer.map(|s| s.messages.join("; ")).filter(|m| !m.is_empty());
    let what = "Paperspace does nothing for this account before something is settled: see billing in its console";
    messages.map_or_else(|| what.to_owned(), |messages| format!("{what} ({messages})"))
}

fn by_words(error: &Error, region: &str) -> Option<Reason> {
    let Error::Rejected { status, message, .. } = error else { return None };
    let text = message.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["approval", "not approved", "unapproved", "request access"]) {
        Some(Reason::MachineTypeNotApproved)
    } else if says(&["quota", "limit of", "machine limit", "maximum number", "limit reached", "too many machines"]) {
        Some(Reason::QuotaReached)
    } else if *status == 402 || says(&["payment", "billing", "good standing", "past due", "suspended", "credit card", "locked"]) {
        Some(Reason::AccountNotInGoodStanding)
    } else if says(&["capacity", "out of stock", "sold out"]) {
        Some(Reason::OutOfCapacity)
    } else if says(&["not available in", "not offered in", "not supported in"]) && names_region(&text, region) {
        Some(Reason::MachineTypeNotInRegion)
    } else {
        None
    }
}

fn names_region(text: &str, region: &str) -> bool {
    let region = region.to_ascii_lowercase();
    text.contains("region") || text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == region)
}

/// What is known of the account may explain a refusal whose words say nothing. One of the request itself is explained by nothing of the kind.
fn by_facts(p: &mut Pass, error: &Error, creates: bool) -> Flow<Option<Reason>> {
    if !matches!(error, Error::Rejected { status: 403 | 405 | 412 | 413 | 415, .. }) {
        return Ok(None);
    }
    if creates {
        count_anew(p)?;
    }
    let Quota { machines, max } = p.o.quota;
    if creates && max.is_some_and(|max| machines >= max) {
        return Ok(Some(Reason::QuotaReached));
    }
    if in_bad_standing(p)? {
        return Ok(Some(Reason::AccountNotInGoodStanding));
    }
    match &p.o.facts.available {
        None => Err(p.ask(Question::Availability)),
        Some(Ok(false)) if never_in(&p.spec().machine_type, &p.spec().region).is_some() => Ok(Some(Reason::MachineTypeNotInRegion)),
        Some(Ok(false)) => Ok(Some(Reason::OutOfCapacity)),
        Some(Ok(true) | Err(_)) => Ok(None),
    }
}

/// Whether Paperspace says that it does nothing for the account. No answer says nothing.
fn in_bad_standing(p: &mut Pass) -> Flow<bool> {
    match &p.o.facts.standing {
        None => Err(p.ask(Question::Standing)),
        Some(Ok(Some(standing))) => Ok(!standing.is_in_good_standing || standing.is_admin_locked),
        Some(Ok(None) | Err(_)) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, message: &str) -> Error {
        let (code, message) = ("FORBIDDEN".to_owned(), message.to_owned());
        Error::Rejected { route: "POST /machines", status, code, message, from_api: true, retry_after: None }
    }

    #[test]
    fn paperspaces_words_tell_refusals_apart() {
        let rows = [
            (403, "Your team needs approval to use H100.", Some(Reason::MachineTypeNotApproved)),
            (403, "H100 is not approved for your account, request access first", Some(Reason::MachineTypeNotApproved)),
            (403, "Your team has reached its limit of 5 machines.", Some(Reason::QuotaReached)),
            (400, "Machine quota exceeded", Some(Reason::QuotaReached)),
            (402, "Please pay", Some(Reason::AccountNotInGoodStanding)),
            (403, "Your account is past due. Update your billing details.", Some(Reason::AccountNotInGoodStanding)),
            (400, "There is no capacity for A100 now", Some(Reason::OutOfCapacity)),
            (400, "Machine type H100 is not available in ca1.", Some(Reason::MachineTypeNotInRegion)),
            (400, "Machine type H100 is not available in Ubuntu 20.04 Desktop.", None),
            (404, "Template t1 was not found.", None),
            (403, "no", None),
        ];
        for (status, message, reason) in rows {
            assert_eq!(by_words(&refused(status, message), "CA1"), reason, "{message}");
        }
        let lost = Error::Transport { route: "POST /machines", maybe_sent: false, message: "quota".to_owned() };
        assert_eq!(by_words(&lost, "CA1"), None, "only Paperspace's own words count");
    }

    #[test]
    fn the_documented_regions_explain_and_a_new_type_is_in_none() {
        assert_eq!(regions_of("H100x8"), Some(&["NY2"][..]));
        assert_eq!(regions_of("a100-80gx8"), Some(&["NY2"][..]));
        assert_eq!(regions_of("A100x8"), regions_of("A100"));
        for unknown in ["C5", "H1000", "H200", "A100-160G", "H100x", "H100-x8", "ä"] {
            assert_eq!(regions_of(unknown), None, "{unknown}");
        }
        assert!(never_in("H100", "CA1").is_some_and(|m| m.contains("NY2")));
        assert_eq!(never_in("H100", "NY2"), None);
    }

    #[test]
    fn a_reason_is_read_back_from_the_status() {
        for reason in OF_CREATE {
            assert_eq!(written(Some(reason.as_str())), reason);
        }
        assert_eq!(written(Some("Running")), Reason::CreateRejected);
        assert_eq!(written(None), Reason::CreateRejected);
    }
}
