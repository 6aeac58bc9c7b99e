//! Puts another Discord library into a call of the simulated Discord, beside two scripted speakers, and judges by the
//! sound whether it heard and was heard.
//!
//! ```sh
//! cargo run -p antiphon-discord-sim --example interop -- node main.mjs
//! ```
//!
//! The command is told by environment variables where everything is, joins the voice channel as the bot, writes what
//! it hears of the first speaker into `SIM_HEARD` until that speaker has been silent for a second, then plays `SIM_SAY`
//! and leaves. One speaker joins before it and one after it, so that it joins the end-to-end encrypted group and then
//! lets somebody in. Several commands, separated by `+`, join the same call, each as a bot of its own.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use discord_sim::speaker::espeak::{self, Voice};
use discord_sim::speaker::{Clip, Recording, Speaker, SpeakerOptions, wav};
use discord_sim::{Event, Sim, UserId};
use tokio::process::{Child, Command};

type Failure = Box<dyn std::error::Error>;

const PATIENCE: Duration = Duration::from_secs(60);
/// How alike what was heard and what was said must be: both ends' Opus lies between, and the other library's pacing.
const ALIKE: f32 = 0.8;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let commands: Vec<String> = std::env::args().skip(1).collect();
    let commands: Vec<&[String]> = commands.split(|word| word == "+").collect();
    if commands.iter().any(|command| command.is_empty()) {
        eprintln!("usage: interop COMMAND [ARGUMENT…] [+ COMMAND [ARGUMENT…]]…");
        return ExitCode::from(2);
    }
    match run(&commands).await {
        Ok(()) => {
            println!("ok: heard and was heard");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(commands: &[&[String]]) -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("discord-sim-interop-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let sim = Sim::builder().start().await?;
    let result = call(&sim, commands, &folder).await;
    for entry in sim.events().snapshot() {
        // What the library asked for and the simulation does not have, or could not read.
        if let Event::RouteMissing { .. } | Event::Unauthorized { .. } | Event::Malformed { .. } =
            &entry.event
        {
            println!("note: {:?}", entry.event);
        }
        if std::env::var_os("SIM_EVENTS").is_some() {
            println!("event: {:?}", entry.event);
        }
    }
    println!("packets: {:?}", sim.stats());
    sim.shutdown().await;
    if result.is_ok() {
        std::fs::remove_dir_all(&folder)?;
    } else {
        println!("recordings are kept in {}", folder.display());
    }
    result
}

/// Another library's program in the call.
struct Guest {
    name: String,
    user: UserId,
    heard: PathBuf,
    process: Child,
}

impl Guest {
    fn start(
        sim: &Sim,
        n: usize,
        command: &[String],
        speaker: UserId,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let (program, arguments) = command.split_first().ok_or("no command")?;
        let name = format!(
            "guest {} ({})",
            n + 1,
            command.last().map_or("", |word| word.rsplit('/').next().unwrap_or(word))
        );
        let (user, token) = match n {
            0 => (sim.bot_id(), sim.bot_token().to_owned()),
            _ => {
                let bot = sim.add_bot(&name);
                (bot.user_id, bot.token)
            }
        };
        let heard = folder.join(format!("heard-{n}.wav"));
        let process = Command::new(program)
            .args(arguments)
            .env("SIM_URL", sim.http_url())
            .env("SIM_GATEWAY", sim.gateway_url())
            .env("SIM_TOKEN", token)
            .env("SIM_GUILD", sim.guild_id().to_string())
            .env("SIM_CHANNEL", sim.voice_channel_id().to_string())
            .env("SIM_SPEAKER", speaker.to_string())
            .env("SIM_SAY", folder.join("say.wav"))
            .env("SIM_HEARD", &heard)
            .env("SSL_CERT_FILE", sim.ca_pem_path())
            .env("NODE_EXTRA_CA_CERTS", sim.ca_pem_path())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { name, user, heard, process })
    }
}

async fn call(sim: &Sim, commands: &[&[String]], folder: &Path) -> Result<(), Failure> {
    let question =
        espeak::speak("Good evening. Can you hear every word that I am saying?", &Voice::default()).await?;
    let answer =
        espeak::synthesize("Yes, I can hear you very well, thank you.", &Voice::named("en-us+f3")).await?;
    wav::write(&folder.join("say.wav"), &answer)?;

    let (anna, ben) = (sim.add_user("Anna"), sim.add_user("Ben"));
    let a = join(sim, anna, folder).await?;
    let mut guests = Vec::new();
    for (n, command) in commands.iter().enumerate() {
        guests.push(Guest::start(sim, n, command, anna, folder)?);
    }
    let mut everybody: Vec<UserId> = guests.iter().map(|guest| guest.user).collect();
    everybody.push(anna);
    a.wait_for_key_with(&everybody, PATIENCE).await?;
    let b = join(sim, ben, folder).await?;
    everybody.push(ben);
    for speaker in [&a, &b] {
        speaker.wait_for_key_with(&everybody, PATIENCE).await?;
    }
    // The guests may need a moment after their keys until they listen.
    tokio::time::sleep(Duration::from_secs(1)).await;

    a.speak_clip(&question, "question").await?;
    let asked = Instant::now();
    let users: Vec<UserId> = guests.iter().map(|guest| guest.user).collect();
    let answered = async {
        for (speaker, user) in
            [&a, &b].into_iter().flat_map(|speaker| users.iter().map(move |user| (speaker, *user)))
        {
            speaker.wait_until_hearing_since(user, asked, PATIENCE).await?;
            speaker.wait_until_silent(user, Duration::from_secs(1), PATIENCE).await?;
        }
        Ok::<(), Failure>(())
    };
    let ended = async {
        for guest in &mut guests {
            let status = tokio::time::timeout(PATIENCE, guest.process.wait()).await??;
            if !status.success() {
                return Err(Failure::from(format!("{} ended with {status}", guest.name)));
            }
        }
        Ok(())
    };
    tokio::try_join!(answered, ended)?;

    for guest in &guests {
        compare(&format!("{} heard Anna", guest.name), &question.decoded()?, &wav::read(&guest.heard)?)?;
    }
    let answer = Clip::from_pcm(&answer)?.decoded()?;
    for (name, speaker) in [("Anna", a), ("Ben", b)] {
        let report = speaker.leave().await;
        println!("{name}: {:?}", report.stats);
        for guest in &guests {
            let person = report.heard.iter().find(|person| person.user == guest.user);
            let person = person.ok_or_else(|| format!("{name} did not hear {}", guest.name))?;
            let recorded = wav::read(person.file.as_deref().ok_or("nothing was recorded")?)?;
            compare(&format!("{name} heard {}: {:?}", guest.name, person.stats), &answer, &recorded)?;
            if person.stats.plain > 0 {
                return Err(format!(
                    "{name} heard {} unencrypted frames of {}",
                    person.stats.plain, guest.name
                )
                .into());
            }
        }
    }
    Ok(())
}

async fn join(sim: &Sim, user: UserId, folder: &Path) -> Result<Speaker, Failure> {
    let credentials = sim.join_voice(user, sim.voice_channel_id())?;
    let recording = Recording::into_folder(folder.join(user.to_string()));
    Ok(Speaker::join(credentials, SpeakerOptions::new(sim.ca_pem_path()).record(recording)).await?)
}

/// Looks for what was said in what was heard, by normalised cross-correlation, a second at a time: the parts may lie a
/// little apart when the other end paused.
fn compare(what: &str, said: &[f32], heard: &[f32]) -> Result<(), Failure> {
    let loud = |samples: &[f32]| samples.iter().position(|sample| sample.abs() > 0.02).unwrap_or(0);
    let (said, heard) = (&said[loud(said)..], &heard[loud(heard)..]);
    let seconds = heard.len() as f32 / 48e3;
    // What was quiet at the end may not have been sent.
    let heard = [heard, &[0.0; 48_000]].concat();
    let mut worst = f32::MAX;
    // The very beginning is not judged: a library may not know yet whose the first packet is.
    const SKIP: usize = 9600;
    for (n, part) in said
        .get(SKIP..)
        .unwrap_or_default()
        .chunks(48_000)
        .enumerate()
        .filter(|(_, part)| part.len() >= 24_000)
    {
        let energy: f32 = part.iter().map(|x| x * x).sum();
        if energy < 1.0 {
            continue;
        }
        let near = SKIP + n * 48_000;
        // A rough look everywhere, and a close one where it fits best.
        let score = |at: usize, every: usize| {
            heard.get(at..at + part.len()).map_or(0.0, |window| likeness(part, window, every))
        };
        let rough = (near.saturating_sub(4800)..near + 4800)
            .map(|at| (score(at, 61), at))
            .fold((0.0, near), |best, this| if this.0 > best.0 { this } else { best })
            .1;
        let best = (rough.saturating_sub(3)..rough + 3).map(|at| score(at, 1)).fold(0.0, f32::max);
        worst = worst.min(best);
    }
    println!("{what}: at least {worst:.3} alike ({:.2} s of {:.2} s)", seconds, said.len() as f32 / 48e3);
    if worst >= ALIKE { Ok(()) } else { Err(format!("{what}, but not well: {worst:.3} alike").into()) }
}

fn likeness(a: &[f32], b: &[f32], every: usize) -> f32 {
    let (dot, aa, bb) = a
        .iter()
        .zip(b)
        .step_by(every)
        .fold((0.0, 0.0, 0.0), |(dot, aa, bb), (x, y)| (dot + x * y, aa + x * x, bb + y * y));
    dot / f32::sqrt(aa * bb).max(1e-9)
}
