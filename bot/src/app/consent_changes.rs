//! Changes of consent: register, running session and disk agree.
use antiphon_core::event::Consent;
use antiphon_core::ids::{GuildId, UserId};

use super::{App, ConsentError};

impl App {
    /// Whether people of a guild must agree before they are heard.
    pub fn opt_in(&self, guild: GuildId) -> bool {
        self.consents.policy(guild) == Consent::Withheld
    }

    /// Whether the bot has a voice to say that it listens.
    pub(crate) fn speaks_its_notice(&self) -> bool {
        self.settings.spoken_notice && !self.providers.report().tts.is_empty()
    }

    /// What a person said about being heard, if anything.
    pub fn consent_said(&self, guild: GuildId, user: UserId) -> Option<Consent> {
        self.consents.said(guild, user)
    }

    /// Whether a person may be heard: what they said, else what the guild chose.
    pub fn consent_of(&self, guild: GuildId, user: UserId) -> Consent {
        self.consents.of(guild, user)
    }

    /// Applies what a person said to the running session at once, and keeps it. After an error it holds until the
    /// process ends.
    pub async fn set_consent(
        &self,
        guild: GuildId,
        user: UserId,
        consent: Consent,
    ) -> Result<(), ConsentError> {
        self.consents.say(guild, user, consent);
        if let Some(session) = self.sessions.of_guild(guild) {
            session.consent(user, consent).await;
        }
        self.keep_consents(guild).await
    }

    /// Sets what holds in a guild for people who said nothing, applies it to the running session, and keeps it. Words for
    /// the person who asked when it cannot be.
    pub async fn set_policy(&self, guild: GuildId, policy: Consent, who: &str) -> Result<(), String> {
        let consents = self.consents.clone();
        let set = tokio::task::spawn_blocking(move || consents.set_policy(guild, policy)).await;
        if !set.unwrap_or(false) {
            return Err("What people here said earlier was damaged on disk, so no one is heard before they agree. The operator can restore the register.".to_owned());
        }
        let name = if policy == Consent::Withheld { "opt_in" } else { "opt_out" };
        self.audit(guild, "consent_policy_changed", who, "consent.default", name);
        if let Some(session) = self.sessions.of_guild(guild) {
            for (member, held) in session.roster() {
                let consent = self.consent_of(guild, member.user);
                if consent != held && !member.bot {
                    session.consent(member.user, consent).await;
                }
            }
        }
        self.keep_consents(guild).await.map_err(|_| {
            "That holds until I restart: it could not be written down. Please report it to the operator."
                .to_owned()
        })
    }

    async fn keep_consents(&self, guild: GuildId) -> Result<(), ConsentError> {
        let consents = self.consents.clone();
        let kept = tokio::task::spawn_blocking(move || consents.keep(guild))
            .await
            .unwrap_or_else(|error| Err(ConsentError::failed(&self.settings.data, error)));
        if let Err(error) = &kept {
            tracing::error!(%guild, %error, "consents hold in this process only");
        }
        kept
    }
}
