//! `paperspace-operator adopt-manifest`: the resource that equals a machine.

use secrecy::SecretString;

use super::Printed;
use super::account::{client, failed, patiently};
use crate::args::AdoptManifestArgs;
use crate::controller::Stopped;
use crate::crd::minimal;
use crate::lifecycle::manifest::{Manifest, manifest, resource_name};
use crate::paperspace::types::Machine;
use crate::paperspace::{Client, clean_text};

/// Reads the machine, and prints what it is as a resource that adopts it.
pub async fn run(args: AdoptManifestArgs, environment_key: Option<SecretString>) -> Result<Printed, Stopped> {
    let client = client(&args.api, environment_key)?;
    let id = &args.machine;
    let machine = patiently(|| client.machine(id)).await.map_err(|error| {
        let there_is_none = || Stopped::Failed(format!("Paperspace has no machine {id} in this account"));
        if error.is_not_found() { there_is_none() } else { failed(error) }
    })?;
    let private = has_private_network(&client, &machine).await?;
    let Manifest { mut object, left_out } = manifest(&machine, private).map_err(|wrong| {
        Stopped::Failed(format!("machine {id} ({}) cannot be a resource: {}", clean_text(&machine.name), wrong.join("; ")))
    })?;
    // Names are not unique on Paperspace.
    object.metadata.name = Some(match args.name {
        Some(name) => name,
        None => resource_name(&machine, &patiently(|| client.list_machines()).await.map_err(failed)?),
    });
    object.metadata.namespace = args.namespace;
    object.spec.credentials_ref = args.credentials;
    let mut notes: Vec<String> =
        left_out.into_iter().map(|what| format!("machine {id}: {what}; it is left out, and left as it is")).collect();
    if let Some(mark) = object.spec.adopt.as_ref().and_then(|adopt| adopt.replace_mark.as_deref()) {
        notes.push(format!(
            "machine {id} ({}) carries the mark {mark}: it belongs or belonged to a resource elsewhere, which loses it when this manifest is applied (replaceMark)",
            clean_text(&machine.name)
        ));
    }
    let result = minimal::manifest(&object).map_err(|error| Stopped::Failed(format!("the manifest cannot be written as YAML: {error}")))?;
    Ok(Printed { result, notes })
}

/// A region's default network is none that a resource may name: asked about it, the API says null.
async fn has_private_network(client: &Client, machine: &Machine) -> Result<bool, Stopped> {
    let Some(id) = &machine.network_id else { return Ok(false) };
    Ok(patiently(|| client.private_network(id)).await.map_err(failed)?.is_some())
}
