//! A bot on the real serenity and songbird, for tests: it joins, plays a tone, and notes every packet it hears.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, Once, OnceLock};
use std::time::Duration;

use discord_sim::{ChannelId, Event, Sim, UserId};
use serenity::all::{ClientBuilder, GatewayIntents, HttpBuilder, ShardManager};
use serenity::async_trait;
use songbird::driver::DecodeMode;
use songbird::input::{Input, RawAdapter};
use songbird::packet::Packet;
use songbird::{Call, Config, CoreEvent, EventContext, EventHandler, SerenityInit, Songbird};

/// Long enough for a busy machine; nothing waits for it to pass.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// Runs a test on the one runtime of this process. songbird's scheduler is one for the whole process and lives on the
/// runtime that first used it: with a runtime per test, drivers of later tests would wait for it forever.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let build =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    RUNTIME.get_or_init(build).block_on(test)
}

/// Makes this process trust the simulation's certificate authority.
#[allow(unsafe_code)]
pub(crate) fn trust(sim: &Sim) {
    static ONCE: Once = Once::new();
    let path = sim.ca_pem_path().to_owned();
    // SAFETY: set once, and read only by TLS connections that are made after it.
    ONCE.call_once(|| unsafe { std::env::set_var("SSL_CERT_FILE", path) });
}

pub(crate) async fn start_sim() -> Sim {
    let sim = Sim::builder().start().await.unwrap();
    trust(&sim);
    sim
}

pub(crate) fn http(sim: &Sim, token: &str) -> serenity::http::Http {
    HttpBuilder::new(token).proxy(sim.http_url()).ratelimiter_disabled(true).build()
}

/// What a bot heard and lived through.
#[derive(Default)]
pub(crate) struct Heard {
    /// Opus payloads by SSRC, in order of arrival.
    pub(crate) packets: HashMap<u32, Vec<Vec<u8>>>,
    pub(crate) users: HashMap<u32, u64>,
    pub(crate) disconnects: Vec<String>,
    pub(crate) reconnects: usize,
    pub(crate) left: Vec<u64>,
}

#[derive(Clone)]
struct Ear(Arc<Mutex<Heard>>);

#[async_trait]
impl EventHandler for Ear {
    async fn act(&self, ctx: &EventContext<'_>) -> Option<songbird::Event> {
        let mut heard = self.0.lock().unwrap();
        match ctx {
            EventContext::RtpPacket(data) => {
                let rtp = data.rtp();
                let payload = rtp.payload();
                let opus = payload[data.payload_offset..payload.len() - data.payload_end_pad].to_vec();
                heard.packets.entry(rtp.get_ssrc()).or_default().push(opus);
            }
            EventContext::SpeakingStateUpdate(update) => {
                heard.users.insert(update.ssrc, update.user_id.map_or(0, |user| user.0));
            }
            EventContext::DriverDisconnect(data) => heard.disconnects.push(format!("{:?}", data.reason)),
            EventContext::DriverReconnect(_) => heard.reconnects += 1,
            EventContext::ClientDisconnect(data) => heard.left.push(data.user_id.0),
            _ => {}
        }
        None
    }
}

pub(crate) struct Bot {
    pub(crate) user: UserId,
    pub(crate) songbird: Arc<Songbird>,
    pub(crate) heard: Arc<Mutex<Heard>>,
    shards: Arc<ShardManager>,
    task: tokio::task::JoinHandle<()>,
}

impl Bot {
    /// Logs in, and waits until the gateway has it.
    pub(crate) async fn start(sim: &Sim, user: UserId, token: &str) -> Self {
        let songbird = Songbird::serenity_from_config(Config::default().decode_mode(DecodeMode::Decrypt));
        let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_VOICE_STATES;
        let mut client = ClientBuilder::new_with_http(http(sim, token), intents)
            .register_songbird_with(songbird.clone())
            .await
            .unwrap();
        let shards = client.shard_manager.clone();
        let cursor = sim.events().cursor();
        let task = tokio::spawn(async move {
            client.start().await.unwrap();
        });
        sim.events()
            .wait_from(cursor, |event| *event == Event::GatewayIdentified { user }, LONG)
            .await
            .unwrap();
        Self { user, songbird, heard: Arc::default(), shards, task }
    }

    /// Another bot of the same guild.
    pub(crate) async fn another(sim: &Sim, name: &str) -> Self {
        let bot = sim.add_bot(name);
        Self::start(sim, bot.user_id, &bot.token).await
    }

    pub(crate) async fn join(&self, sim: &Sim, channel: ChannelId) -> Arc<tokio::sync::Mutex<Call>> {
        let guild = std::num::NonZeroU64::new(sim.guild_id().0).unwrap();
        let channel = std::num::NonZeroU64::new(channel.0).unwrap();
        let call = self.songbird.get_or_insert(guild);
        {
            let mut call = call.lock().await;
            call.remove_all_global_events();
            let ear = Ear(self.heard.clone());
            for event in [
                CoreEvent::RtpPacket,
                CoreEvent::SpeakingStateUpdate,
                CoreEvent::DriverDisconnect,
                CoreEvent::DriverReconnect,
                CoreEvent::ClientDisconnect,
            ] {
                call.add_global_event(event.into(), ear.clone());
            }
        }
        self.songbird.join(guild, channel).await.unwrap()
    }

    pub(crate) async fn leave(&self, sim: &Sim) {
        self.songbird.leave(std::num::NonZeroU64::new(sim.guild_id().0).unwrap()).await.unwrap();
    }

    /// How many packets of a stream were heard.
    pub(crate) fn count(&self, ssrc: u32) -> usize {
        self.heard.lock().unwrap().packets.get(&ssrc).map_or(0, Vec::len)
    }

    pub(crate) async fn stop(self) {
        self.shards.shutdown_all().await;
        self.task.abort();
    }
}

/// Some seconds of a 440 Hz tone, as songbird plays it.
pub(crate) fn tone(seconds: f32) -> Input {
    let frames = (48_000.0 * seconds) as usize;
    let sample = |n: usize| (n as f32 * 440.0 * std::f32::consts::TAU / 48_000.0).sin() * 0.3;
    let pcm: Vec<u8> = (0..frames).flat_map(|n| [sample(n), sample(n)]).flat_map(f32::to_le_bytes).collect();
    RawAdapter::new(Cursor::new(pcm), 48_000, 2).into()
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = tokio::time::Instant::now() + LONG;
    while !so() {
        assert!(tokio::time::Instant::now() < end, "{what}: not within {LONG:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until an epoch with exactly these members is in use.
pub(crate) async fn epoch_of(sim: &Sim, from: discord_sim::Cursor, users: &[UserId]) -> u64 {
    let mut wanted = users.to_vec();
    wanted.sort();
    let is_it = |event: &Event| {
        let Event::DaveEpoch { members, .. } = event else { return false };
        let mut members = members.clone();
        members.sort();
        members == wanted
    };
    match sim.events().wait_from(from, is_it, LONG).await.unwrap().event {
        Event::DaveEpoch { epoch, .. } => epoch,
        _ => unreachable!("only epochs match"),
    }
}

/// The SSRC that a user has in its newest voice session.
pub(crate) fn ssrc_of(sim: &Sim, user: UserId) -> u32 {
    let entries = sim.events().snapshot();
    let found = entries.iter().rev().find_map(|entry| match entry.event {
        Event::VoiceReady { user: who, ssrc, .. } if who == user => Some(ssrc),
        _ => None,
    });
    found.expect("the user is in the call")
}

/// Decodes a stream's packets as libopus does, and gives the loudness of the whole.
pub(crate) fn loudness(packets: &[Vec<u8>]) -> f32 {
    let mut decoder = opus2::Decoder::new(48_000, opus2::Channels::Stereo).unwrap();
    let (mut sum, mut count) = (0.0_f64, 0_usize);
    let mut pcm = vec![0.0_f32; 5760 * 2];
    for packet in packets {
        let samples = decoder.decode_float(packet, &mut pcm, false).expect("good Opus") * 2;
        sum += pcm[..samples].iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        count += samples;
    }
    (sum / count.max(1) as f64).sqrt() as f32
}
