//! Plays a script in a simulation.
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::model::{Role, Script, Step};
use super::parse::BOT;
use crate::client::Played;
use crate::ids::{ChannelId, UserId};
use crate::sim::Handle;
use crate::speaker::{
    Clip, Recording, Said, Speaker, SpeakerError, SpeakerOptions, SpeakerReport, TranscriptBook, espeak,
};

/// How a script went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptReport {
    /// Whether every step of every speaker was done.
    pub ok: bool,
    /// How long it took.
    pub took_ms: u64,
    /// The speakers, in the script's order.
    pub speakers: Vec<RoleRun>,
    /// What was said, in the order in which it began.
    pub said: Vec<Said>,
}

/// How one speaker's part went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleRun {
    /// Its name in the script.
    pub name: String,
    /// Its user.
    pub user: UserId,
    /// The steps that were begun; after one that failed there is no other.
    pub steps: Vec<StepRun>,
    /// What it did and heard, for each time it joined.
    pub reports: Vec<SpeakerReport>,
}

/// How one step went. Times are milliseconds since the script began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRun {
    /// Its name.
    pub step: String,
    /// When it began.
    pub began_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a step. Times are milliseconds since the script began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It was done.
    Done,
    /// Something was said.
    Spoken {
        /// When its first voiced packet was sent.
        first_voiced_ms: Option<u64>,
        /// When its last voiced packet was sent.
        last_voiced_ms: Option<u64>,
        /// Packets sent.
        sent: u32,
        /// Frames that had their time but were not sent.
        unsent: u32,
        /// Whether it was stopped before its end.
        interrupted: bool,
    },
    /// Somebody was heard.
    Heard {
        /// When the first audible packet arrived.
        first_audible_ms: u64,
    },
    /// It could not be done, and neither could what came after it.
    Failed {
        /// Why.
        why: String,
    },
}

/// Plays a checked script. What speakers record goes below `out`, and what they say into `book`.
pub async fn run_script(sim: &Handle, script: &Script, out: &Path, book: &TranscriptBook) -> ScriptReport {
    let mut people = HashMap::from([(BOT.to_owned(), sim.bot_id())]);
    for role in &script.speakers {
        let user = role.user.unwrap_or_else(|| sim.add_user(&role.name));
        people.insert(role.name.clone(), user);
    }
    let stage = Stage {
        sim,
        files: &script.folder,
        out,
        book,
        people,
        channel: script.channel.unwrap_or_else(|| sim.voice_channel_id()),
        zero: Instant::now(),
    };
    // Everything is synthesised and encoded beforehand, so that steps begin when they should.
    let prepared = join_all(script.speakers.iter().map(|role| stage.prepare(role))).await;
    let stage = Stage { zero: Instant::now(), ..stage };
    let deadline = tokio::time::Instant::from_std(stage.zero + Duration::from_millis(script.timeout_ms));

    let mut players: Vec<Player<'_>> = script
        .speakers
        .iter()
        .zip(prepared)
        .map(|(role, clips)| Player {
            role,
            user: stage.person(&role.name),
            clips,
            speaker: None,
            under_way: None,
            steps: Vec::new(),
            reports: Vec::new(),
        })
        .collect();
    join_all(players.iter_mut().map(|player| player.play(&stage, deadline))).await;
    join_all(players.iter_mut().map(|player| player.leave(&stage))).await;

    let speakers: Vec<RoleRun> = players
        .into_iter()
        .map(|player| RoleRun {
            name: player.role.name.clone(),
            user: player.user,
            steps: player.steps,
            reports: player.reports,
        })
        .collect();
    let failed = |run: &RoleRun| run.steps.iter().any(|step| matches!(step.outcome, Outcome::Failed { .. }));
    ScriptReport {
        ok: !speakers.iter().any(failed),
        took_ms: stage.since_start(Instant::now()),
        speakers,
        said: book.all(),
    }
}

struct Stage<'a> {
    sim: &'a Handle,
    files: &'a Path,
    out: &'a Path,
    book: &'a TranscriptBook,
    people: HashMap<String, UserId>,
    channel: ChannelId,
    zero: Instant,
}

type Clips = HashMap<usize, Result<Clip, SpeakerError>>;

impl Stage<'_> {
    fn since_start(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.zero).as_millis()).unwrap_or(u64::MAX)
    }

    /// The user that a name means; checked scripts have no other names.
    fn person(&self, who: &str) -> UserId {
        self.people.get(who).copied().or_else(|| who.parse().ok()).unwrap_or_default()
    }

    async fn prepare(&self, role: &Role) -> Clips {
        let mut clips = HashMap::new();
        for (n, step) in role.steps.iter().enumerate() {
            if let Some(text) = step.text() {
                clips.insert(n, espeak::speak(text, &role.voice).await.map_err(SpeakerError::from));
            } else if let Some(file) = step.wav() {
                let path = self.files.join(file);
                let clip = tokio::task::spawn_blocking(move || Clip::from_wav(&path)).await;
                let clip = clip
                    .unwrap_or_else(|error| Err(crate::speaker::clip::ClipError::Opus(error.to_string())));
                clips.insert(n, clip.map_err(SpeakerError::from));
            }
        }
        clips
    }
}

struct Player<'a> {
    role: &'a Role,
    user: UserId,
    clips: Clips,
    speaker: Option<Speaker>,
    under_way: Option<tokio::task::JoinHandle<Result<Played, SpeakerError>>>,
    steps: Vec<StepRun>,
    reports: Vec<SpeakerReport>,
}

impl Player<'_> {
    async fn play(&mut self, stage: &Stage<'_>, deadline: tokio::time::Instant) {
        for (n, step) in self.role.steps.iter().enumerate() {
            let began = Instant::now();
            let outcome = match tokio::time::timeout_at(deadline, self.step(stage, n, step)).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(why)) => Outcome::Failed { why },
                Err(_) => Outcome::Failed { why: "the script's timeout_ms was over".to_owned() },
            };
            let over = matches!(outcome, Outcome::Failed { .. });
            if let Outcome::Failed { why } = &outcome {
                tracing::warn!(speaker = %self.role.name, step = n, kind = step.name(), why, "a step failed");
            }
            self.steps.push(StepRun {
                step: step.name().to_owned(),
                began_ms: stage.since_start(began),
                ended_ms: stage.since_start(Instant::now()),
                outcome,
            });
            if over {
                return;
            }
        }
    }

    async fn step(&mut self, stage: &Stage<'_>, n: usize, step: &Step) -> Result<Outcome, String> {
        match step {
            Step::WaitMs(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Step::AtMs(ms) => {
                let at = stage.zero + Duration::from_millis(*ms);
                tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await;
            }
            Step::Join => self.join(stage).await?,
            Step::Leave => self.leave(stage).await,
            _ => {
                let speaker = self.speaker.clone().ok_or("it is not in the call")?;
                return self.act(stage, n, step, speaker).await.map_err(|error| error.to_string());
            }
        }
        Ok(Outcome::Done)
    }

    async fn act(
        &mut self,
        stage: &Stage<'_>,
        n: usize,
        step: &Step,
        speaker: Speaker,
    ) -> Result<Outcome, SpeakerError> {
        let ms = Duration::from_millis;
        let heard = |at| Ok(Outcome::Heard { first_audible_ms: stage.since_start(at) });
        match step {
            Step::Say(text) | Step::Play(text) => {
                let clip = self.clip(n)?;
                return Ok(spoken(stage, speaker.speak_clip(&clip, text).await?));
            }
            Step::StartSaying(text) | Step::StartPlaying(text) => {
                let (clip, text) = (self.clip(n)?, text.clone());
                let saying = async move { speaker.speak_clip(&clip, &text).await };
                self.under_way = Some(tokio::spawn(saying));
            }
            Step::Stop | Step::Finish => {
                if *step == Step::Stop {
                    speaker.stop_speaking().await?;
                }
                if let Some(under_way) = self.under_way.take() {
                    let gone = SpeakerError::Client(crate::client::ClientError::Gone);
                    return Ok(spoken(stage, under_way.await.map_err(|_| gone)??));
                }
            }
            Step::Mute => speaker.set_muted(true).await?,
            Step::Unmute => speaker.set_muted(false).await?,
            Step::Cut => speaker.client().cut().await?,
            Step::WaitUntilSpeaking(wait) => {
                let who = stage.person(&wait.who);
                return heard(speaker.wait_until_hearing(who, ms(wait.timeout_ms)).await?);
            }
            Step::WaitUntilSilent(wait) => {
                let who = stage.person(&wait.who);
                speaker.wait_until_silent(who, ms(wait.for_ms), ms(wait.timeout_ms)).await?;
            }
            Step::WaitForKeys(wait) => {
                let with: Vec<UserId> = wait.with.iter().map(|who| stage.person(who)).collect();
                speaker.wait_for_key_with(&with, ms(wait.timeout_ms)).await?;
            }
            Step::BargeIn(barge_in) => {
                let clip = self.clip(n)?;
                let who = stage.person(&barge_in.who);
                let since = speaker.wait_until_hearing(who, ms(barge_in.timeout_ms)).await?;
                let at = since + ms(barge_in.after_ms);
                tokio::time::sleep_until(tokio::time::Instant::from_std(at)).await;
                return Ok(spoken(stage, speaker.speak_clip(&clip, &barge_in.text).await?));
            }
            Step::Join | Step::Leave | Step::WaitMs(_) | Step::AtMs(_) => {}
        }
        Ok(Outcome::Done)
    }

    fn clip(&self, n: usize) -> Result<Clip, SpeakerError> {
        self.clips.get(&n).cloned().unwrap_or(Err(SpeakerError::Client(crate::client::ClientError::Gone)))
    }

    async fn join(&mut self, stage: &Stage<'_>) -> Result<(), String> {
        let credentials =
            stage.sim.join_voice(self.user, stage.channel).map_err(|error| error.to_string())?;
        let mut options = SpeakerOptions::new(stage.sim.ca_pem_path()).book(stage.book);
        options.client.mode = self.role.encryption;
        options.client.muted = self.role.muted;
        if let Some(folder) = &self.role.record {
            let mut recording = Recording::into_folder(stage.out.join(folder));
            recording.names = stage.people.iter().map(|(name, user)| (*user, name.clone())).collect();
            options = options.record(recording);
        }
        self.speaker = Some(Speaker::join(credentials, options).await.map_err(|error| error.to_string())?);
        Ok(())
    }

    async fn leave(&mut self, stage: &Stage<'_>) {
        if let Some(speaker) = self.speaker.take() {
            self.reports.push(speaker.leave().await);
            // It may have been removed from the call before: then there is nothing to leave.
            if let Err(error) = stage.sim.leave_voice(self.user) {
                tracing::debug!(speaker = %self.role.name, %error, "had left already");
            }
        }
        if let Some(under_way) = self.under_way.take() {
            under_way.abort();
        }
    }
}

fn spoken(stage: &Stage<'_>, played: Played) -> Outcome {
    Outcome::Spoken {
        first_voiced_ms: played.first_voiced.map(|at| stage.since_start(at)),
        last_voiced_ms: played.last_voiced.map(|at| stage.since_start(at)),
        sent: played.sent,
        unsent: played.unsent,
        interrupted: played.interrupted,
    }
}
