//! Lets time pass in all calls, as their deadlines come.
use std::sync::Arc;

use crate::hub::Hub;

/// Runs for as long as the simulation does.
pub(crate) async fn run(hub: Arc<Hub>) {
    loop {
        let deadline = hub.voice.deadline();
        let sleep = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hub.voice.changed() => {}
            () = sleep => {
                for (user, token) in hub.voice.tick(&hub) {
                    hub.lapse_voice(user, &token);
                }
            }
        }
    }
}
