//! The state file: the whole world as JSON.
//!
//! Keys and scripts are in it, in clear: it is for tests and development. Faults are not.

use std::io;
use std::path::Path;

use super::world::World;

/// The world of the last run; none where there is no file yet.
pub(super) fn load(path: &Path) -> io::Result<Option<World>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes beside the file and renames, so that the file is whole at any moment.
pub(super) fn save(path: &Path, world: &World) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    // Not synced: a killed process loses nothing, and a machine that loses its power is not what this is for.
    std::fs::write(&beside, serde_json::to_vec(world)?)?;
    std::fs::rename(&beside, path)
}
