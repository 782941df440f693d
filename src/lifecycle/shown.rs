//! What others wrote, made fit to be shown: names, words and errors of Paperspace are free text, and may be long, or turn and hide text.

use crate::crd::PaperspaceMachineStatus;
use crate::paperspace::clean_text;

/// Cleans every text of the status that is only there to be read. What is compared with Paperspace stays as it is.
pub(super) fn clean(status: &mut PaperspaceMachineStatus) {
    let PaperspaceMachineStatus { machine_name, state, public_ip, private_ip, network_id, os, agent_type, .. } = status;
    let words = [machine_name, state, public_ip, private_ip, network_id, os, agent_type].into_iter().flatten();
    let desktop = status.desktop.iter_mut().map(|desktop| &mut desktop.host);
    let snapshot = status.snapshots.iter_mut().filter_map(|snapshots| snapshots.newest_id.as_mut());
    let accelerators = status.hardware.iter_mut().flat_map(|hardware| &mut hardware.accelerators);
    let drift = status.drift.iter_mut().flat_map(|drift| [&mut drift.desired, &mut drift.observed]);
    let messages = status.conditions.iter_mut().map(|condition| &mut condition.message);
    let refusal = status.creation.iter_mut().filter_map(|creation| creation.message.as_mut());
    let error = status.operation.iter_mut().filter_map(|operation| operation.error.as_mut());
    let resize = status.resize_refused.iter_mut().map(|refused| &mut refused.message);
    for text in
        words.chain(desktop).chain(snapshot).chain(accelerators).chain(drift).chain(messages).chain(refusal).chain(error).chain(resize)
    {
        *text = clean_text(text);
    }
}
