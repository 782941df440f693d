//! Names that the operator and its users share.

/// The finalizer that holds a resource until its machine is gone.
pub const FINALIZER: &str = "paperspace-operator.dev/machine";
/// The field manager of everything that the operator writes.
pub const FIELD_MANAGER: &str = "paperspace-operator";
/// Annotation: any new value asks for one look at Paperspace now.
pub const RECONCILE_REQUESTED: &str = "paperspace-operator.dev/reconcile-requested-at";
/// Annotation: any new value asks for one restart of the machine.
pub const RESTART_REQUESTED: &str = "paperspace-operator.dev/restart-requested-at";
/// Annotation written by the operator: `<team>/<machineId>/<mark>`. It lets a restored or copied object be told from a new one;
/// it grants nothing.
pub const ADDRESS_OF_MACHINE: &str = "paperspace-operator.dev/machine";
/// Label that a Secret must carry to be read by the operator, so that creating a resource is no way to read a Secret.
pub const USE_LABEL: &str = "paperspace-operator.dev/use";
/// The label's value for a Secret with an API key.
pub const USE_CREDENTIALS: &str = "credentials";
/// Value of [`USE_LABEL`] on a Secret that may be used as a startup script.
pub const USE_SCRIPT: &str = "script";
