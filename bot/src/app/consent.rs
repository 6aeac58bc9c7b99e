//! Who agreed to be heard, kept across restarts: `<data>/consent/<guild>.json`, written by rename.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ledger::event::Consent;
use ledger::ids::{GuildId, UserId};

/// People of a guild who said yes or no.
type Said = BTreeMap<UserId, Consent>;

/// The register of consents.
#[derive(Debug)]
pub struct Consents {
    folder: PathBuf,
    default: Consent,
    said: Mutex<BTreeMap<GuildId, Said>>,
}

/// Why a consent could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("consent could not be written to {path}: {why}")]
pub struct ConsentError {
    path: PathBuf,
    why: std::io::Error,
}

impl Consents {
    /// A register in `data`, with what holds for people who said nothing.
    pub fn new(data: &Path, default: Consent) -> Self {
        Self { folder: data.join("consent"), default, said: Mutex::default() }
    }

    /// What holds for people who said nothing.
    pub fn default_consent(&self) -> Consent {
        self.default
    }

    /// What holds for somebody.
    pub fn of(&self, guild: GuildId, user: UserId) -> Consent {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let guild = said.entry(guild).or_insert_with(|| self.read(guild));
        guild.get(&user).copied().unwrap_or(self.default)
    }

    /// Writes down what somebody said. It holds in this process even when it cannot be written.
    pub fn set(&self, guild: GuildId, user: UserId, consent: Consent) -> Result<(), ConsentError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let people = said.entry(guild).or_insert_with(|| self.read(guild));
        people.insert(user, consent);
        let path = self.path(guild);
        let fault = |why| ConsentError { path: path.clone(), why };
        std::fs::create_dir_all(&self.folder).map_err(fault)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fault)?;
        serde_json::to_writer_pretty(&mut file, people).map_err(|error| fault(error.into()))?;
        file.as_file().sync_all().map_err(fault)?;
        file.persist(&path).map_err(|error| fault(error.error))?;
        Ok(())
    }

    fn path(&self, guild: GuildId) -> PathBuf {
        self.folder.join(format!("{guild}.json"))
    }

    /// A register that cannot be read counts as: nobody agreed. It is never overwritten by a guess, since a change
    /// writes the whole file only after it was read.
    fn read(&self, guild: GuildId) -> Said {
        let path = self.path(guild);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Said::new(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "consents cannot be read: asking everybody again");
                return Said::new();
            }
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "consents cannot be understood: asking everybody again");
            Said::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_outlives_the_process_and_stays_within_its_guild() {
        let data = tempfile::tempdir().unwrap();
        let (here, there, user) = (GuildId(1), GuildId(2), UserId(7));
        let consents = Consents::new(data.path(), Consent::Withheld);
        assert_eq!(consents.of(here, user), Consent::Withheld);
        consents.set(here, user, Consent::Granted).unwrap();
        let again = Consents::new(data.path(), Consent::Withheld);
        assert_eq!(again.of(here, user), Consent::Granted);
        assert_eq!(again.of(there, user), Consent::Withheld);
    }

    #[test]
    fn a_register_that_cannot_be_read_means_that_nobody_agreed() {
        let data = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(data.path().join("consent")).unwrap();
        std::fs::write(data.path().join("consent/1.json"), "{ nonsense").unwrap();
        let consents = Consents::new(data.path(), Consent::Withheld);
        assert_eq!(consents.of(GuildId(1), UserId(7)), Consent::Withheld);
    }
}
