//! Faults.
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use super::reply::{Reply, done};
use crate::faults::{DaveFault, LinkFaults};
use crate::ids::{ChannelId, UserId};
use crate::sim::Handle;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Set {
    channel: Option<ChannelId>,
    sender: Option<UserId>,
    receiver: Option<UserId>,
    faults: LinkFaults,
}

/// `PUT /sim/faults`: for a channel, a sender, a receiver; with none of them, for the voice channel.
pub(super) async fn set(State(sim): State<Handle>, Json(set): Json<Set>) -> Reply {
    let everyone = set.sender.is_none() && set.receiver.is_none();
    if let Some(channel) = set.channel.or(everyone.then(|| sim.voice_channel_id())) {
        sim.faults().set_channel(channel, set.faults);
    }
    if let Some(user) = set.sender {
        sim.faults().set_sender(user, set.faults);
    }
    if let Some(user) = set.receiver {
        sim.faults().set_receiver(user, set.faults);
    }
    done(Ok(()))
}

/// `DELETE /sim/faults`: all of them.
pub(super) async fn clear(State(sim): State<Handle>) -> Reply {
    sim.faults().clear();
    done(Ok(()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lost {
    user: UserId,
    op: u8,
    #[serde(default = "once")]
    count: u32,
    /// Whether they arrive damaged instead.
    #[serde(default)]
    spoil: bool,
}

fn once() -> u32 {
    1
}

/// `POST /sim/faults/drop`: the next binary messages of an opcode to a user are lost, or damaged.
pub(super) async fn drop_binary(State(sim): State<Handle>, Json(lost): Json<Lost>) -> Reply {
    if lost.spoil {
        sim.faults().spoil_binary(lost.user, lost.op, lost.count);
    } else {
        sim.faults().drop_binary(lost.user, lost.op, lost.count);
    }
    done(Ok(()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refuse {
    user: UserId,
    /// With a code, identifying is refused with it; without, resuming is refused with 4006.
    code: Option<u16>,
    #[serde(default = "once")]
    count: u32,
}

/// `POST /sim/faults/refuse`: a user's next attempts at the voice gateway are refused.
pub(super) async fn refuse(State(sim): State<Handle>, Json(refuse): Json<Refuse>) -> Reply {
    match refuse.code {
        Some(code) => sim.faults().refuse_identify(refuse.user, code, refuse.count),
        None => sim.faults().refuse_resume(refuse.user, refuse.count),
    }
    done(Ok(()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FailRest {
    path: String,
    status: u16,
    #[serde(default = "once")]
    count: u32,
}

/// `POST /sim/faults/rest`: the next requests whose path contains something fail.
pub(super) async fn fail_rest(State(sim): State<Handle>, Json(fail): Json<FailRest>) -> Reply {
    sim.faults().fail_rest(&fail.path, fail.status, fail.count);
    done(Ok(()))
}

/// `GET /sim/faults/dave`: the faults of encrypted calls that can be asked for, with the reports they are modelled on.
pub(super) async fn dave_faults() -> Reply {
    let faults = DaveFault::ALL.map(|fault| json!({ "fault": fault.name(), "report": fault.report() }));
    Ok(Json(json!({ "faults": faults })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provoke {
    user: UserId,
    fault: DaveFault,
}

/// `POST /sim/faults/dave`: puts one of them in force for a user.
pub(super) async fn provoke(State(sim): State<Handle>, Json(provoke): Json<Provoke>) -> Reply {
    done(sim.provoke(provoke.fault, provoke.user))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CloseResumed {
    user: UserId,
    code: u16,
    #[serde(default = "once")]
    count: u32,
}

/// `POST /sim/faults/resumed`: the next sessions that a user resumes are closed at once.
pub(super) async fn close_resumed(State(sim): State<Handle>, Json(close): Json<CloseResumed>) -> Reply {
    sim.faults().close_resumed(close.user, close.code, close.count);
    done(Ok(()))
}

/// `POST /sim/faults/voice-server-first`: VOICE_SERVER_UPDATE comes before VOICE_STATE_UPDATE.
pub(super) async fn voice_server_first(State(sim): State<Handle>) -> Reply {
    sim.faults().send_voice_server_first();
    done(Ok(()))
}
