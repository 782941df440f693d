//! `paperspace-operator orphans`: what the account has that no resource of this cluster has.

use std::fmt::Write as _;

use secrecy::SecretString;
use serde_json::json;

use super::account::{admin, client, failed, patiently};
use super::{Printed, table};
use crate::args::{OrphansArgs, Output};
use crate::controller::{Stopped, all_resources, kube_client};
use crate::lifecycle::decimal;
use crate::lifecycle::orphans::{self, Kind, Living, Orphan, Why};
use crate::paperspace::types::{Machine, PublicIp, StartupScript};
use crate::paperspace::{Client, clean_text};

/// Reads everything, concludes, prints. What cannot be read is an error: nothing is called an orphan for it.
pub async fn run(args: OrphansArgs, environment_key: Option<SecretString>) -> Result<Printed, Stopped> {
    let client = client(&args.api, environment_key)?;
    let kubernetes = kube_client().await?;
    let team = admin(&client).await?.team.id;
    // Resources come before their machines and go after them, so whoever was there before or after the lists may have made what they show.
    let mut living = Living::default();
    see(&kubernetes, &mut living).await?;
    let (machines, scripts, addresses) = stock(&client).await?;
    let resources = see(&kubernetes, &mut living).await?;
    let cluster = args.cluster_id.as_deref();
    let mut found = orphans::machines(&machines, &living, cluster);
    found.extend(orphans::scripts(&scripts, &living, cluster));
    found.extend(orphans::addresses(&addresses, &machines, &living));
    found.retain(|orphan| args.why.is_empty() || args.why.contains(&orphan.why));
    let result = match args.output {
        Output::Table => in_a_table(&found, resources),
        Output::Json => in_json(&found, client.endpoint(), &team, resources),
        Output::Ids => found.iter().filter(|o| o.kind == Kind::Machine).fold(String::new(), |all, o| all + &o.id + "\n"),
    };
    let nothing = (resources == 0).then(|| "this cluster has no PaperspaceMachine at all: is it the right one?".to_owned());
    Ok(Printed { result, notes: nothing.into_iter().collect() })
}

/// Adds all resources, and says how many there are.
async fn see(kubernetes: &kube::Client, living: &mut Living) -> Result<usize, Stopped> {
    let resources = all_resources(kubernetes).await.map_err(|error| Stopped::Failed(format!("Kubernetes: {error}")))?;
    living.extend(Living::of(&resources));
    Ok(resources.len())
}

async fn stock(client: &Client) -> Result<(Vec<Machine>, Vec<StartupScript>, Vec<PublicIp>), Stopped> {
    Ok((
        patiently(|| client.list_machines()).await.map_err(failed)?,
        patiently(|| client.startup_scripts()).await.map_err(failed)?,
        patiently(|| client.public_ips()).await.map_err(failed)?,
    ))
}

fn count(found: &[Orphan], kind: Kind) -> usize {
    found.iter().filter(|orphan| orphan.kind == kind).count()
}

fn in_json(found: &[Orphan], endpoint: &str, team: &str, resources: usize) -> String {
    let (rate, of_those_off) = orphans::hourly_rates(found);
    let value = json!({
        "account": {"endpoint": endpoint, "team": team},
        "resources": resources,
        "orphans": found,
        "total": {
            "machines": count(found, Kind::Machine), "scripts": count(found, Kind::Script), "addresses": count(found, Kind::Address),
            "hourlyRateUSD": rate, "hourlyRateUSDOfMachinesOff": of_those_off,
        },
    });
    format!("{value:#}\n")
}

const HEADER: [&str; 9] = ["KIND", "ID", "NAME", "WHY", "TYPE", "REGION", "STATE", "USD/H", "CREATED"];

fn in_a_table(found: &[Orphan], resources: usize) -> String {
    let or_none = |text: Option<&str>| text.map(clean_text).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".to_owned());
    let row = |o: &Orphan| {
        [
            o.kind.as_str().to_owned(),
            or_none(Some(&o.id)),
            or_none(Some(&o.name)),
            o.why.as_str().to_owned(),
            or_none(o.machine_type.as_deref()),
            or_none(o.region.as_deref()),
            or_none(o.state.as_deref()),
            or_none(o.hourly_rate.map(decimal).as_deref()),
            or_none(o.created_at.map(|at| at.strftime("%Y-%m-%d").to_string()).as_deref()),
        ]
    };
    let mut text = table::aligned(&HEADER, found.iter().map(row));
    let (rate, of_those_off) = orphans::hourly_rates(found);
    let (machines, scripts, addresses) = (count(found, Kind::Machine), count(found, Kind::Script), count(found, Kind::Address));
    let _ = writeln!(
        text,
        "total: {}, {} USD/h ({} of it of machines that are off), {}, {}",
        counted(machines, "machine", "machines"),
        decimal(rate),
        decimal(of_those_off),
        counted(scripts, "script", "scripts"),
        counted(addresses, "address", "addresses")
    );
    let _ = writeln!(text, "\nCompared with {} of this cluster.", counted(resources, "resource", "resources"));
    let _ = writeln!(text, "USD/H is what Paperspace states for an hour of use; a machine that is off still costs its disk.");
    if addresses > 0 {
        let _ = writeln!(text, "A static address is documented at 3 USD a month.");
    }
    for why in Why::ALL.into_iter().filter(|why| found.iter().any(|orphan| orphan.why == *why)) {
        let _ = writeln!(text, "{}: {}", why.as_str(), explained(why));
    }
    text
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn explained(why: Why) -> &'static str {
    match why {
        Why::Unmarked => "carries no operator's mark: made by hand.",
        Why::Marked => "an operator made or adopted it, and no resource here has it: its resource is gone, or is in another cluster.",
        Why::OtherCluster => "an operator made or adopted it under another --cluster-id, or under none: probably another cluster's.",
        Why::Unassigned => "no machine has the address.",
    }
}
