//! Who agreed to be heard, kept across restarts: `<data>/consent/<guild>.json`, written by rename.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use antiphon_core::event::Consent;
use antiphon_core::ids::{GuildId, UserId};
use serde::{Deserialize, Serialize};

/// People of a guild who said yes or no.
type Said = BTreeMap<UserId, Consent>;

/// A guild's file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// What the guild chose for people who said nothing; the operator's choice when it chose nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<Consent>,
    said: Said,
}

impl ConsentError {
    pub(super) fn failed(data: &Path, why: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { path: data.join("consent"), why: std::io::Error::other(why) }
    }
}

/// What is known of one guild.
#[derive(Debug, Clone)]
struct Register {
    said: Said,
    /// What the guild chose for people who said nothing.
    chosen: Option<Consent>,
    /// What holds for people who said nothing.
    others: Consent,
    /// The file on disk cannot be understood: it is moved aside before another is written.
    broken: bool,
}

/// The register of consents.
#[derive(Debug)]
pub struct Consents {
    folder: PathBuf,
    default: Consent,
    guilds: Mutex<BTreeMap<GuildId, Register>>,
    /// Held while a file is written: the newest state is written last.
    writing: Mutex<()>,
}

/// Why a consent could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("consent could not be written to {}: {why}", path.display())]
pub struct ConsentError {
    path: PathBuf,
    why: std::io::Error,
}

impl Consents {
    /// The registers in `data`, with what holds for people who said nothing. Reads all of them, which blocks; afterwards
    /// questions are answered from memory.
    pub fn load(data: &Path, default: Consent) -> Self {
        let consents = Self {
            folder: data.join("consent"),
            default,
            guilds: Mutex::default(),
            writing: Mutex::default(),
        };
        let guilds: BTreeMap<GuildId, Register> = match std::fs::read_dir(&consents.folder) {
            Ok(entries) => entries
                .flatten()
                .filter_map(|entry| guild_of(entry.file_name().to_str()?))
                .map(|guild| (guild, consents.open(guild)))
                .collect(),
            Err(_) => BTreeMap::new(),
        };
        *consents.guilds.lock().unwrap_or_else(PoisonError::into_inner) = guilds;
        consents
    }

    /// What holds in a guild for people who said nothing.
    pub fn policy(&self, guild: GuildId) -> Consent {
        self.with(guild, |register| register.others)
    }

    /// Sets what holds in a guild for people who said nothing. `false` when it cannot be that people are heard who may
    /// have refused: their word was lost. Looks at the disk, which blocks.
    pub fn set_policy(&self, guild: GuildId, policy: Consent) -> bool {
        let lost = self.was_set_aside(guild);
        self.with(guild, |register| {
            if policy == Consent::Granted && (lost || register.broken) {
                return false;
            }
            (register.chosen, register.others) = (Some(policy), policy);
            true
        })
    }

    /// What a person said, if anything.
    pub fn said(&self, guild: GuildId, user: UserId) -> Option<Consent> {
        self.with(guild, |register| register.said.get(&user).copied())
    }

    /// What holds for a person.
    pub fn of(&self, guild: GuildId, user: UserId) -> Consent {
        self.with(guild, |register| register.said.get(&user).copied().unwrap_or(register.others))
    }

    /// Takes in what a person said: it holds in this process from now on.
    pub fn say(&self, guild: GuildId, user: UserId, consent: Consent) {
        self.with(guild, |register| register.said.insert(user, consent));
    }

    /// Writes down what people of a guild said. Blocks until it is on disk.
    pub fn keep(&self, guild: GuildId) -> Result<(), ConsentError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let register = self.with(guild, |register| register.clone());
        let path = self.path(guild);
        let fault = |why| ConsentError { path: path.clone(), why };
        antiphon_core::private_files::create_dir_all(&self.folder).map_err(fault)?;
        if register.broken {
            self.set_aside(guild, &path).map_err(fault)?;
        }
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(fault)?;
        let kept = Kept { others: register.chosen, said: register.said };
        serde_json::to_writer_pretty(&mut file, &kept).map_err(|error| fault(error.into()))?;
        file.as_file().sync_all().map_err(fault)?;
        file.persist(&path).map_err(|error| fault(error.error))?;
        Ok(())
    }

    /// Nothing in a damaged file is lost: it keeps its content under another name, for the operator to repair.
    fn set_aside(&self, guild: GuildId, path: &Path) -> std::io::Result<()> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let aside = self.folder.join(format!("{guild}{BROKEN}{}", now.as_millis()));
        match std::fs::rename(path, &aside) {
            Ok(()) => {
                tracing::error!(aside = %aside.display(), "a register of consents was set aside: repair it, or delete it");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.with(guild, |register| register.broken = false);
        Ok(())
    }

    fn with<T>(&self, guild: GuildId, then: impl FnOnce(&mut Register) -> T) -> T {
        let mut guilds = self.guilds.lock().unwrap_or_else(PoisonError::into_inner);
        then(guilds.entry(guild).or_insert_with(|| Register {
            said: Said::new(),
            chosen: None,
            others: self.default,
            broken: false,
        }))
    }

    fn path(&self, guild: GuildId) -> PathBuf {
        self.folder.join(format!("{guild}.json"))
    }

    /// When the register, or one set aside earlier, cannot be understood, then it is unknown who refused: people who did not
    /// speak up since are not heard, whatever the default says.
    fn open(&self, guild: GuildId) -> Register {
        match self.read(guild) {
            Ok(Kept { others: chosen, said }) => {
                let aside = self.was_set_aside(guild);
                let others = if aside { Consent::Withheld } else { chosen.unwrap_or(self.default) };
                Register { said, chosen, others, broken: false }
            }
            Err(error) => {
                let path = self.path(guild);
                tracing::error!(path = %path.display(), %error, "consents cannot be read: asking everybody again");
                Register { said: Said::new(), chosen: None, others: Consent::Withheld, broken: true }
            }
        }
    }

    fn read(&self, guild: GuildId) -> std::io::Result<Kept> {
        match std::fs::read(self.path(guild)) {
            // Files written before guilds could choose hold people alone.
            Ok(bytes) => match serde_json::from_slice::<Said>(&bytes) {
                Ok(said) => Ok(Kept { others: None, said }),
                Err(_) => Ok(serde_json::from_slice(&bytes)?),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Kept::default()),
            Err(error) => Err(error),
        }
    }

    fn was_set_aside(&self, guild: GuildId) -> bool {
        let aside = format!("{guild}{BROKEN}");
        std::fs::read_dir(&self.folder).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&aside)))
        })
    }
}

/// The guild of a file in the folder: its register, or one that was set aside.
fn guild_of(name: &str) -> Option<GuildId> {
    let (guild, rest) = name.split_once('.')?;
    let register = rest == "json" || rest.starts_with(BROKEN.trim_start_matches('.'));
    if register { guild.parse().ok() } else { None }
}

/// Follows the guild in the name of a register that was set aside; the moment comes after it.
const BROKEN: &str = ".json.broken-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_outlives_the_process_and_stays_within_its_guild() {
        let data = tempfile::tempdir().unwrap();
        let (here, there, user) = (GuildId(1), GuildId(2), UserId(7));
        let consents = Consents::load(data.path(), Consent::Withheld);
        assert_eq!(consents.of(here, user), Consent::Withheld);
        consents.say(here, user, Consent::Granted);
        consents.keep(here).unwrap();
        let again = Consents::load(data.path(), Consent::Withheld);
        assert_eq!(again.of(here, user), Consent::Granted);
        assert_eq!(again.of(there, user), Consent::Withheld);
    }

    #[test]
    fn a_guild_chooses_and_an_older_file_is_read() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("consent");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.json"), r#"{ "7": "withheld" }"#).unwrap();
        let consents = Consents::load(data.path(), Consent::Withheld);
        assert!(consents.set_policy(GuildId(1), Consent::Granted));
        consents.keep(GuildId(1)).unwrap();
        let again = Consents::load(data.path(), Consent::Withheld);
        assert_eq!(again.of(GuildId(1), UserId(7)), Consent::Withheld, "who refused stays unheard");
        assert_eq!(again.of(GuildId(1), UserId(8)), Consent::Granted);
        assert_eq!(again.policy(GuildId(2)), Consent::Withheld);
    }

    #[test]
    fn a_damaged_register_refuses_opt_out() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("consent");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.json"), "{ nonsense").unwrap();
        let consents = Consents::load(data.path(), Consent::Granted);
        assert!(!consents.set_policy(GuildId(1), Consent::Granted));
        assert!(consents.set_policy(GuildId(1), Consent::Withheld));
        consents.keep(GuildId(1)).unwrap();
        assert!(!consents.set_policy(GuildId(1), Consent::Granted), "the file set aside is not repaired");
    }

    #[test]
    fn an_unreadable_register_means_no_consent_and_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("consent");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.json"), "{ nonsense").unwrap();
        let (guild, asked, other) = (GuildId(1), UserId(7), UserId(8));
        let consents = Consents::load(data.path(), Consent::Granted);
        assert_eq!(consents.of(guild, other), Consent::Withheld);
        assert_eq!(consents.of(GuildId(2), other), Consent::Granted);

        consents.say(guild, asked, Consent::Granted);
        consents.keep(guild).unwrap();
        let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let aside = names.filter_map(|name| name.into_string().ok()).find(|name| name.contains(".broken-"));
        assert_eq!(std::fs::read_to_string(folder.join(aside.unwrap())).unwrap(), "{ nonsense");

        // Also after a restart: those whose word was lost are not taken to have agreed.
        for consents in [consents, Consents::load(data.path(), Consent::Granted)] {
            assert_eq!(consents.of(guild, asked), Consent::Granted);
            assert_eq!(consents.of(guild, other), Consent::Withheld);
        }
    }

    #[test]
    fn a_register_set_aside_without_a_new_one_still_counts() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("consent");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("1.json.broken-1700000000000"), "{ nonsense").unwrap();
        std::fs::write(folder.join("notes.txt"), "of the operator's").unwrap();
        let consents = Consents::load(data.path(), Consent::Granted);
        assert_eq!(consents.of(GuildId(1), UserId(7)), Consent::Withheld);
        assert_eq!(consents.of(GuildId(2), UserId(7)), Consent::Granted);
        assert_eq!(consents.said(GuildId(2), UserId(7)), None);
    }

    #[test]
    fn a_consent_that_cannot_be_written_still_holds() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join("consent"), "no folder").unwrap();
        let consents = Consents::load(data.path(), Consent::Granted);
        consents.say(GuildId(1), UserId(7), Consent::Withheld);
        assert!(consents.keep(GuildId(1)).is_err());
        assert_eq!(consents.of(GuildId(1), UserId(7)), Consent::Withheld);
    }
}
