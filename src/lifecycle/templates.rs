//! The template that a machine is made from, by its name, and whether it is offered for the machine's type.
//!
//! A template that was looked up stays: what the name means by then is not asked again, so that a machine that has to be made anew is made
//! from what the first one was made from.

use std::time::Duration;

use crate::crd::TemplateName;
use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::paperspace::types::{AvailableMachineType, CustomTemplate, OsTemplate};

use super::names::region_code;
use super::observe::Listing;
use super::pass::{Flow, Pass};

/// How often it is tried again: nothing tells of a new template.
const AGAIN: Duration = Duration::from_mins(5);

/// Most candidates in a message.
const MOST: usize = 12;

/// Looks the template up, once, and notes it in `status.resolved`; ends the pass where it cannot be used.
pub(super) fn resolve(p: &mut Pass) -> Flow<()> {
    let noted = p.status.resolved.as_ref().and_then(|r| r.template_id.clone());
    let id = match (&p.spec().template_id, &p.spec().template, noted) {
        (Some(id), ..) => id.clone(),
        (None, Some(_), Some(id)) => id,
        (None, Some(name), None) => {
            let id = look_up(p, name)?;
            p.status.resolved.get_or_insert_default().template_id = Some(id.clone());
            id
        }
        (None, None, _) => return Ok(()),
    };
    offered(p, &id)
}

fn look_up(p: &mut Pass, name: &TemplateName) -> Flow<String> {
    // An old list is good enough to find it, not to say that it is not there.
    for since in [p.a_while_ago(), p.just_now()] {
        let found = candidates(p, name, since)?;
        if let [only] = found.as_slice() {
            return Ok(only.id.clone());
        }
        if since == p.just_now() {
            let message = if found.is_empty() {
                let all = all_candidates(p, name, since)?;
                let way_on = "No machine is created: create the resource anew with one of them, since template is fixed";
                format!("{}. {way_on}. There are: {}", missing(name, &p.spec().region), listed(&all))
            } else {
                format!("{} templates are meant by {}: {}. Write the id of one in templateId", found.len(), said(name), listed(&found))
            };
            return Err(p.wait(Because::new(Reason::TemplateNotFound, message), Some(AGAIN)));
        }
    }
    Err(p.wait(Because::new(Reason::TemplateNotFound, missing(name, &p.spec().region)), Some(AGAIN)))
}

/// A template that may be meant.
struct Candidate {
    id: String,
    words: String,
}

fn os(t: &OsTemplate) -> Candidate {
    Candidate { id: t.id.clone(), words: format!("{} ({}, {})", t.id, t.operating_system_label, t.name) }
}

fn custom(t: &CustomTemplate) -> Candidate {
    Candidate { id: t.id.clone(), words: format!("{} ({})", t.id, t.name) }
}

/// What the name fits. The label of an operating system is compared without its case; where no label is equal, the template's own name is
/// compared: the older API called that its label.
fn candidates(p: &mut Pass, name: &TemplateName, since: Duration) -> Flow<Vec<Candidate>> {
    if let Some(wanted) = &name.custom_name {
        let region = p.spec().region.clone();
        let list = p.listing(Listing::CustomTemplates, since, |f| &f.custom_templates)?;
        return Ok(list.items.iter().filter(|t| usable(t, &region) && t.name == *wanted).map(custom).collect());
    }
    let wanted = name.os_label.as_deref().unwrap_or_default().trim();
    let list = p.listing(Listing::OsTemplates, since, |f| &f.os_templates)?;
    let by = |says: fn(&OsTemplate) -> &str| -> Vec<Candidate> {
        list.items.iter().filter(|t| says(t).trim().eq_ignore_ascii_case(wanted)).map(os).collect()
    };
    let by_label = by(|t| &t.operating_system_label);
    Ok(if by_label.is_empty() { by(|t| &t.name) } else { by_label })
}

fn all_candidates(p: &mut Pass, name: &TemplateName, since: Duration) -> Flow<Vec<Candidate>> {
    if name.custom_name.is_some() {
        let region = p.spec().region.clone();
        let list = p.listing(Listing::CustomTemplates, since, |f| &f.custom_templates)?;
        return Ok(list.items.iter().filter(|t| usable(t, &region)).map(custom).collect());
    }
    let list = p.listing(Listing::OsTemplates, since, |f| &f.os_templates)?;
    Ok(list.items.iter().map(os).collect())
}

/// Custom templates are bound to a region.
fn usable(template: &CustomTemplate, region: &str) -> bool {
    template.dt_deleted.is_none() && region_code(&template.region) == region_code(region)
}

fn said(name: &TemplateName) -> String {
    match (&name.os_label, &name.custom_name) {
        (Some(label), _) => format!("osLabel {label:?}"),
        (None, Some(custom)) => format!("customName {custom:?}"),
        (None, None) => "no name".to_owned(),
    }
}

fn missing(name: &TemplateName, region: &str) -> String {
    match &name.custom_name {
        Some(_) => format!("the team has no template with {} in {region}", said(name)),
        None => format!("Paperspace has no template with {}", said(name)),
    }
}

fn listed(candidates: &[Candidate]) -> String {
    let mut words: Vec<&str> = candidates.iter().take(MOST).map(|c| c.words.as_str()).collect();
    if candidates.len() > MOST {
        words.push("...");
    }
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}

/// Whether the template is offered for the machine's type. What is in no list, what lists no types, and what cannot be listed, Paperspace
/// decides. What it means that a type is listed as not available is not documented: it forbids nothing.
fn offered(p: &mut Pass, id: &str) -> Flow<()> {
    let wanted = &p.spec().machine_type;
    let lacks =
        |types: &[AvailableMachineType]| !types.is_empty() && !types.iter().any(|t| t.machine_type_label.eq_ignore_ascii_case(wanted));
    for since in [p.a_while_ago(), p.just_now()] {
        let types = types_of(p, id, since)?;
        if !lacks(&types) {
            return Ok(());
        }
        if since == p.just_now() {
            let labels: Vec<&str> = types.iter().take(60).map(|t| t.machine_type_label.as_str()).collect();
            let message = format!("template {id} is not offered for machine type {wanted}, only for {}", labels.join(", "));
            let message = format!("{message}. No machine is created: write another machineType");
            return Err(p.wait(Because::new(Reason::MachineTypeNotOffered, message), Some(AGAIN)));
        }
    }
    Ok(())
}

fn types_of(p: &mut Pass, id: &str, since: Duration) -> Flow<Vec<AvailableMachineType>> {
    let of_paperspace = p.listing_if_any(Listing::OsTemplates, since, |f| &f.os_templates)?;
    if let Some(template) = of_paperspace.ok().and_then(|list| list.items.iter().find(|t| t.id == id)) {
        return Ok(template.available_machine_types.clone());
    }
    let of_team = p.listing_if_any(Listing::CustomTemplates, since, |f| &f.custom_templates)?;
    let template = of_team.ok().and_then(|list| list.items.iter().find(|t| t.id == id));
    Ok(template.map(|t| t.available_machine_types.clone()).unwrap_or_default())
}
