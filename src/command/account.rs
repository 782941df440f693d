//! The account that a key opens.

use std::num::NonZeroU32;
use std::sync::Arc;

use secrecy::SecretString;

use crate::args::ApiArgs;
use crate::controller::Stopped;
use crate::paperspace::budget::Cause;
use crate::paperspace::types::Session;
use crate::paperspace::{Budget, Client, ClientOptions, Error};

/// As often a call is made anew that Paperspace asked to make later.
const PATIENCE: u32 = 4;

/// A client for the key of the file, else of the environment.
pub(super) fn client(args: &ApiArgs, environment_key: Option<SecretString>) -> Result<Client, Stopped> {
    let options = ClientOptions { base_url: args.api_url.clone(), allow_http: args.allow_http, ..ClientOptions::default() };
    options.endpoint().map_err(|e| Stopped::Usage(format!("--api-url: {e}")))?;
    let (key, source) = match &args.api_key_file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| Stopped::Usage(format!("--api-key-file {}: {e}", file.display())))?;
            (SecretString::from(text.trim()), format!("--api-key-file {}", file.display()))
        }
        None => (
            environment_key.ok_or_else(|| Stopped::Usage("there is no API key: set PAPERSPACE_API_KEY, or --api-key-file".to_owned()))?,
            "PAPERSPACE_API_KEY".to_owned(),
        ),
    };
    // The same as the operator's defaults.
    let budget = Budget::new(NonZeroU32::new(5).unwrap_or(NonZeroU32::MIN), NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN));
    Client::new(&options, key, Arc::new(budget)).map_err(|e| Stopped::Usage(format!("{source}: {e}")))
}

/// Who the key is, if that is somebody who sees everything of the team: from what others see nothing may be concluded.
pub(super) async fn admin(client: &Client) -> Result<Session, Stopped> {
    let session = patiently(|| client.session()).await.map_err(failed)?;
    let session = session.ok_or_else(rejected)?;
    if !session.is_admin() {
        return Err(Stopped::Failed(format!(
            "the API key's user is no admin of team {}: who is none does not see all machines, so nothing can be said of those that no resource has. Use an admin's key",
            session.team.id
        )));
    }
    Ok(session)
}

/// Makes a call, and makes it anew when Paperspace asks for that: the budget waits as long as it is told to.
pub(super) async fn patiently<T>(call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut asked = 1;
    loop {
        match call().await {
            Err(Error::Rejected { status: 429, .. }) if asked < PATIENCE => asked += 1,
            Err(Error::NotSent { silence, .. }) if silence.cause == Cause::RateLimited => tokio::time::sleep(silence.retry_after).await,
            answer => return answer,
        }
    }
}

/// A call failed.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: Error) -> Stopped {
    if error.is_unauthorized() { rejected() } else { Stopped::Failed(format!("Paperspace: {error}")) }
}

fn rejected() -> Stopped {
    Stopped::Failed("Paperspace does not accept the API key".to_owned())
}
