//! Who is in a bundle, by what names, and what they are called from now on.
use std::collections::{BTreeMap, BTreeSet};

use super::options::Options;
use super::pseudonym::Key;
use super::scrub::Scrubber;
use super::scrub::names::Names;
use super::scrub::normalize::normalized;
use crate::format::error::{BundleError, Result};
use crate::format::manifest::MANIFEST;
use crate::read::reader::Reader;
use antiphon_core::event::Input;
use antiphon_core::ids::UserId;

/// The most names of people that were only spoken of.
const MOST_HEARD: usize = 5_000;

#[derive(Debug)]
pub(super) struct People {
    pub(super) key: Key,
    /// What people are called from now on, by their ids as they were.
    pub(super) names: BTreeMap<UserId, String>,
    pub(super) bot: UserId,
    /// Pseudonyms and the bot's names, normalized: words that raise no doubt.
    pub(super) known: BTreeSet<String>,
    /// How many people were found by their introducing themselves, or by a title.
    pub(super) heard: usize,
    /// Names that are also words.
    pub(super) ambiguous: Vec<String>,
    pub(super) scrubber: Scrubber,
}

impl People {
    /// Reads a bundle through once, for everybody's names.
    pub(super) fn of(bundle: &Reader, options: &Options) -> Result<Self> {
        let manifest = bundle.manifest();
        let key = options.key.clone();
        let bot = manifest.bot.user;
        // People change their names; each that they ever had goes.
        let mut called: BTreeSet<(UserId, String)> = BTreeSet::new();
        let mut texts: Vec<String> = Vec::new();
        called.extend(manifest.members.iter().map(|member| (member.user, member.name.clone())));
        called.extend(manifest.tracks.iter().map(|track| (track.user, track.name.clone())));
        for line in bundle.inputs()? {
            match line?.input {
                Input::MemberJoined { member, .. } => {
                    called.insert((member.user, member.name));
                }
                Input::TranscriptFinal { text, .. }
                | Input::Asked { text, .. }
                | Input::SayRequested { text, .. } => texts.push(text),
                _ => {}
            }
        }
        for line in bundle.transcripts()? {
            let line = line?;
            called.insert((line.user, line.name));
        }
        called.retain(|(user, name)| *user != bot && *name != user.to_string());
        let users: BTreeSet<UserId> = called
            .iter()
            .map(|(user, _)| *user)
            .chain(manifest.members.iter().map(|member| member.user))
            .chain(manifest.tracks.iter().map(|track| track.user))
            .filter(|user| *user != bot)
            .collect();
        let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
        for user in users {
            let free =
                (0..=u8::MAX).map(|again| key.name(user, again)).find(|name| taken.insert(name.clone()));
            names.insert(user, free.unwrap_or_else(|| key.user(user).to_string()));
        }
        let bots = [manifest.bot.name.as_str(), manifest.settings.wake_name.as_str()];
        let mut index = Names::except(&bots);
        for (user, name) in &called {
            if let Some(pseudonym) = names.get(user) {
                index.add_person(name, pseudonym);
            }
        }
        for name in &options.names {
            index.add_person(name, &key.heard(&normalized(name)));
        }
        for term in &options.terms {
            index.add_term(term);
        }
        index.finish();
        let ambiguous = index.ambiguous();
        let mut scrubber = Scrubber::new(index).map_err(|error| BundleError::Value {
            file: MANIFEST.into(),
            field: "members".into(),
            message: format!("cannot be looked for: {error}"),
        })?;
        let mut know = |id: u64, pseudonym: String| scrubber.know_id(id, pseudonym);
        for user in names.keys().chain([&bot]) {
            know(user.0, key.user(*user).to_string());
        }
        know(manifest.guild.0, key.guild(manifest.guild).to_string());
        know(manifest.channel.0, key.channel(manifest.channel).to_string());
        let mut known: BTreeSet<String> = names.values().map(|name| normalized(name)).collect();
        known.extend(
            bots.iter().flat_map(|name| normalized(name).split(' ').map(str::to_owned).collect::<Vec<_>>()),
        );
        let mut heard = BTreeSet::new();
        for text in &texts {
            for name in scrubber.introductions(text) {
                // Not those who are known, nor the bot, which everybody calls by its name.
                let other = scrubber.scrub(&name).text == name && !known.contains(&normalized(&name));
                if other && heard.len() < MOST_HEARD && heard.insert(normalized(&name)) {
                    let pseudonym = key.heard(&normalized(&name));
                    known.insert(normalized(&pseudonym));
                    scrubber.learn(&name, &pseudonym);
                }
            }
        }
        Ok(Self { key, names, bot, known, heard: heard.len(), ambiguous, scrubber })
    }
}
