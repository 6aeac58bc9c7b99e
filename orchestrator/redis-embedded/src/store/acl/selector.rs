//! Commands, keys and channels that are allowed together.

use bytes::Bytes;

use super::categories;
use crate::spec::Spec;
use crate::store::glob;

const UNKNOWN: &str = "Unknown command or category name in ACL";
const NOT_AFTER_ALL: &str = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
 effect. Try 'resetkeys' to start with an empty list of patterns";
const NO_CHANNEL_AFTER_ALL: &str = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not \
 have any effect. Try 'resetchannels' to start with an empty list of channels";
/// Rules and patterns of one selector at most.
const MAX_RULES: usize = 1000;

/// Why a command may not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The command itself, by its name.
    Command(String),
    Key(Bytes),
    Channel(Bytes),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    All,
    Category(&'static str),
    /// A command, and perhaps one of its subcommands (or its first argument).
    Command(String, Option<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    pattern: Bytes,
    read: bool,
    write: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    /// The last one that fits decides.
    rules: Vec<(bool, Rule)>,
    keys: Vec<KeyPattern>,
    channels: Vec<Bytes>,
}

fn is(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

impl Selector {
    pub(crate) fn everything() -> Self {
        let any = Bytes::from_static(b"*");
        Self {
            rules: vec![(true, Rule::All)],
            keys: vec![KeyPattern { pattern: any.clone(), read: true, write: true }],
            channels: vec![any],
        }
    }

    /// Whether nothing at all is forbidden.
    pub(crate) fn is_everything(&self) -> bool {
        self.rules == [(true, Rule::All)] && self.all_keys() && self.all_channels()
    }

    fn all_keys(&self) -> bool {
        self.keys.iter().any(|key| key.read && key.write && &key.pattern[..] == b"*")
    }

    fn all_channels(&self) -> bool {
        self.channels.iter().any(|channel| &channel[..] == b"*")
    }

    /// Changes what is allowed by one word of ACL SETUSER; `known` says whether there is such a command.
    pub(crate) fn apply(&mut self, word: &Bytes, known: impl Fn(&[u8]) -> bool) -> Result<(), &'static str> {
        if self.rules.len().max(self.keys.len()).max(self.channels.len()) >= MAX_RULES {
            return Err("Too many rules for one user");
        }
        match () {
            () if is(word, "allkeys") || &word[..] == b"~*" => {
                self.keys = Self::everything().keys;
            }
            () if is(word, "resetkeys") => self.keys.clear(),
            () if is(word, "allchannels") || &word[..] == b"&*" => {
                self.channels = Self::everything().channels;
            }
            () if is(word, "resetchannels") => self.channels.clear(),
            () if is(word, "allcommands") => self.rules = vec![(true, Rule::All)],
            () if is(word, "nocommands") => self.rules.clear(),
            () => match word.first() {
                Some(b'~') => self.key(word.slice(1..), true, true)?,
                Some(b'%') => {
                    let tilde = word.iter().position(|&byte| byte == b'~').ok_or("Syntax error")?;
                    let access = &word[1..tilde];
                    let has = |mark: u8| access.iter().any(|byte| byte.eq_ignore_ascii_case(&mark));
                    let other = access.iter().any(|byte| !b"rwRW".contains(byte));
                    if other || !(has(b'r') || has(b'w')) {
                        return Err("Syntax error");
                    }
                    self.key(word.slice(tilde + 1..), has(b'r'), has(b'w'))?;
                }
                Some(b'&') => {
                    if self.all_channels() {
                        return Err(NO_CHANNEL_AFTER_ALL);
                    }
                    let channel = word.slice(1..);
                    if !self.channels.contains(&channel) {
                        self.channels.push(channel);
                    }
                }
                Some(sign @ (b'+' | b'-')) => self.rule(*sign == b'+', &word[1..], known)?,
                _ => return Err("Syntax error"),
            },
        }
        Ok(())
    }

    fn key(&mut self, pattern: Bytes, read: bool, write: bool) -> Result<(), &'static str> {
        if self.all_keys() {
            return Err(NOT_AFTER_ALL);
        }
        match self.keys.iter_mut().find(|key| key.pattern == pattern) {
            Some(key) => {
                key.read |= read;
                key.write |= write;
            }
            None => self.keys.push(KeyPattern { pattern, read, write }),
        }
        Ok(())
    }

    fn rule(&mut self, allow: bool, name: &[u8], known: impl Fn(&[u8]) -> bool) -> Result<(), &'static str> {
        let text = String::from_utf8_lossy(name).to_lowercase();
        if text == "@all" {
            self.rules = if allow { vec![(true, Rule::All)] } else { Vec::new() };
            return Ok(());
        }
        let rule = match text.strip_prefix('@') {
            Some(category) => {
                let category = categories::ALL.iter().find(|known| **known == category).ok_or(UNKNOWN)?;
                Rule::Category(category)
            }
            None => {
                let (command, part) = match text.split_once('|') {
                    Some((command, part)) => (command.to_owned(), Some(part.to_owned())),
                    None => (text.clone(), None),
                };
                if !known(command.as_bytes()) {
                    return Err(UNKNOWN);
                }
                Rule::Command(command, part)
            }
        };
        self.rules.retain(|(_, other)| *other != rule);
        self.rules.push((allow, rule));
        Ok(())
    }

    /// Whether a command may run with these words.
    pub(crate) fn check(&self, spec: &Spec, words: &[Bytes]) -> Result<(), Denied> {
        let part = words.get(1).map(|word| String::from_utf8_lossy(word).to_lowercase());
        if !self.allows(spec.name, part.as_deref()) {
            let full = part.map(|part| format!("{}|{part}", spec.name));
            let full = full.filter(|full| categories::of(full).next().is_some());
            return Err(Denied::Command(full.unwrap_or_else(|| spec.name.to_owned())));
        }
        if !self.all_keys() {
            let (read, write) = (!spec.has(Spec::WRITE), spec.has(Spec::WRITE));
            for key in spec.keys_of(words) {
                let fits = |known: &KeyPattern| {
                    (known.read || !read) && (known.write || !write) && glob::matches(&known.pattern, &key)
                };
                if !self.keys.iter().any(fits) {
                    return Err(Denied::Key(key));
                }
            }
        }
        if !self.all_channels() {
            let (channels, literal) = match spec.name {
                "publish" | "spublish" => (words.get(1..2), false),
                "subscribe" | "ssubscribe" => (words.get(1..), false),
                "psubscribe" => (words.get(1..), true),
                _ => (None, false),
            };
            for channel in channels.unwrap_or_default() {
                let fits = |known: &Bytes| {
                    if literal { known == channel } else { glob::matches(known, channel) }
                };
                if !self.channels.iter().any(fits) {
                    return Err(Denied::Channel(channel.clone()));
                }
            }
        }
        Ok(())
    }

    fn allows(&self, command: &str, part: Option<&str>) -> bool {
        let full = part.map(|part| format!("{command}|{part}"));
        let fits = |rule: &Rule| match rule {
            Rule::All => true,
            Rule::Category(category) => {
                let mut of = full.as_deref().map(categories::of).into_iter().flatten().peekable();
                if of.peek().is_some() {
                    of.any(|known| known == *category)
                } else {
                    categories::of(command).any(|known| known == *category)
                }
            }
            Rule::Command(name, None) => name == command,
            Rule::Command(name, only) => name == command && only.as_deref() == part,
        };
        self.rules.iter().rev().find(|(_, rule)| fits(rule)).is_some_and(|(allow, _)| *allow)
    }

    pub(crate) fn describe_commands(&self) -> String {
        let mut out =
            String::from(if self.rules.first() == Some(&(true, Rule::All)) { "+@all" } else { "-@all" });
        for (allow, rule) in &self.rules {
            let sign = if *allow { '+' } else { '-' };
            match rule {
                Rule::All => {}
                Rule::Category(category) => out.push_str(&format!(" {sign}@{category}")),
                Rule::Command(name, None) => out.push_str(&format!(" {sign}{name}")),
                Rule::Command(name, Some(part)) => out.push_str(&format!(" {sign}{name}|{part}")),
            }
        }
        out
    }

    pub(crate) fn describe_keys(&self) -> String {
        let one = |key: &KeyPattern| {
            let mark = match (key.read, key.write) {
                (true, true) => "~",
                (true, false) => "%R~",
                _ => "%W~",
            };
            format!("{mark}{}", String::from_utf8_lossy(&key.pattern))
        };
        self.keys.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn describe_channels(&self) -> String {
        let one = |channel: &Bytes| format!("&{}", String::from_utf8_lossy(channel));
        self.channels.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    /// As a line of ACL LIST has it.
    pub(crate) fn describe(&self) -> String {
        let mut parts = vec![self.describe_keys()];
        parts.push(if self.all_channels() {
            "&*".to_owned()
        } else {
            format!("resetchannels {}", self.describe_channels()).trim_end().to_owned()
        });
        parts.push(self.describe_commands());
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }
}
