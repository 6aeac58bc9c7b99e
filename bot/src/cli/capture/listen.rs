//! `antiphon capture --listen`: other processes push sound, several speakers at once.
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use antiphon_core::time::{Clock, WallClock};
use anyhow::Context;
use capture::mirror::{Limits, Roster};
use orchestrator::session::SessionHandle;
use tokio_util::sync::CancellationToken;

use super::{Args, settle, start, whole};
use crate::app::App;
use crate::mirror::{Address, ListenError, Listener, Options, Room};
use crate::output::{line, progress};
use crate::settings::Settings;
use crate::signals::Signals;

/// Listens before anything else is built, so that a wrong address or a missing token is reported at once.
pub(super) async fn bind(
    address: &Address,
    args: &Args,
    settings: &Settings,
) -> Result<Listener, ListenError> {
    let limits = Limits { idle: Duration::from_secs(args.idle), ..Limits::default() };
    let connections = args.connections.into();
    let options = Options { limits, connections, token: settings.mirror_token.clone() };
    Listener::bind(address, options).await
}

pub(super) async fn record(app: &Arc<App>, args: &Args, listener: Listener) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock::default());
    let mut signals = Signals::follow();
    let session = start(app, &args.out, 1, clock.clone(), Vec::new()).await?;
    let roster = Roster::new(args.speakers.into(), Duration::from_secs(args.grace));
    let room = Arc::new(Room::new(Arc::new(session.clone()), clock, roster));
    progress(format!("listening on {}", listener.address()));
    let stop = CancellationToken::new();
    let serving = tokio::spawn(listener.serve(room.clone(), stop.clone()));
    let reporting = tokio::spawn(report(session.clone()));
    tokio::select! {
        signal = signals.next() => progress(format!("{signal}: ending (again to cut the last turn)")),
        () = room.deserted(), if args.once => progress("everybody left: ending"),
        _ = session.wait() => {}
    }
    stop.cancel();
    // Senders get their goodbye first: nothing comes any more while the last turn is answered.
    serving.await?;
    tokio::select! {
        () = settle(&session, 1) => {}
        signal = signals.next() => progress(format!("{signal}: the last turn is cut")),
    }
    reporting.abort();
    let ended = session.end("mirroring ended").await.context("the session did not end")?;
    whole(&ended)?;
    let lost = match ended.status.dropped {
        0 => String::new(),
        dropped => format!(", {dropped} pieces of sound dropped"),
    };
    line(format!("{}: {} turns{lost}", args.out.display(), ended.status.turns));
    Ok(ExitCode::SUCCESS)
}

/// Reports how many speakers are here, and how many turns there were.
async fn report(session: SessionHandle) {
    let mut status = session.watch();
    let mut reported = (0, 0);
    while status.changed().await.is_ok() {
        let here = session.roster().iter().filter(|(member, _)| !member.bot).count();
        let now = (here, status.borrow_and_update().turns);
        if now != reported {
            reported = now;
            progress(format!("{here} speakers here, {} turns", now.1));
        }
    }
}
