//! serenity with songbird, as one of the libraries that the interoperability run asks by lines of JSON.
//!
//! Started by `interop/run.sh`, which sets the variables.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the answers, and what went wrong")]
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use serenity::all::{
    AutocompleteChoice, ButtonStyle, Client, Command, CommandInteraction, CommandOptionType, CommandType,
    Context, CreateActionRow, CreateAttachment, CreateAutocompleteResponse, CreateButton, CreateCommand,
    CreateCommandOption, CreateInteractionResponse, CreateInteractionResponseFollowup,
    CreateInteractionResponseMessage, EventHandler, GatewayIntents, GuildId, HttpBuilder, Interaction, Ready,
};
use serenity::async_trait;
use sha2::{Digest, Sha256};
use songbird::driver::DecodeMode;
use songbird::input::{Input, RawAdapter};
use songbird::packet::Packet;
use songbird::{CoreEvent, EventContext, SerenityInit, Songbird, TrackEvent};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Notify, oneshot};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CHOICES: [&str; 2] = ["alpha", "beta"];
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const SPEECH_TIMEOUT: Duration = Duration::from_secs(30);

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

fn report(message: &Value) {
    println!("@{message}");
}

/// What arrived, by SSRC, and whose SSRC is whose.
#[derive(Default)]
struct Heard {
    frames: HashMap<u32, Vec<String>>,
    users: HashMap<u32, u64>,
    disconnected: bool,
}

#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Heard>>);

impl Ear {
    fn with<T>(&self, use_it: impl FnOnce(&mut Heard) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl songbird::EventHandler for Ear {
    async fn act(&self, context: &EventContext<'_>) -> Option<songbird::Event> {
        match context {
            EventContext::RtpPacket(data) => {
                let rtp = data.rtp();
                let payload = rtp.payload();
                let end = payload.len() - data.payload_end_pad;
                let opus = payload.get(data.payload_offset..end).unwrap_or_default();
                if opus != SILENCE {
                    let name =
                        Sha256::digest(opus).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
                    self.with(|heard| heard.frames.entry(rtp.get_ssrc()).or_default().push(name));
                }
            }
            EventContext::SpeakingStateUpdate(update) => {
                let user = update.user_id.map_or(0, |user| user.0);
                self.with(|heard| heard.users.insert(update.ssrc, user));
            }
            EventContext::DriverDisconnect(_) => self.with(|heard| heard.disconnected = true),
            EventContext::DriverConnect(_) | EventContext::DriverReconnect(_) => {
                self.with(|heard| heard.disconnected = false);
            }
            _ => {}
        }
        None
    }
}

/// Answers interactions.
struct Commands(Mutex<Option<oneshot::Sender<Context>>>);

#[async_trait]
impl EventHandler for Commands {
    async fn ready(&self, context: Context, _: Ready) {
        if let Some(ready) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _receiver_ended = ready.send(context);
        }
    }

    async fn interaction_create(&self, context: Context, interaction: Interaction) {
        if let Err(error) = answer(&context, &interaction).await {
            eprintln!("an interaction was not answered: {error}");
        }
    }
}

fn message(text: impl Into<String>) -> CreateInteractionResponse {
    CreateInteractionResponse::Message(CreateInteractionResponseMessage::new().content(text))
}

async fn answer(context: &Context, interaction: &Interaction) -> Result<(), Failure> {
    match interaction {
        Interaction::Autocomplete(it) => {
            let typed = it.data.autocomplete().map_or("", |option| option.value);
            let choices = CHOICES.iter().filter(|choice| choice.starts_with(typed));
            let choices = choices.map(|choice| AutocompleteChoice::new(*choice, *choice)).collect();
            let response = CreateAutocompleteResponse::new().set_choices(choices);
            it.create_response(context, CreateInteractionResponse::Autocomplete(response)).await?;
        }
        Interaction::Component(it) => it.create_response(context, message("pressed")).await?,
        Interaction::Command(it) => command(context, it).await?,
        _ => {}
    }
    Ok(())
}

async fn command(context: &Context, it: &CommandInteraction) -> Result<(), Failure> {
    let response = match it.data.name.as_str() {
        "ping" => message("pong"),
        "later" => {
            it.defer(context).await?;
            let file = CreateAttachment::bytes(b"a report".to_vec(), "report.txt");
            let followup = CreateInteractionResponseFollowup::new().content("here it is").add_file(file);
            it.create_followup(context, followup).await?;
            return Ok(());
        }
        "buttons" => {
            let button = CreateButton::new("go").label("Go").style(ButtonStyle::Primary);
            let rows = vec![CreateActionRow::Buttons(vec![button])];
            let message = CreateInteractionResponseMessage::new().content("press").components(rows);
            CreateInteractionResponse::Message(message)
        }
        "find" => {
            let query = it.data.options.first().and_then(|option| option.value.as_str()).unwrap_or_default();
            message(format!("found {query}"))
        }
        "Who" => message(format!("who: {}", it.data.target_id.map_or(0, |id| id.get()))),
        _ => {
            let quoted =
                it.data.resolved.messages.values().next().map_or("", |message| message.content.as_str());
            message(format!("quote: {quoted}"))
        }
    };
    it.create_response(context, response).await?;
    Ok(())
}

/// Answers the host's requests.
struct Guest {
    context: Context,
    songbird: Arc<Songbird>,
    guild: u64,
    ear: Ear,
}

impl Guest {
    fn guild(&self) -> NonZeroU64 {
        NonZeroU64::new(self.guild).unwrap_or(NonZeroU64::MIN)
    }

    async fn handle(&self, request: &Value) -> Result<Value, Failure> {
        let text = |field: &str| request[field].as_str().unwrap_or_default();
        match request["do"].as_str().unwrap_or_default() {
            "guild" => self.known_guild(),
            "register" => self.register().await,
            "join" => self.join(text("channel").parse()?).await,
            "leave" => {
                self.songbird.remove(self.guild()).await.ok();
                Ok(json!({}))
            }
            "wait_connected" => self.wait_connected().await,
            "listen" => {
                self.ear.with(|heard| heard.frames.clear());
                Ok(json!({}))
            }
            "heard" => {
                let user: u64 = text("user").parse()?;
                let frames: Vec<String> = self.ear.with(|heard| {
                    let theirs = heard.users.iter().filter(|(_, owner)| **owner == user);
                    theirs.filter_map(|(ssrc, _)| heard.frames.get(ssrc)).flatten().cloned().collect()
                });
                Ok(json!({ "frames": frames, "failures": 0 }))
            }
            "say" => self.say(text("file")).await,
            other => Err(format!("no such request: {other}").into()),
        }
    }

    fn known_guild(&self) -> Result<Value, Failure> {
        let guild =
            self.context.cache.guild(GuildId::new(self.guild)).ok_or("the guild is not in the cache")?;
        let channels: Vec<&str> = guild.channels.values().map(|channel| channel.name.as_str()).collect();
        Ok(json!({ "name": guild.name, "channels": channels }))
    }

    async fn register(&self) -> Result<Value, Failure> {
        let query = CreateCommandOption::new(CommandOptionType::String, "query", "What to find");
        let commands = vec![
            CreateCommand::new("ping").description("Answers"),
            CreateCommand::new("later").description("Answers later, with a file"),
            CreateCommand::new("buttons").description("Shows a button"),
            CreateCommand::new("find")
                .description("Completes what is typed")
                .add_option(query.required(true).set_autocomplete(true)),
            CreateCommand::new("Who").kind(CommandType::User),
            CreateCommand::new("Quote").kind(CommandType::Message),
        ];
        let made: Vec<Command> = GuildId::new(self.guild).set_commands(&self.context, commands).await?;
        Ok(json!({ "commands": made.iter().map(|command| command.name.as_str()).collect::<Vec<_>>() }))
    }

    async fn join(&self, channel: u64) -> Result<Value, Failure> {
        let call = self.songbird.get_or_insert(self.guild());
        {
            let mut call = call.lock().await;
            call.remove_all_global_events();
            for event in [
                CoreEvent::RtpPacket,
                CoreEvent::SpeakingStateUpdate,
                CoreEvent::DriverConnect,
                CoreEvent::DriverReconnect,
                CoreEvent::DriverDisconnect,
            ] {
                call.add_global_event(event.into(), self.ear.clone());
            }
        }
        self.ear.with(|heard| *heard = Heard::default());
        self.songbird.join(self.guild(), NonZeroU64::new(channel).ok_or("no channel")?).await?;
        Ok(json!({}))
    }

    async fn wait_connected(&self) -> Result<Value, Failure> {
        for _ in 0..400 {
            if !self.ear.with(|heard| heard.disconnected) {
                return Ok(json!({}));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the driver never connected again".into())
    }

    async fn say(&self, file: &str) -> Result<Value, Failure> {
        let wav = std::fs::read(file)?;
        let samples = wav.get(44..).unwrap_or_default().chunks_exact(2);
        let mono = samples.map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0);
        let stereo: Vec<u8> = mono.flat_map(|sample| [sample, sample]).flat_map(f32::to_le_bytes).collect();
        let input: Input = RawAdapter::new(std::io::Cursor::new(stereo), 48_000, 2).into();
        let ended = Arc::new(Notify::new());
        let call = self.songbird.get(self.guild()).ok_or("there is no call")?;
        let track = call.lock().await.play_input(input);
        track.add_event(TrackEvent::End.into(), End(ended.clone()))?;
        tokio::time::timeout(SPEECH_TIMEOUT, ended.notified()).await?;
        Ok(json!({}))
    }
}

struct End(Arc<Notify>);

#[async_trait]
impl songbird::EventHandler for End {
    async fn act(&self, _: &EventContext<'_>) -> Option<songbird::Event> {
        self.0.notify_one();
        None
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let (url, token) = (variable("SIM_URL")?, variable("SIM_TOKEN")?);
    let guild: u64 = variable("SIM_GUILD")?.parse()?;
    let songbird =
        Songbird::serenity_from_config(songbird::Config::default().decode_mode(DecodeMode::Decrypt));
    let http = HttpBuilder::new(&token).proxy(url).ratelimiter_disabled(true).build();
    let me = http.get_current_user().await?;
    http.set_application_id(me.id.get().into());
    let (ready, is_ready) = oneshot::channel();
    let intents = GatewayIntents::GUILDS | GatewayIntents::GUILD_VOICE_STATES;
    let mut client = serenity::client::ClientBuilder::new_with_http(http, intents)
        .event_handler(Commands(Mutex::new(Some(ready))))
        .register_songbird_with(songbird.clone())
        .await?;
    let running = tokio::spawn(async move { run(&mut client).await });
    let context = is_ready.await?;
    let guest = Arc::new(Guest { context, songbird, guild, ear: Ear::default() });
    for _ in 0..200 {
        if guest.known_guild().is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    report(&json!({ "ready": true }));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (request, guest): (Value, _) = (serde_json::from_str(&line)?, guest.clone());
        tokio::spawn(async move {
            let mut answer = match guest.handle(&request).await {
                Ok(answer) => answer,
                Err(error) => json!({ "error": error.to_string() }),
            };
            answer["id"] = request["id"].clone();
            report(&answer);
        });
    }
    running.abort();
    Ok(())
}

async fn run(client: &mut Client) {
    if let Err(error) = client.start().await {
        report(&json!({ "crashed": error.to_string() }));
    }
}
