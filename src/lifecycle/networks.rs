//! The private network that the spec names.
//!
//! What a name means is looked up once and kept while the name is the same: renaming a network on Paperspace moves no machine.

use std::time::Duration;

use crate::crd::CreationOutcome;
use crate::crd::conditions::Because;
use crate::crd::reason::Reason;
use crate::paperspace::Error;
use crate::paperspace::types::PrivateNetwork;

use super::desired;
use super::looks::trouble_with;
use super::names::region_code;
use super::observe::Listing;
use super::pass::{Flow, Pass};
use super::step::StepKind;

/// How often it is tried again: nothing tells of a new network.
const AGAIN: Duration = Duration::from_mins(5);

/// Most candidates in a message.
const MOST: usize = 12;

/// Looks the network up and notes it in `status.resolved`; ends the pass where there is none to create a machine in.
pub(super) fn resolve(p: &mut Pass) -> Flow<()> {
    let problem = match p.spec().network_id.clone() {
        Some(id) => Ok(elsewhere(p, &id)?),
        None => named(p)?,
    };
    match problem {
        Ok(None) => Ok(()),
        Ok(Some(because)) => Err(p.wait(because, Some(AGAIN))),
        Err(error) => Err(p.look_failed(error)),
    }
}

/// Whether the name means another network by now than the one that was asked for when Paperspace refused to create the machine, or none.
pub(super) fn means_another(p: &mut Pass) -> Flow<bool> {
    let id = |p: &Pass| desired::network_id(p.spec(), &p.status);
    let Some(sent) = id(p).filter(|_| p.spec().network_id.is_none()) else { return Ok(false) };
    Ok(match named(p)? {
        Ok(None) => id(p) != Some(sent),
        Ok(Some(_)) => true,
        Err(_) => false,
    })
}

/// The same for a machine that exists: what is wrong is for `Synced` to say, and stops nothing else.
pub(super) fn follow(p: &mut Pass) -> Flow<Option<Because>> {
    if p.observes() || p.spec().network_id.is_some() {
        return Ok(None);
    }
    let problem = named(p)?.unwrap_or_else(|error| Some(trouble_with(error)));
    if problem.is_some() {
        p.again(AGAIN);
    }
    Ok(problem)
}

/// What is wrong with the name, if anything is, or why that cannot be told.
fn named<'a>(p: &mut Pass<'a>) -> Flow<Result<Option<Because>, &'a Error>> {
    let Some(name) = p.spec().network_name.clone() else { return Ok(Ok(None)) };
    let known = p.status.resolved.as_ref().is_some_and(|r| r.network_name.as_deref() == Some(&name) && r.network_id.is_some());
    // A network that was deleted and made anew has another id: what Paperspace refuses is looked up again.
    let created = p.status.machine_id.is_some();
    let refused = if created {
        // One list for each refusal: later passes find it.
        p.memory.troubles.get(&StepKind::Update).filter(|t| t.error.is_refusal()).map(|t| t.at)
    } else {
        p.status.creation.as_ref().filter(|c| c.outcome == CreationOutcome::Refused).map(|_| p.just_now())
    };
    if known && refused.is_none() {
        return Ok(Ok(None));
    }
    let first = refused.unwrap_or_else(|| p.a_while_ago());
    for since in [first, p.just_now()] {
        let found = match p.listing_if_any(Listing::Networks, since, |f| &f.networks)? {
            Ok(list) => list.items.clone(),
            // What was known stays.
            Err(error) => return Ok(if known { Ok(None) } else { Err(error) }),
        };
        let region = p.spec().region.clone();
        let here: Vec<&PrivateNetwork> =
            found.iter().filter(|n| n.dt_deleted.is_none() && region_code(&n.region) == region_code(&region)).collect();
        let meant: Vec<&PrivateNetwork> = here.iter().copied().filter(|n| n.name == name).collect();
        if let [only] = meant.as_slice() {
            let resolved = p.status.resolved.get_or_insert_default();
            (resolved.network_name, resolved.network_id) = (Some(name), Some(only.id.clone()));
            return Ok(Ok(None));
        }
        if since == p.just_now() {
            // One that was known stays while there is a machine: nothing is taken back for a list.
            let message = if meant.is_empty() {
                format!("the team has no private network named {name:?} in {region}. There are: {}", listed(&here))
            } else {
                format!(
                    "{} private networks in {region} are named {name:?}: {}. Write the id of one in networkId",
                    meant.len(),
                    listed(&meant)
                )
            };
            return Ok(Ok((!(known && created)).then(|| Because::new(Reason::NetworkNotFound, message))));
        }
    }
    Ok(Ok(None))
}

/// A network of another region cannot have the machine. One that is in no list, such as a region's default one, and one that cannot be
/// listed, Paperspace decides about.
fn elsewhere(p: &mut Pass, id: &str) -> Flow<Option<Because>> {
    let Ok(networks) = p.listing_if_any(Listing::Networks, p.a_while_ago(), |f| &f.networks)? else { return Ok(None) };
    let region = region_code(&p.spec().region);
    let here = |n: &&PrivateNetwork| region_code(&n.region) == region;
    let mut rows = networks.items.iter().filter(|n| n.id == id);
    let elsewhere = if rows.clone().any(|n| here(&n)) { None } else { rows.next() };
    Ok(elsewhere.map(|n| {
        let message = format!("private network {id} ({}) is in {}, the machine in {region}", n.name, region_code(&n.region));
        Because::new(Reason::NetworkNotFound, message)
    }))
}

fn listed(networks: &[&PrivateNetwork]) -> String {
    let mut words: Vec<String> = networks.iter().take(MOST).map(|n| format!("{} ({})", n.id, n.name)).collect();
    if networks.len() > MOST {
        words.push("...".to_owned());
    }
    if words.is_empty() { "none".to_owned() } else { words.join("; ") }
}
